import { createHash } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  again,
  bundleOf,
  exported,
  fetched,
  leavesOf,
  manifestOf,
  openNote,
  settle,
  unzipped,
  verifierKey,
  verifyBundle,
} from '../harness/exports.js';
import { fillLog } from '../harness/filled-log.js';
import { openHospital, type Hospital } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import type { Caller } from '../harness/people.js';

let hospital: Hospital;
let officer: Caller;
let vkey: string;

beforeAll(async () => {
  hospital = await openHospital();
  const { anna, bela, clinician, portal } = hospital;
  // Several tiles, the last of them not full.
  await fillLog(portal.owner, 800);
  for (let n = 0; n < 3; n++) {
    await anna.get(`/v1/patients/${anna.patientId}`).expect(200);
    await bela.get(`/v1/patients/${bela.patientId}`).expect(200);
    await clinician.get(`/v1/patients/${anna.patientId}/records`).expect(200);
  }
  await settle(portal);
  vkey = await verifierKey(portal);
});

beforeEach(async () => {
  officer = await again(hospital.complianceOfficer);
});

afterAll(async () => {
  await checkLedger(hospital.portal);
  await hospital.portal.close();
});

const stored = async (where: string, values: unknown[]): Promise<string[]> => {
  const { rows } = await hospital.portal.owner.query<{ leaf: string }>(
    `SELECT leaf FROM audit.entry WHERE ${where} ORDER BY idx`,
    values,
  );
  return rows.map(({ leaf }) => leaf);
};

describe('an export of the whole log', () => {
  it('ends with its own event, and is exactly what its checkpoint covers', async () => {
    // Other events stand behind that of the export before anybody signs.
    const asked = await officer.post('/v1/audit/exports', { reason: 'Yearly review' }).expect(202);
    for (let n = 0; n < 5; n++) await officer.get('/v1/audit/exports').expect(200);
    await settle(hospital.portal);
    const { id } = asked.body as { id: string };
    expect(asked.headers.location).toBe(`/v1/audit/exports/${id}`);
    const files = await bundleOf(officer, id);
    const lines = verifyBundle(files, vkey);
    const manifest = manifestOf(files);
    expect(manifest).toMatchObject({ kind: 'log', firstSeq: 0, tiles: null, checkpoint: { size: lines.length } });
    expect(lines).toEqual(await stored('idx < $1', [lines.length]));
    expect(leavesOf(lines).at(-1)).toMatchObject({ e: { sub: 'AuditExport.create', res: [{ i: id }] } });
    const by = hospital.complianceOfficer.id;
    expect(manifest.askedFor).toMatchObject({ by, reason: 'Yearly review', seq: lines.length - 1 });
  });

  it('shows that the log has only grown since the export before', async () => {
    const first = await exported(officer, {});
    const second = manifestOf(await bundleOf(officer, (await exported(officer, {})).id));
    expect(second.previousSize).toBe(first.treeSize);
  });

  it('is not verified by another key, and does not bring the key along', async () => {
    const zip = await fetched(officer, `/v1/audit/exports/${(await exported(officer, {})).id}/bundle`);
    const files = await unzipped(zip);
    const note = files.get('checkpoint')!.toString();
    const [name, , key] = vkey.split(/\+(.*?)\+(.*)/s) as [string, string, string];
    const other = Buffer.from(key, 'base64');
    other[5] = (other[5]! + 1) % 256;
    const id = createHash('sha256')
      .update(Buffer.concat([Buffer.from(`${name}\n`), other]))
      .digest('hex')
      .slice(0, 8);
    expect(openNote(note, `${name}+${id}+${other.toString('base64')}`)).toBeNull();
    for (const bytes of files.values()) expect(bytes.includes(key)).toBe(false);
    expect(files.get('README.txt')!.toString()).toMatch(/audit:verify[^]*NOT in here|NOT in here[^]*audit:verify/);
  });

  it('becomes a range where the log was signed only beyond it', async () => {
    const { owner } = hospital.portal;
    const name = `'audit.wanted_checkpoint(bigint)'::regprocedure`;
    const { rows } = await owner.query<{ sql: string }>(`SELECT pg_get_functiondef(${name}) AS sql`);
    const asked = await officer.post('/v1/audit/exports', { reason: 'Signed late' }).expect(202);
    await officer.get('/v1/audit/events').expect(200);
    await owner.query(
      `CREATE OR REPLACE FUNCTION audit.wanted_checkpoint(_after bigint) RETURNS bigint LANGUAGE sql AS 'SELECT NULL::bigint'`,
    );
    await settle(hospital.portal);
    await owner.query(rows[0]!.sql);
    const files = await bundleOf(officer, (asked.body as { id: string }).id);
    const lines = verifyBundle(files, vkey);
    const { kind, checkpoint, askedFor } = manifestOf(files);
    expect([kind, lines.length]).toEqual(['range', askedFor.seq + 1]);
    expect(checkpoint.size).toBeGreaterThan(lines.length);
  });
});

