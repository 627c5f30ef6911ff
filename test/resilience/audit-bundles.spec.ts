import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Finding } from '../../src/modules/audit/verification/findings.js';
import {
  Unverifiable,
  verifyBundle,
  type BundleOptions,
  type BundleReport,
} from '../../src/modules/audit/verification/index.js';
import {
  checkpointOf,
  linesIn,
  makeBundle,
  makeLines,
  ORIGIN,
  retold,
  signerOf,
  textOf,
  writeFolder,
  writeZip,
  type BundlePlan,
  type Files,
} from '../harness/audit-bundle.js';

const folder = mkdtempSync(join(tmpdir(), 'portico-bundles-'));
afterAll(() => rmSync(folder, { recursive: true }));

const signer = signerOf(ORIGIN, 1);
const witness = signerOf('officer.example/w1', 4);
const NOW = new Date('2026-11-22T10:00:00Z');
const RUNS = 25;

let made = 0;
const options = (change: Partial<BundleOptions> = {}): BundleOptions => ({
  keys: [signer.key],
  witnesses: [],
  previous: null,
  maxAgeSeconds: null,
  now: NOW,
  ...change,
});

function verify(files: Files, change: Partial<BundleOptions> = {}): Promise<BundleReport> {
  return verifyBundle(writeFolder(files, join(folder, String(made++))), options(change), () => undefined);
}

const LOG = makeLines(600);
const EDITED = LOG.map((line, at) => (at === 3 ? line.replace('Record.read', 'Record.list') : line));

function planOf(kind: BundlePlan['kind'], size: number, from: number, to: number): BundlePlan {
  const all = Array.from({ length: size }, (_, index) => index);
  const places =
    kind === 'log'
      ? all
      : kind === 'range'
        ? all.slice(from, to)
        : all.slice(from, to).filter((place) => place % 3 !== 1);
  return { kind, lines: LOG, size, previousSize: Math.max(1, Math.floor(size / 2)), places, signers: [signer] };
}

/** A log of some size, and a part of it with six leaves or more; small in print. */
const plans = fc.record({
  kind: fc.constantFrom<BundlePlan['kind']>('log', 'range', 'events'),
  size: fc.integer({ min: 12, max: LOG.length }),
  start: fc.nat(),
  width: fc.integer({ min: 9, max: 300 }),
});
type Drawn = typeof plans extends fc.Arbitrary<infer T> ? T : never;

function drawn({ kind, size, start, width }: Drawn): BundlePlan {
  const from = start % Math.max(1, size - 9);
  return planOf(kind, size, from, Math.min(size, from + width));
}

interface Mutation {
  name: string;
  kind: Finding['kind'];
  /** `at`: a line that has two before it and two after it. Gives the new lines, and where the first bad one is (from 0). */
  change: (lines: string[], at: number) => { lines: string[]; line: number };
}

const without = (lines: string[], at: number, count = 1) => [...lines.slice(0, at), ...lines.slice(at + count)];
const withExtra = (lines: string[], at: number, line: string) => [...lines.slice(0, at), line, ...lines.slice(at)];
const withOther = (lines: string[], at: number, line: string) => lines.with(at, line);
const spaced = (line: string): string => JSON.stringify(JSON.parse(line), null, 1).replaceAll('\n', '');

