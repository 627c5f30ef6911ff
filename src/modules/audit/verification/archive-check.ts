import { setTimeout as sleep } from 'node:timers/promises';
import { Frontier, hashesIn, TILE, type Subtree } from '../../../tlog/index.js';
import { ArchiveDamaged, ArchiveUnavailable } from '../retention/archive.errors.js';
import type { ArchivedLeaves } from '../retention/archived-leaves.js';
import { readTile } from '../retention/block-tiles.js';
import type { ArchivedBlock } from '../retention/blocks.repository.js';
import { LogGap, type TreeRepository } from '../tree/tree.repository.js';
import { finding, Unverifiable, type Finding } from './findings.js';
import { readLeaf } from './leaf.js';
import type { LogRepository } from './log.repository.js';

export interface ArchiveReport {
  findings: Finding[];
  /** Blocks whose files were read. */
  blocks: number;
  entries: number;
}

const HASH = 32;
const BLOCKS = 100;
/** Hashes at a time: 2 MB. */
const LADDER = TILE * TILE;
const MOST_FINDINGS = 20;
const EVENT_TRIES = 4;
const EVENT_AGAIN_MS = 500;
const ARCHIVES = Buffer.from('"sub":"Block.archive"');
const TABLE = 'audit.archived_block';
const TILES = 'audit.tile_hash';

/**
 * Verifies the blocks that have left the database: every file has the digest that was recorded, every leaf hashes to the tree's
 * stored hashes, those lead up to the ones that the rest of the log is verified with, and the log itself has an event with the
 * digest of each block. Memory does not grow with the archive.
 */
export class ArchiveCheck {
  private readonly findings: Finding[] = [];
  /** Digests that the log's own events tell, by block. */
  private readonly told = new Map<number, string>();

  constructor(
    private readonly archive: ArchivedLeaves,
    private readonly tree: TreeRepository,
    private readonly log: LogRepository,
    private readonly onProgress: (index: number, size: number) => void,
  ) {}

  async run(): Promise<ArchiveReport> {
    const { archivedTo } = await this.archive.blocks.edge();
    const blocks = (await this.all()).filter(({ detachedAt }) => detachedAt !== null);
    const left = blocks.filter(({ deletedAt }) => deletedAt === null);
    if (left.length > 0) await this.requireArchive();
    await this.guarded(() => this.ladder(archivedTo));
    for (const block of left) await this.guarded(() => this.block(block, archivedTo));
    await this.hearDatabase(blocks);
    this.compareTold(left, blocks);
    return {
      findings: this.findings,
      blocks: left.length,
      entries: left.reduce((sum, { first, end }) => sum + end - first, 0),
    };
  }

  /**
   * Without the files: the log has an event for each block that has left of late. That of the newest always lies behind it, in the
   * database, so that nobody takes entries away and calls them archived.
   */
  async glance(): Promise<Finding[]> {
    const blocks = (await this.all()).filter(({ detachedAt }) => detachedAt !== null);
    const newest = blocks.at(-1);
    if (!newest) return [];
    await this.hearDatabase(blocks);
    const first = Math.min(newest.block, ...this.told.keys());
    this.compareTold(
      blocks.filter(({ block }) => block >= first),
      [],
    );
    return this.findings;
  }

  private note(found: Finding): void {
    if (this.findings.length < MOST_FINDINGS) this.findings.push(found);
  }

  private async all(): Promise<ArchivedBlock[]> {
    const found: ArchivedBlock[] = [];
    for (;;) {
      const page = await this.archive.blocks.archived(found.length, BLOCKS);
      found.push(...page);
      if (page.length < BLOCKS) return found;
    }
  }

  private async requireArchive(): Promise<void> {
    try {
      await this.archive.files.requireRoot();
    } catch (error) {
      if (!(error instanceof ArchiveUnavailable)) throw error;
      throw new Unverifiable(
        `${error.what}, and blocks of the log lie in the archive. --skip-archive verifies the database alone`,
      );
    }
  }

