import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What watches over the ledger: since when events wait for their place, by the database's own clock; which server processes are
 * alive; and events that come a second time because the answer to the first was lost.
 */
export class AuditFaults1763769600021 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      -- No clock of a server process says how long an event has waited.
      ALTER TABLE audit.inbox ADD COLUMN placed_at timestamptz NOT NULL DEFAULT clock_timestamp();

      -- submit, for events that may have been stored already. The insertion waits for the first try where that is still under way; what
      -- was placed in the log meanwhile is taken out again before anybody sees it, so that each event is there once.
      CREATE FUNCTION audit.resubmit(_event_id uuid[], _event text[], _occurred timestamptz[], _actor text[], _subject text[], _action text[],
          _outcome smallint[], _request_id uuid[], _session_id uuid[], _digest text[], _disclosure text[], _disclosure_actor text[]) RETURNS void
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        BEGIN
          PERFORM audit.submit(_event_id, _event, _occurred, _actor, _subject, _action, _outcome, _request_id, _session_id,
            _digest, _disclosure, _disclosure_actor);
          -- A statement of its own sees what was committed while the insertion waited.
          DELETE FROM audit.inbox b WHERE b.event_id = ANY (_event_id)
            AND EXISTS (SELECT 1 FROM audit.entry e WHERE e.event_id = b.event_id);
        END $$;

      -- Server processes, as they were heard last; state and no history, which is in the log (System.start, .heartbeat, .stop).
      CREATE TABLE audit.replica (
        replica text CONSTRAINT replica__pk PRIMARY KEY CONSTRAINT replica__name_length CHECK (length(replica) <= 300),
        version text NOT NULL CONSTRAINT replica__version_length CHECK (length(version) <= 100),
        started_at timestamptz NOT NULL,
        heard_at timestamptz NOT NULL,
        stopped_at timestamptz,
        queue_depth integer NOT NULL,
        refused integer NOT NULL,
        clock_offset_ms integer);

      -- A process says that it is alive, or that it stops; the times are the database's. Who was silent for a week is forgotten.
      CREATE FUNCTION audit.heard(_replica text, _version text, _says text, _queue_depth integer, _refused integer, _clock_offset_ms integer)
        RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        DECLARE _at timestamptz := clock_timestamp();
        BEGIN
          INSERT INTO audit.replica AS r (replica, version, started_at, heard_at, stopped_at, queue_depth, refused, clock_offset_ms)
            VALUES (_replica, _version, _at, _at, CASE WHEN _says = 'stop' THEN _at END, _queue_depth, _refused, _clock_offset_ms)
            ON CONFLICT (replica) DO UPDATE SET version = excluded.version, heard_at = _at, stopped_at = excluded.stopped_at,
              started_at = CASE WHEN _says = 'start' THEN _at ELSE r.started_at END,
              queue_depth = _queue_depth, refused = _refused, clock_offset_ms = _clock_offset_ms;
          IF _says = 'start' THEN DELETE FROM audit.replica WHERE heard_at < _at - interval '7 days'; END IF;
        END $$;

      REVOKE ALL ON FUNCTION audit.resubmit, audit.heard FROM PUBLIC;
      GRANT EXECUTE ON FUNCTION audit.resubmit, audit.heard TO portico_app;
      GRANT SELECT ON audit.replica TO portico_sequencer, portico_auditor;
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`
      DROP FUNCTION audit.heard, audit.resubmit;
      DROP TABLE audit.replica;
      ALTER TABLE audit.inbox DROP COLUMN placed_at;
    `);
  }
}
