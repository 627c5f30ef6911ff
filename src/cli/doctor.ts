import pg from 'pg';
import { loadConfig, type Config } from '../platform/config/config.js';
import { KeyRing } from '../platform/crypto/index.js';
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

async function migrationsOf(config: Config): Promise<string> {
  const { n } = await asked<{ n: string }>(config.database.ownerUrl, 'SELECT count(*) AS n FROM platform.migration');
  return `${n} applied`;
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
  summary: 'Check configuration, keys, database, roles and clocks; says what is wrong and ends with 1 if anything is.',
  async run() {
    const config = loadConfig();
    const { database } = config;
    const checks: Check[] = [
      ['keys', async () => `active ${(await KeyRing.load(config.keyFile)).signingKey.kid}`],
      ['server role', () => roleIsBound(database.url)],
      ['sequencer role', () => roleIsBound(database.sequencerUrl)],
      ['auditor role', () => roleIsBound(database.auditorUrl)],
      ['clock', () => clockOf(database.url)],
      ...(database.ownerUrl ? ([['migrations', () => migrationsOf(config)]] as Check[]) : []),
    ];
    let failed = 0;
    for (const [what, run] of checks) {
      try {
        console.log(`ok    ${what}: ${await run()}`);
      } catch (error) {
        failed++;
        console.log(`WRONG ${what}: ${(error as Error).message}`);
      }
    }
    if (failed > 0) process.exitCode = 1;
  },
};
