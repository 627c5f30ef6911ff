import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { Clock } from '../../../platform/clock.js';
import type { Db } from '../../../platform/database/db.js';
import {
  fold,
  inclusionProof,
  leafHash,
  NoteError,
  parseCheckpoint,
  parseNote,
  TILE,
  verifyInclusion,
  type Subtree,
  type SubtreeHashes,
} from '../../../tlog/index.js';
import { systemEvent } from '../event.js';
import { replicaName } from '../replica.js';
import { LogKeys } from '../sealing/log-keys.js';
import { TreeRepository, type SignedCheckpoint } from '../tree/tree.repository.js';
import { ArchivedLeaves } from './archived-leaves.js';
import { digestOf, type Span } from './block-files.js';
import { readTiles } from './block-tiles.js';
import { RetentionRepository, type HotBlock } from './retention.repository.js';

const HASH = 32;
const DETACH_TRIES = 60;
const DETACH_AGAIN_MS = 1_000;

export interface Work {
  /** Asked between two tiles: rejects when the turn is lost or the server stops. */
  goOn: () => Promise<void>;
  onProgress: (block: number, done: number, of: number) => void;
}

export interface Moved extends Span {
  /** SHA-256 of its SHA256SUMS. */
  digest: Buffer;
  bytes: number;
}

/** Why a block stays where it is; the message says what to look at. */
export class ArchivingRefused extends Error {}

/** What `goOn` is for a turn that is held by a transaction. */
export const turnHeld = (turn: Pick<Db, 'query'>) => async (): Promise<void> => {
  await turn.query('SELECT 1');
};

/**
 * Moves one block of the log into files. Its entries leave the database only when the files, read again from the disk, lead to
 * a checkpoint that we have signed. A crash leaves the block where it was: each step finds what was done before.
 */
@Injectable()
export class Archiver {
  constructor(
    private readonly archive: ArchivedLeaves,
    private readonly tree: TreeRepository,
    private readonly blocks: RetentionRepository,
    private readonly keys: LogKeys,
    private readonly clock: Clock,
  ) {}

  async move(hot: HotBlock, work: Work): Promise<Moved> {
    await this.archive.files.requireRoot();
    const checkpoint = await this.signedOver(hot);
    const stored = await this.tree.tile(1, hot.first / TILE, (hot.end - hot.first) / TILE);
    const written = await this.write(hot, stored, checkpoint, work);
    const digest = digestOf(hot, written.digests);
    const recorded = await this.blocks.recorded(hot.block);
    if (recorded && !recorded.digest.equals(digest))
      throw new ArchivingRefused(
        `the files of block ${hot.block} are not those that were recorded: move its folder away, and put back the one of ${recorded.digest.toString('hex')}`,
      );
    await this.requireWhole(hot, written.digests, stored, checkpoint, work);
    if (!recorded) await this.blocks.record(hot, { ...written, digest }, this.clock.now());
    const moved = { ...hot, digest, bytes: written.bytes };
    await this.detach(moved, work);
    return moved;
  }

  private async signedOver({ block, end }: Span): Promise<SignedCheckpoint> {
    const checkpoint = await this.tree.latestCheckpoint();
    if (!checkpoint || checkpoint.size < end || !this.isOurs(checkpoint))
      throw new ArchivingRefused(`no checkpoint that we have signed covers block ${block}`);
    return checkpoint;
  }

  /** The note says what its row says, and a key of the key file has signed it. */
  private isOurs({ note: text, origin, size, root }: SignedCheckpoint): boolean {
    try {
      const note = parseNote(text);
      const signed = parseCheckpoint(note.body);
      const isSame = signed.origin === origin && signed.size === size && signed.root.equals(root);
      return isSame && this.keys.hasSigned(origin, note);
    } catch (error) {
      if (error instanceof NoteError) return false;
      throw error;
    }
  }

