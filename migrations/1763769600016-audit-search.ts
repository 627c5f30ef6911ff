import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What officers search the log by. Rows come back by place, by time, by person, by session and by kind of event through an
 * index, in that order; addresses through what the leaves commit to, so that an address that was erased is found no more.
 */
export class AuditSearch1763769600016 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      -- A member of what a commitment opens to (RFC 9901: base64url of ["salt","name",value]); null where there is none.
      CREATE FUNCTION audit.disclosed(_disclosure text, _member text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
        BEGIN
          RETURN convert_from(decode(rpad(translate(_disclosure, '-_', '+/'), (length(_disclosure) + 3) / 4 * 4, '='), 'base64'), 'UTF8')::json
            -> 2 ->> _member;
        -- It stands in an index: what cannot be read must not keep an event from being stored.
        EXCEPTION WHEN data_exception THEN RETURN NULL;
        END $$;
      CREATE INDEX disclosure__of_address ON audit.disclosure (audit.disclosed(disclosure, 'ip'));

      -- Exact in time, which places are nearly; the block-range index is no longer needed beside it.
      CREATE INDEX entry__by_occurred ON audit.entry (occurred, idx);
      DROP INDEX audit.entry__by_time;
      CREATE INDEX entry__of_session ON audit.entry (session_id, idx) WHERE session_id IS NOT NULL;
      CREATE INDEX entry__of_action ON audit.entry (action COLLATE "C", idx);
      -- Refused and failed: a few in a hundred.
      CREATE INDEX entry__of_outcome ON audit.entry (outcome, idx) WHERE outcome <> 0;
      -- Two members of the leaf, the commitment to the address and the purpose, which canonical JSON has behind these very bytes:
      -- reading it as JSON costs more than placing the event. Without the place, equal ones share their key: nine bytes an event.
      CREATE INDEX entry__of_place ON audit.entry (split_part(split_part(leaf, '"net":{"_sd":["', 2), '"', 1));
      CREATE INDEX entry__of_purpose ON audit.entry (split_part(split_part(leaf, ',"purp":"', 2), '"', 1));

      REVOKE ALL ON FUNCTION audit.disclosed FROM PUBLIC;
      GRANT EXECUTE ON FUNCTION audit.disclosed TO portico_auditor;
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE INDEX entry__by_time ON audit.entry USING brin (occurred) WITH (pages_per_range = 32);
      DROP INDEX audit.entry__by_occurred, audit.entry__of_session, audit.entry__of_action, audit.entry__of_outcome, audit.entry__of_place,
        audit.entry__of_purpose, audit.disclosure__of_address;
      DROP FUNCTION audit.disclosed;
    `);
  }
}
