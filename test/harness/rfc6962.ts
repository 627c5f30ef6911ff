import { createHash } from 'node:crypto';

/**
 * RFC 6962 section 2.1 word for word, over a list of leaf hashes in memory, and verifiers that work the other way round than
 * the server's: by the recursive definitions, from the root downwards. Shares no code with src, so that both cannot be wrong together.
 */
export const sha256 = (...parts: Buffer[]): Buffer => createHash('sha256').update(Buffer.concat(parts)).digest();
export const leafHashOf = (line: Buffer | string): Buffer => sha256(Buffer.of(0), Buffer.from(line));
const node = (left: Buffer, right: Buffer): Buffer => sha256(Buffer.of(1), left, right);

/** Largest power of two smaller than n. */
const k = (n: number): number => 2 ** (Math.ceil(Math.log2(n)) - 1);

export class PlainTree {
  private readonly known = new Map<string, Buffer>();

  constructor(readonly leaves: readonly Buffer[]) {}

  /** MTH(D[from:to]). */
  root(to = this.leaves.length, from = 0): Buffer {
    const n = to - from;
    if (n === 0) return sha256();
    if (n === 1) return this.leaves[from]!;
    const key = `${from} ${to}`;
    const known = this.known.get(key);
    if (known) return known;
    const made = node(this.root(from + k(n), from), this.root(to, from + k(n)));
    // Only complete subtrees are met again.
    if (Number.isInteger(Math.log2(n))) this.known.set(key, made);
    return made;
  }

  /** PATH(m, D[from:to]). */
  path(m: number, to: number, from = 0): Buffer[] {
    const n = to - from;
    if (n === 1) return [];
    const middle = from + k(n);
    return m < k(n)
      ? [...this.path(m, middle, from), this.root(to, middle)]
      : [...this.path(m - k(n), to, middle), this.root(middle, from)];
  }

  /** PROOF(m, D[n]). */
  consistency(m: number, n: number): Buffer[] {
    return m === 0 ? [] : this.subproof(m, n, 0, true);
  }

  private subproof(m: number, to: number, from: number, isWhole: boolean): Buffer[] {
    const n = to - from;
    if (m === n) return isWhole ? [] : [this.root(to, from)];
    const middle = from + k(n);
    return m <= k(n)
      ? [...this.subproof(m, middle, from, isWhole), this.root(to, middle)]
      : [...this.subproof(m - k(n), to, middle, false), this.root(middle, from)];
  }
}

/** The root that a leaf at `index` and its path lead to, by the definition of PATH read backwards; null when the length is wrong. */
function rootBy(index: number, size: number, leaf: Buffer, path: readonly Buffer[]): Buffer | null {
  if (size === 1) return path.length === 0 ? leaf : null;
  const last = path.at(-1);
  if (!last) return null;
  const below = path.slice(0, -1);
  const isLeft = index < k(size);
  const part = isLeft ? rootBy(index, k(size), leaf, below) : rootBy(index - k(size), size - k(size), leaf, below);
  return part && (isLeft ? node(part, last) : node(last, part));
}

export const isIncluded = (
  { index, size, root }: { index: number; size: number; root: Buffer },
  line: Buffer | string,
  path: readonly Buffer[],
): boolean => index < size && (rootBy(index, size, leafHashOf(line), path)?.equals(root) ?? false);

/** Both roots by the definition of SUBPROOF read backwards; null when the length is wrong. */
function rootsBy(m: number, n: number, proof: readonly Buffer[], whole: Buffer | null): [Buffer, Buffer] | null {
  if (m === n) {
    if (whole) return proof.length === 0 ? [whole, whole] : null;
    return proof.length === 1 ? [proof[0]!, proof[0]!] : null;
  }
  const last = proof.at(-1);
  if (!last) return null;
  const below = proof.slice(0, -1);
  if (m <= k(n)) {
    const part = rootsBy(m, k(n), below, whole);
    return part && [part[0], node(part[1], last)];
  }
  const part = rootsBy(m - k(n), n - k(n), below, null);
  return part && [node(last, part[0]), node(last, part[1])];
}

export function isConsistent(
  older: { size: number; root: Buffer },
  newer: { size: number; root: Buffer },
  proof: readonly Buffer[],
): boolean {
  if (older.size === 0) return proof.length === 0;
  const roots = rootsBy(older.size, newer.size, proof, older.root);
  return roots !== null && roots[0].equals(older.root) && roots[1].equals(newer.root);
}
