import { Inject, Injectable } from '@nestjs/common';
import { AuditSink } from '../../../platform/access/audit-sink.js';
import { after, Clock } from '../../../platform/clock.js';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import type { Db } from '../../../platform/database/db.js';
import { SystemPool } from '../../../platform/database/system-pool.js';
import { Logger } from '../../../platform/logging/logger.js';
import { formatVerifierKey, Frontier } from '../../../tlog/index.js';
import { CheckpointsRepository, type LogNow, type SignedRow } from './checkpoints.repository.js';
import { appendLeaves, compareWithHead } from './fresh-leaves.js';
import { History } from './history.js';
import { LogKeys } from './log-keys.js';
import { SealingRefusal } from './refusal.js';
import { ReplicaMemory, type Memory } from './replica-memory.js';
import { SealingState } from './sealing-state.js';

/** A checkpoint is due after so many seconds with entries waiting, or after so many entries, whichever comes first. */
export const SEAL_SECONDS = 10;
export const SEAL_ENTRIES = 1_000;
/** A checkpoint on the way stays the newest for so long: only the newest is handed over, to witnesses too. */
const MIDWAY_SECONDS = 3;

type Queries = Pick<Db, 'query'>;

/**
 * Signs how far the log goes. One replica at a time; each turn first compares the database with what was signed before, then
 * hashes the new entries from their bytes, and signs only what follows from both. What does not is refused, told, and stays so.
 */
