import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  Frontier,
  fromTiles,
  inclusionProof,
  leafHash,
  rootOf,
  tilePath,
  verifyInclusion,
} from '../../../tlog/index.js';
import { completeFor, planOf, tilesOf } from './export-plan.js';

describe('what an export holds', () => {
  it('is the whole log where nothing narrows it and the checkpoint ends with its own event', () => {
    expect(planOf({}, 9, 10)).toEqual({ kind: 'log', from: 0, to: 10, ownLast: null });
    expect(planOf({}, 9, 12)).toMatchObject({ kind: 'range', from: 0, to: 10 });
    expect(planOf({ fromSeq: 0 }, 9, 10)).toMatchObject({ kind: 'log' });
    expect(planOf({ fromSeq: 1 }, 9, 10)).toMatchObject({ kind: 'range', from: 1, to: 10 });
    expect(planOf({ toSeq: 4 }, 9, 10)).toEqual({ kind: 'range', from: 0, to: 5, ownLast: null });
  });

  it('ends with its own event where events are chosen, also behind a range', () => {
    expect(planOf({ action: 'Record' }, 9, 12)).toEqual({ kind: 'events', from: 0, to: 9, ownLast: 9 });
    expect(planOf({ action: 'Record', toSeq: 4 }, 9, 12)).toEqual({ kind: 'events', from: 0, to: 5, ownLast: 9 });
  });

  it('is complete for patients only where nothing but them, and a beginning, narrows it', () => {
    expect(completeFor({ patientIds: ['a', 'b'] })).toEqual(['a', 'b']);
    expect(completeFor({ patientIds: ['a'], fromSeq: 3, action: undefined })).toEqual(['a']);
    for (const more of [{ toSeq: 3 }, { action: 'Record' }, { from: '2026-01-01T00:00:00Z' }, { actorIds: ['c'] }])
      expect(completeFor({ patientIds: ['a'], ...more })).toEqual([]);
    expect(completeFor({})).toEqual([]);
  });
});

const SIZES = [1, 2, 255, 256, 257, 511, 512, 513, 768, 1000, 65_535, 65_536, 65_537, 66_000];
const MOST = 66_000;
const leaves = Array.from({ length: MOST }, (_, n) => leafHash(String(n)));
const subtrees = new Map<string, Buffer>();
const roots = new Map<number, Buffer>();
const growing = Frontier.empty();
for (const leaf of leaves) {
  growing.append(leaf, ({ level, n }, hash) => {
    if (level % 8 === 0) subtrees.set(`${level / 8} ${n}`, hash);
  });
  if (SIZES.includes(growing.size)) roots.set(growing.size, growing.root());
}

describe('the tiles of a range', () => {
  it('are enough to prove each of its leaves, and the root, and hardly more', async () => {
    const range = fc
      .constantFrom(...SIZES)
      .chain((size) =>
        fc
          .tuple(fc.nat({ max: size - 1 }), fc.nat({ max: 700 }))
          .map(([from, more]) => ({ size, from, to: Math.min(size, from + more + 1) })),
      );
    await fc.assert(
      fc.asyncProperty(range, async ({ size, from, to }) => {
        const tiles = new Map<string, Buffer>();
        for (const tile of tilesOf(from, to, size)) {
          const hashes = Array.from({ length: tile.width }, (_, at) =>
            subtrees.get(`${tile.level} ${tile.n * 256 + at}`)!,
          );
          expect(tiles.has(tilePath(tile))).toBe(false);
          tiles.set(tilePath(tile), Buffer.concat(hashes));
        }
        const hashes = fromTiles(size, (tile) => Promise.resolve(tiles.get(tilePath(tile))!));
        const root = await rootOf(size, hashes);
        expect(root).toEqual(roots.get(size));
        for (const index of [from, Math.floor((from + to - 1) / 2), to - 1]) {
          const proof = await inclusionProof(index, size, hashes);
          expect(verifyInclusion({ index, size, leafHash: leaves[index]!, proof, root })).toBe(true);
        }
        expect(tiles.size).toBeLessThanOrEqual(Math.ceil((to - from) / 256) + 7);
      }),
      { seed: 7, numRuns: 120 },
    );
  }, 120_000);
});
