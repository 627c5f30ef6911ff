import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Sealer } from '../../src/modules/audit/sealing/sealer.js';
import { SealingState } from '../../src/modules/audit/sealing/sealing-state.js';
import { Sequencer } from '../../src/modules/audit/sequencer.js';
import { KEY_MANAGEMENT, type KeyManagement } from '../../src/platform/crypto/index.js';
import { isSignedBy, parseCheckpoint, parseNote, verifierKeyOf } from '../../src/tlog/index.js';
import { cloneDatabase } from '../harness/database.js';
import { fillLog } from '../harness/filled-log.js';
import { checkLedger } from '../harness/ledger.js';
import { startPortal, type Portal, type PortalOptions } from '../harness/portal.js';
import { wholeLog } from '../harness/seals.js';

const ORIGIN = 'portal.test/audit';

const open: Portal[] = [];

async function portalOn(options: PortalOptions = {}): Promise<Portal> {
  const portal = await startPortal(options);
  open.push(portal);
  return portal;
}

afterEach(async () => {
  for (const portal of open.splice(0)) await portal.close();
});

const sealer = (portal: Portal) => portal.app.get(Sealer);
const report = (portal: Portal) => portal.app.get(SealingState).report();
const memoryOf = (portal: Portal) => join(portal.config.dataDir, 'audit-checkpoint.json');

/** Something happens, and is placed in the log. */
async function happen(portal: Portal, count = 1): Promise<void> {
  await fillLog(portal.owner, count);
}

async function sealed(portal: Portal, count = 1): Promise<number> {
  await happen(portal, count);
  const row = await sealer(portal).turn(true);
  if (!row) throw new Error(`not sealed: ${JSON.stringify(report(portal))}`);
  return row.size;
}

interface Row {
  size: string;
  root: Buffer;
  note: string;
}

const checkpoints = async (portal: Portal): Promise<Row[]> =>
  (await portal.owner.query<Row>('SELECT size, root, note FROM audit.checkpoint ORDER BY generation, size')).rows;

/** As the superuser, who is stopped by no trigger. */
async function tamper(portal: Portal, ...statements: string[]): Promise<void> {
  await portal.owner.query('SET session_replication_role = replica');
  for (const sql of statements) await portal.owner.query(sql);
  await portal.owner.query('RESET session_replication_role');
}

/** The database as it was; the copy is what a restore of a backup brings back. */
const BACKED_UP = ['entry', 'head', 'tile_hash', 'subject_head', 'checkpoint', 'origin'];
async function backUp(portal: Portal): Promise<void> {
  await portal.owner.query('DROP SCHEMA IF EXISTS backup CASCADE; CREATE SCHEMA backup');
  for (const table of BACKED_UP) await portal.owner.query(`CREATE TABLE backup.${table} AS TABLE audit.${table}`);
}
async function restore(portal: Portal, tables = BACKED_UP): Promise<void> {
  await tamper(
    portal,
    ...tables.map((t) => `DELETE FROM audit.${t}; INSERT INTO audit.${t} SELECT * FROM backup.${t}`),
  );
}

const refusals = (portal: Portal) =>
  portal.log.filter(({ msg }) => msg === 'the log is not signed any more').map(({ code, reason }) => [code, reason]);

async function refusalEvents(portal: Portal): Promise<string[]> {
  const { rows } = await portal.owner.query<{ event: string }>(
    `SELECT event FROM audit.inbox WHERE action = 'Checkpoint.refuse'
     UNION ALL SELECT leaf::json ->> 'e' FROM audit.entry WHERE action = 'Checkpoint.refuse'`,
  );
  return rows.map(({ event }) => (JSON.parse(event) as { err: string }).err);
}

/** It is refused now and at the next turn, told once, and nothing was signed. */
async function expectRefused(portal: Portal, code: string, words: RegExp): Promise<void> {
  const before = await checkpoints(portal);
  for (let n = 0; n < 3; n++) expect(await sealer(portal).turn(true)).toBeNull();
  expect(report(portal).problem).toMatchObject({ kind: 'refused', code, message: expect.stringMatching(words) });
  expect(refusals(portal)).toEqual([[code, expect.stringMatching(words)]]);
  expect(await refusalEvents(portal)).toEqual([code]);
  expect(await checkpoints(portal)).toEqual(before);
}

