import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ownerDataSource } from '../../src/data-source.js';
import type { Config } from '../../src/platform/config/config.js';
import { EmbeddedPostgres, ensureDatabase } from '../../src/platform/database/embedded-postgres.js';
import { migrate } from '../../src/platform/database/migrate.js';
import { urlsOf } from './database.js';

export interface OwnPostgres {
  postgres: EmbeddedPostgres;
  database: Config['database'];
  /** Kills it and takes its data away. */
  remove(): Promise<void>;
}

/** A PostgreSQL of the test's own, which it may stop, freeze and kill; durable, and migrated. `disk`: a folder to have its data in. */
export async function ownPostgres(options: { disk?: string; flags?: string[] } = {}): Promise<OwnPostgres> {
  const folder = options.disk ?? mkdtempSync(join(tmpdir(), 'portico-own-'));
  chmodSync(folder, 0o755);
  const postgres = new EmbeddedPostgres(join(folder, 'postgres'), { durable: true, flags: options.flags });
  await postgres.start();
  await ensureDatabase(postgres.url('postgres'), 'portico');
  const database = urlsOf(postgres.url('postgres'), 'portico');
  await migrate(database, ownerDataSource(database));
  const remove = async (): Promise<void> => {
    await postgres.kill();
    rmSync(join(folder, 'postgres'), { recursive: true, force: true });
    if (!options.disk) rmSync(folder, { recursive: true, force: true });
  };
  return { postgres, database, remove };
}
