import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { provision } from '../../src/platform/database/provision.js';
import { cloneDatabase } from '../harness/database.js';
import { checkLedger } from '../harness/ledger.js';
import { GRANTED, LOGINS, rights } from './database-rights.js';

const OURS = ['platform', 'users', 'auth', 'records', 'audit'];

/** Tables that name a patient and have no row policy, and why not. */
const WITHOUT_ROW_SECURITY: Record<string, string> = {
  'auth.invitation': 'used before anybody is signed in, and found only by the code itself; holds no data of the chart',
};

let owner: pg.Client;
let app: pg.Client;
let sequencer: pg.Client;
let auditor: pg.Client;

const connected = async (url: string): Promise<pg.Client> => {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  return client;
};

const lines = async (sql: string, values: unknown[] = []): Promise<string[]> =>
  (await owner.query<{ line: string }>(sql, values)).rows.map(({ line }) => line).sort();

/** The SQLSTATE that a statement fails with, or what it did. */
const refusal = (client: pg.Client, sql: string): Promise<string> =>
  client.query(sql).then(
    () => `done: ${sql}`,
    (error: { code: string }) => error.code,
  );

const INSUFFICIENT_PRIVILEGE = '42501';

/** Puts events in as the server does, and lets the sequencer place them. */
async function fill(count: number, submitter = app, placer = sequencer): Promise<void> {
  const events = Array.from({ length: count }, (_, n) => {
    const id = randomUUID();
    return { id, event: JSON.stringify({ id, n }) };
  });
  const all = <T>(value: T): T[] => events.map(() => value);
  const ids = events.map(({ id }) => id);
  await submitter.query('SELECT audit.submit($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)', [
    ...[ids, events.map(({ event }) => event), all(new Date()), all(''), all(null), all('System.check'), all(0)],
    ...[ids, all(null), ['digest'], ['disclosure'], ['actor']],
  ]);
  await placer.query('SELECT audit.sequence($1)', [count]);
}

beforeAll(async () => {
  const database = await cloneDatabase();
  // Rights on a database are not copied with it.
  await provision(database);
  [owner, app, sequencer, auditor] = (await Promise.all(
    [database.ownerUrl, database.url, database.sequencerUrl, database.auditorUrl].map(connected),
  )) as [pg.Client, pg.Client, pg.Client, pg.Client];
  await fill(600);
});

afterAll(async () => {
  await checkLedger({ log: [], owner });
  await Promise.all([owner, app, sequencer, auditor].map((client) => client.end()));
});

describe('the logins', () => {
  it('may do what is written down, and nothing else', async () => {
    expect(await lines(GRANTED, [LOGINS])).toEqual(rights().sort());
  });

  it('are members of their one group, own nothing, and are above no rule', async () => {
    const { rows } = await owner.query(
      `SELECT rolname, rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication AS is_mighty,
              ARRAY(SELECT pg_get_userbyid(roleid)::text FROM pg_auth_members WHERE member = r.oid) AS groups,
              ARRAY(SELECT pg_get_userbyid(roleid)::text FROM pg_auth_members WHERE member = r.oid AND admin_option) AS may_let_in,
              (SELECT count(*)::int FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass AND refobjid = r.oid AND deptype = 'o') AS owned
         FROM pg_roles r WHERE rolname = ANY($1) ORDER BY rolname`,
      [[...LOGINS, 'portico_app', 'portico_sequencer', 'portico_auditor']],
    );
    const role = (rolname: string, groups: string[]) => ({
      rolname,
      is_mighty: false,
      groups,
      may_let_in: [],
      owned: 0,
    });
    expect(rows).toEqual([
      role('portal_app', ['portico_app']),
      role('portal_auditor', ['portico_auditor']),
      role('portal_sequencer', ['portico_sequencer']),
      role('portico_app', []),
      role('portico_auditor', []),
      role('portico_sequencer', []),
    ]);
    for (const client of [app, sequencer, auditor]) {
      for (const group of ['portico_owner', 'portico_setup'])
        expect(await refusal(client, `SET ROLE ${group}`)).toBe(INSUFFICIENT_PRIVILEGE);
      expect(await refusal(client, 'SET session_replication_role = replica')).toBe(INSUFFICIENT_PRIVILEGE);
      // Switching row security off makes a query fail where it would filter, never see more.
      await client.query('SET row_security = off');
    }
    expect(await refusal(app, 'SELECT * FROM records.record')).toBe(INSUFFICIENT_PRIVILEGE);
    for (const client of [app, sequencer, auditor]) await client.query('RESET row_security');
  });

  it('alone come into the database, and make no tables in it, temporary ones neither', async () => {
    const { rows } = await owner.query(
      'SELECT a.privilege_type FROM pg_database d, aclexplode(d.datacl) a WHERE d.datname = current_database() AND a.grantee = 0',
    );
    expect(rows).toEqual([]);
    for (const client of [app, sequencer, auditor])
      expect(await refusal(client, 'CREATE TEMPORARY TABLE hidden (line text)')).toBe(INSUFFICIENT_PRIVILEGE);
  });
});