  /** A hash of the tree that is gone is a finding; what comes after it is looked at all the same. */
  private async guarded(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof LogGap)) throw error;
      const index = error.first * TILE ** error.level;
      const what = `the tile hash (level ${error.level}, number ${error.first}), or one soon after it, is missing`;
      this.note(finding('deletion', TILES, what, { index, through: index + TILE ** error.level - 1 }));
    }
  }

  /** The hashes of the archived entries' tiles, and all above them, which stay in the database for ever. */
  private async ladder(archivedTo: number): Promise<void> {
    const tree = Frontier.empty();
    for (let at = 0; at < archivedTo / TILE; at += LADDER) {
      const count = Math.min(LADDER, archivedTo / TILE - at);
      const full: [Subtree, Buffer][] = [];
      for (const hash of hashesIn(await this.tree.tile(1, at, count), 0, count))
        tree.append(hash, (subtree, own) => {
          if (subtree.level > 0 && subtree.level % 8 === 0) full.push([subtree, own]);
        });
      for (const [{ level, n }, hash] of full) {
        const stored = await this.tree.tile(1 + level / 8, n, 1);
        if (stored.equals(hash)) continue;
        const span = TILE ** (1 + level / 8);
        const what = `the tile hash (level ${1 + level / 8}, number ${n}) is not that of the tile below it`;
        this.note(finding('edit', TILES, what, { index: n * span, through: (n + 1) * span - 1 }));
      }
    }
  }

  private async block(block: ArchivedBlock, archivedTo: number): Promise<void> {
    const { files, blocks } = this.archive;
    const digests = await blocks.digests(block.block);
    await this.files(block.first, block.end, () => files.requireSums(block, digests));
    const stored = await this.tree.tile(1, block.first / TILE, (block.end - block.first) / TILE);
    for (let first = block.first; first < block.end; first += TILE) {
      await this.files(first, first + TILE, async () => {
        const { root, lines, name } = await readTile(files, block, digests, first / TILE);
        const at = ((first - block.first) / TILE) * HASH;
        if (!root.equals(stored.subarray(at, at + HASH)))
          this.note(
            finding('edit', name, 'its entries are not those that the tree has', {
              index: first,
              through: first + TILE - 1,
            }),
          );
        for (const line of lines) if (line.includes(ARCHIVES)) this.hear(line);
      });
      this.onProgress(first + TILE, archivedTo);
    }
  }

  private async files(first: number, end: number, read: () => Promise<void>): Promise<void> {
    try {
      await read();
    } catch (error) {
      if (!(error instanceof ArchiveDamaged)) throw error;
      this.note(
        finding(error.isMissing ? 'deletion' : 'edit', error.file, error.what, { index: first, through: end - 1 }),
      );
    }
  }

  /** The event of a block that has left just now may still wait for its place. */
  private async hearDatabase(blocks: readonly ArchivedBlock[]): Promise<void> {
    for (let tries = 0; tries < EVENT_TRIES; tries++) {
      if (tries > 0) await sleep(EVENT_AGAIN_MS);
      for (const { leaf } of await this.log.eventsOf('Block.archive')) this.hear(Buffer.from(leaf));
      if (blocks.length === 0 || this.told.has(blocks.at(-1)!.block)) return;
    }
  }

  private hear(line: Buffer): void {
    const { event } = readLeaf(line);
    const detail = event.det as { block?: unknown; digest?: unknown } | undefined;
    if (event.sub === 'Block.archive' && typeof detail?.block === 'number' && typeof detail.digest === 'string')
      this.told.set(detail.block, detail.digest);
  }

  /** Events of the oldest blocks may lie in blocks that were deleted since. */
  private compareTold(left: readonly ArchivedBlock[], all: readonly ArchivedBlock[]): void {
    const lastDeleted = all.findLast(({ deletedAt }) => deletedAt !== null)?.block ?? -1;
    for (const { block, digest, first, end } of left) {
      const told = this.told.get(block);
      if (told === digest.toString('hex') || (told === undefined && block < lastDeleted)) continue;
      const what =
        told === undefined
          ? `no event of the log tells that block ${block} was archived`
          : `the digest of block ${block} is not the one that the log's own event tells`;
      this.note(finding('edit', TABLE, what, { index: first, through: end - 1 }));
    }
  }
}

/** A block that leaves the database while its entries are read looks like one that was deleted: then all is read again. */
export async function besideArchive<Report extends { verdict: string }>(
  { blocks }: ArchivedLeaves,
  check: (archivedTo: number) => Promise<Report>,
): Promise<Report> {
  for (;;) {
    const { archivedTo } = await blocks.edge();
    const report = await check(archivedTo);
    if (report.verdict === 'verified' || (await blocks.edge()).archivedTo === archivedTo) return report;
  }
}