describe('a checkpoint', () => {
  it('says of the log what the plain definition of the tree says, under the key of the key file', async () => {
    const portal = await portalOn();
    await portal.http.get('/health/ready').expect(200);
    await portal.app.get(Sequencer).sequence();
    const sizes = [await sealed(portal, 3), await sealed(portal, 700), await sealed(portal, 1)];
    const { tree } = await wholeLog(portal);
    const rows = await checkpoints(portal);
    expect(rows.map(({ size }) => Number(size))).toEqual(sizes);
    const [key] = portal.app.get<KeyManagement>(KEY_MANAGEMENT).auditKeys;
    for (const { size, root, note } of rows) {
      const parsed = parseNote(note);
      expect(parseCheckpoint(parsed.body)).toEqual({ origin: ORIGIN, size: Number(size), root });
      expect(root).toEqual(tree.root(Number(size)));
      expect(parsed.signatures).toHaveLength(1);
      expect(isSignedBy(parsed, verifierKeyOf(ORIGIN, 1, key!.publicKey))).toBe(true);
    }
    expect(report(portal)).toMatchObject({ size: sizes[2], waiting: 0, isLate: false, problem: null });
    expect(JSON.parse(readFileSync(memoryOf(portal), 'utf8'))).toEqual({
      note: rows.at(-1)!.note,
      isPublished: true,
      refusal: null,
    });
    await checkLedger(portal);
  });

  it('is made after ten seconds, or after a thousand entries, and not without entries', async () => {
    const portal = await portalOn();
    expect(await sealer(portal).turn()).toBeNull();
    await happen(portal);
    expect(await sealer(portal).turn()).toBeNull();
    portal.clock.forward(11);
    await sealer(portal).turn();
    expect((await checkpoints(portal)).map(({ size }) => size)).toEqual(['1']);
    portal.clock.forward(3_600);
    expect(await sealer(portal).turn()).toBeNull();
    await happen(portal, 1_000);
    await sealer(portal).turn();
    expect((await checkpoints(portal)).map(({ size }) => size)).toEqual(['1', '1001']);
  });

  it('goes on after a restart from what was signed, also by a replica that was away meanwhile', async () => {
    const database = await cloneDatabase();
    const first = await portalOn({ database });
    await sealed(first, 300);
    const [second, env] = [await portalOn({ database }), { DATA_DIR: first.config.dataDir }];
    await sealed(second, 500);
    await sealed(first, 1);
    await sealed(second, 77);
    open.splice(open.indexOf(first), 1);
    await first.close();
    await sealed(second, 1_200);
    const again = await portalOn({ database, env });
    expect(await sealed(again, 1)).toBe(2_079);
    const { tree } = await wholeLog(again);
    for (const { size, root } of await checkpoints(again)) expect(root).toEqual(tree.root(Number(size)));
  });

  it('is one and the same whichever of two replicas signs, and they never sign two of one size', async () => {
    const database = await cloneDatabase();
    const both = [await portalOn({ database }), await portalOn({ database })];
    for (let round = 0; round < 25; round++) {
      await happen(both[0]!, 1 + (round % 7));
      const made = await Promise.all([...both, ...both].map((portal, at) => sealer(portal).turn(at !== 1)));
      expect(made.filter(Boolean).length).toBeLessThanOrEqual(1);
    }
    const rows = await checkpoints(both[0]!);
    expect(new Set(rows.map(({ size }) => size)).size).toBe(rows.length);
    expect(rows.length).toBeGreaterThanOrEqual(25);
    const { tree } = await wholeLog(both[0]!);
    for (const { size, root } of rows) expect(root).toEqual(tree.root(Number(size)));
    for (const portal of both) expect(refusals(portal)).toEqual([]);
  });

  it('that was signed and not published before a crash is the one that is published after it', async () => {
    const portal = await portalOn();
    await sealed(portal, 5);
    await sealed(portal, 4);
    const { note } = (await checkpoints(portal)).at(-1)!;
    // A crash between the disk and the database leaves this.
    await tamper(portal, 'DELETE FROM audit.checkpoint WHERE size = 9');
    writeFileSync(memoryOf(portal), JSON.stringify({ note, isPublished: false, refusal: null }));
    await happen(portal, 1);
    expect(await sealer(portal).turn(true)).toMatchObject({ size: 9, note });
    expect(await sealer(portal).turn(true)).toMatchObject({ size: 10 });
  });

  it('is not published where it cannot be remembered, and nobody waits for it', async () => {
    const file = join(mkdtempSync(join(tmpdir(), 'portico-no-folder-')), 'file');
    writeFileSync(file, '');
    const portal = await portalOn({ env: { DATA_DIR: file } });
    await happen(portal);
    expect(await sealer(portal).turn(true)).toBeNull();
    expect(report(portal).problem).toMatchObject({ kind: 'failed', code: 'audit.sealing-failed', message: 'ENOTDIR' });
    expect(await checkpoints(portal)).toEqual([]);
    await portal.http.get('/health/ready').expect(200);
  });

  it('that is late is told once, and once that it is not any more', async () => {
    const portal = await portalOn();
    await sealed(portal);
    await happen(portal);
    await portal.owner.query('REVOKE EXECUTE ON FUNCTION audit.seal FROM portico_sequencer');
    expect(await sealer(portal).turn(true)).toBeNull();
    portal.clock.forward(61);
    expect(report(portal)).toMatchObject({ isLate: true, waiting: 1, problem: { kind: 'failed' } });
    const told = () => portal.log.filter(({ code }) => code === 'audit.sealing-late').map(({ msg }) => msg);
    await eventually(() => expect(told()).toHaveLength(1));
    await portal.owner.query('GRANT EXECUTE ON FUNCTION audit.seal TO portico_sequencer');
    expect(await sealer(portal).turn(true)).toMatchObject({ size: 2 });
    await eventually(() => expect(told()).toHaveLength(2));
    expect(report(portal)).toMatchObject({ isLate: false, problem: null });
  });
});