@Injectable()
export class Sealer {
  /** The tree at the newest checkpoint, kept between turns. */
  private frontier: Frontier | null = null;
  /** When a size on the way was signed, for an export: what is left need not wait until it is due. */
  private midwayAt: Date | null = null;
  private publishedKeys = '';
  private working: Promise<unknown> = Promise.resolve();

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly checkpoints: CheckpointsRepository,
    private readonly history: History,
    private readonly keys: LogKeys,
    private readonly memory: ReplicaMemory,
    private readonly state: SealingState,
    private readonly clock: Clock,
    private readonly sink: AuditSink,
    private readonly system: SystemPool,
    private readonly logger: Logger,
  ) {}

  /**
   * One turn; resolves with the checkpoint that it has published, or null. `isForced`: what waits is sealed although it is not due
   * yet, and another replica's turn is waited for. Never rejects: what goes wrong is in the {@link SealingState} and the log.
   */
  turn(isForced = false): Promise<SignedRow | null> {
    const turn = this.working.then(() => this.guarded(isForced));
    this.working = turn;
    return turn;
  }

  private async guarded(isForced: boolean): Promise<SignedRow | null> {
    try {
      const sealed = await this.checkpoints.inTurn((db) => this.seal(db, isForced), isForced);
      if (sealed) await this.memory.confirm(sealed.note);
      return sealed;
    } catch (error) {
      await this.tell(error);
      return null;
    }
  }

  private async seal(db: Queries, isForced: boolean): Promise<SignedRow | null> {
    const log = await this.checkpoints.now(db);
    this.state.observed(log);
    const origin = this.originOf(log);
    const memory = await this.remembered(db, log, origin);
    const { latest } = log;
    if (latest) {
      this.history.requireOurs(latest);
      this.history.requireReached(log, latest);
    }
    const unpublished = memory.seen ? await this.history.requireRemembered(log, memory.seen) : null;
    if (unpublished) return this.publish(db, log, { ...unpublished, signedAt: this.clock.now() });
    if (latest && !(memory.seen?.isPublished && memory.seen.note === latest.note))
      await this.memory.write({ seen: { ...latest, isPublished: true }, refusal: null });
    if (latest && log.head.size === latest.size) this.history.requireHead(log, latest);
    if (log.head.size === (latest?.size ?? 0) || !(isForced || this.isDue(log))) {
      this.fine(false);
      return null;
    }
    return this.signNew(db, log, origin);
  }

  private async signNew(db: Queries, log: LogNow, origin: string): Promise<SignedRow | null> {
    const { head, latest } = log;
    const base = latest ? await this.frontierOf(latest) : await this.history.beginning(db, log);
    const frontier = Frontier.of(base.size, base.peaks());
    // An export of the whole log ends with its own event: the size behind that is signed on the way, and the rest next time.
    await appendLeaves(db, frontier, (await this.checkpoints.wantedSize(db, base.size, head.size)) ?? head.size);
    const whole = Frontier.of(frontier.size, frontier.peaks());
    await appendLeaves(db, whole, head.size);
    compareWithHead(whole, head.peaks, base.size);
    await this.publishKeys(db, origin);
    const checkpoint = { origin, size: frontier.size, root: frontier.root() };
    const note = await this.keys.sign(checkpoint);
    // On disk before anybody can see it: from now on nothing else is signed here that does not continue it.
    await this.memory.write({ seen: { ...checkpoint, note, isPublished: false }, refusal: null });
    const published = await this.publish(db, log, { ...checkpoint, note, signedAt: this.clock.now() });
    this.frontier = frontier;
    this.midwayAt = frontier.size < head.size ? this.clock.now() : null;
    return published;
  }

  private async publish(db: Queries, log: LogNow, row: SignedRow): Promise<SignedRow | null> {
    const isAdded = await this.checkpoints.add(db, {
      ...row,
      generation: log.generation,
      after: log.latest?.size ?? 0,
    });
    if (!isAdded) return null;
    this.fine(true);
    this.state.sealed({ ...log, latest: row });
    return row;
  }

  private isDue(log: LogNow): boolean {
    const waiting = log.head.size - (log.latest?.size ?? 0);
    const isRest = this.midwayAt !== null && this.clock.now() >= after(this.midwayAt, MIDWAY_SECONDS);
    return isRest || waiting >= SEAL_ENTRIES || this.state.report().lagSeconds >= SEAL_SECONDS;
  }

  private async frontierOf(latest: SignedRow): Promise<Frontier> {
    if (this.frontier?.size === latest.size && this.frontier.root().equals(latest.root)) return this.frontier;
    return this.history.frontierAt(latest);
  }

  /** The name that the log has now: the configured one, with a number from the second on. */
  private originOf({ generation, origin }: LogNow): string {
    const expected = generation === 1 ? this.config.audit.origin : `${this.config.audit.origin}/${generation}`;
    if (origin !== null && origin !== expected)
      throw new SealingRefusal(
        'audit.origin-changed',
        `the log is signed as ${origin}, and AUDIT_ORIGIN makes it ${expected}: set AUDIT_ORIGIN back`,
      );
    return expected;
  }

  /** What this replica has kept; what it knows of a name that was closed since is nothing to compare with any more. */
  private async remembered(db: Queries, log: LogNow, origin: string): Promise<Memory> {
    const { seen, refusal } = await this.memory.read();
    if (refusal?.origin === origin) throw new SealingRefusal(refusal.code, refusal.message);
    if (!seen || seen.origin === origin) return { seen, refusal: null };
    if (!(await this.checkpoints.closedOrigins(db)).includes(seen.origin))
      throw new SealingRefusal(
        'audit.rolled-back',
        `the log is signed as ${origin}, and the checkpoint of ${seen.size} entries of ${seen.origin} has been seen here`,
      );
    return { seen: null, refusal: null };
  }

  /** Public keys stay to be had after their private halves are gone; one more is a change that the trail tells of. */
  private async publishKeys(db: Queries, origin: string): Promise<void> {
    const vkeys = this.keys.verifiers(origin).map(formatVerifierKey);
    if (this.publishedKeys === vkeys.join()) return;
    const now = this.clock.now();
    for (const vkey of await this.checkpoints.publishKeys(db, origin, vkeys, now))
      await this.sink.system(this.system, {
        code: 'Checkpoint.add-key',
        act: 'C',
        accountId: '',
        sessionId: null,
        reason: 'audit.key-added',
        at: now,
        detail: { vkey },
      });
    this.publishedKeys = vkeys.join();
  }

  private fine(hasSigned: boolean): void {
    if (this.state.recovered(hasSigned)) this.logger.info('the log is sealed again', { component: 'sealer' });
  }

  /** Told once, not each turn: in the log, in the state, and a refusal in the trail itself. */
  private async tell(error: unknown): Promise<void> {
    if (!(error instanceof SealingRefusal)) {
      if (this.state.hindered('failed', 'audit.sealing-failed', codeOf(error)))
        this.logger.error('the log could not be sealed', error, { component: 'sealer', code: 'audit.sealing-failed' });
      return;
    }
    if (!this.state.hindered('refused', error.code, error.message)) return;
    this.logger.error('the log is not signed any more', error, {
      component: 'sealer',
      code: error.code,
      reason: error.message,
    });
    try {
      if (error.isFinal) await this.rememberRefusal(error);
      await this.sink.system(this.system, {
        code: 'Checkpoint.refuse',
        act: 'E',
        accountId: '',
        sessionId: null,
        reason: error.code,
        at: this.clock.now(),
        outcome: 8,
        detail: { why: error.message },
      });
    } catch (failure) {
      this.logger.error('a refusal to seal could not be noted', failure, { component: 'sealer', code: error.code });
    }
  }

  private async rememberRefusal({ code, message }: SealingRefusal): Promise<void> {
    const { seen, refusal } = await this.memory.read();
    const origin = this.originOf(await this.checkpoints.now());
    if (refusal?.origin !== origin) await this.memory.write({ seen, refusal: { origin, code, message } });
  }
}

const codeOf = (error: unknown): string => {
  const { code, name } = error as { code?: unknown; name?: unknown };
  return typeof code === 'string' ? code : String(name);
};
