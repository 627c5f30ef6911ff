import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Credentials, second factors, sessions, refresh tokens, throttling, invitations. No secret stands here in the clear. */
export class AuthSignIn1763769600003 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE SCHEMA auth;
      GRANT USAGE ON SCHEMA auth TO portico_app;

      CREATE TABLE auth.credential (
        account_id uuid CONSTRAINT credential__pk PRIMARY KEY,
        password_hash text NOT NULL,
        changed_at timestamptz NOT NULL);
      GRANT SELECT, INSERT, UPDATE ON auth.credential TO portico_app;

      CREATE TABLE auth.totp (
        account_id uuid CONSTRAINT totp__pk PRIMARY KEY,
        secret bytea NOT NULL,
        last_step bigint NOT NULL DEFAULT 0,
        created_at timestamptz NOT NULL,
        confirmed_at timestamptz);
      GRANT SELECT, INSERT, UPDATE, DELETE ON auth.totp TO portico_app;

      CREATE TABLE auth.recovery_code (
        account_id uuid NOT NULL,
        code_mac bytea NOT NULL,
        created_at timestamptz NOT NULL,
        used_at timestamptz,
        CONSTRAINT recovery_code__pk PRIMARY KEY (account_id, code_mac));
      GRANT SELECT, INSERT, UPDATE, DELETE ON auth.recovery_code TO portico_app;

      -- expires_at is absolute; idle time runs from last_active_at.
      CREATE TABLE auth.session (
        session_id uuid CONSTRAINT session__pk PRIMARY KEY,
        account_id uuid NOT NULL,
        created_at timestamptz NOT NULL,
        last_active_at timestamptz NOT NULL,
        idle_seconds integer NOT NULL,
        expires_at timestamptz NOT NULL,
        acr text NOT NULL CONSTRAINT session__acr CHECK (acr IN ('aal1', 'aal2')),
        amr text[] NOT NULL,
        auth_time timestamptz NOT NULL,
        device text NOT NULL,
        address text NOT NULL,
        ended_at timestamptz,
        end_reason text CONSTRAINT session__end_reason CHECK (end_reason IN
          ('logout', 'idle', 'expired', 'revoked', 'reuse', 'disabled', 'roles-changed', 'password-changed', 'password-expired', 'factor-changed', 'sso-logout', 'too-many', 'recovered', 'key-revoked')),
        CONSTRAINT session__end CHECK ((ended_at IS NULL) = (end_reason IS NULL))) WITH (fillfactor = 70);
      CREATE INDEX session__live_of_account ON auth.session (account_id) WHERE ended_at IS NULL;
      CREATE INDEX session__live ON auth.session (expires_at) WHERE ended_at IS NULL;
      GRANT SELECT, INSERT, UPDATE ON auth.session TO portico_app;

      CREATE TABLE auth.refresh_token (
        token_mac bytea CONSTRAINT refresh_token__pk PRIMARY KEY,
        session_id uuid NOT NULL CONSTRAINT refresh_token__session REFERENCES auth.session,
        issued_at timestamptz NOT NULL,
        used_at timestamptz);
      CREATE INDEX refresh_token__of_session ON auth.refresh_token (session_id);
      CREATE INDEX refresh_token__issued ON auth.refresh_token (issued_at);
      GRANT SELECT, INSERT, UPDATE, DELETE ON auth.refresh_token TO portico_app;

      -- Between the password and the second factor, or the enrolment of one.
      CREATE TABLE auth.sign_in (
        token_mac bytea CONSTRAINT sign_in__pk PRIMARY KEY,
        account_id uuid NOT NULL,
        purpose text NOT NULL CONSTRAINT sign_in__purpose CHECK (purpose IN ('mfa', 'enrolment', 'password-change')),
        expires_at timestamptz NOT NULL,
        used_at timestamptz);
      CREATE INDEX sign_in__expires ON auth.sign_in (expires_at);
      CREATE INDEX sign_in__of_account ON auth.sign_in (account_id);
      GRANT SELECT, INSERT, UPDATE, DELETE ON auth.sign_in TO portico_app;

      -- Failures in a row per secret and account; the key is a MAC of the username, so unknown names cost and answer the same.
      CREATE TABLE auth.attempt (
        subject bytea CONSTRAINT attempt__pk PRIMARY KEY,
        failures integer NOT NULL,
        blocked_until timestamptz,
        last_at timestamptz NOT NULL) WITH (fillfactor = 70);
      CREATE INDEX attempt__last ON auth.attempt (last_at);
      GRANT SELECT, INSERT, UPDATE, DELETE ON auth.attempt TO portico_app;

      CREATE TABLE auth.invitation (
        invitation_id uuid CONSTRAINT invitation__pk PRIMARY KEY,
        code_mac bytea NOT NULL CONSTRAINT invitation__code UNIQUE,
        account_id uuid,
        patient_id uuid,
        email text,
        expires_at timestamptz NOT NULL,
        created_at timestamptz NOT NULL,
        created_by uuid,
        used_at timestamptz,
        CONSTRAINT invitation__for_one CHECK (num_nonnulls(account_id, patient_id) = 1),
        CONSTRAINT invitation__email_of_patient CHECK ((patient_id IS NULL) = (email IS NULL)));
      CREATE INDEX invitation__of_account ON auth.invitation (account_id) WHERE account_id IS NOT NULL;
      CREATE INDEX invitation__of_patient ON auth.invitation (patient_id) WHERE patient_id IS NOT NULL;
      GRANT SELECT, INSERT, UPDATE ON auth.invitation TO portico_app;
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`DROP SCHEMA auth CASCADE`);
  }
}
