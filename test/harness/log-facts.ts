import type pg from 'pg';
import { PlainTree } from './rfc6962.js';

export interface LogFacts {
  entries: number;
  /** Places without an entry. */
  gaps: number;
  /** Events that stand in the log more than once, or wait to be placed although they stand there. */
  duplicates: number;
  /** Events of a patient whose number is not one more than that of the one before. */
  miscounted: number;
  /** Leaves that do not hash to what stands beside them. */
  altered: number;
  /** Whether the head is the tree of the leaves. */
  isHeadTrue: boolean;
}

const FACTS = `SELECT count(*)::int AS entries,
    count(*) FILTER (WHERE step <> 1)::int AS gaps,
    count(*) FILTER (WHERE subject IS NOT NULL AND n <> nth)::int AS miscounted,
    count(*) FILTER (WHERE leaf_hash <> sha256('\\x00'::bytea || convert_to(leaf, 'UTF8')))::int AS altered,
    (SELECT count(*) - count(DISTINCT event_id) FROM (SELECT event_id FROM audit.entry UNION ALL SELECT event_id FROM audit.inbox) e)::int AS duplicates
  FROM (SELECT leaf, leaf_hash, subject, (leaf::jsonb ->> 'n')::bigint AS n, idx - lag(idx, 1, -1::bigint) OVER (ORDER BY idx) AS step,
      row_number() OVER (PARTITION BY subject ORDER BY idx) AS nth FROM audit.entry) AS counted`;

/** What of a log of any length can be counted in the database, and its tree by the plain definition. Nothing of the server's own code. */
export async function logFacts(owner: pg.Client): Promise<LogFacts> {
  await owner.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
  const { rows } = await owner.query<Omit<LogFacts, 'isHeadTrue'>>(FACTS);
  const { rows: leaves } = await owner.query<{ leaf_hash: Buffer }>('SELECT leaf_hash FROM audit.entry ORDER BY idx');
  const { rows: heads } = await owner.query<{ size: string; peaks: (Buffer | null)[] }>(
    'SELECT size, peaks FROM audit.head',
  );
  await owner.query('COMMIT');
  const tree = new PlainTree(leaves.map(({ leaf_hash }) => leaf_hash));
  const { size, peaks } = heads[0]!;
  return { ...rows[0]!, isHeadTrue: Number(size) === leaves.length && hasPeaks(tree, leaves.length, peaks) };
}

/** The peaks are the roots of the complete subtrees that the size is made of, the largest first. */
function hasPeaks(tree: PlainTree, size: number, peaks: readonly (Buffer | null)[]): boolean {
  let from = 0;
  for (let level = Math.floor(Math.log2(size)); level >= 0; level--) {
    if (Math.floor(size / 2 ** level) % 2 === 0) continue;
    if (!peaks[level]?.equals(tree.root(from + 2 ** level, from))) return false;
    from += 2 ** level;
  }
  return true;
}
