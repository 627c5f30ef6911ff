import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Whom the directory has provisioned and a provider vouches for, one person; and links that were taken away. */
export class AuthSsoPeople1763769600030 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      -- Accounts that a directory has brought in as this, for a sign-in at which nobody is known yet who could read directory_account:
      -- one attribute with one exact value, and of what is found only whose account it is. Those that the directory has removed are
      -- told apart, because their people are not to come in anew.
      CREATE FUNCTION users.provisioned_as(_attribute text, _value text, _directory_id uuid) RETURNS TABLE (account_id uuid, is_removed boolean)
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
          SELECT f.account_id, f.is_removed FROM (
            SELECT d.account_id, d.directory_id, d.removed_at IS NOT NULL AS is_removed FROM users.directory_account d
             WHERE _attribute = 'externalId' AND d.external_id = _value
            UNION ALL
            SELECT d.account_id, d.directory_id, false FROM users.directory_account d JOIN users.account a ON a.account_id = d.account_id
             WHERE _attribute = 'userName' AND a.username_key = _value
            UNION ALL
            SELECT d.account_id, d.directory_id, true FROM users.directory_account d
             WHERE _attribute = 'userName' AND d.removed_at IS NOT NULL AND lower(d.former_username) = _value) f
           WHERE _directory_id IS NULL OR f.directory_id = _directory_id $$;
      CREATE INDEX directory_account__by_external_id_of_any ON users.directory_account (external_id);
      CREATE INDEX directory_account__by_former_username ON users.directory_account (lower(former_username)) WHERE removed_at IS NOT NULL;
      REVOKE ALL ON FUNCTION users.provisioned_as FROM PUBLIC;
      GRANT EXECUTE ON FUNCTION users.provisioned_as TO portico_app;

      -- Links that their holder or an administrator has taken away: none of them is made again by itself.
      CREATE TABLE auth.removed_link (
        account_id uuid NOT NULL,
        issuer text NOT NULL,
        subject text NOT NULL,
        removed_at timestamptz NOT NULL,
        CONSTRAINT removed_link__pk PRIMARY KEY (account_id, issuer, subject));
      GRANT SELECT, INSERT, UPDATE (removed_at) ON auth.removed_link TO portico_app;

      ALTER TABLE auth.account_reset DROP CONSTRAINT account_reset__kind,
        ADD CONSTRAINT account_reset__kind CHECK (kind IN ('factors', 'password', 'unlock', 'email', 'sso-link'));
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`
      -- What administrators did stays: the older words are asked of new rows alone.
      ALTER TABLE auth.account_reset DROP CONSTRAINT account_reset__kind,
        ADD CONSTRAINT account_reset__kind CHECK (kind IN ('factors', 'password', 'unlock', 'email')) NOT VALID;
      DROP TABLE auth.removed_link;
      DROP FUNCTION users.provisioned_as(text, text, uuid);
      DROP INDEX users.directory_account__by_external_id_of_any, users.directory_account__by_former_username;
    `);
  }
}
