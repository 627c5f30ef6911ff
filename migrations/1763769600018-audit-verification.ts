import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What verifications of the log have found, kept for ever; and the answer to "did this event arrive?", for a server that lost
 * the answer to its COMMIT.
 */
export class AuditVerification1763769600018 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE audit.verification (
        verification_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT verification__pk PRIMARY KEY,
        scope text NOT NULL CONSTRAINT verification__scope CHECK (scope IN ('whole', 'increment')),
        -- Null: nobody asked for it, it was due.
        account_id uuid,
        replica text NOT NULL,
        started_at timestamptz NOT NULL,
        finished_at timestamptz NOT NULL,
        verdict text NOT NULL CONSTRAINT verification__verdict CHECK (verdict IN ('verified', 'refused', 'failed')),
        -- From this place to before that one, where the log ended when it began.
        from_idx bigint NOT NULL,
        size bigint NOT NULL,
        root bytea CONSTRAINT verification__root_length CHECK (octet_length(root) = 32),
        -- Size of the newest checkpoint that it covers.
        sealed_size bigint,
        -- The first thing that is wrong.
        kind text,
        place text,
        bad_idx bigint,
        bad_through bigint,
        what text CONSTRAINT verification__what_length CHECK (length(what) <= 500),
        CONSTRAINT verification__found CHECK ((verdict = 'refused') = (kind IS NOT NULL) AND (verdict = 'verified') = (root IS NOT NULL)));
      CREATE TRIGGER no_change BEFORE UPDATE OR DELETE ON audit.verification FOR EACH ROW EXECUTE FUNCTION audit.immutable();
      CREATE TRIGGER no_truncate BEFORE TRUNCATE ON audit.verification FOR EACH STATEMENT EXECUTE FUNCTION audit.immutable();

      -- Which of these events are stored; nothing of what they say.
      CREATE FUNCTION audit.has(_event_ids uuid[]) RETURNS SETOF uuid
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
          SELECT w.id FROM unnest(_event_ids) AS w(id)
           WHERE EXISTS (SELECT 1 FROM audit.inbox b WHERE b.event_id = w.id) OR EXISTS (SELECT 1 FROM audit.entry e WHERE e.event_id = w.id) $$;

      REVOKE ALL ON FUNCTION audit.has FROM PUBLIC;
      GRANT EXECUTE ON FUNCTION audit.has TO portico_app;
      GRANT SELECT, INSERT ON audit.verification TO portico_auditor;
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`DROP FUNCTION audit.has; DROP TABLE audit.verification`);
  }
}
