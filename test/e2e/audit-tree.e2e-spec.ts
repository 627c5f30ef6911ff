import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import pg from 'pg';
import { ArchivedLeaves } from '../../src/modules/audit/retention/archived-leaves.js';
import { AuditorPool } from '../../src/modules/audit/tree/auditor-pool.js';
import { LogGap, TreeRepository } from '../../src/modules/audit/tree/tree.repository.js';
import type { Config } from '../../src/platform/config/config.js';
import { consistencyProof, Frontier, inclusionProof, rootOf } from '../../src/tlog/index.js';
import { cloneDatabase } from '../harness/database.js';
import { fillLog } from '../harness/filled-log.js';
import { isConsistent, isIncluded, leafHashOf, PlainTree } from '../harness/rfc6962.js';

const SIZE = 65_536 + 600;
/** Around every edge of tiles of all three levels. */
const EDGES = [1, 2, 3, 255, 256, 257, 511, 512, 513, 768, 1_000, 65_535, 65_536, 65_537, 65_792];

let owner: pg.Client;
let pool: AuditorPool;
let tree: TreeRepository;
let lines: string[];
let plain: PlainTree;

beforeAll(async () => {
  const database = await cloneDatabase();
  owner = new pg.Client({ connectionString: database.ownerUrl });
  await owner.connect();
  await fillLog(owner, SIZE);
  pool = new AuditorPool({ database } as Config);
  tree = new TreeRepository(pool, new ArchivedLeaves(pool, { audit: { archiveDir: null } } as Config));
  lines = (await owner.query<{ leaf: string }>('SELECT leaf FROM audit.entry ORDER BY idx')).rows.map(
    ({ leaf }) => leaf,
  );
  plain = new PlainTree(lines.map(leafHashOf));
}, 120_000);

afterAll(async () => {
  await pool.onApplicationShutdown();
  await owner.end();
});

const sizes = fc.oneof(
  fc.constantFrom(...EDGES, SIZE),
  fc.integer({ min: 1, max: 4_000 }),
  fc.integer({ min: 1, max: SIZE }),
);
const runs = { numRuns: 300, seed: 20261122 };

describe('the tree of a log of many tiles', () => {
  it('has at every size the root of the leaves, and at its head the right edge of all', async () => {
    const at = [...EDGES, SIZE];
    for (const size of at) expect([size, await rootOf(size, tree.hashes())]).toEqual([size, plain.root(size)]);
    const { size, peaks } = await tree.head();
    expect(size).toBe(SIZE);
    expect(Frontier.of(size, peaks).root()).toEqual(plain.root());
    expect(peaks.map((peak) => peak !== null)).toEqual([...SIZE.toString(2)].reverse().map((bit) => bit === '1'));
  });

  it('proves each leaf at each size as the plain definition does, and the proof verifies', async () => {
    const claim = sizes.chain((size) => fc.tuple(fc.constant(size), fc.integer({ min: 0, max: size - 1 })));
    await fc.assert(
      fc.asyncProperty(claim, async ([size, index]) => {
        const proof = await inclusionProof(index, size, tree.hashes());
        expect(proof).toEqual(plain.path(index, size));
        expect(isIncluded({ index, size, root: plain.root(size) }, lines[index]!, proof)).toBe(true);
      }),
      runs,
    );
  });

  it('proves each size to be the beginning of each later one', async () => {
    const claim = sizes.chain((to) => fc.tuple(fc.integer({ min: 0, max: to }), fc.constant(to)));
    await fc.assert(
      fc.asyncProperty(claim, async ([from, to]) => {
        const proof = await consistencyProof(from, to, tree.hashes());
        expect(proof).toEqual(plain.consistency(from, to));
        const of = (size: number) => ({ size, root: plain.root(size) });
        expect(isConsistent(of(from), of(to), proof)).toBe(true);
      }),
      runs,
    );
    for (const from of EDGES)
      expect(await consistencyProof(from, SIZE, tree.hashes())).toEqual(plain.consistency(from, SIZE));
  });

  it('asks the database twice a proof at most, whatever the size', async () => {
    const query = jest.spyOn(pool, 'query');
    for (const size of [300, 64_000, SIZE]) {
      query.mockClear();
      await inclusionProof(Math.floor(size / 3), size, tree.hashes());
      expect([1, 2]).toContain(query.mock.calls.length);
      query.mockClear();
      await consistencyProof(Math.floor(size / 3), size, tree.hashes());
      expect([1, 2]).toContain(query.mock.calls.length);
    }
    query.mockRestore();
  });
});

describe('the leaves of a log', () => {
  it('come as the exact bytes, in order, page by page', async () => {
    const found: string[] = [];
    for await (const line of tree.lines(250, 3_250)) found.push(line.toString());
    expect(found).toEqual(lines.slice(250, 3_250));
    const none: Buffer[] = [];
    for await (const line of tree.lines(7, 7)) none.push(line);
    expect(none).toEqual([]);
  });

  it('are found by place and by event', async () => {
    const leaf = (await tree.leaf(64_001))!;
    expect([leaf.index, leaf.line.toString(), leaf.storedHash]).toEqual([
      64_001,
      lines[64_001],
      leafHashOf(lines[64_001]!),
    ]);
    expect((await tree.leafOfEvent(leaf.eventId))?.index).toBe(64_001);
    expect(await tree.leaf(SIZE)).toBeNull();
    expect(await tree.leafOfEvent('01990000-0000-7000-8000-000000000000')).toBeNull();
  });

  it('are missed loudly: nothing is proved or read over a hole', async () => {
    const read = async (from: number, to: number) => {
      let count = 0;
      for await (const line of tree.lines(from, to)) count += line.length;
      return count;
    };
    await expect(read(SIZE - 10, SIZE + 1)).rejects.toEqual(new LogGap(0, SIZE));
    await expect(rootOf(SIZE + 1, tree.hashes())).rejects.toBeInstanceOf(LogGap);
    await owner.query('ALTER TABLE audit.entry DISABLE TRIGGER USER');
    await owner.query('DELETE FROM audit.entry WHERE idx = 1999');
    await expect(read(1_000, 3_000)).rejects.toEqual(new LogGap(0, 1_999));
    await expect(read(1_999, 2_000)).rejects.toEqual(new LogGap(0, 1_999));
    await expect(inclusionProof(1_998, SIZE, tree.hashes())).rejects.toEqual(new LogGap(0, 1_999));
    expect(await inclusionProof(5_000, SIZE, tree.hashes())).toEqual(plain.path(5_000, SIZE));
  });
});
