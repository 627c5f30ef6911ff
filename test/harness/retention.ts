import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { Retention, type Done } from '../../src/modules/audit/retention/retention.js';
import type { Config } from '../../src/platform/config/config.js';
import { cloneDatabase } from './database.js';
import { fillLog } from './filled-log.js';
import type { LedgerEntry } from './ledger.js';
import type { Portal } from './portal.js';

/** Entries of a block in these tests: one tile. */
export const BLOCK = 256;

export const newArchive = (): string => mkdtempSync(join(tmpdir(), 'portico-archive-'));

/** A database whose log has small blocks and begins with so many events of 2026, two a minute. */
export async function smallBlocks(count: number, size = BLOCK): Promise<Config['database']> {
  const database = await cloneDatabase();
  const owner = new pg.Client({ connectionString: database.ownerUrl });
  await owner.connect();
  try {
    await owner.query('DROP TABLE audit.entry_0');
    await owner.query('UPDATE audit.block_rule SET size = $1', [size]);
    await fillLog(owner, count);
  } finally {
    await owner.end();
  }
  return database;
}

/** When the event at a place of the filled log happened. */
export const timeOf = (place: number): Date => new Date(Date.UTC(2026, 0, 1) + Math.floor(place / 2) * 60_000);

/** Archives the first so many blocks of the filled log; or what is due by its age. */
export async function archive(portal: Portal, blocks?: number): Promise<Done> {
  const before = blocks === undefined ? null : new Date(timeOf(blocks * BLOCK).getTime());
  const done = await portal.app.get(Retention).run({ before });
  if (!done) throw new Error('another process is at it');
  return done;
}

/** The log's entries as they are in the database now. */
export async function entriesOf({ owner }: Portal): Promise<LedgerEntry[]> {
  const { rows } = await owner.query<LedgerEntry>(
    'SELECT idx, leaf, leaf_hash, subject, request_id FROM audit.entry ORDER BY idx',
  );
  return rows;
}