describe('tables', () => {
  it('that name a patient have row security and a policy for the server alone', async () => {
    const named = `SELECT c.oid, format('%s.%s', n.nspname, c.relname) AS line, c.relrowsecurity FROM pg_class c
       JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'patient_id'
      WHERE n.nspname = ANY($1) AND c.relkind IN ('r', 'p')`;
    const guarded = await lines(
      `SELECT line FROM (${named}) t WHERE relrowsecurity AND EXISTS (SELECT 1 FROM pg_policy WHERE polrelid = t.oid)`,
      [OURS],
    );
    const all = await lines(`SELECT line FROM (${named}) t`, [OURS]);
    expect(all.filter((table) => !guarded.includes(table))).toEqual(Object.keys(WITHOUT_ROW_SECURITY));
    expect(guarded).toEqual([
      'records.chart_wish',
      'records.download',
      'records.record',
      'records.record_version',
      'records.transmission',
      'users.care_team_member',
      'users.patient',
      'users.proxy_grant',
      'users.suspended_link',
    ]);
    const policies = await owner.query<{ schemaname: string; roles: string; permissive: string; open: boolean }>(
      `SELECT DISTINCT roles::text, permissive, coalesce(qual, with_check) = 'true' AS open FROM pg_policies WHERE schemaname = ANY($1)`,
      [OURS],
    );
    expect(policies.rows).toEqual([{ roles: '{portico_app}', permissive: 'PERMISSIVE', open: false }]);
  });

  it('that look through row policies are these views', async () => {
    const views = `SELECT format('%s.%s', schemaname, viewname) AS line FROM pg_views WHERE schemaname = ANY($1)
      UNION ALL SELECT format('%s.%s', schemaname, matviewname) FROM pg_matviews WHERE schemaname = ANY($1)`;
    expect(await lines(views, [OURS])).toEqual([
      'audit.published',
      'records.hold_report',
      'users.care_now',
      'users.duty',
      'users.own_chart',
      'users.own_feed',
      'users.own_practice',
      'users.proxied_chart',
    ]);
  });

  it('have an index that begins with each of their foreign keys', async () => {
    const unindexed = `SELECT format('%s of %s', x.conname, x.conrelid::regclass) AS line FROM pg_constraint x
      WHERE x.contype = 'f' AND x.connamespace::regnamespace::text = ANY($1) AND NOT EXISTS (
        SELECT 1 FROM pg_index i WHERE i.indrelid = x.conrelid AND i.indisvalid
           AND (i.indkey::int2[])[0:cardinality(x.conkey) - 1] @> x.conkey AND (i.indkey::int2[])[0:cardinality(x.conkey) - 1] <@ x.conkey
           -- Of the partial ones only those that leave out nothing but NULL, which refers to nothing.
           AND (i.indpred IS NULL OR pg_get_expr(i.indpred, i.indrelid) ~ '^\\(\\w+_id IS NOT NULL\\)$'))`;
    expect(await lines(unindexed, [OURS])).toEqual([]);
    const all = await lines(
      `SELECT conname AS line FROM pg_constraint WHERE contype = 'f' AND connamespace::regnamespace::text = ANY($1)`,
      [OURS],
    );
    expect(all.length).toBeGreaterThan(5);
  });
});

describe('functions with the rights of the owner', () => {
  it('have a fixed search path, with temporary things last, and are not for everybody', async () => {
    const { rows } = await owner.query<{ name: string; path: string; is_public: boolean }>(
      `SELECT f.oid::regproc::text AS name, array_to_string(f.proconfig, ';') AS path,
              EXISTS (SELECT 1 FROM aclexplode(coalesce(f.proacl, acldefault('f', f.proowner))) WHERE grantee = 0) AS is_public
         FROM pg_proc f WHERE f.prosecdef AND f.pronamespace::regnamespace::text = ANY($1) ORDER BY 1`,
      [OURS],
    );
    expect(rows.length).toBeGreaterThan(5);
    for (const { name, path, is_public } of rows) {
      expect([name, path, is_public]).toEqual([
        name,
        expect.stringMatching(/^search_path=pg_catalog(, audit)?, pg_temp$/),
        false,
      ]);
    }
  });
});