describe('an export of a range', () => {
  it.each([
    [0, 0],
    [0, 255],
    [255, 256],
    [256, 511],
    [300, 301],
    [1, 766],
  ])('from %i to %i holds these lines and no other, and tiles lead to the root', async (fromSeq, toSeq) => {
    const made = await exported(officer, { filter: { fromSeq, toSeq } });
    const files = await bundleOf(officer, made.id);
    expect(verifyBundle(files, vkey)).toEqual(await stored('idx BETWEEN $1 AND $2', [fromSeq, toSeq]));
    expect(manifestOf(files)).toMatchObject({ kind: 'range', firstSeq: fromSeq, lastSeq: toSeq });
  });

  it('without an end goes up to its own event', async () => {
    const made = await exported(officer, { filter: { fromSeq: 700 } });
    const lines = verifyBundle(await bundleOf(officer, made.id), vkey);
    expect([leavesOf(lines)[0]!.i, leavesOf(lines).at(-1)!.i]).toEqual([700, made.seq]);
  });
});

describe('an export of one patient', () => {
  it('has each of their events, counted without a gap up to its own, which is the last', async () => {
    const { patientId } = hospital.anna;
    const made = await exported(officer, { filter: { patientId: [patientId.toUpperCase()] } });
    const files = await bundleOf(officer, made.id);
    const lines = verifyBundle(files, vkey);
    const leaves = leavesOf(lines);
    expect(leaves.map(({ n }) => n)).toEqual(leaves.map((_, at) => at + 1));
    expect(leaves.every(({ e }) => e.pat === patientId)).toBe(true);
    expect(lines).toEqual(await stored('subject = $1 AND idx <= $2', [patientId, made.seq]));
    expect(leaves.at(-1)).toMatchObject({ i: made.seq, e: { sub: 'AuditExport.create', res: [{ i: made.id }] } });
    expect(manifestOf(files).completeFor).toEqual([{ id: patientId, firstN: 1, lastN: leaves.length }]);
    expect(made.mismatchAt).toBeNull();
  });

  it('counts on where the next one begins, also for several patients at once', async () => {
    const ids = [hospital.anna.patientId, hospital.bela.patientId];
    const before = await exported(officer, { filter: { patientId: ids } });
    await hospital.bela.get(`/v1/patients/${ids[1]}`);
    const made = await exported(officer, { filter: { patientId: ids, fromSeq: before.seq! + 1 } });
    const files = await bundleOf(officer, made.id);
    const leaves = leavesOf(verifyBundle(files, vkey));
    for (const { id, firstN, lastN } of manifestOf(files).completeFor) {
      const counters = leaves.filter(({ e }) => e.pat === id).map(({ n }) => n);
      expect(counters).toEqual(Array.from({ length: lastN - firstN + 1 }, (_, at) => firstN + at));
    }
    expect(manifestOf(files).completeFor.map(({ id }) => id)).toEqual(ids);
    // One event of each patient tells of the export; the last of them ends it.
    const own = leaves.filter(({ e }) => e.res?.[0]?.i === made.id && e.sub === 'AuditExport.create');
    expect(own.map(({ e }) => e.pat).sort()).toEqual([...ids].sort());
    expect(leaves.at(-1)).toEqual(own.at(-1));
  });

  it('claims nothing where more than the patient narrows it', async () => {
    const filter = { patientId: [hospital.anna.patientId], action: 'Record.list' };
    const files = await bundleOf(officer, (await exported(officer, { filter })).id);
    const codes = leavesOf(verifyBundle(files, vkey)).map(({ e }) => e.sub);
    expect(new Set(codes.slice(0, -1))).toEqual(new Set(['Record.list']));
    expect(codes.at(-1)).toBe('AuditExport.create');
    expect(manifestOf(files).completeFor).toEqual([]);
  });
});

