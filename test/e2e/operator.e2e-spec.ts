import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import type { Config } from '../../src/platform/config/config.js';
import { cloneDatabase, testServer } from '../harness/database.js';

const folder = mkdtempSync(join(tmpdir(), 'portico-operator-'));
let database: Config['database'];
let taken: Server;
let settings: Record<string, string>;

beforeAll(async () => {
  database = await cloneDatabase();
  taken = createServer();
  await new Promise<void>((done) => taken.listen(0, '127.0.0.1', done));
  settings = {
    PATH: process.env.PATH!,
    HOME: process.env.HOME!,
    NODE_ENV: 'test',
    PORT: '0',
    PUBLIC_URL: 'https://portal.test',
    DATABASE_URL: database.url,
    DATABASE_SEQUENCER_URL: database.sequencerUrl,
    DATABASE_AUDITOR_URL: database.auditorUrl,
    KEY_FILE: testServer().keyFile,
    DATA_DIR: folder,
    LOG_LEVEL: 'fatal',
  };
});

afterAll(async () => {
  rmSync(folder, { recursive: true });
  await new Promise((done) => taken.close(done));
});

/** A program of the operator's as a process of its own: what it says and how it ends. */
const run = (program: 'main' | 'cli', args: string[], change: Record<string, string> = {}) =>
  new Promise<{ code: number; text: string }>((done) => {
    execFile(
      process.execPath,
      ['--import', './test/harness/typescript.mjs', `src/${program}.ts`, ...args],
      { env: { ...settings, ...change }, timeout: 50_000 },
      (error, stdout, stderr) => done({ code: Number(error?.code ?? 0), text: stdout + stderr }),
    );
  });

const elsewhere = (url: string, change: (parts: URL) => void): string => {
  const parts = new URL(url);
  change(parts);
  return parts.href;
};

const owner = async (sql: string): Promise<void> => {
  const client = new pg.Client({ connectionString: database.ownerUrl });
  await client.connect();
  await client.query(sql);
  await client.end();
};

describe('a portal that cannot start', () => {
  const nobody = 'postgres://portal_app:x@127.0.0.1:1/portico';
  const cases: [what: string, change: () => Record<string, string>, says: RegExp][] = [
    [
      'without its key file',
      () => ({ KEY_FILE: join(folder, 'none.json') }),
      /no key file at .*none\.json.*KEY_FILE.*keys:create/,
    ],
    [
      'without its database',
      () => ({ DATABASE_URL: nobody }),
      /does not answer at 127\.0\.0\.1:1 \(ECONNREFUSED\).*DATABASE/,
    ],
    [
      'with a wrong name of the database',
      () => ({ DATABASE_URL: elsewhere(database.url, (parts) => (parts.pathname = '/nothing')) }),
      /database "nothing" does not exist.*migrate/,
    ],
    [
      'on a port that another program has',
      () => ({ PORT: String((taken.address() as AddressInfo).port) }),
      /127\.0\.0\.1, port \d+: another program has taken it: stop that one, or set PORT/,
    ],
  ];
  it.each(cases)('%s says so, and what to do', async (_what, change, says) => {
    const { code, text } = await run('main', [], change());
    expect(text).toMatch(says);
    expect(text).not.toMatch(/\n\s+at /);
    expect(code).toBe(1);
  });

  it('on the database of an older version asks for the migrations', async () => {
    await owner(`DELETE FROM platform.migration WHERE name LIKE 'PlatformSchema%'`);
    const start = await run('main', []);
    expect([start.code, start.text]).toEqual([
      1,
      expect.stringMatching(/lacks 1 of \d+ migrations.*run npm run cli -- migrate/),
    ]);
    const seen = await run('cli', ['doctor']);
    expect([seen.code, seen.text]).toEqual([
      1,
      expect.stringMatching(/WRONG schema: 1 of \d+ migrations are missing: run npm run cli -- migrate/),
    ]);
    await owner(
      `INSERT INTO platform.migration (timestamp, name) VALUES (1763769600032, 'PlatformSchema1763769600032')`,
    );
  });
});

describe('the doctor', () => {
  it('finds nothing wrong with a portal that is set up', async () => {
    const { code, text } = await run('cli', ['doctor']);
    expect(text.match(/^ok +[a-z ]+:/gm)?.map((line) => line.slice(6, -1))).toEqual([
      'keys',
      'data folder',
      'server role',
      'sequencer role',
      'auditor role',
      'schema',
      'clock',
      'ledger',
    ]);
    expect([code, text.includes('WRONG')]).toEqual([0, false]);
  });

  it('names each thing that is wrong, in words', async () => {
    const { code, text } = await run('cli', ['doctor'], {
      DATA_DIR: join(folder, 'none'),
      DATABASE_URL: database.ownerUrl,
      DATABASE_SEQUENCER_URL: 'postgres://nobody@127.0.0.1:1/portico',
    });
    expect(text).toMatch(/WRONG data folder: .*none is no folder: make it, or set DATA_DIR/);
    expect(text).toMatch(/WRONG server role: .* is a superuser, bypasses row security or owns tables/);
    expect(text).toMatch(/WRONG sequencer role: PostgreSQL does not answer at 127\.0\.0\.1:1/);
    expect(code).toBe(1);
  });
});

describe('every command', () => {
  it('tells what it does and which options it has', async () => {
    const { text } = await run('cli', ['--help']);
    const names = [...text.matchAll(/^ {2}([a-z:-]+) {2,}\S/gm)].map(([, name]) => name!);
    expect(names).toEqual(
      expect.arrayContaining(['migrate', 'doctor', 'admin:create', 'audit:verify', 'keys:create', 'witness']),
    );
    const [one] = names;
    expect(await run('cli', [one!, '--help'])).toEqual({
      code: 0,
      text: expect.stringContaining(`npm run cli -- ${one}`),
    });
  });

  it('refuses an option that it does not have, without a trace', async () => {
    const { code, text } = await run('cli', ['doctor', '--nothing']);
    expect([code, text]).toEqual([2, expect.not.stringMatching(/\n\s+at /)]);
    expect(text).toMatch(/--nothing/);
  });
});
