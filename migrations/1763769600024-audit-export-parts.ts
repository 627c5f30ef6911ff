import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Exports that are fetched in parts, are given up, or look for an address. Once addresses are erased, an export that looked
 * for one ends, and the address leaves the record of it.
 */
export class AuditExportParts1763769600024 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      -- Where parts of the files with lines begin, and their digests: a download goes on in the nearest one, and proves each.
      ALTER TABLE audit.export ADD COLUMN segments jsonb,
        DROP CONSTRAINT export__state, DROP CONSTRAINT export__finished;
      -- What was prepared before has no parts.
      UPDATE audit.export SET state = 'failed', failure = 'outdated', turn = turn + 1 WHERE state = 'ready';
      ALTER TABLE audit.export
        ADD CONSTRAINT export__state CHECK (state IN ('queued', 'waiting-for-checkpoint', 'preparing', 'ready', 'failed', 'ended')),
        ADD CONSTRAINT export__finished CHECK ((state IN ('ready', 'failed', 'ended')) = (finished_at IS NOT NULL)),
        ADD CONSTRAINT export__in_parts CHECK (state <> 'ready' OR segments IS NOT NULL);

      -- Who asked for what stands for ever, and so does what came of it; an address that was looked for may leave, and nothing else.
      CREATE OR REPLACE FUNCTION audit.keep_export() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF TG_OP = 'DELETE'
          OR (NEW.filter IS DISTINCT FROM OLD.filter AND NEW.filter IS DISTINCT FROM OLD.filter - 'ip')
          OR (OLD.state IN ('failed', 'ended') AND to_jsonb(OLD) - '{filter,turn}'::text[] IS DISTINCT FROM to_jsonb(NEW) - '{filter,turn}'::text[])
          OR (OLD.state = 'ready' AND NEW.state NOT IN ('ready', 'failed', 'ended'))
          OR (OLD.state = 'ready' AND NEW.state = 'ready' AND to_jsonb(OLD) - 'turn' IS DISTINCT FROM to_jsonb(NEW) - 'turn')
          OR (OLD.export_id, OLD.account_id, OLD.request_id, OLD.formats, OLD.reason, OLD.is_disclosing, OLD.base_url, OLD.own_events, OLD.created_at)
             IS DISTINCT FROM
             (NEW.export_id, NEW.account_id, NEW.request_id, NEW.formats, NEW.reason, NEW.is_disclosing, NEW.base_url, NEW.own_events, NEW.created_at)
          OR (OLD.tree_size IS NOT NULL AND (OLD.own_idx, OLD.tree_size, OLD.checkpoint, OLD.previous_size, OLD.previous_checkpoint)
             IS DISTINCT FROM (NEW.own_idx, NEW.tree_size, NEW.checkpoint, NEW.previous_size, NEW.previous_checkpoint))
          OR (OLD.result IS NOT NULL AND (OLD.result, OLD.segments) IS DISTINCT FROM (NEW.result, NEW.segments))
        THEN RAISE EXCEPTION 'audit.export is append-only'; END IF;
        RETURN NEW;
      END $$;

      -- What was erased comes out of no export any more, and none whose digests were made with it pretends to be whole.
      CREATE OR REPLACE FUNCTION audit.end_disclosing_exports() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$ BEGIN
        -- A statement that found nothing to delete comes here as well.
        IF NOT EXISTS (SELECT 1 FROM gone) THEN RETURN NULL; END IF;
        UPDATE audit.export SET state = 'failed', failure = 'values-erased', finished_at = coalesce(finished_at, clock_timestamp()), turn = turn + 1
         WHERE (is_disclosing AND state IN ('preparing', 'ready')) OR (filter ? 'ip' AND state NOT IN ('failed', 'ended'));
        UPDATE audit.export SET filter = filter - 'ip' WHERE filter ? 'ip';
        RETURN NULL;
      END $$;

      -- In the transaction that leaves the event of it. False: it was over before. Null: there is none.
      CREATE FUNCTION audit.end_export(_export_id uuid, _at timestamptz) RETURNS boolean
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$ BEGIN
          IF NOT EXISTS (SELECT 1 FROM audit.export WHERE export_id = _export_id) THEN RETURN NULL; END IF;
          UPDATE audit.export SET state = 'ended', finished_at = coalesce(finished_at, _at), turn = turn + 1
           WHERE export_id = _export_id AND state NOT IN ('failed', 'ended');
          RETURN FOUND;
        END $$;
      REVOKE ALL ON FUNCTION audit.end_export FROM PUBLIC;
      GRANT EXECUTE ON FUNCTION audit.end_export TO portico_app;
      GRANT UPDATE (segments) ON audit.export TO portico_auditor;
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`
      DROP FUNCTION audit.end_export;
      ALTER TABLE audit.export DISABLE TRIGGER keep, DROP CONSTRAINT export__state, DROP CONSTRAINT export__finished, DROP COLUMN segments;
      UPDATE audit.export SET state = 'failed', failure = 'ended' WHERE state = 'ended';
      ALTER TABLE audit.export ENABLE TRIGGER keep,
        ADD CONSTRAINT export__state CHECK (state IN ('queued', 'waiting-for-checkpoint', 'preparing', 'ready', 'failed')),
        ADD CONSTRAINT export__finished CHECK ((state IN ('ready', 'failed')) = (finished_at IS NOT NULL));

      CREATE OR REPLACE FUNCTION audit.keep_export() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
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
      CREATE OR REPLACE FUNCTION audit.end_disclosing_exports() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$ BEGIN
        IF NOT EXISTS (SELECT 1 FROM gone) THEN RETURN NULL; END IF;
        UPDATE audit.export SET state = 'failed', failure = 'values-erased', finished_at = coalesce(finished_at, clock_timestamp()), turn = turn + 1
         WHERE is_disclosing AND state IN ('preparing', 'ready');
        RETURN NULL;
      END $$;
    `);
  }
}
