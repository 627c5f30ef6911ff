import type { MigrationInterface, QueryRunner } from 'typeorm';

const PROVENANCE = `
  -- The chart that the sender named; patient_id is the one where it is shown now, another after a merge.
  ADD named_patient_id uuid,
  ADD is_deleted boolean NOT NULL DEFAULT false,
  -- Doubts that a reader should know of: 'profile', 'same-clock'.
  ADD flags text[] NOT NULL DEFAULT '{}',
  -- Where it stood in what was delivered: entry of the Bundle (from 0) or line of the file (from 1); MSH-10 of a message.
  ADD import_file uuid,
  ADD import_line integer,
  ADD message_id text`;

/** Imports as jobs: sealed bodies that any replica works off, where each version came from, and what waits for what. */
export class RecordsImportJobs1763769600040 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      ALTER TABLE records.record ${PROVENANCE};
      ALTER TABLE records.record_version ${PROVENANCE};
      UPDATE records.record SET named_patient_id = patient_id WHERE patient_id IS NOT NULL;
      UPDATE records.record_version SET named_patient_id = patient_id WHERE patient_id IS NOT NULL;
      ALTER TABLE records.record ADD CONSTRAINT record__tombstone_is_empty CHECK (is_deleted = (resource = ''));
      ALTER TABLE records.record_version ADD CONSTRAINT record_version__tombstone_is_empty CHECK (is_deleted = (resource = ''));
      CREATE INDEX record__of_import ON records.record (import_id);
      CREATE INDEX record_version__of_import ON records.record_version (import_id);

      -- A version stays as it came. What is not yet settled when it comes is whose it is, and with that under whose key it lies.
      GRANT UPDATE ON records.record_version TO portico_app;
      CREATE POLICY record_version__feed_settle ON records.record_version FOR UPDATE TO portico_app
        USING (source = (SELECT f.source FROM users.own_feed f)) WITH CHECK (source = (SELECT f.source FROM users.own_feed f));
      CREATE FUNCTION records.settle_version_once() RETURNS trigger LANGUAGE plpgsql AS $$
      DECLARE _open text[] := '{patient_id,named_patient_id,resource,gist}';
      BEGIN
        -- Only functions of the table's owner change more: merges of charts whose a version is, rules of the hospital its labels.
        IF current_user <> (SELECT pg_get_userbyid(c.relowner) FROM pg_class c WHERE c.oid = TG_RELID)
           AND (OLD.patient_id IS NOT NULL OR to_jsonb(NEW) - _open IS DISTINCT FROM to_jsonb(OLD) - _open)
          THEN RAISE EXCEPTION 'records.record_version is append-only'; END IF;
        RETURN NEW;
      END $$;
      REVOKE ALL ON FUNCTION records.settle_version_once FROM PUBLIC;
      CREATE TRIGGER settle_once BEFORE UPDATE ON records.record_version FOR EACH ROW EXECUTE FUNCTION records.settle_version_once();

      ALTER TABLE records.import
        DROP CONSTRAINT import__status,
        ADD CONSTRAINT import__status CHECK (status IN ('open', 'queued', 'running', 'completed', 'completed-with-issues', 'failed', 'cancelled')),
        ALTER COLUMN finished_at DROP NOT NULL,
        ADD CONSTRAINT import__finished CHECK ((finished_at IS NULL) = (status IN ('open', 'queued', 'running'))),
        ADD failure text,
        ADD request_id uuid,
        ADD session_id uuid,
        -- Instant of which an export is the state; the clock of what it says is deleted.
        ADD transaction_time timestamptz,
        ADD queued_at timestamptz,
        ADD started_at timestamptz,
        ADD bytes_total bigint NOT NULL DEFAULT 0,
        ADD bytes_done bigint NOT NULL DEFAULT 0,
        ADD deleted integer NOT NULL DEFAULT 0,
        ADD quarantined integer NOT NULL DEFAULT 0,
        ADD flagged integer NOT NULL DEFAULT 0,
        ADD released integer NOT NULL DEFAULT 0,
        ADD issues integer NOT NULL DEFAULT 0,
        -- How far the work is: files done, then byte and line of the next one. Moved in the transaction that stored what is before it.
        ADD at_file integer NOT NULL DEFAULT 0,
        ADD at_byte bigint NOT NULL DEFAULT 0,
        ADD at_line integer NOT NULL DEFAULT 0,
        -- Raised whenever somebody takes the work up: who was thought dead cannot go on with it.
        ADD turn integer NOT NULL DEFAULT 0,
        ADD attempts integer NOT NULL DEFAULT 0,
        ADD next_at timestamptz;
      GRANT UPDATE (status, failure, queued_at, started_at, finished_at, bytes_total, bytes_done, entries, created, updated, unchanged, rejected, deleted, quarantined,
        flagged, released, issues, by_type, at_file, at_byte, at_line, attempts, next_at) ON records.import TO portico_app;
      CREATE INDEX import__due ON records.import (queued_at, import_id) WHERE status IN ('queued', 'running');

      ALTER TABLE records.import_issue ADD file uuid, ADD line integer;

      -- A file of an import. Its body lies in sealed pieces of one size, so that work can go on at any byte.
      CREATE TABLE records.import_file (
        file_id uuid CONSTRAINT import_file__pk PRIMARY KEY,
        import_id uuid NOT NULL CONSTRAINT import_file__import REFERENCES records.import,
        media text NOT NULL CONSTRAINT import_file__media CHECK (media IN ('bundle', 'ndjson')),
        name text,
        -- Types that others refer to come first: what comes after them need not wait.
        rank smallint NOT NULL,
        bytes bigint NOT NULL,
        received_at timestamptz NOT NULL);
      CREATE INDEX import_file__of_import ON records.import_file (import_id, rank, file_id);
      GRANT SELECT, INSERT ON records.import_file TO portico_app;

      CREATE TABLE records.import_chunk (
        file_id uuid NOT NULL,
        ordinal integer NOT NULL,
        account_id uuid NOT NULL,
        body text NOT NULL,
        received_at timestamptz NOT NULL,
        CONSTRAINT import_chunk__pk PRIMARY KEY (file_id, ordinal));
      ALTER TABLE records.import_chunk ALTER COLUMN body SET STORAGE EXTERNAL;
      CREATE INDEX import_chunk__by_age ON records.import_chunk (received_at);
      GRANT SELECT, INSERT, DELETE ON records.import_chunk TO portico_app;

      -- What a record's references mean that has not come yet: 'Type/id' or 'Type?system|value' within the feed.
      CREATE TABLE records.awaited (
        record_id uuid NOT NULL CONSTRAINT awaited__record REFERENCES records.record,
        source text NOT NULL,
        key text NOT NULL,
        is_here boolean NOT NULL DEFAULT false,
        CONSTRAINT awaited__pk PRIMARY KEY (record_id, key));
      CREATE INDEX awaited__by_key ON records.awaited (source, key) WHERE NOT is_here;
      CREATE INDEX awaited__here ON records.awaited (source, record_id) WHERE is_here;
      GRANT SELECT, INSERT, UPDATE (is_here), DELETE ON records.awaited TO portico_app;

      ALTER TABLE records.import_file ENABLE ROW LEVEL SECURITY;
      CREATE POLICY import_file__own ON records.import_file TO portico_app
        USING (EXISTS (SELECT 1 FROM records.import i WHERE i.import_id = import_file.import_id))
        WITH CHECK (EXISTS (SELECT 1 FROM records.import i WHERE i.import_id = import_file.import_id));
      ALTER TABLE records.import_chunk ENABLE ROW LEVEL SECURITY;
      CREATE POLICY import_chunk__own ON records.import_chunk TO portico_app
        USING (account_id = platform.account_id()) WITH CHECK (account_id = platform.account_id());
      ALTER TABLE records.awaited ENABLE ROW LEVEL SECURITY;
      CREATE POLICY awaited__feed ON records.awaited TO portico_app
        USING (source = (SELECT f.source FROM users.own_feed f)) WITH CHECK (source = (SELECT f.source FROM users.own_feed f));

      -- The job that is due for longest, for whoever asks first. A feed's imports are worked in the order in which they came, one at
      -- a time: without clocks the last received is current. Tells ids and nothing else; the work itself is done as the feed's account.
      CREATE FUNCTION records.take_import(_now timestamptz, _until timestamptz) RETURNS TABLE (import_id uuid, account_id uuid, turn integer)
        LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
          UPDATE records.import SET turn = import.turn + 1, next_at = _until WHERE import.import_id = (
            SELECT i.import_id FROM records.import i
             WHERE i.status IN ('queued', 'running') AND i.next_at <= _now
               AND NOT EXISTS (SELECT 1 FROM records.import o WHERE o.source = i.source AND o.status IN ('queued', 'running')
                                AND (o.queued_at, o.import_id) < (i.queued_at, i.import_id))
             ORDER BY i.queued_at, i.import_id LIMIT 1 FOR UPDATE SKIP LOCKED)
          RETURNING import.import_id, import.account_id, import.turn $$;
      -- Says that the work goes on; false: somebody else has it, or it is over.
      CREATE FUNCTION records.keep_import(_import_id uuid, _turn integer, _until timestamptz) RETURNS boolean
        LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
          WITH kept AS (UPDATE records.import SET next_at = _until WHERE import_id = _import_id AND turn = _turn AND finished_at IS NULL RETURNING 1)
          SELECT EXISTS (SELECT 1 FROM kept) $$;
      -- Bodies that nobody will read any more: of uploads that broke off, of imports that are over, and of those that nobody completed in a week.
      CREATE FUNCTION records.sweep_chunks(_before timestamptz, _now timestamptz) RETURNS bigint
        LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
          UPDATE records.import SET status = 'cancelled', finished_at = _now, failure = 'never-completed' WHERE status = 'open' AND received_at < _now - interval '7 days';
          WITH gone AS (DELETE FROM records.import_chunk c WHERE c.received_at < _before AND NOT EXISTS (
            SELECT 1 FROM records.import_file f JOIN records.import i USING (import_id)
             WHERE f.file_id = c.file_id AND i.status IN ('open', 'queued', 'running')) RETURNING 1)
          SELECT count(*) FROM gone $$;
      REVOKE ALL ON FUNCTION records.take_import, records.keep_import, records.sweep_chunks FROM PUBLIC;
      GRANT EXECUTE ON FUNCTION records.take_import, records.keep_import, records.sweep_chunks TO portico_app;
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    const columns =
      'DROP named_patient_id, DROP is_deleted, DROP flags, DROP import_file, DROP import_line, DROP message_id';
    await db.query(`
      DROP FUNCTION records.take_import, records.keep_import, records.sweep_chunks;
      DROP TABLE records.awaited, records.import_chunk, records.import_file;
      ALTER TABLE records.import_issue DROP file, DROP line;
      DROP INDEX records.import__due;
      DELETE FROM records.import_issue USING records.import i WHERE i.import_id = import_issue.import_id AND i.status NOT IN ('completed', 'completed-with-issues', 'failed');
      DELETE FROM records.import WHERE status NOT IN ('completed', 'completed-with-issues', 'failed');
      REVOKE UPDATE (status, finished_at, entries, created, updated, unchanged, rejected, by_type) ON records.import FROM portico_app;
      ALTER TABLE records.import DROP CONSTRAINT import__status, DROP CONSTRAINT import__finished,
        ADD CONSTRAINT import__status CHECK (status IN ('completed', 'completed-with-issues', 'failed')),
        ALTER COLUMN finished_at SET NOT NULL,
        DROP failure, DROP request_id, DROP session_id, DROP transaction_time, DROP queued_at, DROP started_at, DROP bytes_total, DROP bytes_done,
        DROP deleted, DROP quarantined, DROP flagged, DROP released, DROP issues, DROP at_file, DROP at_byte, DROP at_line, DROP turn, DROP attempts, DROP next_at;
      DROP TRIGGER settle_once ON records.record_version;
      DROP FUNCTION records.settle_version_once;
      DROP POLICY record_version__feed_settle ON records.record_version;
      REVOKE UPDATE ON records.record_version FROM portico_app;
      DROP INDEX records.record__of_import, records.record_version__of_import;
      DELETE FROM records.record_version WHERE is_deleted;
      DELETE FROM records.record_version v USING records.record r WHERE r.record_id = v.record_id AND r.is_deleted;
      DELETE FROM records.directory_identifier d USING records.record r WHERE r.record_id = d.record_id AND r.is_deleted;
      DELETE FROM records.record WHERE is_deleted;
      ALTER TABLE records.record ${columns};
      ALTER TABLE records.record_version ${columns};
    `);
  }
}
