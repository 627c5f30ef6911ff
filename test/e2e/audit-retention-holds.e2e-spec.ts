import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import pg from 'pg';
import { ArchivedLeaves } from '../../src/modules/audit/retention/archived-leaves.js';
import { Retention } from '../../src/modules/audit/retention/retention.js';
import { Sequencer } from '../../src/modules/audit/sequencer.js';
import { verifyDatabase } from '../../src/modules/audit/verification/online.js';
import { loadConfig, type Config } from '../../src/platform/config/config.js';
import {
  again,
  bundleOf,
  exported,
  fetched,
  leavesOf,
  manifestOf,
  verifierKey,
  verifyBundle,
} from '../harness/exports.js';
import { NOBODY, openHospital, said, type Hospital } from '../harness/hospital.js';
import { checkLedger, type LedgerEntry } from '../harness/ledger.js';
import type { Caller } from '../harness/people.js';
import { archive, BLOCK, entriesOf, newArchive, smallBlocks, timeOf } from '../harness/retention.js';
import { isConsistent, isIncluded, leafHashOf, PlainTree } from '../harness/rfc6962.js';
import { seal } from '../harness/seals.js';

const BLOCKS = 4;
const YEAR = 366 * 86_400;
const dir = newArchive();
let hospital: Hospital;
let officer: Caller;
let database: Config['database'];
let size: number;
let before: LedgerEntry[];
let plain: PlainTree;

interface Hold {
  id: string;
  status: string;
  reason: string;
  releaseReason: string | null;
  placedBy: string;
  releasedBy: string | null;
}

const holds = '/v1/audit/holds';
const blocks = async (): Promise<{ block: number; state: string; holds: string[]; deletedAt: string | null }[]> =>
  (
    (await officer.get('/v1/audit/blocks?limit=200').expect(200)).body as {
      items: { block: number; state: string; holds: string[]; deletedAt: string | null }[];
    }
  ).items
    .reverse()
    .slice(0, BLOCKS);
const states = async () => (await blocks()).map(({ state }) => state);
const events = async (action: string): Promise<Record<string, unknown>[]> => {
  await hospital.portal.app.get(Sequencer).sequence();
  const { rows } = await hospital.portal.owner.query<{ leaf: string }>(
    'SELECT leaf FROM audit.entry WHERE action = $1 AND outcome = 0 ORDER BY idx',
    [action],
  );
  return rows.map(({ leaf }) => (JSON.parse(leaf) as { e: Record<string, unknown> }).e);
};
const place = async (body: object): Promise<Hold> => (await officer.post(holds, body).expect(201)).body as Hold;
/** The rule is applied as it will be when all is older than AUDIT_RETENTION_YEARS. */
const expire = async () => {
  const done = await hospital.portal.app.get(Retention).run({ before: new Date(0) });
  officer = await again(hospital.complianceOfficer);
  return { deleted: done!.deleted.map(({ block }) => block), held: done!.held.map(({ block }) => block) };
};

beforeAll(async () => {
  database = await smallBlocks(BLOCKS * BLOCK);
  hospital = await openHospital(
    { AUDIT_ARCHIVE_DIR: dir, AUDIT_RETENTION_YEARS: '6', ACCESS_TOKEN_MINUTES: '10' },
    database,
  );
  const { portal } = hospital;
  officer = hospital.complianceOfficer;
  size = await seal(portal);
  before = await entriesOf(portal);
  plain = new PlainTree(before.map(({ leaf }) => leafHashOf(leaf)));
  expect((await archive(portal, BLOCKS)).archived).toHaveLength(BLOCKS);
}, 120_000);

afterAll(async () => {
  await checkLedger(hospital.portal, before.slice(0, BLOCKS * BLOCK));
  await hospital.portal.close();
});

describe('the setting', () => {
  it('takes six years at least, and whole numbers', () => {
    const problem = (env: Record<string, string>): string => {
      try {
        loadConfig({ NODE_ENV: 'test', ...env });
        return '';
      } catch (error) {
        return String(error);
      }
    };
    for (const years of ['5', '5.9', '0', '-1', '6.5', '1000'])
      expect(problem({ AUDIT_RETENTION_YEARS: years })).toContain('AUDIT_RETENTION_YEARS must be');
    for (const months of ['0', '1.5', '120'])
      expect(problem({ AUDIT_HOT_MONTHS: months })).toContain('AUDIT_HOT_MONTHS must be');
    expect(loadConfig({ NODE_ENV: 'test' }).audit).toMatchObject({
      hotMonths: 13,
      retentionYears: 10,
      archiveDir: null,
    });
    expect(problem({ AUDIT_RETENTION_YEARS: '6', AUDIT_HOT_MONTHS: '71' })).toBe('');
  });
});

