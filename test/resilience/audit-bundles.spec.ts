import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Finding } from '../../src/modules/audit/verification/findings.js';
import { verifyBundle, type BundleOptions, type BundleReport } from '../../src/modules/audit/verification/bundle.js';
import {
  linesIn,
  makeBundle,
  makeLines,
  ORIGIN,
  planOf,
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
const NOW = new Date('2026-11-22T10:00:00Z');
/** More with PORTICO_RUNS=300. */
const RUNS = Number(process.env.PORTICO_RUNS ?? 12);
const MINUTES = 60_000 * (2 + RUNS / 20);

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

/** A log of some size, and a part of it with six leaves or more; small in print. */
const plans = fc.record({
  kind: fc.constantFrom<BundlePlan['kind']>('log', 'range', 'events'),
  size: fc.integer({ min: 12, max: 330 }),
  start: fc.nat(),
  width: fc.integer({ min: 9, max: 300 }),
});
type Drawn = typeof plans extends fc.Arbitrary<infer T> ? T : never;

function drawn({ kind, size, start, width }: Drawn): BundlePlan {
  const from = start % Math.max(1, size - 9);
  return planOf(LOG, signer, kind, size, from, Math.min(size, from + width));
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
  it(
    'is verified, as a folder and as a ZIP',
    async () => {
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
    },
    MINUTES,
  );

  it('shows that the events of a patient are all there', async () => {
    const patient = '00000000-0000-4000-8000-000000000001';
    const places = LOG.flatMap((line, at) => (line.includes(`"pat":"${patient}"`) ? [at] : []));
    const plan = { ...planOf(LOG, signer, 'events', 600, 0, 600), places, filter: { patientIds: [patient] } };
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
  it(
    'is refused, told for what it is, and found at its place',
    async () => {
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
    },
    MINUTES,
  );
});

describe('one bit', () => {
  it(
    'anywhere in the events is refused at its line',
    async () => {
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
    },
    MINUTES,
  );

  it(
    'anywhere in any file is refused',
    async () => {
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
    },
    MINUTES,
  );
});
