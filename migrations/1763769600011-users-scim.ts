import type { MigrationInterface, QueryRunner } from 'typeorm';

/** People and groups that the hospital's directory keeps over SCIM, and the bearer secrets that it may use for it. */
export class UsersScim1763769600011 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      -- Which directory made an account, and what it alone knows of the person. Where there is no row, no directory sees the account.
      CREATE TABLE users.directory_account (
        account_id uuid CONSTRAINT directory_account__pk PRIMARY KEY CONSTRAINT directory_account__account REFERENCES users.account,
        directory_id uuid NOT NULL CONSTRAINT directory_account__directory REFERENCES users.account,
        external_id text,
        family_name text,
        given_name text,
        title text,
        -- What the directory says. An administrator may disable the account all the same, and then it stays disabled.
        is_active boolean NOT NULL,
        -- Removed by the directory: gone for SCIM, for good. The account stays, disabled, and its name is free again.
        removed_at timestamptz,
        former_username text,
        created_at timestamptz NOT NULL,
        CONSTRAINT directory_account__of_directory UNIQUE (account_id, directory_id),
        CONSTRAINT directory_account__not_itself CHECK (account_id <> directory_id),
        CONSTRAINT directory_account__removed CHECK ((removed_at IS NULL) = (former_username IS NULL) AND (removed_at IS NULL OR NOT is_active)));
      CREATE INDEX directory_account__present ON users.directory_account (directory_id, account_id) WHERE removed_at IS NULL;
      CREATE INDEX directory_account__all ON users.directory_account (directory_id);
      CREATE INDEX directory_account__by_external_id ON users.directory_account (directory_id, external_id) WHERE removed_at IS NULL;
      CREATE INDEX account__by_email ON users.account (lower(email));
      GRANT SELECT, INSERT, UPDATE (external_id, family_name, given_name, title, is_active, removed_at, former_username)
        ON users.directory_account TO portico_app;

      -- roles: what the group gives its members, as it was last applied; the configuration says what it should be.
      CREATE TABLE users.scim_group (
        group_id uuid CONSTRAINT scim_group__pk PRIMARY KEY,
        directory_id uuid NOT NULL CONSTRAINT scim_group__directory REFERENCES users.account,
        external_id text,
        display_name text NOT NULL,
        name_key text NOT NULL,
        roles text[] NOT NULL CONSTRAINT scim_group__roles CHECK
          (roles <@ '{clinician,staff,records_officer,compliance_officer,admin}'::text[]),
        version integer NOT NULL DEFAULT 1,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        CONSTRAINT scim_group__of_directory UNIQUE (group_id, directory_id),
        CONSTRAINT scim_group__name_taken UNIQUE (directory_id, name_key));
      GRANT SELECT, INSERT, UPDATE (external_id, display_name, name_key, roles, version, updated_at), DELETE ON users.scim_group TO portico_app;

      -- Member and group are of the same directory: the foreign keys see to it.
      CREATE TABLE users.scim_group_member (
        group_id uuid NOT NULL,
        directory_id uuid NOT NULL,
        account_id uuid NOT NULL,
        CONSTRAINT scim_group_member__pk PRIMARY KEY (group_id, directory_id, account_id),
        CONSTRAINT scim_group_member__group FOREIGN KEY (group_id, directory_id) REFERENCES users.scim_group (group_id, directory_id),
        CONSTRAINT scim_group_member__account FOREIGN KEY (account_id, directory_id) REFERENCES users.directory_account (account_id, directory_id));
      CREATE INDEX scim_group_member__of_account ON users.scim_group_member (account_id, directory_id);
      GRANT SELECT, INSERT, DELETE ON users.scim_group_member TO portico_app;

      -- A directory sees and keeps its own. Administrators see who is kept by one.
      ALTER TABLE users.directory_account ENABLE ROW LEVEL SECURITY;
      CREATE POLICY directory_account__own ON users.directory_account TO portico_app USING (directory_id = platform.account_id());
      CREATE POLICY directory_account__admin ON users.directory_account FOR SELECT TO portico_app USING (
        EXISTS (SELECT 1 FROM users.duty d WHERE d.account_id = platform.account_id() AND d.role = 'admin'));
      ALTER TABLE users.scim_group ENABLE ROW LEVEL SECURITY;
      CREATE POLICY scim_group__own ON users.scim_group TO portico_app USING (directory_id = platform.account_id());
      ALTER TABLE users.scim_group_member ENABLE ROW LEVEL SECURITY;
      CREATE POLICY scim_group_member__own ON users.scim_group_member TO portico_app USING (directory_id = platform.account_id());

      -- The second wall of provisioning: a directory gives roles of staff, to people of its own, and to nobody else.
      -- Once a statement, because a group may give its role to thousands.
      CREATE FUNCTION users.check_directory_grants() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
      BEGIN
        IF EXISTS (
          SELECT 1 FROM granted g WHERE g.granted_by IN (SELECT r.account_id FROM users.account_role r WHERE r.role = 'directory')
             AND (g.role NOT IN ('clinician', 'staff', 'records_officer', 'compliance_officer', 'admin')
                  OR NOT EXISTS (SELECT 1 FROM users.directory_account d
                                  WHERE d.account_id = g.account_id AND d.directory_id = g.granted_by AND d.removed_at IS NULL))) THEN
          RAISE insufficient_privilege USING MESSAGE = 'a directory gives roles of staff to its own people only';
        END IF;
        RETURN NULL;
      END $$;
      REVOKE ALL ON FUNCTION users.check_directory_grants FROM PUBLIC;
      CREATE TRIGGER by_directory AFTER INSERT ON users.account_role REFERENCING NEW TABLE AS granted
        FOR EACH STATEMENT EXECUTE FUNCTION users.check_directory_grants();

      -- Long-lived bearer secrets for directories that know nothing better. Only a MAC stands here.
      CREATE TABLE auth.scim_token (
        scim_token_id uuid CONSTRAINT scim_token__pk PRIMARY KEY,
        token_mac bytea NOT NULL CONSTRAINT scim_token__mac UNIQUE,
        account_id uuid NOT NULL,
        name text NOT NULL,
        created_at timestamptz NOT NULL,
        created_by uuid NOT NULL,
        expires_at timestamptz NOT NULL,
        revoked_at timestamptz,
        revoked_by uuid,
        last_used_at timestamptz,
        CONSTRAINT scim_token__at_most_a_year CHECK (expires_at > created_at AND expires_at <= created_at + interval '366 days'),
        CONSTRAINT scim_token__revoked CHECK ((revoked_at IS NULL) = (revoked_by IS NULL)));
      CREATE INDEX scim_token__of_account ON auth.scim_token (account_id, scim_token_id);
      GRANT SELECT, INSERT, UPDATE (revoked_at, revoked_by, last_used_at) ON auth.scim_token TO portico_app;
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`
      DROP TABLE auth.scim_token;
      DROP TRIGGER by_directory ON users.account_role;
      DROP FUNCTION users.check_directory_grants();
      DROP TABLE users.scim_group_member;
      DROP TABLE users.scim_group;
      DROP INDEX users.account__by_email;
      DROP TABLE users.directory_account;
    `);
  }
}
