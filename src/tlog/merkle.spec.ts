import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  consistencyProof,
  EMPTY_ROOT,
  fromTiles,
  Frontier,
  inclusionProof,
  leafHash,
  nodeHash,
  rootOf,
  TILE,
  verifyConsistency,
  verifyInclusion,
  type SubtreeHashes,
} from './index.js';

const hex = (text: string): Buffer => Buffer.from(text, 'hex');
const base64 = (bytes: Buffer): string => bytes.toString('base64');

/** RFC 6962 §2.1 as it is written there, and nothing else. */
function rootByDefinition(leaves: readonly Buffer[]): Buffer {
  if (leaves.length === 0) return EMPTY_ROOT;
  if (leaves.length === 1) return leafHash(leaves[0]!);
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  return nodeHash(rootByDefinition(leaves.slice(0, k)), rootByDefinition(leaves.slice(k)));
}

const subtreesOf =
  (leaves: readonly Buffer[]): SubtreeHashes =>
  (wanted) =>
    Promise.resolve(wanted.map(({ level, n }) => rootByDefinition(leaves.slice(n * 2 ** level, (n + 1) * 2 ** level))));

const leavesOf = (size: number): Buffer[] => Array.from({ length: size }, (_, at) => Buffer.from(`{"i":${at}}`));

