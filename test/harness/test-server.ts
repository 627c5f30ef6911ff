import { mkdtempSync, chmodSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createKeyFile } from '../../src/platform/crypto/index.js';
import { EmbeddedPostgres, ensureDatabase } from '../../src/platform/database/embedded-postgres.js';
import { migrate } from '../../src/platform/database/migrate.js';
import { ownerDataSource } from '../../src/data-source.js';
import { TEMPLATE, urlsOf, type TestServer } from './database.js';

/** One real PostgreSQL for the whole run, and in it one migrated template that each test file copies. */
export async function startTestServer(): Promise<{ remove(): Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), 'portico-test-'));
  chmodSync(folder, 0o755);
  const postgres = new EmbeddedPostgres(join(folder, 'postgres'), { durable: false });
  await postgres.start();
  const administratorUrl = postgres.url('postgres');
  await ensureDatabase(administratorUrl, TEMPLATE);
  const urls = urlsOf(administratorUrl, TEMPLATE);
  await migrate(urls, ownerDataSource(urls));
  const keyFile = join(folder, 'keys.json');
  await createKeyFile(keyFile);
  process.env.PORTICO_TEST_SERVER = JSON.stringify({ administratorUrl, keyFile } satisfies TestServer);
  return {
    // Its data too: eighty megabytes a run fill any disk.
    remove: async () => {
      await postgres.kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