const MUTATIONS: Mutation[] = [
  {
    name: 'a value changed',
    kind: 'edit',
    change: (lines, at) => ({ lines: withOther(lines, at, lines[at]!.replace('clinician', 'physician')), line: at }),
  },
  {
    name: 'a line written anew by another program',
    kind: 'edit',
    change: (lines, at) => ({ lines: withOther(lines, at, spaced(lines[at]!)), line: at }),
  },
  {
    name: 'a carriage return',
    kind: 'edit',
    change: (lines, at) => ({ lines: withOther(lines, at, `${lines[at]}\r`), line: at }),
  },
  {
    name: 'carriage returns everywhere',
    kind: 'edit',
    change: (lines) => ({ lines: lines.map((line) => `${line}\r`), line: 0 }),
  },
  {
    name: 'a byte order mark',
    kind: 'edit',
    change: (lines) => ({ lines: withOther(lines, 0, `\ufeff${lines[0]}`), line: 0 }),
  },
  {
    name: 'an empty line in place of another',
    kind: 'edit',
    change: (lines, at) => ({ lines: withOther(lines, at, ''), line: at }),
  },
  {
    name: 'a copy in place of another',
    kind: 'edit',
    change: (lines, at) => ({ lines: withOther(lines, at, lines[at - 1]!), line: at }),
  },
  { name: 'a line deleted', kind: 'deletion', change: (lines, at) => ({ lines: without(lines, at), line: at }) },
  { name: 'two lines deleted', kind: 'deletion', change: (lines, at) => ({ lines: without(lines, at, 2), line: at }) },
  { name: 'the first line deleted', kind: 'deletion', change: (lines) => ({ lines: without(lines, 0), line: 0 }) },
  {
    name: 'a line doubled',
    kind: 'insertion',
    change: (lines, at) => ({ lines: withExtra(lines, at, lines[at - 1]!), line: at }),
  },
  {
    name: 'a later line doubled',
    kind: 'insertion',
    change: (lines, at) => ({ lines: withExtra(lines, at, lines[at + 1]!), line: at }),
  },
  { name: 'an empty line', kind: 'insertion', change: (lines, at) => ({ lines: withExtra(lines, at, ''), line: at }) },
  {
    name: 'a made-up line',
    kind: 'insertion',
    change: (lines, at) => ({ lines: withExtra(lines, at, '{"e":{},"i":999999}'), line: at }),
  },
  {
    name: 'a line after the last',
    kind: 'insertion',
    change: (lines) => ({ lines: [...lines, lines[0]!], line: lines.length }),
  },
  {
    name: 'two lines swapped',
    kind: 'reorder',
    change: (lines, at) => ({ lines: lines.with(at, lines[at + 1]!).with(at + 1, lines[at]!), line: at }),
  },
  {
    name: 'a line moved up',
    kind: 'reorder',
    change: (lines, at) => ({ lines: withExtra(without(lines, at), at - 2, lines[at]!), line: at - 2 }),
  },
  {
    name: 'a line moved down',
    kind: 'reorder',
    change: (lines, at) => ({ lines: withExtra(without(lines, at), at + 2, lines[at]!), line: at }),
  },
  { name: 'the end cut off', kind: 'truncation', change: (lines, at) => ({ lines: lines.slice(0, at), line: at }) },
];

describe('a bundle as it was exported', () => {
  it('is verified, as a folder and as a ZIP', async () => {
    await fc.assert(
      fc.asyncProperty(plans, async (draw) => {
        const plan = drawn(draw);
        const files = await makeBundle(plan);
        const expected = {
          verdict: 'verified',
          findings: [],
          count: plan.places.length,
          first: plan.places[0],
          disclosures: plan.places.length,
        };
        expect(await verify(files)).toMatchObject(expected);
        const zip = await writeZip(files, join(folder, `${made++}.zip`));
        expect(await verifyBundle(zip, options(), () => undefined)).toMatchObject(expected);
      }),
      { numRuns: RUNS / 2 },
    );
  });

  it('shows that the events of a patient are all there', async () => {
    const patient = '00000000-0000-4000-8000-000000000001';
    const places = LOG.flatMap((line, at) => (line.includes(`"pat":"${patient}"`) ? [at] : []));
    const plan = { ...planOf('events', 600, 0, 600), places, filter: { patientIds: [patient] } };
    const files = await makeBundle(plan);
    expect((await verify(files)).complete).toEqual([{ subject: patient, from: 1, to: places.length }]);
    // Whoever leaves one out cannot hide it, whatever the manifest says of the number.
    const short = await makeBundle({ ...plan, places: without(places.map(String), 5).map(Number) });
    expect((await verify(short)).findings[0]).toMatchObject({
      kind: 'deletion',
      where: 'events.ndjson',
      line: 6,
      index: places[6],
    });
    const late = await makeBundle({ ...plan, places: places.slice(1) });
    expect((await verify(late)).findings[0]).toMatchObject({ kind: 'deletion', line: 1 });
  });
});

