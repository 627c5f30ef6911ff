import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ExportJobs } from '../../src/modules/audit/exports/export-jobs.js';
import { Retention } from '../../src/modules/audit/retention/retention.js';
import { verifyDatabase } from '../../src/modules/audit/verification/index.js';
import { Verifier } from '../../src/modules/audit/verification/verifier.js';
import {
  again,
  bundleOf,
  exported,
  fetched,
  leavesOf,
  linesOf,
  manifestOf,
  settle,
  verifierKey,
  verifyBundle,
} from '../harness/exports.js';
import { openHospital, said, type Hospital } from '../harness/hospital.js';
import { checkLedger, type LedgerEntry } from '../harness/ledger.js';
import type { Caller } from '../harness/people.js';
import { archive, BLOCK, entriesOf, newArchive, smallBlocks, timeOf } from '../harness/retention.js';
import { isConsistent, isIncluded, leafHashOf, PlainTree } from '../harness/rfc6962.js';
import { seal } from '../harness/seals.js';

const FILLED = 1_100;
/** Blocks that are moved: so many entries are in the archive afterwards. */
const MOVED = 2;
const EDGE = MOVED * BLOCK;
/** Of one patient, with events on both sides of the edge. */
const BOTH_SIDES = [1, 1_007];

const dir = newArchive();
let hospital: Hospital;
let officer: Caller;
let size: number;
let before: LedgerEntry[];
let plain: PlainTree;
let answers: Map<string, unknown>;

