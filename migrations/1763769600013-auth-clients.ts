import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Service accounts: the public keys and certificates by which machines are known, and the assertions that were used. */
export class AuthClients1763769600013 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      -- kid: RFC 7638 thumbprint of the key, or RFC 8705 thumbprint of the certificate. One that was taken away never comes back,
      -- and none belongs to two accounts.
      CREATE TABLE auth.client_key (
        client_key_id uuid CONSTRAINT client_key__pk PRIMARY KEY,
        account_id uuid NOT NULL,
        kind text NOT NULL CONSTRAINT client_key__kind CHECK (kind IN ('key', 'certificate')),
        kid text NOT NULL CONSTRAINT client_key__known UNIQUE,
        -- Public parts only; null for a certificate, of which the thumbprint is all that counts.
        jwk jsonb CONSTRAINT client_key__public CHECK (NOT jwk ?| '{d,p,q,dp,dq,qi,oth,k}'),
        algorithms text[] NOT NULL,
        created_at timestamptz NOT NULL,
        created_by uuid NOT NULL,
        expires_at timestamptz NOT NULL,
        revoked_at timestamptz,
        revoked_by uuid,
        revoke_reason text,
        CONSTRAINT client_key__not_to_oneself CHECK (created_by <> account_id),
        CONSTRAINT client_key__jwk_of_key CHECK ((kind = 'key') = (jwk IS NOT NULL)),
        CONSTRAINT client_key__revoked CHECK ((revoked_at IS NULL) = (revoke_reason IS NULL)));
      CREATE INDEX client_key__of_account ON auth.client_key (account_id, client_key_id);
      GRANT SELECT, INSERT, UPDATE (revoked_at, revoked_by, revoke_reason) ON auth.client_key TO portico_app;

      -- Each assertion counts once (RFC 7523 section 3, jti); kept until it has run out, hashed because its text is the client's.
      CREATE TABLE auth.client_assertion (
        account_id uuid NOT NULL,
        jti_hash bytea NOT NULL,
        expires_at timestamptz NOT NULL,
        CONSTRAINT client_assertion__pk PRIMARY KEY (account_id, jti_hash));
      CREATE INDEX client_assertion__expires ON auth.client_assertion (expires_at);
      GRANT SELECT, INSERT, DELETE ON auth.client_assertion TO portico_app;

      -- Which key opened a service's session: it ends with the key.
      ALTER TABLE auth.session ADD COLUMN client_key_id uuid CONSTRAINT session__client_key REFERENCES auth.client_key;
      CREATE INDEX session__of_client_key ON auth.session (client_key_id, created_at) WHERE client_key_id IS NOT NULL;
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`
      ALTER TABLE auth.session DROP COLUMN client_key_id;
      DROP TABLE auth.client_assertion;
      DROP TABLE auth.client_key;
    `);
  }
}
