import { Injectable } from '@nestjs/common';
import type { Db } from '../../../platform/database/db.js';
import {
  consistencyProof,
  Frontier,
  NoteError,
  parseCheckpoint,
  parseNote,
  rootOf,
  verifyConsistency,
  type Checkpoint,
} from '../../../tlog/index.js';
import { LogGap, TreeRepository } from '../tree/tree.repository.js';
import { CheckpointsRepository, type LogNow, type SignedRow } from './checkpoints.repository.js';
import { LogKeys } from './log-keys.js';
import { SealingRefusal } from './refusal.js';
import type { Seen } from './replica-memory.js';

const named = ({ size, origin }: Checkpoint): string => `the checkpoint of ${size} entries of ${origin}`;

const isSame = (a: Checkpoint, b: Checkpoint): boolean =>
  a.origin === b.origin && a.size === b.size && a.root.equals(b.root);

/** Whether the log that stands in the database is the one that was signed before. Throws {@link SealingRefusal} where it is not. */
@Injectable()
export class History {
  constructor(
    private readonly checkpoints: CheckpointsRepository,
    private readonly tree: TreeRepository,
    private readonly keys: LogKeys,
  ) {}

  /** The newest checkpoint in the database says what its own note says, and one of our keys has signed that. */
  requireOurs(row: SignedRow): void {
    if (!this.isOurs(row))
      throw new SealingRefusal(
        'audit.checkpoint-forged',
        `no key of the key file has signed ${named(row)} as it stands`,
      );
  }

  /** The log goes at least as far as this checkpoint. */
  requireReached({ head }: LogNow, checkpoint: Checkpoint): void {
    if (head.size < checkpoint.size)
      throw new SealingRefusal(
        'audit.rolled-back',
        `the log has ${head.size} entries, and ${named(checkpoint)} has been signed`,
      );
  }

  /** Where nothing has come since, the head's tree is the one that was signed. */
  requireHead({ head }: LogNow, checkpoint: Checkpoint): void {
    if (!Frontier.of(head.size, head.peaks).root().equals(checkpoint.root)) throw notWhatWasSigned(checkpoint);
  }

  /**
   * What this replica has seen is a beginning of what stands in the database. Resolves with it where it was signed here and
   * a crash came before it was published: it is to be published then.
   */
  async requireRemembered(log: LogNow, seen: Seen): Promise<Seen | null> {
    this.requireReached(log, seen);
    const { latest } = log;
    if (latest?.size === seen.size) {
      if (!isSame(latest, seen)) throw forked(seen, latest);
      return null;
    }
    if (latest && latest.size > seen.size) {
      if (!(await this.isContinued(seen, latest))) throw forked(seen, latest);
      return null;
    }
    await this.requireRoot(seen);
    if (!seen.isPublished) return seen;
    throw new SealingRefusal(
      'audit.checkpoints-lost',
      `${named(seen)} was published, and the newest one in the database is that of ${latest?.size ?? 0}`,
    );
  }

  /** The tree of the entries that a checkpoint covers, out of stored hashes: its root must be the one that was signed. */
  async frontierAt(checkpoint: Checkpoint): Promise<Frontier> {
    const frontier = await this.stored(checkpoint.size);
    if (!frontier.root().equals(checkpoint.root)) throw notWhatWasSigned(checkpoint);
    return frontier;
  }

  /**
   * Where a name of the log begins: nothing is signed under it yet. A later name goes on from the newest checkpoint of a
   * former one that the log bears out; else everything is read again.
   */
  async beginning(db: Pick<Db, 'query'>, log: Pick<LogNow, 'generation' | 'head'>): Promise<Frontier> {
    if (log.generation === 1) return Frontier.empty();
    const former = await this.checkpoints.newestBefore(db, log.generation, log.head.size);
    if (!former || !this.isOurs(former)) return Frontier.empty();
    const frontier = await this.stored(former.size).catch((error: unknown) => {
      if (error instanceof SealingRefusal) return null;
      throw error;
    });
    return frontier?.root().equals(former.root) ? frontier : Frontier.empty();
  }

  /** A note that says what the row says, signed by a key of ours. */
  isOurs(row: Omit<SignedRow, 'signedAt'>): boolean {
    try {
      const note = parseNote(row.note);
      return isSame(parseCheckpoint(note.body), row) && this.keys.hasSigned(row.origin, note);
    } catch (error) {
      if (error instanceof NoteError) return false;
      throw error;
    }
  }

  private async requireRoot(checkpoint: Checkpoint): Promise<void> {
    const root = await this.readable(rootOf(checkpoint.size, this.tree.hashes()));
    if (!root.equals(checkpoint.root)) throw notWhatWasSigned(checkpoint);
  }

  private async isContinued(from: Checkpoint, to: Checkpoint): Promise<boolean> {
    const proof = await this.readable(consistencyProof(from.size, to.size, this.tree.hashes()));
    return verifyConsistency({ from: from.size, to: to.size, fromRoot: from.root, toRoot: to.root, proof });
  }

  private async stored(size: number): Promise<Frontier> {
    const wanted: { level: number; n: number }[] = [];
    for (let level = 0, rest = size; rest > 0; level++, rest = Math.floor(rest / 2))
      if (rest % 2 === 1) wanted.push({ level, n: rest - 1 });
    const hashes = await this.readable(this.tree.hashes()(wanted));
    const peaks: Buffer[] = [];
    wanted.forEach(({ level }, at) => (peaks[level] = hashes[at]!));
    return Frontier.of(size, peaks);
  }

  private async readable<T>(reading: Promise<T>): Promise<T> {
    try {
      return await reading;
    } catch (error) {
      if (error instanceof LogGap) throw new SealingRefusal('audit.history-missing', error.message);
      throw error;
    }
  }
}

const notWhatWasSigned = (checkpoint: Checkpoint): SealingRefusal =>
  new SealingRefusal(
    'audit.forked',
    `the first ${checkpoint.size} entries are not those of ${named(checkpoint)} that was signed`,
  );

const forked = (seen: Checkpoint, latest: Checkpoint): SealingRefusal =>
  new SealingRefusal(
    'audit.forked',
    `${named(latest)} in the database is no continuation of ${named(seen)}, which was seen here`,
  );
