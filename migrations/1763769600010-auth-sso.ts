import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Single sign-on: whom providers know as whom, sign-ins under way, and which session came from which provider's session. */
export class AuthSso1763769600010 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      -- Somebody at a provider is known by issuer and subject alone: both are never given to another person (OpenID Connect Core 5.7).
      CREATE TABLE auth.federated_identity (
        federated_identity_id uuid CONSTRAINT federated_identity__pk PRIMARY KEY,
        issuer text NOT NULL,
        subject text NOT NULL CONSTRAINT federated_identity__subject_length CHECK (length(subject) BETWEEN 1 AND 255),
        account_id uuid NOT NULL,
        kind text NOT NULL CONSTRAINT federated_identity__kind CHECK (kind IN ('staff', 'patient')),
        -- The provider opened the account (just in time), so that there is no other way in.
        is_managed boolean NOT NULL CONSTRAINT federated_identity__managed_staff CHECK (NOT is_managed OR kind = 'staff'),
        -- The account's password, if it has one, does not count: as configured of the provider, set again at every start.
        replaces_password boolean NOT NULL,
        created_at timestamptz NOT NULL,
        CONSTRAINT federated_identity__subject_taken UNIQUE (issuer, subject),
        CONSTRAINT federated_identity__one_a_provider UNIQUE (account_id, issuer));
      GRANT SELECT, INSERT, UPDATE (replaces_password), DELETE ON auth.federated_identity TO portico_app;

      -- Between leaving for the provider and coming back. Nonce and PKCE verifier are computed from the state, not stored.
      CREATE TABLE auth.sso_flow (
        state_mac bytea CONSTRAINT sso_flow__pk PRIMARY KEY,
        browser_mac bytea NOT NULL,
        provider text NOT NULL,
        return_to text NOT NULL,
        is_fresh boolean NOT NULL,
        link_account_id uuid,
        link_session_id uuid,
        created_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        used_at timestamptz,
        CONSTRAINT sso_flow__link CHECK ((link_account_id IS NULL) = (link_session_id IS NULL)));
      CREATE INDEX sso_flow__expires ON auth.sso_flow (expires_at);
      GRANT SELECT, INSERT, UPDATE, DELETE ON auth.sso_flow TO portico_app;

      -- Between coming back and the front end's call for its tokens.
      CREATE TABLE auth.sso_code (
        code_mac bytea CONSTRAINT sso_code__pk PRIMARY KEY,
        browser_mac bytea NOT NULL,
        account_id uuid NOT NULL,
        issuer text NOT NULL,
        subject text NOT NULL,
        sid text,
        has_second_factor boolean NOT NULL,
        is_phishing_resistant boolean NOT NULL,
        auth_time timestamptz NOT NULL,
        return_to text NOT NULL,
        expires_at timestamptz NOT NULL,
        used_at timestamptz);
      CREATE INDEX sso_code__expires ON auth.sso_code (expires_at);
      CREATE INDEX sso_code__of_subject ON auth.sso_code (issuer, subject);
      GRANT SELECT, INSERT, UPDATE, DELETE ON auth.sso_code TO portico_app;

      -- The provider's session behind a sign-in that still lacks our own second factor.
      ALTER TABLE auth.sign_in ADD COLUMN sso_issuer text, ADD COLUMN sso_subject text, ADD COLUMN sso_sid text,
        ADD CONSTRAINT sign_in__sso CHECK ((sso_issuer IS NULL) = (sso_subject IS NULL) AND (sso_issuer IS NOT NULL OR sso_sid IS NULL));
      CREATE INDEX sign_in__of_sso_subject ON auth.sign_in (sso_issuer, sso_subject) WHERE sso_issuer IS NOT NULL;

      CREATE TABLE auth.sso_session (
        session_id uuid CONSTRAINT sso_session__pk PRIMARY KEY CONSTRAINT sso_session__session REFERENCES auth.session,
        issuer text NOT NULL,
        subject text NOT NULL,
        sid text);
      CREATE INDEX sso_session__of_subject ON auth.sso_session (issuer, subject);
      GRANT SELECT, INSERT ON auth.sso_session TO portico_app;

      -- Logout tokens that were obeyed: none counts twice, and a sign-in under way comes too late.
      CREATE TABLE auth.sso_logout (
        issuer text NOT NULL,
        jti text NOT NULL CONSTRAINT sso_logout__jti_length CHECK (length(jti) BETWEEN 1 AND 255),
        subject text,
        sid text,
        issued_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        CONSTRAINT sso_logout__pk PRIMARY KEY (issuer, jti));
      CREATE INDEX sso_logout__expires ON auth.sso_logout (expires_at);
      GRANT SELECT, INSERT, DELETE ON auth.sso_logout TO portico_app;
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`
      DROP TABLE auth.sso_logout;
      DROP TABLE auth.sso_session;
      DROP INDEX auth.sign_in__of_sso_subject;
      ALTER TABLE auth.sign_in DROP CONSTRAINT sign_in__sso, DROP COLUMN sso_issuer, DROP COLUMN sso_subject, DROP COLUMN sso_sid;
      DROP TABLE auth.sso_code;
      DROP TABLE auth.sso_flow;
      DROP TABLE auth.federated_identity;
    `);
  }
}