describe.each(MUTATIONS)('$name', ({ kind, change }) => {
  it('is refused, told for what it is, and found at its place', async () => {
    await fc.assert(
      fc.asyncProperty(plans, fc.nat(), fc.boolean(), async (draw, seed, isForged) => {
        const plan = drawn(draw);
        const files = await makeBundle(plan);
        const lines = linesIn(files.get('events.ndjson')!);
        const at = 2 + (seed % (lines.length - 4));
        const changed = change(lines, at);
        files.set('events.ndjson', textOf(changed.lines));
        const { verdict, findings } = await verify(isForged ? retold(files) : files);
        expect(verdict).toBe('refused');
        const [first] = findings.filter(({ where }) => where === 'events.ndjson');
        expect(first).toMatchObject({ kind, where: 'events.ndjson' });
        // Without anything to hold a single line against, a changed value is only known to lie between two checkpoints.
        const place = plan.places[changed.line] ?? null;
        if (first!.line === null) expect([first!.index! <= place!, first!.through! >= place!]).toEqual([true, true]);
        else expect(first!.line).toBe(changed.line + 1);
        if (plan.kind !== 'log') expect(first!.line).not.toBeNull();
        if (place !== null && first!.line !== null) expect(first!.index).toBe(place);
      }),
      { numRuns: RUNS },
    );
  });
});

describe('one bit', () => {
  it('anywhere in the events is refused at its line', async () => {
    await fc.assert(
      fc.asyncProperty(plans, fc.nat(), fc.nat(7), async (draw, seed, bit) => {
        const plan = drawn(draw);
        const files = await makeBundle(plan);
        const bytes = Buffer.from(files.get('events.ndjson')!);
        const at = seed % bytes.length;
        bytes[at]! ^= 1 << bit;
        const line = bytes.subarray(0, at).filter((byte) => byte === 10).length + 1;
        const { findings } = await verify(retold(files.set('events.ndjson', bytes)));
        const [first] = findings;
        expect(first?.where).toBe('events.ndjson');
        if (plan.kind !== 'log') expect(first!.line).toBe(line);
        else expect(first!.line ?? first!.index! + 1).toBeLessThanOrEqual(line);
      }),
      { numRuns: 3 * RUNS },
    );
  });

  it('anywhere in any file is refused', async () => {
    await fc.assert(
      fc.asyncProperty(plans, fc.nat(), fc.nat(), fc.nat(7), async (draw, which, seed, bit) => {
        const plan = drawn(draw);
        const files = await makeBundle(plan);
        const name = [...files.keys()][which % files.size]!;
        const bytes = Buffer.from(files.get(name)!);
        bytes[seed % bytes.length]! ^= 1 << bit;
        // In the manifest, what nobody signed and nothing hangs on (the filter) may change unseen.
        const { verdict } = await verify(files.set(name, bytes));
        if (name !== 'manifest.json') expect([name, verdict]).toEqual([name, 'refused']);
      }),
      { numRuns: 3 * RUNS },
    );
  });
});

interface Attack {
  name: string;
  kind: Finding['kind'];
  where: string | RegExp;
  plan?: BundlePlan;
  place?: Partial<Finding>;
  files: (files: Files) => Files | Promise<Files>;
  options?: Partial<BundleOptions>;
}

const edited = (files: Files, name: string, change: (text: string) => string): Files =>
  retold(new Map(files).set(name, Buffer.from(change(files.get(name)!.toString()))));
const lined = (files: Files, name: string, change: (lines: string[]) => string[]): Files =>
  edited(files, name, (text) => textOf(change(linesIn(Buffer.from(text)))).toString());
const bitten = (files: Files, name: string, at: number): Files => {
  const bytes = Buffer.from(files.get(name)!);
  bytes[at]! ^= 1;
  return retold(new Map(files).set(name, bytes));
};
const dropped = (files: Files, name: string): Files => {
  const fewer = new Map(files);
  fewer.delete(name);
  return retold(fewer);
};

const WHOLE = planOf('log', 590, 0, 590);
const RANGE = planOf('range', 590, 300, 340);
const CHOSEN = planOf('events', 590, 100, 140);
const mallory = signerOf(ORIGIN, 1);

