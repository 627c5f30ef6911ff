import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Remembered devices, passwords that must be changed, and counts of failures that end with their window. */
export class AuthDevices1763769600008 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      -- Stands in for a patient's second factor. token_mac changes at each use; expires_at never does.
      CREATE TABLE auth.device (
        device_id uuid CONSTRAINT device__pk PRIMARY KEY,
        account_id uuid NOT NULL,
        token_mac bytea NOT NULL CONSTRAINT device__token UNIQUE,
        name text NOT NULL,
        created_at timestamptz NOT NULL,
        last_used_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        -- In hours: 30 days of a session's time zone are an hour more or less when its clocks change.
        CONSTRAINT device__term CHECK (expires_at > created_at AND expires_at <= created_at + interval '720 hours'));
      CREATE INDEX device__of_account ON auth.device (account_id);
      CREATE INDEX device__expires ON auth.device (expires_at);
      GRANT SELECT, INSERT, UPDATE, DELETE ON auth.device TO portico_app;

      -- The password may be known to others: it opens nothing but its own change. Void as soon as changed_at is later.
      ALTER TABLE auth.credential
        ADD COLUMN expired_at timestamptz,
        ADD COLUMN expired_by uuid,
        ADD COLUMN expired_reason text,
        ADD CONSTRAINT credential__expired CHECK (num_nonnulls(expired_at, expired_by, expired_reason) IN (0, 3));

      -- Where there is a window, only its failures count; they are forgotten after it.
      ALTER TABLE auth.attempt
        ADD COLUMN since timestamptz NOT NULL DEFAULT now(),
        ADD COLUMN window_seconds integer;
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`
      ALTER TABLE auth.attempt DROP COLUMN since, DROP COLUMN window_seconds;
      ALTER TABLE auth.credential DROP COLUMN expired_at, DROP COLUMN expired_by, DROP COLUMN expired_reason;
      DROP TABLE auth.device;
    `);
  }
}