describe('a legal hold', () => {
  it('is placed by the compliance officer alone, after a fresh second factor, with a reason', async () => {
    const { admin, staff, recordsOfficer, clinician, anna, portal } = hospital;
    for (const caller of [admin, staff, recordsOfficer, clinician, anna])
      expect(said(await caller.post(holds, { reason: 'mine' }))).toEqual([403, 'access.forbidden']);
    expect((await officer.post(holds, {})).status).toBe(400);
    expect((await officer.post(holds, { reason: '' })).status).toBe(400);
    const [from, to] = ['2026-02-01T00:00:00Z', '2026-01-01T00:00:00Z'];
    expect(said(await officer.post(holds, { reason: 'backwards', from, to }))).toEqual([422, 'audit.hold-period']);
    portal.clock.forward(301);
    expect(said(await officer.post(holds, { reason: 'late' }))).toEqual([403, 'auth.step-up-required']);
    officer = await again(hospital.complianceOfficer);
  });

  it('is told with what stood before and after; its reason is in no leaf', async () => {
    const hold = await place({ reason: 'Case 4711 against nobody', to: timeOf(BLOCK).toISOString() });
    expect(hold).toMatchObject({ status: 'active', releasedBy: null, placedBy: hospital.complianceOfficer.id });
    const [event] = (await events('LegalHold.create')).slice(-1);
    expect(event!.res).toEqual([{ i: hold.id, t: 'LegalHold', b: [], a: ['status:active'] }]);
    const released = await officer.post(`${holds}/${hold.id}/release`, { reason: 'Case closed' }).expect(200);
    expect(released.body).toMatchObject({ id: hold.id, status: 'released', releaseReason: 'Case closed' });
    const [end] = (await events('LegalHold.release')).slice(-1);
    expect(end!.res).toEqual([{ i: hold.id, t: 'LegalHold', b: ['status:active'], a: ['status:released'] }]);
    expect(JSON.stringify([event, end])).not.toMatch(/4711|closed/);
    expect((await officer.get(`${holds}/${hold.id}`).expect(200)).body).toEqual(released.body);
  });

  it('is released once, and never changed or taken away', async () => {
    const { id } = await place({ reason: 'Once' });
    await officer.post(`${holds}/${id}/release`, { reason: 'Done' }).expect(200);
    const second = await officer.post(`${holds}/${id}/release`, { reason: 'Again' });
    expect(said(second)).toEqual([409, 'audit.hold-released']);
    expect((await officer.post(`${holds}/${NOBODY}/release`, { reason: 'None' })).status).toBe(404);
    expect((await officer.get(`${holds}/${id}`)).body).toMatchObject({ reason: 'Once', releaseReason: 'Done' });
    const { owner } = hospital.portal;
    for (const table of ['hold', 'hold_release'])
      for (const sql of [
        `UPDATE audit.${table} SET reason = 'x'`,
        `DELETE FROM audit.${table}`,
        `TRUNCATE audit.${table} CASCADE`,
      ])
        await expect(owner.query(sql)).rejects.toThrow(/append-only/);
  });

  it('is listed with those that were released, newest first, page by page', async () => {
    const { body } = await officer.get(`${holds}?limit=1`).expect(200);
    const page = body as { items: Hold[]; next: string };
    const rest = (await officer.get(holds).query({ limit: 200, cursor: page.next }).expect(200)).body as {
      items: Hold[];
    };
    const all = [...page.items, ...rest.items];
    expect(all.map(({ reason }) => reason)).toEqual(['Once', 'Case 4711 against nobody']);
  });
});

