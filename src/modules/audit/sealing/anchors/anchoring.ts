import { Inject, Injectable } from '@nestjs/common';
import { AuditSink } from '../../../../platform/access/audit-sink.js';
import { after, Clock } from '../../../../platform/clock.js';
import { CONFIG, type Config } from '../../../../platform/config/config.js';
import type { Db } from '../../../../platform/database/db.js';
import { SystemPool } from '../../../../platform/database/system-pool.js';
import { Logger } from '../../../../platform/logging/logger.js';
import { parseVerifierKey } from '../../../../tlog/index.js';
import { TreeRepository } from '../../tree/tree.repository.js';
import { CheckpointsRepository, type SignedRow } from '../checkpoints.repository.js';
import { AnchorsRepository, type AnchorState } from './anchors.repository.js';
import { FolderTarget } from './folder.target.js';
import { StoreTarget } from './store.target.js';
import { AnchorFailure, type AnchorTarget } from './target.js';
import { WebhookTarget } from './webhook.target.js';
import { WitnessTarget } from './witness.target.js';

/** A checkpoint that stays the newest is handed over again: that nothing came is something that others see, too. */
export const REPUBLISH_SECONDS = 600;

/** Longest time that a target may take: others wait for it before the next checkpoint. */
const PUSH_MS = 8_000;

/** Waits between tries, in seconds: 10, 20, 40 … at most ten minutes. */
const backOff = (failures: number): number => Math.min(10 * 2 ** (failures - 1), REPUBLISH_SECONDS);

type Queries = Pick<Db, 'query'>;
type Newest = SignedRow & { generation: number };

/** Hands each checkpoint to everybody who is to keep it out of our reach. Whoever does not take it is asked again later; nothing waits for it. */
@Injectable()
export class Anchoring {
  private readonly targets: readonly AnchorTarget[];
  private working: Promise<unknown> = Promise.resolve();
  private readonly stopping = new AbortController();

  constructor(
    @Inject(CONFIG) { audit }: Config,
    tree: TreeRepository,
    private readonly checkpoints: CheckpointsRepository,
    private readonly anchors: AnchorsRepository,
    private readonly clock: Clock,
    private readonly sink: AuditSink,
    private readonly system: SystemPool,
    private readonly logger: Logger,
  ) {
    this.targets = [
      ...(audit.anchorDir === null ? [] : [new FolderTarget(audit.anchorDir)]),
      ...(audit.anchorStore === null ? [] : [new StoreTarget(audit.anchorStore)]),
      ...(audit.webhook === null ? [] : [new WebhookTarget(audit.webhook, clock)]),
      ...audit.witnesses.map(({ url, vkey }) => new WitnessTarget(url, parseVerifierKey(vkey), tree.hashes(), clock)),
    ];
  }

  /** Whatever is under way is given up; the next replica hands it over. */
  stop(): void {
    this.stopping.abort();
  }

  /** Hands over what is due, to all at the same time. Never rejects. `isForced`: another replica's turn is waited for. */
  turn(isForced = false): Promise<void> {
    if (this.targets.length === 0 || this.stopping.signal.aborted) return Promise.resolve();
    const turn = this.working.then(async () => {
      try {
        await this.checkpoints.inAnchoringTurn((db) => this.handOver(db), isForced);
      } catch (error) {
        this.logger.error('checkpoints could not be handed over', error, { component: 'anchors' });
      }
    });
    this.working = turn;
    return turn;
  }

  /** Everybody who is to get checkpoints, and how that stands. */
  async report(): Promise<AnchorState[]> {
    const states = await this.anchors.states();
    return this.targets.map(({ name }) => states.get(name) ?? NEVER(name));
  }

  private async handOver(db: Queries): Promise<void> {
    const { generation, latest } = await this.checkpoints.now(db);
    if (!latest) return;
    const states = await this.anchors.states(db);
    const due = this.targets.filter(({ name }) => this.isDue({ ...latest, generation }, states.get(name)));
    // One connection for all: each waits for its own answer, and then for the others' statements.
    await Promise.all(due.map((target) => this.push(db, target, { ...latest, generation }, states.get(target.name))));
  }

  private isDue(newest: Newest, state: AnchorState | undefined): boolean {
    const now = this.clock.now();
    if (state?.failedAt) return now >= after(state.failedAt, backOff(state.failures));
    if (!state?.anchoredAt || state.size !== newest.size || state.generation !== newest.generation) return true;
    return now >= after(state.anchoredAt, REPUBLISH_SECONDS);
  }

  private async push(db: Queries, target: AnchorTarget, newest: Newest, state = NEVER(target.name)): Promise<void> {
    const lastSize = state.generation === newest.generation ? (state.size ?? 0) : 0;
    const signal = AbortSignal.any([AbortSignal.timeout(PUSH_MS), this.stopping.signal]);
    const result = await target.push(newest, lastSize, signal).catch(failureOf);
    if (this.stopping.signal.aborted) return;
    const now = this.clock.now();
    if (result instanceof AnchorFailure) {
      await this.anchors.failed(db, target.name, `${result.code}: ${result.message}`.slice(0, 200), now);
      await this.tell(target, state, result, now);
      return;
    }
    await this.anchors.cosigned(db, newest.generation, newest, result);
    await this.anchors.succeeded(db, target.name, newest, now);
    if (state.failures > 0)
      this.logger.info('a target takes checkpoints again', { component: 'anchors', reason: target.name });
  }

  /** Once for each kind of failure, not at each try; what speaks of a fork goes into the trail as well. */
  private async tell(target: AnchorTarget, state: AnchorState, failure: AnchorFailure, now: Date): Promise<void> {
    const reason = `${target.name}: ${failure.message}`;
    if (state.failure?.startsWith(`${failure.code}:`)) return;
    this.logger.error('a checkpoint was not taken', failure, { component: 'anchors', code: failure.code, reason });
    if (failure.code === 'audit.anchor-failed') return;
    await this.sink.system(this.system, {
      code: 'Checkpoint.dispute',
      act: 'E',
      accountId: '',
      sessionId: null,
      reason: failure.code,
      at: now,
      outcome: 8,
      detail: { why: reason },
    });
  }
}

const NEVER = (target: string): AnchorState => ({
  target,
  generation: null,
  size: null,
  anchoredAt: null,
  failures: 0,
  failedAt: null,
  failure: null,
});

/** Codes only: messages of the network and of files name addresses and folders. */
function failureOf(error: unknown): AnchorFailure {
  if (error instanceof AnchorFailure) return error;
  const { cause, code, name } = error as { cause?: { code?: string }; code?: string | number; name?: string };
  // An aborted request has a number for a code.
  const word = cause?.code ?? (typeof code === 'string' ? code : undefined) ?? name;
  return new AnchorFailure('audit.anchor-failed', word ?? 'unknown');
}
