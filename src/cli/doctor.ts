import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import pg from 'pg';
import { migrations } from '../data-source.js';
import { loadConfig } from '../platform/config/config.js';
import { KeyRing } from '../platform/crypto/index.js';
import { missingMigrations } from '../platform/database/schema-check.js';
import { operatorWords } from '../operator-words.js';
import type { Command } from './command.js';

type Check = [what: string, run: () => Promise<string>];

async function asked<Row extends object>(url: string, sql: string): Promise<Row> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 3_000 });
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows[0]!;
  } finally {
    await client.end();
  }
}

const ROLE = `SELECT current_user AS name, rolsuper OR rolbypassrls AS mighty,
  EXISTS (SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname IN ('platform', 'users', 'auth', 'records', 'audit') AND pg_has_role(c.relowner, 'member')) AS owner FROM pg_roles WHERE rolname = current_user`;

/** The server's roles must be bound by row security, or the second wall is air. */
async function roleIsBound(url: string): Promise<string> {
  const role = await asked<{ name: string; mighty: boolean; owner: boolean }>(url, ROLE);
  if (role.mighty || role.owner)
    throw new Error(`${role.name} is a superuser, bypasses row security or owns tables: use another role`);
  return role.name;
}

async function schemaOf(url: string): Promise<string> {
  const missing = await missingMigrations(
    url,
    migrations.map(({ name }) => name),
  );
  if (missing.length > 0)
    throw new Error(`${missing.length} of ${migrations.length} migrations are missing: run npm run cli -- migrate`);
  return `${migrations.length} migrations, none missing`;
}

const LOG = `SELECT h.size::float8 AS size, p.origin, p.size::float8 AS signed, extract(epoch FROM now() - p.signed_at)::int AS age
  FROM audit.head h LEFT JOIN LATERAL (SELECT origin, size, signed_at FROM audit.published ORDER BY size DESC LIMIT 1) p ON true WHERE h.log_id = 1`;

/** Entries that wait are signed within seconds while a server runs; with none running they wait for the next start. */
async function logOf(url: string): Promise<string> {
  const log = await asked<{ size: number; origin: string | null; signed: number; age: number }>(url, LOG);
  if (log.origin === null) return `${log.size} entries, not signed yet`;
  return `${log.origin}: ${log.signed} of ${log.size} entries are signed, the last ${log.age} s ago`;
}

/** What replicas remember of the signed log, and files that they make: theirs alone, and kept over restarts. */
async function folderOf(path: string): Promise<string> {
  const info = await stat(path).catch(() => null);
  if (!info?.isDirectory()) throw new Error(`${path} is no folder: make it, or set DATA_DIR`);
  await access(path, constants.W_OK).catch(() => {
    throw new Error(`${path} cannot be written to by this user`);
  });
  return path;
}

async function clockOf(url: string): Promise<string> {
  const before = Date.now();
  const { now } = await asked<{ now: Date }>(url, 'SELECT clock_timestamp() AS now');
  const offset = Math.round(now.getTime() - (before + Date.now()) / 2);
  if (Math.abs(offset) > 2_000) throw new Error(`the database's clock is ${offset} ms away: synchronise both by NTP`);
  return `${offset} ms apart`;
}

export const doctor: Command = {
  usage: '',
  summary:
    'Check configuration, keys, folders, database, schema, roles, clocks and ledger; says what is wrong and ends with 1 if anything is.',
  async run() {
    const config = loadConfig();
    const { database } = config;
    const checks: Check[] = [
      ['keys', async () => `active ${(await KeyRing.load(config.keyFile)).signingKey.kid}`],
      ['data folder', () => folderOf(config.dataDir)],
      ['server role', () => roleIsBound(database.url)],
      ['sequencer role', () => roleIsBound(database.sequencerUrl)],
      ['auditor role', () => roleIsBound(database.auditorUrl)],
      ['schema', () => schemaOf(database.url)],
      ['clock', () => clockOf(database.url)],
      ['ledger', () => logOf(database.auditorUrl)],
    ];
    let failed = 0;
    for (const [what, run] of checks) {
      try {
        console.log(`ok    ${what}: ${await run()}`);
      } catch (error) {
        failed++;
        console.log(`WRONG ${what}: ${operatorWords(error) ?? (error as Error).message}`);
      }
    }
    if (failed > 0) process.exitCode = 1;
  },
};
