import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Records that could be read and are no good R4: a work list, apart from the charts, until somebody has put them right. */
export class RecordsQuarantine1763769600041 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE records.quarantine (
        quarantine_id uuid CONSTRAINT quarantine__pk PRIMARY KEY,
        account_id uuid NOT NULL,
        source text NOT NULL,
        import_id uuid NOT NULL,
        import_file uuid,
        import_line integer NOT NULL,
        message_id text,
        type text NOT NULL,
        source_id text NOT NULL,
        source_updated_at timestamptz,
        -- Of the text as it was sent: the same text again is no second piece of work.
        content_mac bytea NOT NULL,
        resource text NOT NULL,
        -- What stands in its place when it is tried again; the sender's text stays.
        corrected text,
        findings jsonb NOT NULL,
        -- What the fullUrls in it stood for in its Bundle, as Type/<the sender's id>: nothing else says so when it is tried again.
        names jsonb NOT NULL,
        state text NOT NULL CONSTRAINT quarantine__state CHECK (state IN ('open', 'retrying', 'released', 'discarded', 'superseded')),
        version integer NOT NULL DEFAULT 1,
        received_at timestamptz NOT NULL,
        changed_at timestamptz NOT NULL,
        changed_by uuid,
        reason text CONSTRAINT quarantine__reason CHECK (length(reason) BETWEEN 1 AND 500),
        CONSTRAINT quarantine__discarded_for_a_reason CHECK (state <> 'discarded' OR (reason IS NOT NULL AND changed_by IS NOT NULL)),
        CONSTRAINT quarantine__sent_once UNIQUE (source, content_mac));
      CREATE INDEX quarantine__work ON records.quarantine (state, quarantine_id);
      CREATE INDEX quarantine__of_record ON records.quarantine (source, type, source_id) WHERE state = 'open';
      GRANT SELECT, INSERT, UPDATE (corrected, findings, state, version, changed_at, changed_by, reason) ON records.quarantine TO portico_app;

      -- The feed that sent it sees it; the records office puts it right.
      ALTER TABLE records.quarantine ENABLE ROW LEVEL SECURITY;
      CREATE POLICY quarantine__read ON records.quarantine FOR SELECT TO portico_app USING (
        source = (SELECT f.source FROM users.own_feed f)
        OR EXISTS (SELECT 1 FROM users.duty d WHERE d.account_id = platform.account_id() AND d.role = 'records_officer'));
      CREATE POLICY quarantine__feed ON records.quarantine FOR INSERT TO portico_app WITH CHECK (source = (SELECT f.source FROM users.own_feed f));
      CREATE POLICY quarantine__work ON records.quarantine FOR UPDATE TO portico_app USING (
        source = (SELECT f.source FROM users.own_feed f)
        OR EXISTS (SELECT 1 FROM users.duty d WHERE d.account_id = platform.account_id() AND d.role = 'records_officer'));

      -- What came in stands for ever, and so does how it ended.
      CREATE FUNCTION records.keep_quarantine() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF OLD.state IN ('released', 'discarded') THEN RAISE EXCEPTION 'records.quarantine: it is over'; END IF;
        RETURN NEW;
      END $$;
      REVOKE ALL ON FUNCTION records.keep_quarantine FROM PUBLIC;
      CREATE TRIGGER keep BEFORE UPDATE ON records.quarantine FOR EACH ROW EXECUTE FUNCTION records.keep_quarantine();

      ALTER TABLE records.import ADD retry_of uuid CONSTRAINT import__retry_of REFERENCES records.quarantine;
      CREATE INDEX import__of_quarantine ON records.import (retry_of);
      -- A second try is an import of the feed that sent it, asked for by the records office.
      CREATE FUNCTION records.retry_quarantine(_quarantine_id uuid, _import_id uuid, _request_id uuid, _session_id uuid, _now timestamptz) RETURNS boolean
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
      DECLARE q records.quarantine;
      BEGIN
        IF NOT EXISTS (SELECT 1 FROM users.duty d WHERE d.account_id = platform.account_id() AND d.role = 'records_officer') THEN
          RAISE insufficient_privilege USING MESSAGE = 'only the records office tries again';
        END IF;
        UPDATE records.quarantine SET state = 'retrying', version = version + 1, changed_at = _now, changed_by = platform.account_id()
          WHERE quarantine_id = _quarantine_id AND state = 'open' RETURNING * INTO q;
        IF NOT FOUND THEN RETURN false; END IF;
        INSERT INTO records.import (import_id, account_id, source, bundle_type, status, entries, created, updated, unchanged, rejected, by_type,
            received_at, request_id, session_id, queued_at, next_at, retry_of)
          VALUES (_import_id, q.account_id, q.source, 'quarantine', 'queued', 0, 0, 0, 0, 0, '{}', _now, _request_id, _session_id, _now, _now, _quarantine_id);
        RETURN true;
      END $$;
      -- However a second try ends, cancelled and given up included: what it has not settled lies on the list again.
      CREATE FUNCTION records.reopen_quarantine() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$ BEGIN
        UPDATE records.quarantine SET state = 'open', version = version + 1, changed_at = NEW.finished_at
         WHERE quarantine_id = NEW.retry_of AND state = 'retrying';
        RETURN NULL;
      END $$;
      CREATE TRIGGER reopen AFTER UPDATE OF finished_at ON records.import FOR EACH ROW
        WHEN (NEW.retry_of IS NOT NULL AND NEW.finished_at IS NOT NULL) EXECUTE FUNCTION records.reopen_quarantine();
      REVOKE ALL ON FUNCTION records.retry_quarantine, records.reopen_quarantine FROM PUBLIC;
      GRANT EXECUTE ON FUNCTION records.retry_quarantine TO portico_app;
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`
      DROP TRIGGER reopen ON records.import;
      DROP FUNCTION records.retry_quarantine, records.reopen_quarantine;
      ALTER TABLE records.import DROP retry_of;
      DROP TABLE records.quarantine;
      DROP FUNCTION records.keep_quarantine;
    `);
  }
}
