import { hash } from 'node:crypto';

const LEAF = Buffer.of(0);
const NODE = Buffer.of(1);

const sha256 = (bytes: Buffer): Buffer => hash('sha256', bytes, 'buffer');

/** Root of the tree without leaves: SHA-256 of nothing (RFC 6962 §2.1). */
export const EMPTY_ROOT = sha256(Buffer.alloc(0));

/** SHA-256(00 ‖ the leaf's exact bytes), RFC 6962 §2.1. */
export const leafHash = (line: Buffer | string): Buffer =>
  sha256(Buffer.concat([LEAF, typeof line === 'string' ? Buffer.from(line, 'utf8') : line]));

/** SHA-256(01 ‖ left ‖ right), RFC 6962 §2.1. */
export const nodeHash = (left: Buffer, right: Buffer): Buffer => sha256(Buffer.concat([NODE, left, right]));

/** The complete subtree of height `level` whose leaves begin at `n * 2^level`. */
export interface Subtree {
  level: number;
  n: number;
}

/** Hashes of complete subtrees, in the order in which they were asked for. */
export type SubtreeHashes = (wanted: readonly Subtree[]) => Promise<Buffer[]>;

const isOdd = (number: number): boolean => number % 2 === 1;
const half = (number: number): number => Math.floor(number / 2);

/** The right edge of a tree: one hash for each set bit of its size. All that appending needs. */
export class Frontier {
  private constructor(
    private length: number,
    private readonly edge: (Buffer | null)[],
  ) {}

  static empty(): Frontier {
    return new Frontier(0, []);
  }

  /** `peaks[l]`: the complete subtree of height `l` where bit `l` of the size is set; what stands elsewhere is ignored. */
  static of(size: number, peaks: readonly (Buffer | null | undefined)[]): Frontier {
    const edge: (Buffer | null)[] = [];
    for (let rest = size, level = 0; rest > 0; rest = half(rest), level++) {
      const peak = peaks[level] ?? null;
      if (isOdd(rest) && !peak) throw new RangeError(`a tree of ${size} leaves has a peak of height ${level}`);
      edge.push(isOdd(rest) ? peak : null);
    }
    return new Frontier(size, edge);
  }

  get size(): number {
    return this.length;
  }

  /** `completed` is told of every subtree that this leaf completes, from the leaf itself upwards. */
  append(leaf: Buffer, completed?: (subtree: Subtree, hash: Buffer) => void): void {
    let hash = leaf;
    let level = 0;
    let n = this.length;
    completed?.({ level, n }, hash);
    for (; isOdd(n); n = half(n)) {
      hash = nodeHash(this.edge[level]!, hash);
      this.edge[level] = null;
      level++;
      completed?.({ level, n: half(n) }, hash);
    }
    this.edge[level] = hash;
    this.length++;
  }

  root(): Buffer {
    const peaks = this.edge.filter((peak) => peak !== null);
    return peaks.length === 0 ? EMPTY_ROOT : peaks.reduce((root, peak) => nodeHash(peak, root));
  }

  peaks(): (Buffer | null)[] {
    return [...this.edge];
  }
}

/** Leaves from `from` up to, and without, `to`. */
type Range = readonly [from: number, to: number];

/** Largest power of two smaller than `size`; `size` is 2 or more. */
function split(size: number): number {
  let k = 1;
  while (k * 2 < size) k *= 2;
  return k;
}

/** The complete subtrees of a range that begins where one as large as its largest may begin; largest first. */
function subtreesOf([from, to]: Range): Subtree[] {
  const found: Subtree[] = [];
  for (let at = from; at < to;) {
    let [level, width] = [0, 1];
    while (width * 2 <= to - at) [level, width] = [level + 1, width * 2];
    found.push({ level, n: at / width });
    at += width;
  }
  return found;
}

/** The roots of ranges, with one question to the store. */
async function rootsOf(ranges: readonly Range[], hashes: SubtreeHashes): Promise<Buffer[]> {
  const parts = ranges.map(subtreesOf);
  const found = await hashes(parts.flat());
  let at = 0;
  return parts.map(({ length }) => {
    const own = found.slice(at, (at += length));
    return own.reduceRight((root, left) => nodeHash(left, root));
  });
}

function requireSize(name: string, value: number, least: number, most: number): void {
  if (!Number.isSafeInteger(value) || value < least || value > most)
    throw new RangeError(`${name} has to be from ${least} to ${most}`);
}

