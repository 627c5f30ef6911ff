import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The server looks at its start whether the schema is that of its version. */
export class PlatformSchema1763769600032 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('GRANT SELECT ON platform.migration TO portico_app');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('REVOKE SELECT ON platform.migration FROM portico_app');
  }
}