  private async write(span: HotBlock, stored: Buffer, { note }: SignedCheckpoint, work: Work) {
    const { files } = this.archive;
    const tiles = (span.end - span.first) / TILE;
    const digests = Buffer.alloc(tiles * 2 * HASH);
    let bytes = 0;
    let lines: Buffer[] = [];
    let tile = 0;
    for await (const line of this.tree.lines(span.first, span.end)) {
      lines.push(line);
      if (lines.length < TILE) continue;
      await work.goOn();
      const hashes = lines.map(leafHash);
      // What may not be changed afterwards is not written before it is right.
      if (!fold(hashes).equals(stored.subarray(tile * HASH, (tile + 1) * HASH)))
        throw new ArchivingRefused(
          `entries ${span.first + tile * TILE} to ${span.first + (tile + 1) * TILE - 1} do not hash to what the tree has of them: have the trail verified`,
        );
      const made = await files.writeTile(span, span.first / TILE + tile, lines, Buffer.concat(hashes));
      made.entries.copy(digests, tile * HASH);
      made.tile.copy(digests, (tiles + tile) * HASH);
      bytes += made.bytes;
      lines = [];
      work.onProgress(span.block, ++tile, 2 * tiles);
    }
    await files.writeSums(span, digests, note);
    return { digests, bytes };
  }

  /** All files once more, from the disk: their leaves are those of the tree, and the tree is the one that was signed. */
  private async requireWhole(
    span: Span,
    digests: Buffer,
    stored: Buffer,
    checkpoint: SignedCheckpoint,
    work: Work,
  ): Promise<void> {
    const tiles = (span.end - span.first) / TILE;
    const roots: Buffer[] = [];
    let firstTile: Buffer[] = [];
    for await (const { hashes, root, name } of readTiles(this.archive.files, span, digests)) {
      await work.goOn();
      if (!root.equals(stored.subarray(roots.length * HASH, (roots.length + 1) * HASH)))
        throw new ArchivingRefused(`${name} does not hold what was written`);
      if (roots.length === 0) firstTile = hashes;
      roots.push(root);
      work.onProgress(span.block, tiles + roots.length, 2 * tiles);
    }
    await this.archive.files.requireSums(span, digests);
    // The path of the first entry leads over all others of its block, as the files have them, to the signed root.
    const own = withOwn(span, { firstTile, roots }, this.tree.hashes());
    const claim = { index: span.first, size: checkpoint.size, leafHash: firstTile[0]!, root: checkpoint.root };
    if (!verifyInclusion({ ...claim, proof: await inclusionProof(span.first, checkpoint.size, own) }))
      throw new ArchivingRefused(
        `block ${span.block} does not lead to the signed checkpoint of ${checkpoint.size} entries: have the trail verified`,
      );
  }

  private async detach({ block, first, end, digest, bytes }: Moved, { goOn }: Work): Promise<void> {
    const at = this.clock.now();
    const event = systemEvent(
      {
        code: 'Block.archive',
        act: 'U',
        accountId: '',
        sessionId: null,
        reason: 'audit.retention',
        at,
        detail: { block, bytes, digest: digest.toString('hex'), first, last: end - 1 },
      },
      replicaName(),
    );
    for (let tries = 1; ; tries++) {
      await goOn();
      if (await this.blocks.detach(block, at, event)) return this.blocks.place(event);
      if (tries === DETACH_TRIES) throw new ArchivingRefused('the log is read all the time: the block stays for now');
      await sleep(DETACH_AGAIN_MS);
    }
  }
}

/** Hashes of subtrees: those of the block out of its files, all others as they are stored. */
function withOwn(
  { first, end }: Span,
  own: { firstTile: Buffer[]; roots: Buffer[] },
  stored: SubtreeHashes,
): SubtreeHashes {
  const inBlock = ({ level, n }: Subtree): Buffer | null => {
    const [from, width] = [n * 2 ** level, 2 ** level];
    if (from < first || from + width > end) return null;
    return width < TILE
      ? fold(own.firstTile.slice(from - first, from - first + width))
      : fold(own.roots.slice((from - first) / TILE, (from - first + width) / TILE));
  };
  return async (wanted) => {
    const others = await stored(wanted.filter((one) => inBlock(one) === null));
    return wanted.map((one) => inBlock(one) ?? others.shift()!);
  };
}
