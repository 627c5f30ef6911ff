import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Exports of the ledger: who asked for what and why, how far the work is, and what came of it. The copies themselves are not
 * kept: they are made anew at each download, byte for byte, so that no second place holds the trail.
 */
export class AuditExports1763769600017 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE audit.export (
        export_id uuid CONSTRAINT export__pk PRIMARY KEY,
        account_id uuid NOT NULL,
        request_id uuid NOT NULL,
        filter jsonb NOT NULL,
        formats text[] NOT NULL CONSTRAINT export__formats CHECK (formats <@ '{ndjson,csv,fhir}' AND cardinality(formats) > 0),
        reason text NOT NULL CONSTRAINT export__reason CHECK (length(reason) BETWEEN 1 AND 500),
        is_disclosing boolean NOT NULL,
        base_url text NOT NULL,
        -- The request leaves one event for each patient that it is about; the last of them is the last line.
        own_events smallint NOT NULL CONSTRAINT export__own_events CHECK (own_events > 0),
        created_at timestamptz NOT NULL,
        state text NOT NULL DEFAULT 'queued'
          CONSTRAINT export__state CHECK (state IN ('queued', 'waiting-for-checkpoint', 'preparing', 'ready', 'failed')),
        failure text,
        own_idx bigint,
        tree_size bigint,
        checkpoint text,
        previous_size bigint,
        previous_checkpoint text,
        -- How far the work is: place in the log, and lines found so far.
        position bigint NOT NULL DEFAULT 0,
        lines bigint NOT NULL DEFAULT 0,
        result jsonb,
        finished_at timestamptz,
        -- Raised whenever somebody takes the work up: who was thought dead cannot finish it any more.
        turn integer NOT NULL DEFAULT 0,
        next_at timestamptz NOT NULL,
        CONSTRAINT export__under_checkpoint CHECK (tree_size > own_idx AND (tree_size IS NULL) = (checkpoint IS NULL)),
        CONSTRAINT export__previous CHECK (previous_size < tree_size AND (previous_size IS NULL) = (previous_checkpoint IS NULL)),
        CONSTRAINT export__ready CHECK (state <> 'ready' OR (result IS NOT NULL AND checkpoint IS NOT NULL)),
        CONSTRAINT export__failed CHECK ((state = 'failed') = (failure IS NOT NULL)),
        CONSTRAINT export__finished CHECK ((state IN ('ready', 'failed')) = (finished_at IS NOT NULL)));
      CREATE INDEX export__due ON audit.export (next_at) WHERE finished_at IS NULL;

      -- The server asks inside the transaction that leaves the export's own event: there is never one without the other.
      CREATE FUNCTION audit.ask_for_export(_export_id uuid, _account_id uuid, _request_id uuid, _filter jsonb, _formats text[], _reason text,
          _is_disclosing boolean, _base_url text, _own_events smallint, _at timestamptz) RETURNS void
        LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
          INSERT INTO audit.export (export_id, account_id, request_id, filter, formats, reason, is_disclosing, base_url, own_events, created_at, next_at)
          VALUES (_export_id, _account_id, _request_id, _filter, _formats, _reason, _is_disclosing, _base_url, _own_events, _at, _at) $$;

      -- Place of the last of an export's own events, found by what they touched: a client may use its request id for other calls too.
      CREATE FUNCTION audit.place_of_export(x audit.export) RETURNS bigint
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
          SELECT max(own.idx) FROM (
            SELECT e.idx FROM audit.entry e WHERE e.request_id = x.request_id AND e.action = 'AuditExport.create' AND e.outcome = 0
               AND e.leaf::jsonb #> '{e,err}' IS NULL
               AND e.leaf::jsonb @> jsonb_build_object('e', jsonb_build_object('res', jsonb_build_array(jsonb_build_object('i', x.export_id))))
             ORDER BY e.idx LIMIT x.own_events) own HAVING count(*) = x.own_events $$;

      -- Size that the sealer is asked to sign on its way, so that an export of the whole log ends exactly with its own event.
      CREATE FUNCTION audit.wanted_checkpoint(_after bigint) RETURNS bigint
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
          SELECT min(wanted.size) FROM (SELECT audit.place_of_export(x) + 1 AS size FROM audit.export x WHERE x.finished_at IS NULL AND x.tree_size IS NULL) wanted
           WHERE wanted.size > _after $$;

      -- Who asked for what stands for ever, and so does what came of it; only values that were erased take an export away.
      CREATE FUNCTION audit.keep_export() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF TG_OP = 'DELETE' OR OLD.state = 'failed'
          OR (OLD.state = 'ready' AND NEW.state <> 'failed')
          OR (OLD.export_id, OLD.account_id, OLD.request_id, OLD.filter, OLD.formats, OLD.reason, OLD.is_disclosing, OLD.base_url, OLD.own_events, OLD.created_at)
             IS DISTINCT FROM
             (NEW.export_id, NEW.account_id, NEW.request_id, NEW.filter, NEW.formats, NEW.reason, NEW.is_disclosing, NEW.base_url, NEW.own_events, NEW.created_at)
          OR (OLD.tree_size IS NOT NULL AND (OLD.own_idx, OLD.tree_size, OLD.checkpoint, OLD.previous_size, OLD.previous_checkpoint)
             IS DISTINCT FROM (NEW.own_idx, NEW.tree_size, NEW.checkpoint, NEW.previous_size, NEW.previous_checkpoint))
          OR (OLD.result IS NOT NULL AND OLD.result IS DISTINCT FROM NEW.result)
        THEN RAISE EXCEPTION 'audit.export is append-only'; END IF;
        RETURN NEW;
      END $$;
      CREATE TRIGGER keep BEFORE UPDATE OR DELETE ON audit.export FOR EACH ROW EXECUTE FUNCTION audit.keep_export();
      CREATE TRIGGER no_truncate BEFORE TRUNCATE ON audit.export FOR EACH STATEMENT EXECUTE FUNCTION audit.immutable();

      -- What was erased comes out of no export any more, and none whose digests were made with it pretends to be whole.
      CREATE FUNCTION audit.end_disclosing_exports() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$ BEGIN
        -- A statement that found nothing to delete comes here as well.
        IF NOT EXISTS (SELECT 1 FROM gone) THEN RETURN NULL; END IF;
        UPDATE audit.export SET state = 'failed', failure = 'values-erased', finished_at = coalesce(finished_at, clock_timestamp()), turn = turn + 1
         WHERE is_disclosing AND state IN ('preparing', 'ready');
        RETURN NULL;
      END $$;
      CREATE TRIGGER end_disclosing_exports AFTER DELETE ON audit.disclosure REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION audit.end_disclosing_exports();

      REVOKE ALL ON FUNCTION audit.ask_for_export, audit.place_of_export, audit.wanted_checkpoint, audit.keep_export, audit.end_disclosing_exports FROM PUBLIC;
      GRANT EXECUTE ON FUNCTION audit.place_of_export TO portico_auditor;
      GRANT EXECUTE ON FUNCTION audit.wanted_checkpoint TO portico_sequencer;
      GRANT EXECUTE ON FUNCTION audit.ask_for_export TO portico_app;
      GRANT SELECT ON audit.export TO portico_auditor;
      GRANT UPDATE (state, failure, own_idx, tree_size, checkpoint, previous_size, previous_checkpoint, position, lines, result, finished_at, turn, next_at)
        ON audit.export TO portico_auditor;
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`
      DROP TRIGGER end_disclosing_exports ON audit.disclosure;
      DROP FUNCTION audit.end_disclosing_exports;
      DROP FUNCTION audit.wanted_checkpoint, audit.place_of_export, audit.ask_for_export;
      DROP TABLE audit.export;
      DROP FUNCTION audit.keep_export;
    `);
  }
}
