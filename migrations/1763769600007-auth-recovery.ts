import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Verified addresses, forgotten passwords, lost second factors, and what administrators do about them. */
export class AuthRecovery1763769600007 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      -- Addresses that the holder has shown to read. The one on the account counts for recovery only while it is here too;
      -- one that an administrator has replaced still gets notices until the holder confirms the new one.
      CREATE TABLE auth.verified_address (
        account_id uuid NOT NULL,
        email text NOT NULL,
        email_key text NOT NULL,
        verified_at timestamptz NOT NULL,
        CONSTRAINT verified_address__pk PRIMARY KEY (account_id, email_key));
      CREATE INDEX verified_address__by_email ON auth.verified_address (email_key);
      GRANT SELECT, INSERT, UPDATE, DELETE ON auth.verified_address TO portico_app;

      -- Where the code was sent, if it was mailed: using it shows that the holder reads that address.
      -- told: the chart's own address where the code did not go there, as it was then. It hears of the invitation, and of its use.
      ALTER TABLE auth.invitation ADD COLUMN mailed_to text, ADD COLUMN told text;

      -- An address on its way: the newest check of an account replaces the one before it.
      CREATE TABLE auth.address_check (
        account_id uuid CONSTRAINT address_check__pk PRIMARY KEY,
        email text NOT NULL,
        code_mac bytea NOT NULL,
        expires_at timestamptz NOT NULL);
      GRANT SELECT, INSERT, UPDATE, DELETE ON auth.address_check TO portico_app;

      -- One for each account, so that a newer one voids the older. Rows for asked names that have no account carry an id of nobody.
      -- is_assisted: an administrator vouches for who asks (second administrator or recorded identity check).
      CREATE TABLE auth.password_reset (
        account_id uuid CONSTRAINT password_reset__pk PRIMARY KEY,
        token_mac bytea NOT NULL CONSTRAINT password_reset__token UNIQUE,
        email text NOT NULL,
        is_assisted boolean NOT NULL DEFAULT false,
        expires_at timestamptz NOT NULL);
      CREATE INDEX password_reset__expires ON auth.password_reset (expires_at);
      GRANT SELECT, INSERT, UPDATE, DELETE ON auth.password_reset TO portico_app;

      -- A second factor that was reported as lost by whoever knew the password. code_mac: mailed once the wait was over.
      CREATE TABLE auth.lost_factor (
        account_id uuid CONSTRAINT lost_factor__pk PRIMARY KEY,
        reported_at timestamptz NOT NULL,
        code_mac bytea,
        code_expires_at timestamptz,
        CONSTRAINT lost_factor__code CHECK ((code_mac IS NULL) = (code_expires_at IS NULL)));
      GRANT SELECT, INSERT, UPDATE, DELETE ON auth.lost_factor TO portico_app;

      -- Accounts whose second factors were taken away: they set up a new one before they get any further.
      CREATE TABLE auth.factor_reset (
        account_id uuid CONSTRAINT factor_reset__pk PRIMARY KEY,
        reset_at timestamptz NOT NULL);
      GRANT SELECT, INSERT, UPDATE ON auth.factor_reset TO portico_app;

      -- What administrators did about somebody's way in, or ask another administrator to approve. Never deleted.
      CREATE TABLE auth.account_reset (
        account_reset_id uuid CONSTRAINT account_reset__pk PRIMARY KEY,
        account_id uuid NOT NULL,
        kind text NOT NULL CONSTRAINT account_reset__kind CHECK (kind IN ('factors', 'password', 'unlock', 'email')),
        status text NOT NULL CONSTRAINT account_reset__status CHECK (status IN ('requested', 'executed', 'declined', 'expired')),
        reason text NOT NULL,
        -- Where the link goes: the account's address when it was asked for, which is what another administrator approves.
        email text,
        -- Set by the trigger below, never by whoever writes the row.
        is_staff boolean NOT NULL,
        needs_proof boolean NOT NULL,
        identity_method text CONSTRAINT account_reset__identity_method CHECK (identity_method IN
          ('in-person-id-document', 'video-id-document', 'known-in-person')),
        identity_document text CONSTRAINT account_reset__identity_document CHECK (identity_document IN
          ('passport', 'national-id-card', 'driving-licence', 'residence-permit', 'staff-badge')),
        identity_checked_by text,
        identity_checked_at timestamptz,
        requested_by uuid NOT NULL,
        requested_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        decided_by uuid,
        decided_at timestamptz,
        CONSTRAINT account_reset__identity_whole CHECK (
          num_nonnulls(identity_method, identity_document, identity_checked_by, identity_checked_at) IN (0, 4)),
        CONSTRAINT account_reset__not_ones_own CHECK (requested_by <> account_id AND decided_by IS DISTINCT FROM account_id),
        CONSTRAINT account_reset__decided CHECK ((decided_by IS NULL) = (decided_at IS NULL) AND (status = 'requested') <= (decided_by IS NULL)),
        CONSTRAINT account_reset__email CHECK ((kind = 'password') = (email IS NOT NULL)),
        CONSTRAINT account_reset__factors_need_proof CHECK (kind <> 'factors' OR needs_proof),
        -- Two administrators, or for people who do not work here a recorded identity check.
        CONSTRAINT account_reset__four_eyes CHECK (
          status <> 'executed' OR NOT needs_proof
          OR coalesce(decided_by <> requested_by, false)
          OR (identity_method IS NOT NULL AND NOT is_staff)));
      CREATE UNIQUE INDEX account_reset__one_open ON auth.account_reset (account_id, kind) WHERE status = 'requested';
      CREATE INDEX account_reset__of_account ON auth.account_reset (account_id);
      GRANT SELECT, INSERT, UPDATE (status, decided_by, decided_at) ON auth.account_reset TO portico_app;

      CREATE FUNCTION auth.account_reset_subject() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
      BEGIN
        NEW.is_staff := EXISTS (SELECT 1 FROM users.account_role r WHERE r.account_id = NEW.account_id AND r.revoked_at IS NULL
                                   AND r.role NOT IN ('patient', 'proxy'));
        RETURN NEW;
      END $$;
      REVOKE ALL ON FUNCTION auth.account_reset_subject FROM PUBLIC;
      CREATE TRIGGER account_reset_subject BEFORE INSERT OR UPDATE ON auth.account_reset
        FOR EACH ROW EXECUTE FUNCTION auth.account_reset_subject();
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`
      DROP TABLE auth.account_reset, auth.factor_reset, auth.lost_factor, auth.password_reset, auth.address_check;
      DROP FUNCTION auth.account_reset_subject();
      ALTER TABLE auth.invitation DROP COLUMN mailed_to, DROP COLUMN told;
      DROP TABLE auth.verified_address;
    `);
  }
}
