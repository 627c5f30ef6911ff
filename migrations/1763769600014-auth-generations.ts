import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Which access token of a session counts: each re-authentication makes those before it void. */
export class AuthGenerations1763769600014 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query('ALTER TABLE auth.session ADD COLUMN generation integer NOT NULL DEFAULT 0');
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('ALTER TABLE auth.session DROP COLUMN generation');
  }
}
