import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Addresses and user agents are erased by one function, which writes down who had it done and why. What leaves and proofs
 * are made of stays as it is: there is no way in here to anything but the values behind digests.
 */
export class AuditErasure1763769600020 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE audit.erasure (
        erasure_id uuid CONSTRAINT erasure__pk PRIMARY KEY,
        account_id uuid,
        before timestamptz CONSTRAINT erasure__of_somebody_or_before_a_time CHECK (before IS NOT NULL OR account_id IS NOT NULL),
        reason text NOT NULL CONSTRAINT erasure__reason_length CHECK (length(reason) BETWEEN 1 AND 500),
        erased_by uuid NOT NULL,
        erased_at timestamptz NOT NULL,
        erased integer NOT NULL);
      CREATE TRIGGER no_change BEFORE UPDATE OR DELETE ON audit.erasure FOR EACH ROW EXECUTE FUNCTION audit.immutable();
      CREATE TRIGGER no_truncate BEFORE TRUNCATE ON audit.erasure FOR EACH STATEMENT EXECUTE FUNCTION audit.immutable();

      -- Values of one account, or of all, or those from before a time. Returns how many there were.
      CREATE FUNCTION audit.erase(_id uuid, _account_id uuid, _before timestamptz, _reason text, _by uuid, _at timestamptz) RETURNS integer
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        DECLARE gone integer;
        BEGIN
          DELETE FROM audit.disclosure 
            WHERE (_account_id IS NULL OR actor = _account_id::text) AND (_before IS NULL OR created_at < _before);
          GET DIAGNOSTICS gone = ROW_COUNT;
          INSERT INTO audit.erasure VALUES (_id, _account_id, _before, _reason, _by, _at, gone);
          RETURN gone;
        END $$;

      REVOKE ALL ON FUNCTION audit.erase FROM PUBLIC;
      GRANT EXECUTE ON FUNCTION audit.erase TO portico_auditor;
      GRANT SELECT ON audit.erasure TO portico_auditor;
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`DROP FUNCTION audit.erase; DROP TABLE audit.erasure`);
  }
}
