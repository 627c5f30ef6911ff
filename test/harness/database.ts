import { randomUUID } from 'node:crypto';
import pg from 'pg';
import type { Config } from '../../src/platform/config/config.js';

/** Where the shared test server is, told by the global set-up to the workers. */
export interface TestServer {
  /** URL of the server's administrator; the database name is to be filled in. */
  administratorUrl: string;
  keyFile: string;
}

export const TEMPLATE = 'portico_template';

export function testServer(): TestServer {
  const told = process.env.PORTICO_TEST_SERVER;
  if (!told) throw new Error('the global set-up did not run');
  return JSON.parse(told) as TestServer;
}

const withUser = (url: string, user: string): string => {
  const changed = new URL(url);
  changed.username = user;
  changed.password = `test-${user}`;
  return changed.href;
};

/** The URLs of one test database: owner, server, sequencer, auditor. */
export function urlsOf(administratorUrl: string, database: string): Config['database'] {
  const owner = new URL(administratorUrl);
  owner.pathname = `/${database}`;
  return {
    ownerUrl: owner.href,
    url: withUser(owner.href, 'portal_app'),
    sequencerUrl: withUser(owner.href, 'portal_sequencer'),
    auditorUrl: withUser(owner.href, 'portal_auditor'),
    poolSize: 10,
  };
}

/** A fresh copy of the migrated template. */
export async function cloneDatabase(template = TEMPLATE): Promise<Config['database']> {
  const { administratorUrl } = testServer();
  const name = `t_${randomUUID().replaceAll('-', '')}`;
  const client = new pg.Client({ connectionString: administratorUrl });
  await client.connect();
  try {
    // Copying waits while somebody else copies the same template.
    await client.query("SELECT pg_advisory_lock(hashtext('portico template'))");
    await client.query(`CREATE DATABASE ${name} TEMPLATE ${template} STRATEGY file_copy`);
  } finally {
    await client.end();
  }
  return urlsOf(administratorUrl, name);
}