describe('an export of chosen events', () => {
  it('takes the same filters as the search', async () => {
    const { anna, clinician } = hospital;
    const { rows } = await hospital.portal.owner.query<{ session_id: string; request_id: string; occurred: Date }>(
      `SELECT session_id, request_id, occurred FROM audit.entry WHERE actor = $1 AND action = 'Record.list' ORDER BY idx LIMIT 1`,
      [clinician.id],
    );
    const { session_id: sessionId, request_id: requestId, occurred } = rows[0]!;
    const cases: [object, string, unknown[]][] = [
      [{ actorId: [anna.id, clinician.id] }, 'actor = ANY($1)', [[anna.id, clinician.id]]],
      [{ action: 'Patient' }, `action LIKE 'Patient.%'`, []],
      [{ outcome: 'refused' }, 'outcome = 4', []],
      [{ outcome: 'success', sessionId }, 'outcome = 0 AND session_id = $1', [sessionId]],
      [{ from: occurred.toISOString() }, 'occurred >= $1', [occurred]],
      [{ to: '2026-01-01T05:00:00Z' }, `occurred < '2026-01-01T05:00:00Z'`, []],
      [{ subjectType: 'Patient' }, `action LIKE 'Patient.%'`, []],
      [
        { purpose: 'HOPERAT', to: '2026-01-02T00:00:00Z' },
        `leaf LIKE '%"purp":"HOPERAT"%' AND occurred < '2026-01-02'`,
        [],
      ],
      [
        { ip: '198.51.100.7' },
        `leaf::json #>> '{e,net,_sd,0}' IN (SELECT digest FROM audit.disclosure WHERE audit.disclosed(disclosure, 'ip') = '198.51.100.7')`,
        [],
      ],
      [
        { role: 'clinician', category: 'imaging', to: '2026-01-02T00:00:00Z' },
        `leaf LIKE '%"roles":["clinician"]%' AND leaf LIKE '%"cat":["imaging"]%' AND occurred < '2026-01-02'`,
        [],
      ],
      [{ code: 'access.forbidden' }, `leaf::json #>> '{e,err}' = 'access.forbidden'`, []],
      [{ requestId }, 'request_id = $1', [requestId]],
      [{ action: 'Record.read', toSeq: 400 }, `action = 'Record.read' AND idx <= 400`, []],
    ];
    for (const [filter, where, values] of cases) {
      const made = await exported(officer, { filter });
      const lines = verifyBundle(await bundleOf(officer, made.id), vkey);
      const wanted = await stored(`(${where}) AND idx < ${made.seq}`, values);
      expect([filter, lines.slice(0, -1)]).toEqual([filter, wanted]);
      expect(leavesOf(lines).at(-1)).toMatchObject({ i: made.seq });
    }
  });

  it('by an address ends, and forgets the address, when addresses are erased', async () => {
    const { owner } = hospital.portal;
    const made = await exported(officer, { filter: { ip: '127.0.0.1' } });
    await officer.post('/v1/audit/erasures', { accountId: hospital.staff.id, reason: 'Left the hospital' }).expect(201);
    const { body } = await officer.get(`/v1/audit/exports/${made.id}`).expect(200);
    expect(body).toMatchObject({ state: 'failed', failure: 'values-erased', filter: {} });
    const { rows } = await owner.query('SELECT 1 FROM audit.export x WHERE x::text LIKE $1', ['%127.0.0.1%']);
    expect(rows).toEqual([]);
    // Nothing else of what was asked for leaves.
    const change = `UPDATE audit.export SET filter = '{"ip":"203.0.113.1"}' WHERE export_id = '${made.id}'`;
    await expect(owner.query(change)).rejects.toThrow('append-only');
  });

  it('holds nothing but its own event where nothing matches', async () => {
    const made = await exported(officer, { filter: { action: 'Nothing.at-all' } });
    expect(leavesOf(verifyBundle(await bundleOf(officer, made.id), vkey)).map(({ i }) => i)).toEqual([made.seq]);
  });
});