describe('the tree', () => {
  it('has the roots of the well-known eight leaves', () => {
    const leaves = [
      '',
      '00',
      '10',
      '2021',
      '3031',
      '40414243',
      '5051525354555657',
      '606162636465666768696a6b6c6d6e6f',
    ].map(hex);
    const frontier = Frontier.empty();
    const roots = leaves.map((leaf) => (frontier.append(leafHash(leaf)), frontier.root().toString('hex')));
    expect(roots.map((root) => root.slice(0, 8))).toEqual([
      '6e340b9c',
      'fac54203',
      'aeb6bcfe',
      'd37ee418',
      '4e3bbb1f',
      '76e67dad',
      'ddb89be4',
      '5dc9da79',
    ]);
    expect(roots[7]).toBe('5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328');
    expect(base64(EMPTY_ROOT)).toBe('47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=');
  });

  it('proves every leaf of every small size, and every older size, to a verifier that knows the roots alone', async () => {
    for (let size = 1; size <= 40; size++) {
      const leaves = leavesOf(size);
      const hashes = subtreesOf(leaves);
      const root = rootByDefinition(leaves);
      expect(await rootOf(size, hashes)).toEqual(root);
      for (let index = 0; index < size; index++) {
        const proof = await inclusionProof(index, size, hashes);
        expect(verifyInclusion({ index, size, leafHash: leafHash(leaves[index]!), proof, root })).toBe(true);
      }
      for (let from = 0; from <= size; from++) {
        const proof = await consistencyProof(from, size, hashes);
        const fromRoot = rootByDefinition(leaves.slice(0, from));
        expect(verifyConsistency({ from, to: size, fromRoot, toRoot: root, proof })).toBe(true);
      }
    }
  });

  it('proves nothing of another leaf, index, size or root, and with no hash more, less, swapped or altered', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 2, max: 300 }),
        fc.nat(),
        fc.nat(),
        fc.integer({ min: 0, max: 6 }),
        async (size, first, second, kind) => {
          const leaves = leavesOf(size);
          const hashes = subtreesOf(leaves);
          const [index, other] = [first % size, second % size];
          const root = rootByDefinition(leaves);
          const proof = await inclusionProof(index, size, hashes);
          const right = { index, size, leafHash: leafHash(leaves[index]!), proof, root };
          expect(verifyInclusion(right)).toBe(true);
          const at = second % proof.length;
          const altered = Buffer.from(proof[at]!);
          altered[first % 32]! ^= 1;
          const wrong = [
            { ...right, index: other === index ? (index + 1) % size : other },
            { ...right, leafHash: leafHash(`${leaves[index]!.toString()} `) },
            { ...right, root: leafHash('another') },
            { ...right, proof: proof.slice(1) },
            { ...right, proof: [...proof, proof[0]!] },
            { ...right, proof: proof.with(at, altered) },
            { ...right, index: size },
          ][kind]!;
          expect(verifyInclusion(wrong)).toBe(false);
        },
      ),
      { seed: 11, numRuns: 200 },
    );
  });

  it('shows no fork and no rollback to be a continuation', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 2, max: 300 }), fc.nat(), fc.nat(), async (to, first, second) => {
        const from = 1 + (first % (to - 1));
        const leaves = leavesOf(to);
        const forked = leaves.with(second % from, Buffer.from('{"i":"another"}'));
        const [fromRoot, toRoot] = [rootByDefinition(leaves.slice(0, from)), rootByDefinition(forked)];
        for (const source of [leaves, forked]) {
          const proof = await consistencyProof(from, to, subtreesOf(source));
          expect(verifyConsistency({ from, to, fromRoot, toRoot, proof })).toBe(false);
          expect(verifyConsistency({ from: to, to: from, fromRoot: toRoot, toRoot: fromRoot, proof })).toBe(false);
        }
        expect(verifyConsistency({ from: 0, to, fromRoot, toRoot, proof: [] })).toBe(false);
      }),
      { seed: 12, numRuns: 150 },
    );
  });

  it('goes on from its peaks, and tells of each subtree that is complete', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 600 }), fc.nat(600), (first, more) => {
        const leaves = leavesOf(first + more);
        const whole = Frontier.empty();
        const found = new Map<string, Buffer>();
        const note = ({ level, n }: { level: number; n: number }, hash: Buffer) => found.set(`${level}/${n}`, hash);
        for (const leaf of leaves.slice(0, first)) whole.append(leafHash(leaf), note);
        const resumed = Frontier.of(
          first,
          whole.peaks().map((peak) => peak ?? leafHash('stale')),
        );
        for (const leaf of leaves.slice(first)) {
          whole.append(leafHash(leaf), note);
          resumed.append(leafHash(leaf));
        }
        expect(resumed.root()).toEqual(whole.root());
        expect(resumed.size).toBe(first + more);
        if (leaves.length >= TILE) expect(found.get('8/0')).toEqual(rootByDefinition(leaves.slice(0, TILE)));
      }),
      { seed: 13, numRuns: 15 },
    );
    expect(() => Frontier.of(2, [leafHash('a')])).toThrow(RangeError);
  });

  it('is the same out of tiles, and a tile that is cut off is refused', async () => {
    for (const size of [1, 255, 256, 257, 768, 1_000, 1_300]) {
      const leaves = leavesOf(size);
      const rows = [leaves.map(leafHash)];
      while (rows.at(-1)!.length >= TILE) {
        const row = rows.at(-1)!;
        rows.push(
          Array.from({ length: Math.floor(row.length / TILE) }, (_, n) => {
            const frontier = Frontier.empty();
            for (const one of row.slice(n * TILE, (n + 1) * TILE)) frontier.append(one);
            return frontier.root();
          }),
        );
      }
      const read = (cut: number) => (tile: { level: number; n: number; width: number }) =>
        Promise.resolve(
          Buffer.concat(rows[tile.level]!.slice(tile.n * TILE, tile.n * TILE + tile.width)).subarray(cut),
        );
      const root = rootByDefinition(leaves);
      expect(await rootOf(size, fromTiles(size, read(0)))).toEqual(root);
      const index = Math.floor(size / 3);
      const proof = await inclusionProof(index, size, fromTiles(size, read(0)));
      expect(verifyInclusion({ index, size, leafHash: leafHash(leaves[index]!), proof, root })).toBe(true);
      await expect(rootOf(size, fromTiles(size, read(1)))).rejects.toThrow(RangeError);
    }
  });
});
