import { afterAll, beforeAll, expect, it } from '@jest/globals';
import {
  ALTERED,
  itTells,
  LAST_SEALED,
  POSITIONS,
  SEALED,
  SEALED_POSITIONS,
  SIZE,
  TamperedLog,
  type Attack,
} from '../harness/tampered-log.js';

let log: TamperedLog;
beforeAll(async () => {
  log = await TamperedLog.make();
});
afterAll(async () => {
  await log.close();
  console.info(log.summary());
});

/** The next of the same kind would be at the end. */
const other = (at: number): number => (at < SIZE - 1 ? at + 1 : at - 1);
/** After the last entry nothing follows that would show a gap: that is an end cut off. */
const BEFORE_LAST = POSITIONS.filter((at) => at < SIZE - 1);

const ATTACKS: Attack[] = [
  {
    name: 'an entry deleted',
    kind: 'deletion',
    exact: true,
    at: BEFORE_LAST,
    run: ({ sql }, at) => sql('DELETE FROM audit.entry WHERE idx = $1', at),
  },
  {
    name: 'an entry deleted, and the others moved up',
    kind: 'deletion',
    exact: true,
    at: BEFORE_LAST,
    run: async (one, at) => {
      await one.sql('DELETE FROM audit.entry WHERE idx = $1', at);
      await one.renumber(at, -1);
    },
  },
  {
    name: 'an entry deleted, and everything after it numbered and hashed anew',
    kind: 'fork',
    exact: false,
    at: SEALED_POSITIONS,
    run: async (one, at) => {
      await one.sql('DELETE FROM audit.entry WHERE idx = $1', at);
      await one.renumber(at, -1);
      await one.sql(
        `UPDATE audit.entry SET leaf = regexp_replace(leaf, ',"i":\\d+', ',"i":' || idx) WHERE idx >= $1`,
        at,
      );
      await one.rehash();
    },
  },
  {
    name: 'an entry inserted, and the others moved down',
    kind: 'insertion',
    exact: true,
    run: async (one, at) => {
      await one.renumber(at, 1);
      await one.copy(at === 0 ? 5 : at - 1, at);
      await one.sql('UPDATE audit.head SET size = size + 1');
    },
  },
  {
    name: 'an entry behind the last',
    kind: 'insertion',
    exact: true,
    at: [SIZE],
    run: (one, at) => one.copy(3, at),
  },
  {
    name: 'two entries swapped',
    kind: 'reorder',
    exact: true,
    place: (at) => Math.min(at, other(at)),
    run: ({ sql }, at) =>
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
    run: ({ sql }, at) => sql('DELETE FROM audit.entry WHERE idx >= $1', at),
  },
  {
    name: 'the beginning cut off',
    kind: 'deletion',
    exact: true,
    at: POSITIONS.filter((at) => at > 0),
    place: () => 0,
    run: ({ sql }, at) => sql('DELETE FROM audit.entry WHERE idx < $1', at),
  },
  {
    name: 'the log rolled back to an earlier state',
    kind: 'rollback',
    exact: true,
    at: SEALED_POSITIONS,
    run: (one, at) => one.rollBack(at),
  },
  {
    name: 'the whole database rolled back to a backup, checkpoints too',
    kind: 'rollback',
    exact: true,
    at: SEALED_POSITIONS,
    isToldByKept: true,
    run: async (one, at) => {
      await one.rollBack(at);
      await one.sql('DELETE FROM audit.checkpoint WHERE size > $1', at);
    },
  },
  {
    name: 'the head set back',
    kind: 'rollback',
    exact: true,
    at: SEALED_POSITIONS,
    run: ({ sql }, at) => sql('UPDATE audit.head SET size = $1', at),
  },
];

it('the log as it is, is verified: whole, and from any place that was verified before', async () => {
  for (const verifiedTo of [0, 99, 100, 399, 400, 899, 900, SIZE]) {
    const report = await log.verify({ verifiedTo, kept: log.kept });
    const from = SEALED.findLast((size) => size <= verifiedTo) ?? 0;
    expect(report).toMatchObject({ verdict: 'verified', findings: [], from, size: SIZE, sealedSize: LAST_SEALED });
  }
});

itTells(() => log, ATTACKS);

it('a change of what is behind the last verification shows in the next one of what is new', async () => {
  await log.sql(`UPDATE audit.entry SET leaf = ${ALTERED} WHERE idx = 950`);
  expect((await log.verify({ verifiedTo: 900 })).findings[0]).toMatchObject({ kind: 'edit', index: 950 });
  await log.mend();
  // Stored hashes before it are held against what was signed.
  await log.sql(`UPDATE audit.entry SET leaf = ${ALTERED} WHERE idx = 50`);
  await log.rehash();
  expect((await log.verify({ verifiedTo: 900 })).findings[0]).toMatchObject({ kind: 'fork', index: 0, through: 899 });
  await log.mend();
  expect((await log.verify()).verdict).toBe('verified');
});

it('what no checkpoint covers yet can be written anew or taken away unseen: this is the window, and nothing before it', async () => {
  for (const at of POSITIONS.filter((one) => one >= LAST_SEALED)) {
    await log.sql(`UPDATE audit.entry SET leaf = ${ALTERED} WHERE idx >= $1`, at);
    await log.rehash();
    expect([at, (await log.verify({ kept: log.kept })).verdict]).toEqual([at, 'verified']);
    await log.mend();
    await log.rollBack(at);
    expect([at, (await log.verify({ kept: log.kept })).verdict]).toEqual([at, 'verified']);
    await log.mend();
  }
});