export async function rootOf(size: number, hashes: SubtreeHashes): Promise<Buffer> {
  return size === 0 ? EMPTY_ROOT : (await rootsOf([[0, size]], hashes))[0]!;
}

/** The right edge of the tree of the first `size` leaves, out of stored hashes. */
export async function frontierAt(size: number, hashes: SubtreeHashes): Promise<Frontier> {
  const wanted = subtreesOf([0, size]);
  const found = await hashes(wanted);
  const peaks: Buffer[] = [];
  wanted.forEach(({ level }, at) => (peaks[level] = found[at]!));
  return Frontier.of(size, peaks);
}

/** The leaf's sibling first, the root's child last (RFC 6962 §2.1.1). Throws RangeError for a leaf that the tree has not. */
export async function inclusionProof(index: number, size: number, hashes: SubtreeHashes): Promise<Buffer[]> {
  requireSize('size', size, 1, Number.MAX_SAFE_INTEGER);
  requireSize('index', index, 0, size - 1);
  const path = ([from, to]: Range): Range[] => {
    if (to - from === 1) return [];
    const middle = from + split(to - from);
    return index < middle ? [...path([from, middle]), [middle, to]] : [...path([middle, to]), [from, middle]];
  };
  return rootsOf(path([0, size]), hashes);
}

/** That the tree of `from` leaves is the beginning of the one of `to` leaves (RFC 6962 §2.1.2). */
export async function consistencyProof(from: number, to: number, hashes: SubtreeHashes): Promise<Buffer[]> {
  requireSize('to', to, 0, Number.MAX_SAFE_INTEGER);
  requireSize('from', from, 0, to);
  if (from === 0) return [];
  const path = (old: number, [low, high]: Range, isWhole: boolean): Range[] => {
    if (old === high - low) return isWhole ? [] : [[low, high]];
    const k = split(high - low);
    return old <= k
      ? [...path(old, [low, low + k], isWhole), [low + k, high]]
      : [...path(old - k, [low + k, high], false), [low, low + k]];
  };
  return rootsOf(path(from, [0, to], true), hashes);
}

export interface InclusionClaim {
  index: number;
  size: number;
  leafHash: Buffer;
  proof: readonly Buffer[];
  root: Buffer;
}

/** RFC 9162 §2.1.3.2. */
export function verifyInclusion({ index, size, leafHash: leaf, proof, root }: InclusionClaim): boolean {
  if (!Number.isSafeInteger(size) || !Number.isSafeInteger(index) || index < 0 || index >= size) return false;
  if (proof.some(({ length }) => length !== 32)) return false;
  let [own, last, hash] = [index, size - 1, leaf];
  for (const sibling of proof) {
    if (last === 0) return false;
    if (isOdd(own) || own === last) {
      hash = nodeHash(sibling, hash);
      while (!isOdd(own) && own !== 0) [own, last] = [half(own), half(last)];
    } else {
      hash = nodeHash(hash, sibling);
    }
    [own, last] = [half(own), half(last)];
  }
  return last === 0 && hash.equals(root);
}

export interface ConsistencyClaim {
  from: number;
  to: number;
  fromRoot: Buffer;
  toRoot: Buffer;
  proof: readonly Buffer[];
}

const isPowerOfTwo = (number: number): boolean => Number.isInteger(Math.log2(number));

/** RFC 9162 §2.1.4.2; the empty tree is the beginning of every tree. */
export function verifyConsistency({ from, to, fromRoot, toRoot, proof }: ConsistencyClaim): boolean {
  if (!Number.isSafeInteger(from) || !Number.isSafeInteger(to) || from < 0 || from > to) return false;
  if (proof.some(({ length }) => length !== 32)) return false;
  if (from === to) return proof.length === 0 && fromRoot.equals(toRoot);
  if (from === 0) return proof.length === 0 && fromRoot.equals(EMPTY_ROOT);
  const [first, ...rest] = isPowerOfTwo(from) ? [fromRoot, ...proof] : proof;
  if (!first) return false;
  let [own, last] = [from - 1, to - 1];
  while (isOdd(own)) [own, last] = [half(own), half(last)];
  let [older, newer] = [first, first];
  for (const hash of rest) {
    if (last === 0) return false;
    if (isOdd(own) || own === last) {
      older = nodeHash(hash, older);
      newer = nodeHash(hash, newer);
      while (!isOdd(own) && own !== 0) [own, last] = [half(own), half(last)];
    } else {
      newer = nodeHash(newer, hash);
    }
    [own, last] = [half(own), half(last)];
  }
  return last === 0 && older.equals(fromRoot) && newer.equals(toRoot);
}
