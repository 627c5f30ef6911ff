import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { LogKeys } from '../../src/modules/audit/sealing/log-keys.js';
import { Sealer } from '../../src/modules/audit/sealing/sealer.js';
import { SealingJob } from '../../src/modules/audit/sealing/sealing.job.js';
import { Sequencer } from '../../src/modules/audit/sequencer.js';
import { TreeRepository } from '../../src/modules/audit/tree/tree.repository.js';
import { LogCheck, type LogReport } from '../../src/modules/audit/verification/log-check.js';
import { LogRepository } from '../../src/modules/audit/verification/log.repository.js';
import { checkDisclosures, checkSubjects } from '../../src/modules/audit/verification/side-tables.js';
import { VerificationPool } from '../../src/modules/audit/verification/verification.repository.js';
import { TILE } from '../../src/tlog/index.js';
import { fillLog } from '../harness/filled-log.js';
import { startPortal, type Portal } from '../harness/portal.js';
import { Tamperer } from '../harness/tamperer.js';

/** Checkpoints, and where the log ends: the last entries are not signed yet. */
const SEALED = [100, 400, 700, 900];
const SIZE = 1_000;
/** Positions of each attack; all of them with PORTICO_POSITIONS=1000. */
const COUNT = Number(process.env.PORTICO_POSITIONS ?? 7);
const EDGES = [0, 99, 100, 255, 256, 511, 640, 899, 900, 998, 999];
const POSITIONS =
  COUNT >= SIZE ? Array.from({ length: SIZE }, (_, at) => at) : EDGES.slice(0, Math.max(COUNT, EDGES.length));

let portal: Portal;
let tamperer: Tamperer;

beforeAll(async () => {
  portal = await startPortal();
  // Nobody else writes to the log meanwhile.
  await portal.app.get(SealingJob).beforeApplicationShutdown();
  let size = 0;
  for (const next of [...SEALED, SIZE]) {
    await fillLog(portal.owner, next - size);
    await portal.app.get(Sequencer).sequence();
    size = next;
    if (next !== SIZE) await portal.app.get(Sealer).turn(true);
  }
  tamperer = await Tamperer.of(portal.owner);
});
afterAll(() => portal.close());

async function verify(verifiedTo = 0): Promise<LogReport> {
  const log = new LogRepository(portal.app.get(VerificationPool));
  const keys = portal.app.get(LogKeys);
  const report = await new LogCheck(log, {
    keys: (origin) => keys.verifiers(origin),
    hashes: portal.app.get(TreeRepository).hashes(),
    verifiedTo,
    archivedTo: 0,
    kept: null,
    page: 300,
    pause: () => Promise.resolve(),
    onProgress: () => undefined,
  }).run();
  const sides = [await checkSubjects(log, 0), await checkDisclosures(log)].filter((one) => one !== null);
  return { ...report, findings: [...report.findings, ...sides] };
}

const sql = (text: string, ...values: unknown[]): Promise<unknown> => tamperer.sql(text, ...values);
/** The next of the same kind would be at the end. */
const other = (at: number): number => (at < SIZE - 1 ? at + 1 : at - 1);

interface Attack {
  name: string;
  kind: string;
  /** Where it has to be found: at this very place, or in a span that holds it. */
  exact: boolean;
  at?: readonly number[];
  where?: string;
  place?: (at: number) => number;
  run: (at: number) => Promise<unknown>;
}

const column = (name: string, value: string): Attack => ({
  name: `the column ${name} changed`,
  kind: 'edit',
  exact: true,
  run: (at) => sql(`UPDATE audit.entry SET ${name} = ${value} WHERE idx = $1`, at),
});
const ALTERED = `replace(leaf, '"v":1', '"v":2')`;
const SEALED_PLACES = EDGES.filter((at) => at < 900);