const ATTACKS: Attack[] = [
  {
    name: 'a checkpoint signed by another key',
    kind: 'signature',
    where: 'checkpoint',
    files: () => makeBundle({ ...WHOLE, signers: [mallory] }),
  },
  {
    name: 'a checkpoint that only a witness signed',
    kind: 'signature',
    where: 'checkpoint',
    files: () => makeBundle({ ...WHOLE, signers: [witness] }),
    options: { witnesses: [witness.key] },
  },
  {
    name: 'a checkpoint without the witness that was asked for',
    kind: 'signature',
    where: 'checkpoint',
    files: (files) => files,
    options: { witnesses: [witness.key] },
  },
  {
    name: 'an edited size',
    kind: 'signature',
    where: 'checkpoint',
    files: (files) => edited(files, 'checkpoint', (text) => text.replace('\n590\n', '\n589\n')),
  },
  {
    name: 'a size with a leading zero',
    kind: 'edit',
    where: 'checkpoint',
    files: (files) => edited(files, 'checkpoint', (text) => text.replace('\n590\n', '\n0590\n')),
  },
  {
    name: 'a missing checkpoint',
    kind: 'deletion',
    where: 'checkpoint',
    files: (files) => dropped(files, 'checkpoint'),
  },
  {
    name: 'a missing manifest',
    kind: 'deletion',
    where: 'manifest.json',
    files: (files) => {
      const fewer = new Map(files);
      fewer.delete('manifest.json');
      return fewer;
    },
  },
  {
    name: 'a manifest of another checkpoint',
    kind: 'edit',
    where: 'manifest.json',
    files: (files) => retold(files, { size: 589 }),
  },
  {
    name: 'a file that the manifest does not tell of',
    kind: 'insertion',
    where: 'extra.txt',
    files: (files) => new Map(files).set('extra.txt', Buffer.from('!')),
  },
  {
    name: 'a file that is missing',
    kind: 'deletion',
    where: 'README',
    files: (files) => {
      const fewer = new Map(files);
      fewer.delete('README');
      return fewer;
    },
  },
  {
    name: 'a file whose SHA-256 is another',
    kind: 'edit',
    where: 'README',
    files: (files) => new Map(files).set('README', Buffer.from('?')),
  },
  {
    name: 'an older checkpoint that is larger',
    kind: 'rollback',
    where: 'checkpoint.previous',
    files: async (files) =>
      retold(new Map(files).set('checkpoint.previous', Buffer.from(await checkpointOf(LOG, 599, [signer])))),
  },
  {
    name: 'a log that does not begin with what was signed before',
    kind: 'fork',
    where: 'events.ndjson',
    plan: WHOLE,
    place: { index: 0, through: 294 },
    files: async (files) =>
      retold(new Map(files).set('checkpoint.previous', Buffer.from(await checkpointOf(EDITED, 295, [signer])))),
  },
  {
    name: 'a range of a log that does not begin with what was signed before',
    kind: 'fork',
    where: 'consistency.json',
    plan: RANGE,
    files: async (files) =>
      retold(new Map(files).set('checkpoint.previous', Buffer.from(await checkpointOf(EDITED, 295, [signer])))),
  },
  {
    name: 'a consistency proof that was edited',
    kind: 'edit',
    where: 'consistency.json',
    files: (files) => edited(files, 'consistency.json', (text) => text.replace(/"hashes":\["./, '"hashes":["_')),
  },
  {
    name: 'a shifted range',
    kind: 'edit',
    where: 'events.ndjson',
    plan: RANGE,
    place: { line: 1, index: 301 },
    files: (files) =>
      retold(
        lined(files, 'events.ndjson', (lines) =>
          lines.map((line, at) => line.replace(`"i":${300 + at}`, `"i":${301 + at}`)),
        ),
        { range: { from: 301, to: 341 } },
      ),
  },
  {
    name: 'a range whose manifest is shifted',
    kind: 'insertion',
    where: 'events.ndjson',
    plan: RANGE,
    place: { line: 1 },
    files: (files) => retold(files, { range: { from: 301, to: 341 } }),
  },
  {
    name: 'a range with a hole, numbered anew',
    kind: 'edit',
    where: 'events.ndjson',
    plan: RANGE,
    place: { line: 6, index: 305 },
    files: (files) =>
      retold(
        lined(files, 'events.ndjson', (lines) =>
          lines.toSpliced(5, 1).map((line, at) => line.replace(/"i":\d+/, `"i":${300 + at}`)),
        ),
        { range: { from: 300, to: 339 }, count: 39 },
      ),
  },
  {
    name: 'an altered tile',
    kind: 'edit',
    where: 'tile/0/001',
    plan: RANGE,
    place: { index: 256, through: 511 },
    files: (files) => bitten(files, 'tile/0/001', 77),
  },
  {
    name: 'an altered tile of the right edge',
    kind: 'edit',
    where: 'tile',
    plan: RANGE,
    files: (files) => bitten(files, 'tile/0/002.p/78', 40),
  },
  {
    name: 'an altered tile that no line needs',
    kind: 'edit',
    where: 'tile/0/000',
    plan: RANGE,
    files: (files) => bitten(files, 'tile/0/000', 40),
  },
  {
    name: 'a missing tile',
    kind: 'deletion',
    where: 'tile/0/001',
    plan: RANGE,
    files: (files) => dropped(files, 'tile/0/001'),
  },
  {
    name: 'all tiles missing',
    kind: 'deletion',
    where: 'tile/',
    plan: RANGE,
    files: (files) => retold(new Map([...files].filter(([name]) => !name.startsWith('tile/')))),
  },
  {
    name: 'a tile of another tree',
    kind: 'insertion',
    where: 'tile/0/009',
    plan: RANGE,
    files: (files) => retold(new Map(files).set('tile/0/009', Buffer.alloc(8192))),
  },
  {
    name: 'an event and its proof forged together',
    kind: 'edit',
    where: 'events.ndjson',
    plan: CHOSEN,
    place: { line: 3, index: 104 },
    files: async (files) => {
      const forged = LOG.with(104, LOG[104]!.replace('clinician', 'patient'));
      const other = await makeBundle({ ...CHOSEN, lines: forged });
      return retold(
        new Map(files)
          .set('events.ndjson', other.get('events.ndjson')!)
          .set(
            'proofs.ndjson',
            lined(files, 'proofs.ndjson', (lines) => lines.with(2, linesIn(other.get('proofs.ndjson')!)[2]!)).get(
              'proofs.ndjson',
            )!,
          ),
      );
    },
  },
  {
    name: 'an event and its tile forged together',
    kind: 'edit',
    where: 'tile/0/001',
    plan: RANGE,
    files: async (files) => {
      const forged = LOG.with(304, LOG[304]!.replace('clinician', 'patient'));
      const other = await makeBundle({ ...RANGE, lines: forged });
      return retold(
        new Map(files).set('events.ndjson', other.get('events.ndjson')!).set('tile/0/001', other.get('tile/0/001')!),
      );
    },
  },
  {
    name: 'a proof of another tree',
    kind: 'edit',
    where: 'proofs.ndjson',
    plan: CHOSEN,
    place: { line: 2 },
    files: (files) =>
      lined(files, 'proofs.ndjson', (lines) => lines.with(1, lines[1]!.replace('"treeSize":590', '"treeSize":589'))),
  },
  {
    name: 'proofs swapped',
    kind: 'reorder',
    where: 'proofs.ndjson',
    plan: CHOSEN,
    place: { line: 3 },
    files: (files) => lined(files, 'proofs.ndjson', (lines) => lines.with(1, lines[2]!).with(2, lines[1]!)),
  },
  {
    name: 'a CSV cell that contradicts its leaf',
    kind: 'edit',
    where: 'events.csv',
    place: { line: 5, index: 3 },
    files: (files) => lined(files, 'events.csv', (lines) => lines.with(4, lines[4]!.replace('10000000', '90000000'))),
  },
  {
    name: 'a CSV leaf that was edited',
    kind: 'edit',
    where: 'events.csv',
    plan: RANGE,
    place: { line: 5, index: 303 },
    files: (files) =>
      lined(files, 'events.csv', (lines) => lines.with(4, lines[4]!.replace('Record.read', 'Record.list'))),
  },
  {
    name: 'a CSV column without its header',
    kind: 'edit',
    where: 'events.csv',
    place: { line: 1 },
    files: (files) => lined(files, 'events.csv', (lines) => lines.with(0, lines[0]!.replace('/e/pat', 'patient'))),
  },
  {
    name: 'a FHIR event that contradicts its leaf',
    kind: 'edit',
    where: 'events.fhir.ndjson',
    place: { line: 5, index: 4 },
    files: (files) =>
      lined(files, 'events.fhir.ndjson', (lines) => lines.with(4, lines[4]!.replace('"action":"R"', '"action":"U"'))),
  },
  {
    name: 'a FHIR event with another leaf index',
    kind: 'edit',
    where: 'events.fhir.ndjson',
    place: { line: 5, index: 4 },
    files: (files) =>
      lined(files, 'events.fhir.ndjson', (lines) =>
        lines.with(4, lines[4]!.replace('"valueString":"4"', '"valueString":"5"')),
      ),
  },
  {
    name: 'a FHIR event without its leaf',
    kind: 'edit',
    where: 'events.fhir.ndjson',
    place: { line: 5, index: 4 },
    files: (files) =>
      lined(files, 'events.fhir.ndjson', (lines) => lines.with(4, lines[4]!.replace('/audit-leaf"', '/other"'))),
  },
  {
    name: 'an invented disclosure',
    kind: 'insertion',
    where: 'disclosures.ndjson',
    place: { line: 8, index: 7 },
    files: (files) =>
      lined(files, 'disclosures.ndjson', (lines) =>
        lines.with(
          7,
          JSON.stringify({
            leafIndex: 7,
            disclosure: Buffer.from('["c2FsdA","net",{"ip":"203.0.113.9"}]').toString('base64url'),
          }),
        ),
      ),
  },
  {
    name: 'a disclosure of another leaf',
    kind: 'insertion',
    where: 'disclosures.ndjson',
    place: { line: 8, index: 7 },
    files: (files) =>
      lined(files, 'disclosures.ndjson', (lines) => lines.with(7, lines[8]!.replace('"leafIndex":8', '"leafIndex":7'))),
  },
  {
    name: 'a disclosure of a leaf that is not in the bundle',
    kind: 'insertion',
    where: 'disclosures.ndjson',
    plan: RANGE,
    place: { line: 1, index: 7 },
    files: (files) =>
      lined(files, 'disclosures.ndjson', (lines) => [lines[0]!.replace('"leafIndex":300', '"leafIndex":7'), ...lines]),
  },
];

describe.each(ATTACKS)('$name', ({ kind, where, plan = WHOLE, place = {}, files, options: change }) => {
  it('is refused', async () => {
    const { verdict, findings } = await verify(await files(await makeBundle(plan)), change);
    expect(verdict).toBe('refused');
    expect(findings).toContainEqual(expect.objectContaining({ kind, where, ...place }));
  });
});

describe('what the verifier kept or asks for', () => {
  it('a kept checkpoint is where the log has grown from, or the log is refused', async () => {
    for (const plan of [WHOLE, RANGE]) {
      const files = await makeBundle(plan);
      const kept = (lines: string[], size: number, by = signer) => checkpointOf(lines, size, [by]);
      for (const size of [1, 255, 256, 300, 589, 590])
        expect((await verify(files, { previous: await kept(LOG, size) })).verdict).toBe('verified');
      expect((await verify(files, { previous: await kept(LOG, 591) })).findings[0]).toMatchObject({
        kind: 'rollback',
        index: 600,
      });
      expect((await verify(files, { previous: await kept(EDITED, 589) })).findings[0]).toMatchObject({ kind: 'fork' });
      expect((await verify(files, { previous: await kept(EDITED, 590) })).findings[0]).toMatchObject({ kind: 'fork' });
      expect((await verify(files, { previous: await kept(LOG, 590, mallory) })).findings[0]).toMatchObject({
        kind: 'signature',
      });
    }
    const chosen = await makeBundle(CHOSEN);
    await expect(verify(chosen, { previous: await checkpointOf(LOG, 17, [signer]) })).rejects.toThrow(Unverifiable);
    expect((await verify(chosen, { previous: await checkpointOf(LOG, 295, [signer]) })).verdict).toBe('verified');
  });

  it('a checkpoint that its witness saw too long ago is stale', async () => {
    const files = await makeBundle({ ...CHOSEN, signers: [signer, witness], witnessedAt: NOW.getTime() / 1000 - 601 });
    const asked = { witnesses: [witness.key], maxAgeSeconds: 600 };
    expect((await verify(files, asked)).findings).toMatchObject([{ kind: 'stale', where: 'checkpoint' }]);
    const report = await verify(files, { ...asked, maxAgeSeconds: 601 });
    expect(report).toMatchObject({
      verdict: 'verified',
      witnessed: [{ name: 'officer.example/w1', time: '2026-11-22T09:49:59.000Z' }],
    });
  });

  it('what is no bundle is not called refused', async () => {
    await expect(verifyBundle(join(folder, 'nowhere'), options(), () => undefined)).rejects.toThrow(Unverifiable);
    await expect(verify(new Map([['readme', Buffer.from('?')]]))).rejects.toThrow(Unverifiable);
    const file = writeFolder(new Map([['x.zip', Buffer.from('no ZIP')]]), join(folder, 'x'));
    await expect(verifyBundle(join(file, 'x.zip'), options(), () => undefined)).rejects.toThrow(Unverifiable);
  });
});
