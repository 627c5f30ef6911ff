import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { TILE } from '../../src/tlog/index.js';
import { ALTERED, itTells, SEALED, SEALED_POSITIONS, SIZE, TamperedLog, type Attack } from '../harness/tampered-log.js';

let log: TamperedLog;
beforeAll(async () => {
  log = await TamperedLog.make();
});
afterAll(async () => {
  await log.close();
  console.info(log.summary());
});

const column = (name: string, value: string, change: Partial<Attack> = {}): Attack => ({
  name: `the column ${name} changed`,
  kind: 'edit',
  exact: true,
  run: ({ sql }, at) => sql(`UPDATE audit.entry SET ${name} = ${value} WHERE idx = $1`, at),
  ...change,
});
/** A column beside the leaf: whatever else is wrong, it is looked at too. */
const beside = (name: string, value: string): Attack => column(name, value, { together: 20 });

const of = (name: string, kind: Attack['kind'], where: string, statement: string, change: Partial<Attack> = {}) => ({
  name,
  kind,
  where,
  exact: false,
  at: [],
  run: ({ sql }: TamperedLog) => sql(statement),
  ...change,
});

const COLUMNS = [
  column('leaf', ALTERED),
  column('leaf_hash', "sha256('x'::bytea)"),
  // The entry stands far behind the end.
  column('idx', 'idx + 5000', { kind: 'deletion', at: SEALED_POSITIONS }),
  beside('event_id', 'gen_random_uuid()'),
  beside('occurred', "occurred + interval '1 ms'"),
  beside('actor', "actor || 'x'"),
  beside('subject', "coalesce(subject, '') || 'x'"),
  beside('action', "'Record.delete'"),
  beside('outcome', '(outcome + 1)::smallint'),
  beside('request_id', 'gen_random_uuid()'),
  beside('session_id', 'gen_random_uuid()'),
];

const HASHED: Attack[] = [
  {
    name: 'a leaf changed with its hash',
    kind: 'edit',
    exact: false,
    run: ({ sql }, at) =>
      sql(
        `UPDATE audit.entry SET leaf = ${ALTERED}, leaf_hash = sha256('\\x00'::bytea || convert_to(${ALTERED}, 'UTF8')) WHERE idx = $1`,
        at,
      ),
  },
  {
    name: 'a leaf changed with all hashes up to the head',
    kind: 'fork',
    exact: false,
    at: SEALED_POSITIONS,
    run: async (one, at) => {
      await one.sql(`UPDATE audit.entry SET leaf = ${ALTERED} WHERE idx = $1`, at);
      await one.rehash();
    },
  },
  {
    name: 'a tail written anew with all hashes',
    kind: 'fork',
    exact: false,
    at: SEALED_POSITIONS,
    run: async (one, at) => {
      await one.sql(`UPDATE audit.entry SET leaf = ${ALTERED} WHERE idx >= $1`, at);
      await one.rehash();
    },
  },
];

const BESIDE: Attack[] = [
  of('the head gone', 'deletion', 'audit.head', 'DELETE FROM audit.head', { at: [SIZE], exact: true }),
  of('the peaks changed', 'edit', 'audit.', `UPDATE audit.head SET peaks[6] = sha256('x'::bytea)`, { at: [970] }),
  ...[0, 1, 2].flatMap((n) => {
    const at = [n * TILE];
    return [
      of(
        `tile hash ${n} changed`,
        'edit',
        'audit.tile_hash',
        `UPDATE audit.tile_hash SET hash = sha256('x'::bytea) WHERE n = ${n}`,
        { at },
      ),
      of(`tile hash ${n} deleted`, 'deletion', 'audit.tile_hash', `DELETE FROM audit.tile_hash WHERE n = ${n}`, { at }),
    ];
  }),
  of(
    'a tile hash too many',
    'insertion',
    'audit.tile_hash',
    `INSERT INTO audit.tile_hash VALUES (1, 3, sha256('x'::bytea))`,
    { at: [SIZE], exact: true },
  ),
  ...SEALED.flatMap((size) => {
    const change = (name: string, kind: Attack['kind'], set: string) =>
      of(
        `the ${name} of checkpoint ${size} changed`,
        kind,
        'audit.checkpoint',
        `UPDATE audit.checkpoint SET ${set} WHERE size = ${size}`,
        { at: [size], exact: true },
      );
    return [
      change('root', 'edit', "root = sha256('x'::bytea)"),
      change('note', 'signature', `note = replace(note, E'\\n${size}\\n', E'\\n${size + 1}\\n')`),
      change('origin', 'signature', "origin = origin || '/x'"),
    ];
  }),
  of(
    "a patient's counter gone",
    'deletion',
    'audit.subject_head',
    'DELETE FROM audit.subject_head WHERE subject = (SELECT max(subject) FROM audit.subject_head)',
  ),
  of(
    "a patient's counter too many",
    'truncation',
    'audit.subject_head',
    "INSERT INTO audit.subject_head VALUES ('nobody', 1, 5000)",
  ),
  of(
    "a patient's counter points elsewhere",
    'edit',
    'audit.subject_head',
    `UPDATE audit.subject_head SET last_idx = (SELECT min(idx) FROM audit.entry e WHERE e.subject = subject_head.subject)
      WHERE subject = (SELECT subject FROM audit.subject_head WHERE n > 1 ORDER BY 1 LIMIT 1)`,
  ),
  of(
    "a patient's counter changed",
    'edit',
    'audit.subject_head',
    'UPDATE audit.subject_head SET n = n - 1 WHERE subject = (SELECT max(subject) FROM audit.subject_head)',
  ),
  of(
    'the value behind a commitment changed',
    'edit',
    'audit.disclosure',
    "UPDATE audit.disclosure SET disclosure = disclosure || 'A' WHERE digest = (SELECT max(digest) FROM audit.disclosure)",
  ),
];

it('every column of the log is attacked but one that stands in no leaf and that nobody relies on: when it was placed', async () => {
  const columns = await log.query<{ name: string }>(
    "SELECT column_name AS name FROM information_schema.columns WHERE table_schema = 'audit' AND table_name = 'entry'",
  );
  const attacked = COLUMNS.map(({ name }) => name.split(' ')[2]!);
  expect(columns.map(({ name }) => name).sort()).toEqual([...attacked, 'sequenced'].sort());
});

itTells(() => log, [...COLUMNS, ...HASHED, ...BESIDE]);