describe('the ledger', () => {
  it('is closed to the server but for its one door', async () => {
    const tables = await lines(
      `SELECT format('audit.%I', relname) AS line FROM pg_class WHERE relnamespace = 'audit'::regnamespace AND relkind IN ('r', 'p')`,
    );
    expect(tables).toEqual(expect.arrayContaining(['audit.entry', 'audit.entry_0', 'audit.inbox', 'audit.head']));
    for (const table of tables) {
      for (const sql of [
        `SELECT 1 FROM ${table}`,
        `INSERT INTO ${table} DEFAULT VALUES`,
        `DELETE FROM ${table}`,
        `TRUNCATE ${table}`,
        `SELECT 1 FROM ${table} FOR UPDATE`,
        `COPY ${table} TO STDOUT`,
        `DROP TABLE ${table}`,
        `ALTER TABLE ${table} DISABLE TRIGGER ALL`,
      ])
        expect([sql, await refusal(app, sql)]).toEqual([sql, INSUFFICIENT_PRIVILEGE]);
    }
    for (const sql of [
      'SELECT audit.sequence(1)',
      'SELECT audit.immutable()',
      `UPDATE audit.entry SET leaf = ''`,
      `UPDATE audit.inbox SET event = '{}'`,
      `UPDATE audit.head SET size = 0`,
      'CREATE OR REPLACE FUNCTION audit.submit(integer) RETURNS integer LANGUAGE sql AS $$ SELECT 1 $$',
    ])
      expect([sql, await refusal(app, sql)]).toEqual([sql, INSUFFICIENT_PRIVILEGE]);
  });

  it('is only placed by the sequencer and only read by the auditor', async () => {
    for (const client of [sequencer, auditor]) {
      for (const sql of [
        `INSERT INTO audit.entry DEFAULT VALUES`,
        `UPDATE audit.entry SET leaf = ''`,
        `DELETE FROM audit.entry`,
        `DELETE FROM audit.inbox`,
        `UPDATE audit.head SET size = 0`,
        `DELETE FROM audit.disclosure`,
        'SELECT 1 FROM users.patient',
        'SELECT 1 FROM records.record',
        'SELECT 1 FROM auth.session',
        `SELECT audit.submit('{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')`,
      ])
        expect([sql, await refusal(client, sql)]).toEqual([sql, INSUFFICIENT_PRIVILEGE]);
    }
    expect(await refusal(auditor, 'SELECT audit.sequence(1)')).toBe(INSUFFICIENT_PRIVILEGE);
    expect(await refusal(auditor, 'SELECT 1 FROM audit.entry')).toMatch(/^done/);
  });

  it('refuses to be changed even by the owner and the superuser, in every part of it', async () => {
    await owner.query('BEGIN');
    try {
      // As when the first block is full: the next one comes with its own guard.
      await owner.query('DELETE FROM audit.inbox');
      await owner.query('UPDATE audit.head SET size = 1048576');
      await fill(1, owner, owner);
      const partitions = await lines(
        `SELECT inhrelid::regclass::text AS line FROM pg_inherits WHERE inhparent = 'audit.entry'::regclass`,
      );
      expect(partitions).toEqual(['audit.entry_0', 'audit.entry_1']);
      for (const role of ['portico_setup', 'portico_owner']) {
        await owner.query(`SET LOCAL ROLE ${role}`);
        for (const table of ['audit.entry', ...partitions, 'audit.tile_hash']) {
          const column = table === 'audit.tile_hash' ? 'hash' : 'leaf_hash';
          expect(Number((await owner.query(`SELECT 1 FROM ${table}`)).rowCount)).toBeGreaterThan(0);
          for (const sql of [
            `UPDATE ${table} SET ${column} = ${column}`,
            `DELETE FROM ${table}`,
            `TRUNCATE ${table}`,
            `TRUNCATE ${table} CASCADE`,
          ]) {
            await owner.query('SAVEPOINT before');
            await expect(owner.query(sql)).rejects.toThrow(/^audit\.\w+ is append-only$/);
            await owner.query('ROLLBACK TO before');
          }
        }
        await owner.query('RESET ROLE');
      }
    } finally {
      await owner.query('ROLLBACK');
    }
  });
});