const ATTACKS: Attack[] = [
  column('leaf', ALTERED),
  column('leaf_hash', "sha256('x'::bytea)"),
  column('event_id', 'gen_random_uuid()'),
  column('occurred', "occurred + interval '1 ms'"),
  column('actor', "actor || 'x'"),
  column('subject', "coalesce(subject, '') || 'x'"),
  column('action', "'Record.delete'"),
  column('outcome', '(outcome + 1)::smallint'),
  column('request_id', 'gen_random_uuid()'),
  column('session_id', 'gen_random_uuid()'),
  {
    name: 'a leaf changed with its hash',
    kind: 'edit',
    exact: false,
    at: SEALED_PLACES.filter((at) => at < 768),
    run: (at) =>
      sql(
        `UPDATE audit.entry SET leaf = ${ALTERED}, leaf_hash = sha256('\\x00'::bytea || convert_to(${ALTERED}, 'UTF8')) WHERE idx = $1`,
        at,
      ),
  },
  {
    name: 'a leaf changed with all hashes up to the head',
    kind: 'fork',
    exact: false,
    at: SEALED_PLACES,
    run: async (at) => {
      await sql(`UPDATE audit.entry SET leaf = ${ALTERED} WHERE idx = $1`, at);
      await tamperer.rehash();
    },
  },
  {
    name: 'a tail written anew with all hashes',
    kind: 'fork',
    exact: false,
    at: SEALED_PLACES,
    run: async (at) => {
      await sql(`UPDATE audit.entry SET leaf = ${ALTERED} WHERE idx >= $1`, at);
      await tamperer.rehash();
    },
  },
  {
    name: 'an entry deleted',
    kind: 'deletion',
    exact: true,
    at: EDGES.filter((at) => at < SIZE - 1),
    run: (at) => sql('DELETE FROM audit.entry WHERE idx = $1', at),
  },
  {
    name: 'an entry deleted, and the others moved up',
    kind: 'deletion',
    exact: true,
    at: EDGES.filter((at) => at < SIZE - 1),
    run: async (at) => {
      await sql('DELETE FROM audit.entry WHERE idx = $1', at);
      await tamperer.renumber(at, -1);
    },
  },
  {
    name: 'an entry deleted, and everything after it numbered and hashed anew',
    kind: 'fork',
    exact: false,
    at: SEALED_PLACES,
    run: async (at) => {
      await sql('DELETE FROM audit.entry WHERE idx = $1', at);
      await tamperer.renumber(at, -1);
      await sql(`UPDATE audit.entry SET leaf = regexp_replace(leaf, ',"i":\\d+', ',"i":' || idx) WHERE idx >= $1`, at);
      await tamperer.rehash();
    },
  },
  {
    name: 'an entry inserted, and the others moved down',
    kind: 'insertion',
    exact: true,
    run: async (at) => {
      await tamperer.renumber(at, 1);
      await tamperer.copy(at === 0 ? 5 : at - 1, at);
      await sql('UPDATE audit.head SET size = size + 1');
    },
  },
  {
    name: 'an entry behind the last',
    kind: 'insertion',
    exact: true,
    at: [SIZE],
    run: (at) => tamperer.copy(3, at),
  },
  {
    name: 'two entries swapped',
    kind: 'reorder',
    exact: true,
    place: (at) => Math.min(at, other(at)),
    run: (at) =>
      sql(
        `UPDATE audit.entry e SET (leaf, leaf_hash, event_id, occurred, actor, subject, action, outcome, request_id, session_id) =
           (SELECT leaf, leaf_hash, event_id, occurred, actor, subject, action, outcome, request_id, session_id FROM public.kept_entry k WHERE k.idx = CASE WHEN e.idx = $1 THEN $2 ELSE $1 END)
         WHERE e.idx IN ($1::bigint, $2::bigint)`,
        at,
        other(at),
      ),
  },
  {
    name: 'the end cut off',
    kind: 'truncation',
    exact: true,
    run: (at) => sql('DELETE FROM audit.entry WHERE idx >= $1', at),
  },
  {
    name: 'the beginning cut off',
    kind: 'deletion',
    exact: true,
    at: EDGES.filter((at) => at > 0),
    place: () => 0,
    run: (at) => sql('DELETE FROM audit.entry WHERE idx < $1', at),
  },
  {
    name: 'the log rolled back to an earlier state',
    kind: 'rollback',
    exact: true,
    at: EDGES.filter((at) => at < 900),
    run: async (at) => {
      await sql('DELETE FROM audit.entry WHERE idx >= $1', at);
      await sql('DELETE FROM audit.subject_head');
      await sql(
        `INSERT INTO audit.subject_head SELECT subject, count(*), max(idx) FROM audit.entry WHERE subject IS NOT NULL GROUP BY subject`,
      );
      await tamperer.rehash();
    },
  },
  {
    name: 'the head set back',
    kind: 'rollback',
    exact: true,
    at: [100, 512, 899],
    run: (at) => sql('UPDATE audit.head SET size = $1', at),
  },
  {
    name: 'the head gone',
    kind: 'deletion',
    exact: true,
    at: [SIZE],
    where: 'audit.head',
    run: () => sql('DELETE FROM audit.head'),
  },
  {
    name: 'the peaks changed',
    kind: 'edit',
    exact: false,
    at: [970],
    run: () => sql(`UPDATE audit.head SET peaks[6] = sha256('x'::bytea)`),
  },
  ...[0, 1, 2].flatMap((n): Attack[] => [
    {
      name: `tile hash ${n} changed`,
      kind: 'edit',
      exact: false,
      at: [n * TILE],
      where: 'audit.tile_hash',
      run: () => sql(`UPDATE audit.tile_hash SET hash = sha256('x'::bytea) WHERE n = $1`, n),
    },
    {
      name: `tile hash ${n} deleted`,
      kind: 'deletion',
      exact: false,
      at: [n * TILE],
      where: 'audit.tile_hash',
      run: () => sql(`DELETE FROM audit.tile_hash WHERE n = $1`, n),
    },
  ]),
  {
    name: 'a tile hash too many',
    kind: 'insertion',
    exact: true,
    at: [SIZE],
    where: 'audit.tile_hash',
    run: () => sql(`INSERT INTO audit.tile_hash VALUES (1, 3, sha256('x'::bytea))`),
  },
  ...SEALED.flatMap((size): Attack[] => [
    {
      name: `the root beside checkpoint ${size} changed`,
      kind: 'edit',
      exact: true,
      at: [size],
      where: 'audit.checkpoint',
      run: () => sql(`UPDATE audit.checkpoint SET root = sha256('x'::bytea) WHERE size = $1`, size),
    },
    {
      name: `the note of checkpoint ${size} changed`,
      kind: 'signature',
      exact: true,
      at: [size],
      where: 'audit.checkpoint',
      run: () =>
        sql(
          `UPDATE audit.checkpoint SET note = replace(note, E'\\n' || $1 || E'\\n', E'\\n' || $1 + 1 || E'\\n') WHERE size = $1::bigint`,
          size,
        ),
    },
  ]),
  {
    name: "a patient's counter changed",
    kind: 'edit',
    exact: false,
    at: [],
    where: 'audit.subject_head',
    run: () =>
      sql('UPDATE audit.subject_head SET n = n - 1 WHERE subject = (SELECT max(subject) FROM audit.subject_head)'),
  },
  {
    name: 'the value behind a commitment changed',
    kind: 'edit',
    exact: false,
    at: [],
    where: 'audit.disclosure',
    run: () =>
      sql(
        "UPDATE audit.disclosure SET disclosure = disclosure || 'A' WHERE digest = (SELECT max(digest) FROM audit.disclosure)",
      ),
  },
];