const line = (index: number): string => before[index]!.leaf;
const hashes = (list: readonly string[]): Buffer[] => list.map((hash) => Buffer.from(hash, 'base64'));
const filesIn = (folder: string): string[] =>
  readdirSync(join(dir, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(join(dir, folder).length + 1));
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** What is asked before and after the entries have left the database: proofs for one and the same tree. */
const asked = (): string[] => [
  ...[0, 255, 256, EDGE - 1, EDGE, 1_000].map((index) => `/v1/audit/proof/inclusion?index=${index}&size=${size}`),
  ...[1, 77, 255, 256, 300, EDGE, 700].map((from) => `/v1/audit/proof/consistency?from=${from}&to=${size}`),
];

async function ask(): Promise<Map<string, unknown>> {
  const found = new Map<string, unknown>();
  for (const path of asked()) found.set(path, (await officer.get(path).expect(200)).body);
  for (const path of ['0/000', '0/001', '0/002', '1/000.p/4', 'entries/000', 'entries/001'])
    found.set(path, await fetched(officer, `/v1/audit/tile/${path}`));
  for (const index of [0, 300, 600]) found.set(`event ${index}`, (await officer.get(`/v1/audit/events/${index}`)).body);
  return found;
}

beforeAll(async () => {
  const database = await smallBlocks(FILLED);
  hospital = await openHospital({ AUDIT_ARCHIVE_DIR: dir }, database);
  officer = hospital.complianceOfficer;
}, 120_000);

afterAll(async () => {
  await checkLedger(hospital.portal, before.slice(0, EDGE));
  await hospital.portal.close();
});

describe('a block of the log', () => {
  it('stays in the database until a signed checkpoint covers it, however old it is', async () => {
    const { portal } = hospital;
    const { rows } = await portal.owner.query<{ size: string | null }>('SELECT max(size) AS size FROM audit.published');
    if (Number(rows[0]!.size ?? 0) < BLOCK) expect((await archive(portal, MOVED)).archived).toEqual([]);
    size = await seal(portal);
    before = await entriesOf(portal);
    plain = new PlainTree(before.map(({ leaf }) => leafHashOf(leaf)));
    answers = await ask();
  });

  it('that is too young stays', async () => {
    const done = await hospital.portal.app.get(Retention).run({ before: timeOf(BLOCK - 1) });
    expect(done).toEqual({ archived: [], deleted: [], held: [] });
  });

  it('leaves for files that stand by themselves, and the log tells of it', async () => {
    const { portal } = hospital;
    const { archived } = await archive(portal, MOVED);
    expect(archived.map(({ block, first, end }) => [block, first, end])).toEqual([
      [0, 0, BLOCK],
      [1, BLOCK, EDGE],
    ]);
    const { rows } = await portal.owner.query<{ idx: string; here: string | null }>(
      `SELECT min(idx) AS idx, to_regclass('audit.entry_1')::text AS here FROM audit.entry`,
    );
    expect(rows[0]).toEqual({ idx: String(EDGE), here: null });
    for (const { block, digest } of archived) {
      const folder = `block-00000${block}`;
      const sums = readFileSync(join(dir, folder, 'SHA256SUMS'));
      expect(sha256(sums)).toBe(digest.toString('hex'));
      const listed = sums
        .toString()
        .trimEnd()
        .split('\n')
        .map((one) => one.split('  ') as [string, string]);
      for (const [sum, name] of listed)
        expect([name, sha256(readFileSync(join(dir, folder, name)))]).toEqual([name, sum]);
      const others = filesIn(folder).filter((name) => !listed.some(([, one]) => one === name));
      expect(others.sort()).toEqual(['SHA256SUMS', expect.stringMatching(/^checkpoint-[0-9a-f]{16}$/)]);
      const told = await portal.owner.query<{ leaf: string }>(
        `SELECT leaf FROM audit.entry WHERE action = 'Block.archive' ORDER BY idx OFFSET $1 LIMIT 1`,
        [block],
      );
      expect((JSON.parse(told.rows[0]!.leaf) as { e: { det: object; actor: object } }).e).toMatchObject({
        actor: {},
        det: { block, digest: digest.toString('hex'), first: block * BLOCK, last: (block + 1) * BLOCK - 1 },
      });
    }
    const bundle = gunzipSync(readFileSync(join(dir, 'block-000001/tile/entries/001.gz')));
    expect(bundle.subarray(2, 2 + bundle.readUInt16BE(0)).toString()).toBe(line(BLOCK));
  });

  it('is listed with where it is', async () => {
    const { body } = await officer.get('/v1/audit/blocks?limit=200').expect(200);
    const items = (
      body as { items: { block: number; state: string; digest: string | null; from: string; lastSeq: number }[] }
    ).items;
    expect(
      items
        .map(({ block, state }) => [block, state])
        .reverse()
        .slice(0, 4),
    ).toEqual([
      [0, 'archived'],
      [1, 'archived'],
      [2, 'hot'],
      [3, 'hot'],
    ]);
    const first = items.at(-1)!;
    expect(first).toMatchObject({ firstSeq: 0, lastSeq: BLOCK - 1, from: timeOf(0).toISOString(), holds: [] });
    expect(first.digest).toBe(sha256(readFileSync(join(dir, 'block-000000/SHA256SUMS'))));
    expect(items.find(({ block }) => block === 2)!.digest).toBeNull();
    const page = await officer.get('/v1/audit/blocks?limit=1').expect(200);
    const { next } = page.body as { next: string };
    const second = await officer.get('/v1/audit/blocks').query({ limit: 1, cursor: next }).expect(200);
    expect((second.body as { items: { block: number }[] }).items[0]!.block).toBe(items[1]!.block);
  });
});

describe('what was proved before', () => {
  it('is answered the same afterwards, byte for byte', async () => {
    expect(await ask()).toEqual(answers);
  });

  it('verifies by the definitions alone', async () => {
    const root = plain.root(size);
    for (const index of [0, 1, 255, 256, 511, 512, 800]) {
      const { body } = await officer.get(`/v1/audit/proof/inclusion?index=${index}&size=${size}`).expect(200);
      const path = hashes((body as { hashes: string[] }).hashes);
      expect(isIncluded({ index, size, root }, line(index), path)).toBe(true);
    }
    for (const from of [3, 255, 257, 400, 511, 513]) {
      const { body } = await officer.get(`/v1/audit/proof/consistency?from=${from}&to=${size}`).expect(200);
      const older = { size: from, root: plain.root(from) };
      expect(isConsistent(older, { size, root }, hashes((body as { hashes: string[] }).hashes))).toBe(true);
    }
  });

  it('has receipts still, of events that are in the archive', async () => {
    for (const index of [0, 257, EDGE - 1]) {
      const { text } = await officer.get(`/v1/audit/events/${index}/receipt`).expect(200);
      expect(Buffer.from(/^extra (\S+)$/m.exec(text)![1]!, 'base64').toString()).toBe(line(index));
    }
  });

  it('is found by its place; by its id the archive is not searched, and says so', async () => {
    const { e } = JSON.parse(line(5)) as { e: { id: string } };
    expect(said(await officer.get(`/v1/audit/proof/inclusion?eventId=${e.id}`))).toEqual([422, 'audit.archived']);
  });
});

describe('search', () => {
  const search = async (query: string) =>
    (await officer.get(`/v1/audit/events?${query}`).expect(200)).body as { items: unknown[]; notice?: string };
  const upTo = timeOf(EDGE - 1).toISOString();

  it('says what it does not look at, and how to', async () => {
    const january = await search(`from=2026-01-01T00:00:00Z&to=2026-01-01T01:00:00Z`);
    expect(january.items).toEqual([]);
    expect(january.notice).toContain(upTo);
    expect(january.notice).toContain('/v1/audit/exports');
    expect((await search('limit=1')).notice).toContain(upTo);
    const around = (await officer.get('/v1/audit/events/3/around').expect(200)).body as { items: []; notice: string };
    expect(around.items).toEqual([]);
    expect(around.notice).toContain(upTo);
  });

  it('of reports and sessions says so as well', async () => {
    const year = 'from=2026-01-01T00:00:00Z&to=2026-12-31T00:00:00Z';
    for (const path of [
      `reports/period?${year}`,
      `reports/comparison?from=2026-02-01T00:00:00Z&to=2026-03-01T00:00:00Z&withFrom=2026-01-01T00:00:00Z&withTo=2026-02-01T00:00:00Z`,
      `sessions?${year}`,
    ]) {
      const { body } = await officer.get(`/v1/audit/${path}`).expect(200);
      expect([path, (body as { notice?: string }).notice]).toEqual([path, expect.stringContaining(upTo)]);
    }
  });

  it('says nothing where it has looked at everything', async () => {
    expect(await search(`from=${timeOf(EDGE + 2).toISOString()}&limit=1`)).not.toHaveProperty('notice');
  });
});

describe('an export', () => {
  let vkey: string;
  beforeAll(async () => {
    vkey = await verifierKey(hospital.portal);
    officer = await again(hospital.complianceOfficer);
  });

  const made = async (filter: object, more: object = {}) => {
    const { id } = await exported(officer, { filter, ...more });
    const files = await bundleOf(officer, id);
    return { files, lines: verifyBundle(files, vkey), manifest: manifestOf(files) };
  };

  it('of the whole log holds what is in the archive', async () => {
    const { lines, manifest } = await made({});
    expect(manifest.kind).toBe('log');
    expect(lines.slice(0, before.length)).toEqual(before.map(({ leaf }) => leaf));
  });

  it('of one patient is complete over the archive and the database', async () => {
    const patient = before[BOTH_SIDES[0]!]!.subject!;
    const { lines, manifest } = await made({ patientId: [patient] });
    const leaves = leavesOf(lines);
    expect(leaves.slice(0, -1).map(({ i }) => i)).toEqual(BOTH_SIDES);
    expect(leaves.map(({ n }) => n)).toEqual([1, 2, 3]);
    expect(manifest.completeFor).toEqual([{ id: patient, firstN: 1, lastN: 3 }]);
  });

  it('finds the same events by each filter as before', async () => {
    const actor = (JSON.parse(line(7)) as { e: { actor: { id: string } } }).e.actor.id;
    const filters: [object, (leaf: { e: Record<string, unknown>; i: number }) => boolean][] = [
      [{ actorId: [actor] }, ({ e }) => (e.actor as { id: string }).id === actor],
      [{ action: 'Session.login' }, ({ e }) => e.sub === 'Session.login'],
      [{ subjectType: 'Record' }, ({ e }) => String(e.sub).startsWith('Record.')],
      [{ outcome: 'failed' }, ({ e }) => e.out === 8],
      [{ purpose: 'HOPERAT' }, ({ e }) => e.purp === 'HOPERAT'],
      [
        { from: timeOf(100).toISOString(), to: timeOf(200).toISOString() },
        ({ e }) => String(e.t) >= timeOf(100).toISOString() && String(e.t) < timeOf(200).toISOString(),
      ],
    ];
    for (const [filter, isMeant] of filters) {
      const { lines } = await made({ ...filter, toSeq: EDGE + 100 });
      const expected = before
        .slice(0, EDGE + 101)
        .filter(({ leaf }) => isMeant(JSON.parse(leaf) as { e: Record<string, unknown>; i: number }));
      expect(expected.length).toBeGreaterThan(0);
      expect([filter, lines.slice(0, -1)]).toEqual([filter, expected.map(({ leaf }) => leaf)]);
    }
  });

  it('of a range across the edge comes with its tiles, CSV, FHIR and what opens its addresses', async () => {
    const { files, lines } = await made(
      { fromSeq: EDGE - 20, toSeq: EDGE + 20 },
      { formats: ['csv', 'fhir'], disclosures: true },
    );
    expect(lines).toEqual(before.slice(EDGE - 20, EDGE + 21).map(({ leaf }) => leaf));
    expect(linesOf(files.get('disclosures.ndjson'))).toHaveLength(41);
  });

  it('waits while the archive is away, and is made when it is back', async () => {
    const { portal } = hospital;
    renameSync(dir, `${dir}-away`);
    try {
      const { body } = await officer.post('/v1/audit/exports', { reason: 'away', filter: { toSeq: 10 } }).expect(202);
      const { id } = body as { id: string };
      const state = async () => ((await officer.get(`/v1/audit/exports/${id}`)).body as { state: string }).state;
      await settle(portal);
      expect(await state()).toBe('preparing');
      expect(said(await officer.get('/v1/audit/tile/entries/000'))).toEqual([503, 'audit.archive-unavailable']);
      expect(said(await officer.get('/v1/audit/events/3'))).toEqual([503, 'audit.archive-unavailable']);
      expect(said(await portal.http.get('/v1/audit/tile/0/000'))).toEqual([503, 'audit.archive-unavailable']);
      await officer.get('/v1/audit/tile/1/000.p/4').expect(200);
      await officer.get(`/v1/audit/proof/inclusion?index=${EDGE}&size=${size}`).expect(200);
      renameSync(`${dir}-away`, dir);
      portal.clock.forward(20);
      await portal.app.get(ExportJobs).drain();
      expect(await state()).toBe('ready');
    } finally {
      if (!existsSync(dir)) renameSync(`${dir}-away`, dir);
    }
  });
});

describe('verification', () => {
  it('goes through the archive and the database', async () => {
    const report = await verifyDatabase(hospital.portal.config, {
      keys: [],
      from: 0,
      previous: null,
      onProgress: () => undefined,
    });
    expect(report).toMatchObject({
      verdict: 'verified',
      from: EDGE,
      archive: { blocks: 2, entries: EDGE, findings: [] },
    });
  });

  it('in the background begins where the database does', async () => {
    const run = await hospital.portal.app.get(Verifier).start({ scope: 'whole', accountId: null });
    expect(await run!.done).toMatchObject({ verdict: 'verified', from: EDGE, finding: null });
  });
});

describe('what opens an address', () => {
  it('is erased for events in the archive as well, and the leaf stays as it was', async () => {
    officer = await again(hospital.complianceOfficer);
    const event = async () =>
      (await officer.get('/v1/audit/events/300').expect(200)).body as { address: string | null };
    expect((await event()).address).toMatch(/^198\.51\.100\./);
    const { rows } = await hospital.portal.owner.query<{ erased: number }>(
      `SELECT audit.erase('01990000-0000-7000-8000-0000000000aa', NULL, now() + interval '1 day', 'test', '01990000-0000-7000-8000-0000000000aa', now()) AS erased`,
    );
    expect(rows[0]!.erased).toBeGreaterThan(0);
    expect((await event()).address).toBeNull();
    expect(await fetched(officer, '/v1/audit/tile/entries/001')).toEqual(answers.get('entries/001'));
  });
});
