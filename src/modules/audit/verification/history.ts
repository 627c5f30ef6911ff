import { consistencyProof, fromTiles, verifyConsistency, type Checkpoint } from '../../../tlog/index.js';
import { requireSuccession } from './checkpoints.js';
import { finding, Refusal, Unverifiable } from './findings.js';
import { membersOf } from './lines.js';
import type { TrueTiles } from './places.js';

export const CONSISTENCY = 'consistency.json';

interface Claim {
  oldSize: number;
  newSize: number;
  hashes: Buffer[];
}

const HASH_TEXT = /^[A-Za-z0-9+/]{43}=$/;

export function readConsistency(text: string): Claim {
  const { oldSize, newSize, hashes } = membersOf(text);
  const isClaim =
    Number.isSafeInteger(oldSize) &&
    Number.isSafeInteger(newSize) &&
    Array.isArray(hashes) &&
    hashes.every((hash) => typeof hash === 'string' && HASH_TEXT.test(hash));
  if (!isClaim) throw new Refusal(finding('edit', CONSISTENCY, 'it is no consistency proof'));
  return {
    oldSize: oldSize as number,
    newSize: newSize as number,
    hashes: (hashes as string[]).map((hash) => Buffer.from(hash, 'base64')),
  };
}

export interface Means {
  claim: Claim | null;
  /** Null where the bundle has none. */
  tiles: TrueTiles | null;
  /** All lines are there: the root of any older size comes out of them. */
  isWhole: boolean;
}

/**
 * That the log of `newer` begins with the log of `older`, by whatever the bundle offers: its proof, its tiles, or all its
 * lines (which are then asked on the way through them). Throws {@link Unverifiable} where nothing tells.
 */
export async function checkHistory(older: Checkpoint, newer: Checkpoint, means: Means, where: string): Promise<void> {
  requireSuccession(older, newer, where);
  const verifies = (proof: readonly Buffer[]): boolean =>
    verifyConsistency({ from: older.size, to: newer.size, fromRoot: older.root, toRoot: newer.root, proof });
  const { claim, tiles, isWhole } = means;
  if (older.size === newer.size) return;
  if (claim?.oldSize === older.size && claim.newSize === newer.size) {
    if (verifies(claim.hashes)) return;
    // With all lines there, the older root is computed as well: then a wrong proof is only that.
    const kind = isWhole ? 'edit' : 'fork';
    throw new Refusal(
      finding(kind, CONSISTENCY, 'the proof does not lead from the older checkpoint to the newer', {
        index: isWhole ? null : 0,
        through: isWhole ? null : older.size - 1,
      }),
    );
  }
  if (isWhole) return;
  const proof = tiles && (await proofOf(older.size, newer.size, tiles));
  if (!proof) throw new Unverifiable(`nothing here leads from the ${older.size} entries of ${where} to ${newer.size}`);
  if (!verifies(proof))
    throw new Refusal(
      finding('fork', where, 'the log does not begin with what was signed before', {
        index: 0,
        through: older.size - 1,
      }),
    );
}

async function proofOf(from: number, to: number, tiles: TrueTiles): Promise<Buffer[] | null> {
  try {
    return await consistencyProof(
      from,
      to,
      fromTiles(to, ({ level, n }) => tiles.tile(level, n)),
    );
  } catch (error) {
    // A bundle of a range has not every tile that a proof from another size needs.
    if (error instanceof Refusal && error.finding.kind === 'deletion') return null;
    throw error;
  }
}