it('the log as it is, is verified: whole, and from any place that was verified before', async () => {
  for (const verifiedTo of [0, 99, 100, 399, 400, 899, 900, SIZE]) {
    const report = await verify(verifiedTo);
    const from = SEALED.findLast((size) => size <= verifiedTo) ?? 0;
    expect(report).toMatchObject({ verdict: 'verified', findings: [], from, size: SIZE, sealedSize: 900 });
  }
});

describe.each(ATTACKS)('$name', ({ kind, exact, at = POSITIONS, where = 'audit.', place = (one) => one, run }) => {
  it(
    'is told for what it is, at its place',
    async () => {
      for (const position of at.length > 0 ? at : [null]) {
        await run(position ?? 0);
        const { findings } = await verify();
        await tamperer.mend();
        const [first] = findings;
        expect([position, first]).toEqual([position, expect.objectContaining({ kind })]);
        expect(first!.where).toContain(where);
        if (position === null) continue;
        const due = place(position);
        expect([position, first!.index! <= due, (first!.through ?? first!.index)! >= due]).toEqual([
          position,
          true,
          true,
        ]);
        if (exact) expect([position, first!.index]).toEqual([position, due]);
      }
    },
    60_000 + COUNT * 2_000,
  );
});

it('a change of what is behind the last verification shows in the next one of what is new', async () => {
  await sql(`UPDATE audit.entry SET leaf = ${ALTERED} WHERE idx = 950`);
  expect((await verify(900)).findings[0]).toMatchObject({ kind: 'edit', index: 950 });
  await tamperer.mend();
  // Stored hashes before it are held against what was signed.
  await sql(`UPDATE audit.entry SET leaf = ${ALTERED} WHERE idx = 50`);
  await tamperer.rehash();
  expect((await verify(900)).findings[0]).toMatchObject({ kind: 'fork', index: 0, through: 899 });
  await tamperer.mend();
  expect((await verify()).verdict).toBe('verified');
});