describe('the end of retention', () => {
  let kept: Hold;

  it('deletes nothing that is not old enough', async () => {
    hospital.portal.clock.forward(5 * YEAR);
    expect(await expire()).toEqual({ deleted: [], held: [] });
    expect(await states()).toEqual(Array(BLOCKS).fill('archived'));
  });

  it('deletes nothing that is held, whole or in part', async () => {
    hospital.portal.clock.forward(7 * YEAR);
    officer = await again(hospital.complianceOfficer);
    const all = await place({ reason: 'The whole log' });
    expect((await blocks()).map((one) => one.holds)).toEqual(Array(BLOCKS).fill([all.id]));
    expect(await expire()).toEqual({ deleted: [], held: [0, 1, 2, 3] });
    // Of block 1 its last minute, and no moment of block 2.
    kept = await place({
      reason: 'One block',
      from: timeOf(2 * BLOCK - 1).toISOString(),
      to: timeOf(2 * BLOCK).toISOString(),
    });
    await officer.post(`${holds}/${all.id}/release`, { reason: 'Narrower' }).expect(200);
    expect((await blocks()).map((one) => one.holds)).toEqual([[], [kept.id], [], []]);
  });

  it('waits for a hold that is being placed', async () => {
    const { owner } = hospital.portal;
    const other = new pg.Client({ connectionString: database.ownerUrl });
    await other.connect();
    await owner.query('BEGIN');
    await owner.query(`SELECT audit.place_hold(gen_random_uuid(), NULL, NULL, 'under way', $1, now())`, [NOBODY]);
    await other.query(`SET lock_timeout = '200ms'`);
    const call = `SELECT audit.delete_block(0, now(), now(), gen_random_uuid(), '{}', 'Block.delete')`;
    await expect(other.query(call)).rejects.toThrow(/lock timeout/);
    await owner.query('ROLLBACK');
    await other.end();
  });

  it('deletes whole blocks with their files, also where a server is killed in between, and tells of each', async () => {
    const { files } = hospital.portal.app.get(ArchivedLeaves);
    jest.spyOn(files, 'remove').mockImplementationOnce(() => Promise.reject(new Error('killed')));
    await expect(hospital.portal.app.get(Retention).run({ before: new Date(0) })).rejects.toThrow('killed');
    expect(existsSync(join(dir, 'block-000000'))).toBe(true);
    expect(await expire()).toEqual({ deleted: [2, 3], held: [1] });
    expect(readdirSync(dir)).toEqual(['block-000001']);
    expect(await states()).toEqual(['deleted', 'archived', 'deleted', 'deleted']);
    const told = (await events('Block.delete')).map(({ det }) => (det as { block: number }).block);
    expect(told).toEqual([0, 2, 3]);
    expect(await expire()).toEqual({ deleted: [], held: [1] });
  });

  it('has no way back: what somebody puts there again is removed, and read by nobody', async () => {
    mkdirSync(join(dir, 'block-000000'));
    writeFileSync(join(dir, 'block-000000/note'), 'still here');
    expect(said(await officer.get('/v1/audit/tile/entries/000'))).toEqual([410, 'audit.deleted']);
    await expire();
    expect(existsSync(join(dir, 'block-000000'))).toBe(false);
  });

  it('answers 410 for what is gone, to officers and strangers', async () => {
    for (const path of [
      'tile/entries/000',
      'tile/entries/003',
      'events/5',
      'events/5/receipt',
      'events/5/around',
      `proof/inclusion?index=5&size=${size}`,
      `proof/consistency?from=5&to=${size}`,
    ])
      expect([path, ...said(await officer.get(`/v1/audit/${path}`))]).toEqual([path, 410, 'audit.deleted']);
    expect(said(await hospital.portal.http.get('/v1/audit/tile/0/000'))).toEqual([410, 'audit.deleted']);
  });

  it('leaves every proof of what is left as it was', async () => {
    const root = plain.root(size);
    for (const index of [BLOCK, 2 * BLOCK - 1, BLOCKS * BLOCK, size - 1]) {
      const { body } = await officer.get(`/v1/audit/proof/inclusion?index=${index}&size=${size}`).expect(200);
      const path = (body as { hashes: string[] }).hashes.map((hash) => Buffer.from(hash, 'base64'));
      expect(isIncluded({ index, size, root }, before[index]!.leaf, path)).toBe(true);
    }
    for (const from of [BLOCK, 300, 2 * BLOCK, 3 * BLOCK, BLOCKS * BLOCK + 1]) {
      const { body } = await officer.get(`/v1/audit/proof/consistency?from=${from}&to=${size}`).expect(200);
      const hashes = (body as { hashes: string[] }).hashes.map((hash) => Buffer.from(hash, 'base64'));
      expect(isConsistent({ size: from, root: plain.root(from) }, { size, root }, hashes)).toBe(true);
    }
    const held = await fetched(officer, '/v1/audit/tile/entries/001');
    expect(held.subarray(2, 2 + held.readUInt16BE(0)).toString()).toBe(before[BLOCK]!.leaf);
    await fetched(officer, '/v1/audit/tile/1/000.p/4');
  });

  it('still verifies, also without the checkpoint of a replica that saw it all', async () => {
    const report = await verifyDatabase(hospital.portal.config, {
      ...{ keys: [], from: 0, previous: null, onProgress: () => undefined },
    });
    expect(report).toMatchObject({ verdict: 'verified', archive: { blocks: 1, entries: BLOCK } });
  });

  it('is where exports begin, and they say so', async () => {
    const vkey = await verifierKey(hospital.portal);
    const whole = await exported(officer, {});
    const files = await bundleOf(officer, whole.id);
    const lines = verifyBundle(files, vkey);
    expect(manifestOf(files)).toMatchObject({ kind: 'range', firstSeq: BLOCKS * BLOCK });
    expect(leavesOf(lines)[0]!.i).toBe(BLOCKS * BLOCK);
    const held = await exported(officer, { filter: { fromSeq: BLOCK, toSeq: 2 * BLOCK - 1 } });
    expect(verifyBundle(await bundleOf(officer, held.id), vkey)).toEqual(
      before.slice(BLOCK, 2 * BLOCK).map(({ leaf }) => leaf),
    );
    const gone = await officer.post('/v1/audit/exports', { reason: 'gone', filter: { fromSeq: 0, toSeq: 9 } });
    expect(said(gone)).toEqual([410, 'audit.deleted']);
  });

  it('comes when the hold is released', async () => {
    officer = await again(hospital.complianceOfficer);
    await officer.post(`${holds}/${kept.id}/release`, { reason: 'Over' }).expect(200);
    expect(await expire()).toEqual({ deleted: [1], held: [] });
    expect(readdirSync(dir)).toEqual([]);
    expect((await blocks()).every(({ deletedAt }) => deletedAt !== null)).toBe(true);
  });
});