/** What the job of the background does by itself, every second. */
async function eventually(check: () => void): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      check();
      return;
    } catch (error) {
      if (tries > 60) throw error;
      await new Promise((done) => setTimeout(done, 50));
    }
  }
}

describe('the sealer signs no log', () => {
  it('in which an entry was changed before it was sealed, with its hash made anew', async () => {
    const portal = await portalOn();
    await sealed(portal, 40);
    await happen(portal, 10);
    await tamper(
      portal,
      `UPDATE audit.entry SET leaf = replace(leaf, '"act":"R"', '"act":"C"') WHERE idx = 44`,
      `UPDATE audit.entry SET leaf_hash = sha256('\\x00'::bytea || convert_to(leaf, 'UTF8')) WHERE idx = 44`,
    );
    await expectRefused(portal, 'audit.head-differs', /^entries 40 to 47 are not those that the head of 50 entries/);
    // Put right again, nothing shows it any more; what was seen stands all the same, also after a restart.
    await tamper(
      portal,
      `UPDATE audit.entry SET leaf = replace(leaf, '"act":"C"', '"act":"R"') WHERE idx = 44`,
      `UPDATE audit.entry SET leaf_hash = sha256('\\x00'::bytea || convert_to(leaf, 'UTF8')) WHERE idx = 44`,
    );
    expect(await sealer(portal).turn(true)).toBeNull();
    const again = await portalOn({
      database: portal.config.database,
      env: { DATA_DIR: portal.config.dataDir },
    });
    expect(await sealer(again).turn(true)).toBeNull();
    expect(report(again).problem?.code).toBe('audit.head-differs');
  });

  it.each([
    ['changed', `UPDATE audit.entry SET leaf = leaf || ' ' WHERE idx = 44`, 'audit.leaf-altered', /^entry 44 /],
    ['deleted', 'DELETE FROM audit.entry WHERE idx = 44', 'audit.entries-missing', /no entry at 44$/],
    ['cut off', 'DELETE FROM audit.entry WHERE idx >= 44', 'audit.entries-missing', /no entry at 44$/],
    [
      'swapped',
      `UPDATE audit.entry e SET leaf = o.leaf, leaf_hash = o.leaf_hash FROM audit.entry o WHERE e.idx + o.idx = 87 AND e.idx IN (43, 44)`,
      'audit.leaf-misplaced',
      /^entry 43 says of itself that it is entry 44$/,
    ],
  ] as const)('in which an entry was %s before it was sealed', async (_, sql, code, words) => {
    const portal = await portalOn();
    await sealed(portal, 40);
    await happen(portal, 10);
    await tamper(portal, sql);
    await expectRefused(portal, code, words);
  });

  it('whose tail is gone', async () => {
    const portal = await portalOn();
    await sealed(portal, 300);
    await backUp(portal);
    await sealed(portal, 30);
    await restore(portal, ['entry', 'head', 'tile_hash', 'subject_head']);
    await expectRefused(portal, 'audit.rolled-back', /^the log has 300 entries, and the checkpoint of 330 entries/);
  });

  it('that was restored with its checkpoints, and stays so when it grows again', async () => {
    const portal = await portalOn();
    await sealed(portal, 300);
    await backUp(portal);
    await sealed(portal, 30);
    await restore(portal);
    await expectRefused(portal, 'audit.rolled-back', /^the log has 300 entries, and the checkpoint of 330 entries/);
    await portal.http.get('/health/ready').expect(200);
    await portal.app.get(Sequencer).sequence();
    // Other events than those that were lost.
    await portal.owner.query(
      "SELECT audit.submit(array_agg(gen_random_uuid()), array_agg('{}'), array_agg(now()), array_agg(''), array_agg(null::text), array_agg('x'), array_agg(0::smallint), array_agg(gen_random_uuid()), array_agg(null::uuid), '{}', '{}', '{}') FROM generate_series(1, 60)",
    );
    await portal.app.get(Sequencer).sequence();
    expect(await sealer(portal).turn(true)).toBeNull();
    expect(report(portal).problem).toMatchObject({
      code: 'audit.forked',
      message: expect.stringMatching(/^the first 330 entries are not those of the checkpoint of 330 entries/),
    });
  });

  it('of which only the checkpoints were taken back', async () => {
    const portal = await portalOn();
    await sealed(portal, 300);
    await backUp(portal);
    await sealed(portal, 30);
    await restore(portal, ['checkpoint']);
    await happen(portal, 1);
    await expectRefused(portal, 'audit.checkpoints-lost', /^the checkpoint of 330 entries .* newest one .* of 300$/);
  });

  it('that is another one below what was signed, with every hash made anew', async () => {
    const portal = await portalOn();
    const other = await portalOn();
    await sealed(portal, 300);
    await sealed(other, 100);
    await portal.http.get('/health/ready').expect(200);
    await other.http.get('/health/ready').expect(200);
    // The rows of a log that branched off at 100, and has grown further than ours.
    for (const one of [portal, other]) await one.app.get(Sequencer).sequence();
    await happen(other, 400);
    await backUp(other);
    for (const table of ['entry', 'head', 'tile_hash']) {
      const { rows } = await other.owner.query(`SELECT to_jsonb(t) AS row FROM audit.${table} t`);
      await portal.owner.query('SET session_replication_role = replica');
      await portal.owner.query(`DELETE FROM audit.${table}`);
      await portal.owner.query(
        `INSERT INTO audit.${table} SELECT r.* FROM jsonb_array_elements($1) e, jsonb_populate_record(NULL::audit.${table}, e) r`,
        [JSON.stringify(rows.map(({ row }) => row as object))],
      );
      await portal.owner.query('RESET session_replication_role');
    }
    const fresh = await portalOn({ database: portal.config.database, env: { DATA_DIR: portal.config.dataDir } });
    await expectRefused(fresh, 'audit.forked', /^the first 300 entries are not those of the checkpoint of 300 entries/);
  });

  it('whose newest checkpoint none of our keys has signed', async () => {
    const portal = await portalOn();
    await sealed(portal, 30);
    await happen(portal, 3);
    const { note } = (await checkpoints(portal))[0]!;
    await tamper(portal, `UPDATE audit.checkpoint SET root = sha256('another')`);
    await expectRefused(portal, 'audit.checkpoint-forged', /^no key of the key file has signed the checkpoint of 30/);
    await portal.owner.query('SET session_replication_role = replica');
    const { body, signatures } = parseNote(note);
    await portal.owner.query('UPDATE audit.checkpoint SET root = $1, note = $2', [
      parseCheckpoint(body).root,
      note.replace(signatures[0]!.blob.toString('base64').slice(10, 20), 'A'.repeat(10)),
    ]);
    await portal.owner.query('RESET session_replication_role');
    expect(await sealer(portal).turn(true)).toBeNull();
    await portal.owner.query('SET session_replication_role = replica');
    await portal.owner.query('UPDATE audit.checkpoint SET note = $1', [note]);
    await portal.owner.query('RESET session_replication_role');
  });

  it('under another name than before', async () => {
    const portal = await portalOn();
    await sealed(portal, 3);
    const renamed = await portalOn({ database: portal.config.database, env: { AUDIT_ORIGIN: 'else.test/audit' } });
    await happen(renamed);
    await expectRefused(
      renamed,
      'audit.origin-changed',
      /portal.test\/audit.*else.test\/audit.*set AUDIT_ORIGIN back$/,
    );
  });

  it('where the file of what was seen is damaged', async () => {
    const portal = await portalOn();
    await sealed(portal, 3);
    writeFileSync(memoryOf(portal), '{"note":"half');
    await happen(portal);
    await expectRefused(portal, 'audit.memory-unreadable', /DATA_DIR is damaged/);
  });
});
