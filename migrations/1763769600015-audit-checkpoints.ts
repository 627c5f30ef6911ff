import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What was signed about the log, and who countersigned it. The sealer's role adds a checkpoint through one function, which
 * compares and sets; nobody changes or deletes one.
 */
export class AuditCheckpoints1763769600015 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      -- Names under which the log was signed, one after the other: a restore to an earlier point ends a name for good.
      CREATE TABLE audit.origin (
        generation smallint CONSTRAINT origin__pk PRIMARY KEY CONSTRAINT origin__counted CHECK (generation >= 1),
        origin text NOT NULL CONSTRAINT origin__once UNIQUE CONSTRAINT origin__name CHECK (origin ~ '^[^\\s+]{1,200}$'),
        -- Place of the first event that belongs to it; of the second and later ones, the event that holds closed_note.
        begins_at bigint NOT NULL,
        -- Commitment to the officer's reason, which lies in audit.disclosure.
        reason_digest text,
        -- Last checkpoint of the name before, which the log no longer bears out.
        closed_note text,
        opened_at timestamptz NOT NULL,
        CONSTRAINT origin__closes CHECK (generation = 1 OR reason_digest IS NOT NULL));

      -- C2SP tlog-checkpoint notes as they were signed by the log itself; "published" adds who countersigned.
      CREATE TABLE audit.checkpoint (
        generation smallint NOT NULL DEFAULT 1,
        size bigint NOT NULL CONSTRAINT checkpoint__of_entries CHECK (size >= 1),
        origin text NOT NULL,
        root bytea NOT NULL CONSTRAINT checkpoint__root_length CHECK (octet_length(root) = 32),
        note text NOT NULL CONSTRAINT checkpoint__note_length CHECK (octet_length(note) <= 4000),
        signed_at timestamptz NOT NULL,
        CONSTRAINT checkpoint__pk PRIMARY KEY (generation, size));

      -- Signature lines of witnesses (C2SP tlog-cosignature), each verified before it came here.
      CREATE TABLE audit.cosignature (
        generation smallint NOT NULL,
        size bigint NOT NULL,
        witness text NOT NULL,
        cosigned_at timestamptz NOT NULL,
        line text NOT NULL CONSTRAINT cosignature__one_line CHECK (line !~ '[\\r\\n]' AND octet_length(line) <= 1000),
        CONSTRAINT cosignature__pk PRIMARY KEY (generation, size, witness, cosigned_at));

      -- How the handing over to each target stands: the one table here that is state and no history.
      CREATE TABLE audit.anchor (
        target text CONSTRAINT anchor__pk PRIMARY KEY,
        generation smallint,
        size bigint,
        anchored_at timestamptz,
        failures integer NOT NULL DEFAULT 0,
        failed_at timestamptz,
        failure text CONSTRAINT anchor__failure_length CHECK (length(failure) <= 200));

      -- Public keys of the log, also those whose private half is gone: old checkpoints are verified with them.
      CREATE TABLE audit.verifier_key (
        vkey text CONSTRAINT verifier_key__pk PRIMARY KEY,
        origin text NOT NULL,
        added_at timestamptz NOT NULL);

      CREATE FUNCTION audit.generation() RETURNS smallint LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
        AS $$ SELECT coalesce(max(generation), 1)::smallint FROM audit.origin $$;

      -- What is shown to others: checkpoints of the present name, with the newest line of each witness.
      CREATE VIEW audit.published AS
        SELECT c.size, c.origin, c.root, c.signed_at,
          c.note || coalesce((SELECT string_agg(l.line || E'\\n', '' ORDER BY l.witness) FROM
            (SELECT DISTINCT ON (k.witness) k.witness, k.line FROM audit.cosignature k
              WHERE k.generation = c.generation AND k.size = c.size ORDER BY k.witness, k.cosigned_at DESC) l), '') AS note
        FROM audit.checkpoint c WHERE c.generation = (SELECT audit.generation());

      -- Adds a checkpoint if the newest one is still that of size _after; false: it is not, and nothing was added.
      CREATE FUNCTION audit.seal(_generation smallint, _after bigint, _origin text, _size bigint, _root bytea, _note text, _signed_at timestamptz)
        RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        BEGIN
          PERFORM pg_advisory_xact_lock(hashtext('portico audit sealing'));
          IF _generation <> audit.generation()
             OR _after <> coalesce((SELECT max(size) FROM audit.checkpoint WHERE generation = _generation), 0)
             OR _size <= _after OR _size > (SELECT size FROM audit.head WHERE log_id = 1) THEN RETURN false; END IF;
          IF NOT EXISTS (SELECT 1 FROM audit.origin) THEN
            INSERT INTO audit.origin (generation, origin, begins_at, opened_at) VALUES (1, _origin, 0, _signed_at);
          END IF;
          IF NOT EXISTS (SELECT 1 FROM audit.origin WHERE generation = _generation AND origin = _origin) THEN RETURN false; END IF;
          INSERT INTO audit.checkpoint (generation, size, origin, root, note, signed_at)
            VALUES (_generation, _size, _origin, _root, _note, _signed_at);
          RETURN true;
        END $$;

      -- Closes the present name and opens the next one, with the event that says so in the log; returns the event's place.
      CREATE FUNCTION audit.open_origin(_generation smallint, _origin text, _closed_note text, _at timestamptz,
          _event_id uuid, _event text, _action text, _digest text, _disclosure text) RETURNS bigint
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        DECLARE place bigint;
        BEGIN
          PERFORM pg_advisory_xact_lock(hashtext('portico audit sealing'));
          PERFORM 1 FROM audit.head WHERE log_id = 1 FOR UPDATE;
          IF _generation <> audit.generation() + 1 THEN RAISE EXCEPTION 'another origin was opened meanwhile'; END IF;
          INSERT INTO audit.disclosure (digest, disclosure, actor) VALUES (_digest, _disclosure, '');
          INSERT INTO audit.inbox (event_id, event, occurred, actor, action, outcome, request_id)
            VALUES (_event_id, _event, _at, '', _action, 0, _event_id);
          LOOP
            PERFORM audit.sequence(2000);
            SELECT idx INTO place FROM audit.entry WHERE event_id = _event_id;
            EXIT WHEN place IS NOT NULL;
          END LOOP;
          INSERT INTO audit.origin (generation, origin, begins_at, reason_digest, closed_note, opened_at)
            VALUES (_generation, _origin, place, _digest, _closed_note, _at);
          RETURN place;
        END $$;

      CREATE TRIGGER no_change BEFORE UPDATE OR DELETE ON audit.origin FOR EACH ROW EXECUTE FUNCTION audit.immutable();
      CREATE TRIGGER no_truncate BEFORE TRUNCATE ON audit.origin FOR EACH STATEMENT EXECUTE FUNCTION audit.immutable();
      CREATE TRIGGER no_change BEFORE UPDATE OR DELETE ON audit.checkpoint FOR EACH ROW EXECUTE FUNCTION audit.immutable();
      CREATE TRIGGER no_truncate BEFORE TRUNCATE ON audit.checkpoint FOR EACH STATEMENT EXECUTE FUNCTION audit.immutable();
      CREATE TRIGGER no_change BEFORE UPDATE OR DELETE ON audit.cosignature FOR EACH ROW EXECUTE FUNCTION audit.immutable();
      CREATE TRIGGER no_truncate BEFORE TRUNCATE ON audit.cosignature FOR EACH STATEMENT EXECUTE FUNCTION audit.immutable();
      CREATE TRIGGER no_change BEFORE UPDATE OR DELETE ON audit.verifier_key FOR EACH ROW EXECUTE FUNCTION audit.immutable();
      CREATE TRIGGER no_truncate BEFORE TRUNCATE ON audit.verifier_key FOR EACH STATEMENT EXECUTE FUNCTION audit.immutable();

      REVOKE ALL ON FUNCTION audit.generation, audit.seal, audit.open_origin FROM PUBLIC;
      GRANT EXECUTE ON FUNCTION audit.generation TO portico_sequencer, portico_auditor;
      GRANT EXECUTE ON FUNCTION audit.seal, audit.open_origin TO portico_sequencer;
      GRANT SELECT ON audit.origin, audit.checkpoint, audit.cosignature, audit.anchor, audit.verifier_key, audit.published TO portico_sequencer, portico_auditor;
      GRANT INSERT ON audit.cosignature, audit.verifier_key TO portico_sequencer;
      GRANT INSERT, UPDATE ON audit.anchor TO portico_sequencer;
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`
      DROP VIEW audit.published;
      DROP FUNCTION audit.open_origin, audit.seal, audit.generation;
      DROP TABLE audit.verifier_key, audit.anchor, audit.cosignature, audit.checkpoint, audit.origin;
    `);
  }
}
