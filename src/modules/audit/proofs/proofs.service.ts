import { Inject, Injectable } from '@nestjs/common';
import { authorize, type SignedIn } from '../../../platform/access/context.js';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import { notFound } from '../../../platform/http/problem.js';
import { invalid } from '../../../platform/http/validation.js';
import { Logger } from '../../../platform/logging/logger.js';
import {
  consistencyProof,
  entryBundle,
  formatReceipt,
  inclusionProof,
  leafHash,
  NoteError,
  parseCheckpoint,
  parseNote,
  parseTilePath,
  TILE,
  tileWidth,
  verifyInclusion,
  type TileName,
} from '../../../tlog/index.js';
import { archivedById, ArchiveDamaged, ArchiveUnavailable, reasonOf } from '../retention/archive.errors.js';
import { ArchivedLeaves } from '../retention/archived-leaves.js';
import { LogKeys } from '../sealing/log-keys.js';
import { OpenPool } from '../tree/auditor-pool.js';
import { LogGap, TreeRepository, type LeafRow, type SignedCheckpoint } from '../tree/tree.repository.js';
import type { ConsistencyQuery, ConsistencyView, InclusionQuery, InclusionView } from './proofs.dto.js';
import { logDamaged, noSuchProof, notSealedYet } from './proofs.errors.js';

const toBase64 = (hashes: readonly Buffer[]): string[] => hashes.map((hash) => hash.toString('base64'));

const needed = (pointer: string, detail: string) => invalid([{ pointer, code: 'missing', detail }]);

/** Proofs out of the log, for trees that a checkpoint was signed for and no later ones: nobody could verify those. */
@Injectable()
export class ProofsService {
  constructor(
    private readonly tree: TreeRepository,
    private readonly archive: ArchivedLeaves,
    private readonly logKeys: LogKeys,
    private readonly logger: Logger,
  ) {}

  async checkpoint(): Promise<SignedCheckpoint> {
    const latest = await this.tree.latestCheckpoint();
    if (!latest) throw notSealedYet();
    return latest;
  }

  /** All verifier keys that the log ever had, one a line. */
  async keys(): Promise<string> {
    return (await this.tree.verifierKeys()).map((vkey) => `${vkey}\n`).join('');
  }

  async inclusion(ctx: SignedIn, query: InclusionQuery): Promise<InclusionView> {
    if ((query.index === undefined) === (query.eventId === undefined))
      throw needed('/index', 'Name one leaf: by `index` or by `eventId`.');
    const index = query.index ?? (await this.leafOf(query.eventId!)).index;
    const size = await this.sizeUpTo(query.size);
    if (query.size === undefined && index >= size) throw notSealedYet();
    if (index >= size) throw noSuchProof();
    ctx.touch({ patientId: null, type: 'AuditEvent', id: String(index) });
    const proof = await this.intact(inclusionProof(index, size, this.tree.hashes()));
    return { leafIndex: index, treeSize: size, hashes: toBase64(proof) };
  }

  async consistency(query: ConsistencyQuery): Promise<ConsistencyView> {
    const { from } = query;
    if (from === undefined) throw needed('/from', 'Name the size of the older tree.');
    const to = await this.sizeUpTo(query.to);
    if (from > to) throw query.to === undefined ? notSealedYet() : noSuchProof();
    const proof = await this.intact(consistencyProof(from, to, this.tree.hashes()));
    return { oldSize: from, newSize: to, hashes: toBase64(proof) };
  }

  /** A hash tile of the latest checkpoint's tree, or the beginning of one (C2SP tlog-tiles). */
  async hashTile(path: string): Promise<{ bytes: Buffer; isFull: boolean }> {
    const { level, n, width } = await this.tileAt(path);
    if (level === 'entries') throw notFound();
    return { bytes: await this.intact(this.tree.tile(level, n * TILE, width)), isFull: width === TILE };
  }

  /** An entry bundle: up to 256 leaves, each behind its length. */
  async entries(ctx: SignedIn, path: string): Promise<Buffer> {
    const { n, width } = await this.tileAt(path);
    ctx.touch({ patientId: null, type: 'EntryBundle', id: `${n * TILE}-${n * TILE + width - 1}` });
    return entryBundle(await this.intact(Array.fromAsync(this.tree.lines(n * TILE, n * TILE + width))));
  }

  /**
   * One event with everything that proves it (C2SP tlog-proof): leaf, path and signed checkpoint. It is verified before it is
   * handed out: somebody may rely on it years later.
   */
  async receipt(ctx: SignedIn, seq: number): Promise<string> {
    const leaf = await this.intact(this.tree.leaf(seq));
    if (!leaf) throw notFound();
    authorize(ctx, 'read', 'Receipt', { patientId: leaf.subject ?? '' });
    const { note, size } = await this.checkpoint();
    if (leaf.index >= size) throw notSealedYet();
    ctx.touch({ patientId: null, type: 'AuditEvent', id: String(seq) });
    const proof = await this.intact(inclusionProof(leaf.index, size, this.tree.hashes()));
    this.requireTrue(leaf, note, proof);
    return formatReceipt({ index: leaf.index, proof, checkpoint: note, extra: leaf.line });
  }

  private async leafOf(eventId: string): Promise<LeafRow> {
    const leaf = await this.tree.leafOfEvent(eventId);
    if (leaf) return leaf;
    throw (await this.archive.blocks.edge()).archivedTo > 0 ? archivedById() : notFound();
  }

  /** The size that was asked for, or the latest checkpoint's. */
  private async sizeUpTo(asked: number | undefined): Promise<number> {
    const { size } = await this.checkpoint();
    if (asked !== undefined && asked > size) throw notSealedYet();
    return asked ?? size;
  }

  private async tileAt(path: string): Promise<TileName> {
    const tile = parseTilePath(path);
    const { size } = await this.checkpoint();
    if (!tile || tile.width > tileWidth(tile.level, tile.n, size)) throw notFound();
    return tile;
  }

  private requireTrue(leaf: LeafRow, note: string, proof: readonly Buffer[]): void {
    if (this.isProved(leaf, note, proof)) return;
    const reason = `entry ${leaf.index}`;
    this.logger.error('an entry of the audit trail does not lead to its signed checkpoint', undefined, { reason });
    throw logDamaged();
  }

  /** As whoever gets the receipt will verify it: a key of ours has signed the root, and the leaf's bytes lead to it. */
  private isProved({ index, line }: LeafRow, text: string, proof: readonly Buffer[]): boolean {
    try {
      const note = parseNote(text);
      const { origin, size, root } = parseCheckpoint(note.body);
      if (!this.logKeys.hasSigned(origin, note)) return false;
      return verifyInclusion({ index, size, leafHash: leafHash(line), proof, root });
    } catch (error) {
      if (error instanceof NoteError) return false;
      throw error;
    }
  }

  private async intact<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      if (error instanceof ArchiveDamaged || error instanceof ArchiveUnavailable)
        this.logger.error('the archive of the audit trail cannot be read', error, {
          code: error.code,
          reason: reasonOf(error),
        });
      if (!(error instanceof LogGap)) throw error;
      this.logger.error('the audit trail has a hole below its signed checkpoint', error);
      throw logDamaged();
    }
  }
}

/** The same over connections of its own, for routes that are open to all. */
@Injectable()
export class OpenProofs extends ProofsService {
  constructor(pool: OpenPool, @Inject(CONFIG) config: Config, logKeys: LogKeys, logger: Logger) {
    const archive = new ArchivedLeaves(pool, config);
    super(new TreeRepository(pool, archive), archive, logKeys, logger);
  }
}
