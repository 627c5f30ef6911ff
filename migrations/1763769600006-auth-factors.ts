import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Second factors beside the authenticator app, and what a sign-in has proved before them. */
export class AuthFactors1763769600006 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      ALTER TABLE auth.totp ADD COLUMN last_used_at timestamptz;

      -- How the person was recognised before this step (RFC 8176); 'mfa' in it: by two factors.
      ALTER TABLE auth.sign_in
        ADD COLUMN amr text[] NOT NULL DEFAULT '{pwd}',
        ADD COLUMN is_phishing_resistant boolean NOT NULL DEFAULT false;

      -- Accounts with second factors: changes of one account's factors take turns on its row. The handle is random and is all
      -- that passkeys know the account by.
      CREATE TABLE auth.factor_holder (
        account_id uuid CONSTRAINT factor_holder__pk PRIMARY KEY,
        user_handle bytea NOT NULL CONSTRAINT factor_holder__handle UNIQUE
          CONSTRAINT factor_holder__handle_length CHECK (octet_length(user_handle) = 32));
      GRANT SELECT, INSERT, UPDATE ON auth.factor_holder TO portico_app;

      CREATE TABLE auth.passkey (
        passkey_id uuid CONSTRAINT passkey__pk PRIMARY KEY,
        account_id uuid NOT NULL CONSTRAINT passkey__holder REFERENCES auth.factor_holder,
        credential_id bytea NOT NULL CONSTRAINT passkey__credential UNIQUE
          CONSTRAINT passkey__credential_length CHECK (octet_length(credential_id) BETWEEN 1 AND 1023),
        public_key bytea NOT NULL,
        counter bigint NOT NULL CONSTRAINT passkey__counter CHECK (counter >= 0),
        transports text[] NOT NULL,
        is_backup_eligible boolean NOT NULL,
        is_backed_up boolean NOT NULL,
        aaguid uuid NOT NULL,
        name text NOT NULL,
        version integer NOT NULL DEFAULT 1,
        created_at timestamptz NOT NULL,
        last_used_at timestamptz);
      CREATE INDEX passkey__of_account ON auth.passkey (account_id);
      -- The key itself never changes: whoever could exchange it could sign in by another.
      GRANT SELECT, INSERT, UPDATE (counter, is_backed_up, last_used_at, name, version), DELETE ON auth.passkey TO portico_app;

      -- The number is sealed; its MAC finds it again. Not confirmed: a code is on its way there.
      CREATE TABLE auth.sms_number (
        sms_number_id uuid CONSTRAINT sms_number__pk PRIMARY KEY,
        account_id uuid NOT NULL,
        number bytea NOT NULL,
        number_mac bytea NOT NULL,
        created_at timestamptz NOT NULL,
        confirmed_at timestamptz,
        last_used_at timestamptz);
      CREATE UNIQUE INDEX sms_number__one_account ON auth.sms_number (number_mac) WHERE confirmed_at IS NOT NULL;
      CREATE UNIQUE INDEX sms_number__one_of_account ON auth.sms_number (account_id) WHERE confirmed_at IS NOT NULL;
      CREATE UNIQUE INDEX sms_number__one_pending ON auth.sms_number (account_id) WHERE confirmed_at IS NULL;
      GRANT SELECT, INSERT, UPDATE, DELETE ON auth.sms_number TO portico_app;

      -- One open question for each sign-in or session and purpose; the account is null where nobody was recognised yet.
      CREATE TABLE auth.challenge (
        purpose text NOT NULL CONSTRAINT challenge__purpose CHECK (purpose IN
          ('passkey-registration', 'passkey-factor', 'passkey-sign-in', 'sms-enrolment', 'sms-factor')),
        bound_mac bytea NOT NULL,
        account_id uuid,
        secret_mac bytea NOT NULL,
        expires_at timestamptz NOT NULL,
        used_at timestamptz,
        CONSTRAINT challenge__pk PRIMARY KEY (purpose, bound_mac),
        CONSTRAINT challenge__anonymous CHECK ((account_id IS NULL) = (purpose = 'passkey-sign-in')));
      CREATE INDEX challenge__expires ON auth.challenge (expires_at);
      GRANT SELECT, INSERT, UPDATE, DELETE ON auth.challenge TO portico_app;

      -- When something was done that may be done only so often.
      CREATE TABLE auth.quota (
        subject bytea CONSTRAINT quota__pk PRIMARY KEY,
        taken timestamptz[] NOT NULL,
        last_at timestamptz NOT NULL) WITH (fillfactor = 70);
      CREATE INDEX quota__last ON auth.quota (last_at);
      GRANT SELECT, INSERT, UPDATE, DELETE ON auth.quota TO portico_app;
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`
      DROP TABLE auth.quota, auth.challenge, auth.sms_number, auth.passkey, auth.factor_holder;
      ALTER TABLE auth.sign_in DROP COLUMN amr, DROP COLUMN is_phishing_resistant;
      ALTER TABLE auth.totp DROP COLUMN last_used_at;
    `);
  }
}
