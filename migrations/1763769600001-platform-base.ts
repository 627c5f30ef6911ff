import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Keys of the data, answers kept for Idempotency-Key, work to be done after a commit. */
export class PlatformBase1763769600001 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE SCHEMA IF NOT EXISTS platform;
      GRANT USAGE ON SCHEMA platform TO portico_app;

      -- Who acts, as told by the one place that hands out connections. Every row policy hangs on it; unset means nobody.
      CREATE FUNCTION platform.account_id() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
        AS $$ SELECT nullif(current_setting('app.account_id', true), '')::uuid $$;

      CREATE TABLE platform.data_key (
        data_key_id uuid CONSTRAINT data_key__pk PRIMARY KEY,
        scope text NOT NULL,
        kek_id text NOT NULL,
        wrapped bytea NOT NULL,
        is_active boolean NOT NULL DEFAULT true,
        created_at timestamptz NOT NULL DEFAULT now());
      CREATE UNIQUE INDEX data_key__one_active ON platform.data_key (scope) WHERE is_active;
      CREATE INDEX data_key__kek ON platform.data_key (kek_id);
      GRANT SELECT, INSERT, UPDATE ON platform.data_key TO portico_app;

      CREATE TABLE platform.idempotency (
        account_id uuid NOT NULL,
        key text NOT NULL CONSTRAINT idempotency__key_length CHECK (length(key) BETWEEN 1 AND 255),
        request_mac bytea NOT NULL,
        -- Sealed; null only inside the transaction that does the work.
        response bytea,
        created_at timestamptz NOT NULL,
        CONSTRAINT idempotency__pk PRIMARY KEY (account_id, key));
      CREATE INDEX idempotency__created ON platform.idempotency (created_at);
      GRANT SELECT, INSERT, UPDATE (request_mac, response, created_at) ON platform.idempotency TO portico_app;
      ALTER TABLE platform.idempotency ENABLE ROW LEVEL SECURITY;
      CREATE POLICY idempotency__own ON platform.idempotency TO portico_app USING (account_id = platform.account_id());
      -- Old keys go whoever they belong to. Rows that somebody is just using are left for the next time.
      CREATE FUNCTION platform.forget_idempotency(_limit integer) RETURNS void
        LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
          DELETE FROM platform.idempotency i USING (
            SELECT o.account_id, o.key FROM platform.idempotency o WHERE o.created_at <= now() - interval '1 day'
              ORDER BY o.created_at LIMIT _limit FOR UPDATE SKIP LOCKED) old
            WHERE i.account_id = old.account_id AND i.key = old.key $$;
      REVOKE ALL ON FUNCTION platform.forget_idempotency FROM PUBLIC;
      GRANT EXECUTE ON FUNCTION platform.forget_idempotency TO portico_app;

      CREATE TABLE platform.outbox (
        outbox_id uuid CONSTRAINT outbox__pk PRIMARY KEY,
        kind text NOT NULL,
        payload bytea NOT NULL,
        attempts smallint NOT NULL DEFAULT 0,
        next_at timestamptz NOT NULL,
        created_at timestamptz NOT NULL,
        done_at timestamptz,
        failed_at timestamptz);
      CREATE INDEX outbox__due ON platform.outbox (next_at) WHERE done_at IS NULL AND failed_at IS NULL;
      GRANT SELECT, INSERT, UPDATE, DELETE ON platform.outbox TO portico_app;
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`
      DROP TABLE platform.outbox, platform.idempotency, platform.data_key;
      DROP FUNCTION platform.forget_idempotency(integer);
      DROP FUNCTION platform.account_id();
    `);
  }
}
