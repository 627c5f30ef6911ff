import type { DataSource } from 'typeorm';
import type { Config } from '../config/config.js';
import { provision } from './provision.js';

/** Brings the database to this version: roles first, then what is missing of the migrations. Returns the names of those that ran. */
export async function migrate(database: Config['database'], owner: DataSource): Promise<string[]> {
  await provision(database);
  await owner.initialize();
  try {
    // One migrator at a time: replicas that start together wait for each other here.
    const runner = owner.createQueryRunner();
    await runner.query("SELECT pg_advisory_lock(hashtext('portico migrate'))");
    try {
      const done = await owner.runMigrations({ transaction: 'each' });
      return done.map((migration) => migration.name);
    } finally {
      await runner.query("SELECT pg_advisory_unlock(hashtext('portico migrate'))");
      await runner.release();
    }
  } finally {
    await owner.destroy();
  }
}
