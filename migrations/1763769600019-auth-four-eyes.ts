import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Two administrators are two people; who disabled an account; reminders of what runs out; why sessions of others were ended;
 * where sign-ins came from that were left half-finished.
 */
export class AuthFourEyes1763769600019 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      -- TWO ADMINISTRATORS ARE TWO PEOPLE. Everybody who could have made this account their own second one: who gave it the role, who
      -- ever sent it a code (to an address of their choice), who is behind the directory that brought it in, and so on up. The
      -- operator and the identity providers are nobody's account: there a line ends. Grants that were taken away stay in it, so
      -- that nobody cuts a line by taking a role away.
      CREATE FUNCTION auth.line_of(_account_id uuid) RETURNS TABLE (account_id uuid)
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
          WITH RECURSIVE line (account_id) AS (
            SELECT _account_id
            UNION
            SELECT behind.account_id FROM line CROSS JOIN LATERAL (
                     SELECT r.granted_by FROM users.account_role r WHERE r.account_id = line.account_id AND r.role IN ('admin', 'directory')
              UNION ALL SELECT d.directory_id FROM users.directory_account d WHERE d.account_id = line.account_id
              UNION ALL SELECT i.created_by FROM auth.invitation i WHERE i.account_id = line.account_id
              UNION ALL SELECT i.created_by FROM auth.invitation i JOIN users.patient p ON p.patient_id = i.patient_id WHERE p.account_id = line.account_id
              UNION ALL SELECT k.created_by FROM auth.client_key k WHERE k.account_id = line.account_id
              UNION ALL SELECT t.created_by FROM auth.scim_token t WHERE t.account_id = line.account_id) AS behind (account_id)
             WHERE behind.account_id IS NOT NULL)
          SELECT line.account_id FROM line $$;

      CREATE FUNCTION auth.keep_four_eyes() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
      BEGIN
        IF NEW.status = 'executed' AND NEW.decided_by IS NOT NULL AND EXISTS (
          SELECT account_id FROM auth.line_of(NEW.requested_by) INTERSECT SELECT account_id FROM auth.line_of(NEW.decided_by)) THEN
          RAISE check_violation USING MESSAGE = 'both administrators go back to the same one', CONSTRAINT = 'account_reset__independent';
        END IF;
        RETURN NULL;
      END $$;
      REVOKE ALL ON FUNCTION auth.line_of, auth.keep_four_eyes FROM PUBLIC;
      -- After the row's own checks, whose words are more particular.
      CREATE CONSTRAINT TRIGGER account_reset__independent AFTER INSERT OR UPDATE ON auth.account_reset
        FOR EACH ROW EXECUTE FUNCTION auth.keep_four_eyes();

      -- What the directory has disabled it may enable again; what a person has disabled it may not, whatever reason they wrote.
      ALTER TABLE users.account ADD COLUMN is_disabled_by_directory boolean NOT NULL DEFAULT false;
      UPDATE users.account a SET is_disabled_by_directory = true FROM users.directory_account d
       WHERE d.account_id = a.account_id AND NOT d.is_active AND a.status = 'disabled'
         AND a.disabled_reason IN ('Deactivated by the directory.', 'Removed by the directory.');
      ALTER TABLE users.account ADD CONSTRAINT account__disabled_by_directory CHECK (status = 'disabled' OR NOT is_disabled_by_directory);

      -- That administrators were told so many days before a key or bearer secret runs out: each once, whichever replica does it.
      CREATE TABLE auth.expiry_reminder (
        credential_id uuid NOT NULL,
        days integer NOT NULL,
        reminded_at timestamptz NOT NULL,
        CONSTRAINT expiry_reminder__pk PRIMARY KEY (credential_id, days));
      GRANT SELECT, INSERT ON auth.expiry_reminder TO portico_app;

      -- Why an administrator has ended sessions of others: of one account, or of everybody. Events point here; never changed.
      CREATE TABLE auth.session_ending (
        session_ending_id uuid CONSTRAINT session_ending__pk PRIMARY KEY,
        account_id uuid,
        reason text NOT NULL,
        ended_by uuid NOT NULL,
        ended_at timestamptz NOT NULL,
        sessions integer NOT NULL CONSTRAINT session_ending__sessions CHECK (sessions >= 0));
      GRANT SELECT, INSERT ON auth.session_ending TO portico_app;

      -- Where a sign-in was begun, in words and as an address, for whoever is told that it was left half-finished; and that they were.
      ALTER TABLE auth.sign_in ADD COLUMN device text, ADD COLUMN address text, ADD COLUMN told_at timestamptz;
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`
      ALTER TABLE auth.sign_in DROP COLUMN device, DROP COLUMN address, DROP COLUMN told_at;
      DROP TABLE auth.session_ending;
      DROP TABLE auth.expiry_reminder;
      ALTER TABLE users.account DROP COLUMN is_disabled_by_directory;
      DROP TRIGGER account_reset__independent ON auth.account_reset;
      DROP FUNCTION auth.keep_four_eyes();
      DROP FUNCTION auth.line_of(uuid);
    `);
  }
}
