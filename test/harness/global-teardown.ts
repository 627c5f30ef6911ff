import type { EmbeddedPostgres } from '../../src/platform/database/embedded-postgres.js';

export default async function tearDown(): Promise<void> {
  await (globalThis as { porticoPostgres?: EmbeddedPostgres }).porticoPostgres?.kill();
}
