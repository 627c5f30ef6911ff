import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Where a session was opened and how its client carries it; what a person sees of their own account's history. */
export class AuthSessions1763769600009 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      ALTER TABLE auth.session
        ADD COLUMN place text NOT NULL DEFAULT 'Unknown place',
        ADD COLUMN transport text NOT NULL DEFAULT 'bearer'
          CONSTRAINT session__transport CHECK (transport IN ('bearer', 'cookie'));
      CREATE INDEX session__of_account ON auth.session (account_id, created_at);

      CREATE TABLE auth.security_event (
        security_event_id uuid CONSTRAINT security_event__pk PRIMARY KEY,
        account_id uuid NOT NULL,
        kind text NOT NULL CONSTRAINT security_event__kind CHECK (kind ~ '^[a-z]+(-[a-z]+){0,4}$'),
        detail text CONSTRAINT security_event__detail CHECK (length(detail) BETWEEN 1 AND 100),
        count integer CONSTRAINT security_event__count CHECK (count > 0),
        session_id uuid,
        device text,
        place text,
        occurred_at timestamptz NOT NULL);
      CREATE INDEX security_event__of_account ON auth.security_event (account_id, security_event_id);
      CREATE INDEX security_event__occurred ON auth.security_event (occurred_at);
      GRANT SELECT, INSERT, DELETE ON auth.security_event TO portico_app;
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`
      DROP TABLE auth.security_event;
      DROP INDEX auth.session__of_account;
      ALTER TABLE auth.session DROP COLUMN transport, DROP COLUMN place;
    `);
  }
}
