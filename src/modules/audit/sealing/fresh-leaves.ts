import type { Db } from '../../../platform/database/db.js';
import { leafHash, type Frontier } from '../../../tlog/index.js';
import { SealingRefusal } from './refusal.js';

const PAGE = 1_000;
const LEAVES = 'SELECT idx, leaf, leaf_hash FROM audit.entry WHERE idx >= $1 AND idx < $2 ORDER BY idx';
/** Every leaf ends in its own place, and in the counter of its patient. */
const PLACE = /,"i":(\d+)(?:,"n":\d+)?\}$/;

interface LeafRow {
  idx: string;
  leaf: string;
  leaf_hash: Buffer;
}

function checked({ idx, leaf, leaf_hash }: LeafRow, place: number): Buffer {
  if (Number(idx) !== place) throw new SealingRefusal('audit.entries-missing', `the log has no entry at ${place}`);
  const hash = leafHash(leaf);
  if (!hash.equals(leaf_hash))
    throw new SealingRefusal('audit.leaf-altered', `entry ${place} is not what was hashed when it came in`);
  const told = PLACE.exec(leaf)?.[1];
  if (told !== String(place))
    throw new SealingRefusal('audit.leaf-misplaced', `entry ${place} says of itself that it is entry ${told ?? '?'}`);
  return hash;
}

/** Reads entries up to `to` page by page and appends the hashes of their bytes, never those that stand beside them. */
export async function appendLeaves(db: Pick<Db, 'query'>, frontier: Frontier, to: number): Promise<void> {
  while (frontier.size < to) {
    const from = frontier.size;
    const rows = await db.query<LeafRow>(LEAVES, [from, Math.min(to, from + PAGE)], 'sealing_leaves');
    if (rows.length === 0) throw new SealingRefusal('audit.entries-missing', `the log has no entry at ${from}`);
    rows.forEach((row, at) => frontier.append(checked(row, from + at)));
  }
}

/** Throws unless the tree of the leaves is the tree that the head was made of; names the entries below the first peak that differs. */
export function compareWithHead(frontier: Frontier, peaks: readonly (Buffer | null)[], from: number): void {
  frontier.peaks().forEach((peak, level) => {
    if (peak === null || peaks[level]?.equals(peak)) return;
    const width = 2 ** level;
    const first = Math.floor(frontier.size / (2 * width)) * 2 * width;
    throw new SealingRefusal(
      'audit.head-differs',
      `entries ${Math.max(first, from)} to ${first + width - 1} are not those that the head of ${frontier.size} entries was made of`,
    );
  });
}
