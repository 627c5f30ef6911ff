import { Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { Logger } from '../../../platform/logging/logger.js';
import { Recurring } from '../../../platform/recurring.js';
import { Anchoring } from '../sealing/anchors/anchoring.js';
import type { AnchorState } from '../sealing/anchors/anchors.repository.js';
import { Alarms } from './alarms.js';
import { FaultsRepository, type DatabaseLook, type ReplicaRow } from './faults.repository.js';
import { Intake } from './intake.js';

const EVERY_MS = 1_000;
/** Of what changes slowly: processes and anchors. */
const SLOWLY_MS = 15_000;
/** An answer that took longer says too little of whose clock is off. */
const PROMPT_MS = 500;

/** What was seen last; null: not yet. */
export interface Seen {
  database: DatabaseLook | null;
  /** How far this machine's clock is ahead of the database's, in milliseconds, and how exact that is. */
  clock: { offsetMs: number; toleranceMs: number } | null;
  replicas: ReplicaRow[] | null;
  anchors: AnchorState[] | null;
}

/**
 * Looks every second how the ledger stands: one short statement, and none in any request. All times are the database's own or the
 * machine's, not those of events.
 */
@Injectable()
export class FaultWatch implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly seen: Seen = { database: null, clock: null, replicas: null, anchors: null };
  private readonly looks = new Recurring(() => this.look(), { everyMs: EVERY_MS });
  private slowlyAt = -SLOWLY_MS;
  private canSee = true;

  constructor(
    private readonly repository: FaultsRepository,
    private readonly anchoring: Anchoring,
    private readonly intake: Intake,
    private readonly alarms: Alarms,
    private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.looks.start();
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.looks.stop();
  }

  /** One look at everything; never rejects. `isWhole`: at what changes slowly, too. */
  async look(isWhole = false): Promise<void> {
    try {
      await this.lookAtDatabase();
      if (isWhole || performance.now() - this.slowlyAt >= SLOWLY_MS) await this.lookSlowly();
      if (!this.canSee) this.logger.info('the ledger can be watched again', { component: 'alarms' });
      this.canSee = true;
    } catch (error) {
      if (this.canSee) this.logger.error('the ledger cannot be watched', error, { component: 'alarms' });
      this.canSee = false;
    }
    await this.alarms.look();
  }

  private async lookAtDatabase(): Promise<void> {
    const asked = Date.now();
    const begun = performance.now();
    const database = await this.repository.look(this.intake.countTo);
    const ms = performance.now() - begun;
    this.seen.database = database;
    this.intake.looked(database);
    // The database's clock was read somewhere between question and answer.
    if (ms <= PROMPT_MS)
      this.seen.clock = { offsetMs: Math.round(asked + ms / 2 - database.nowMs), toleranceMs: Math.ceil(ms / 2) };
  }

  private async lookSlowly(): Promise<void> {
    [this.seen.replicas, this.seen.anchors] = await Promise.all([this.repository.replicas(), this.anchoring.report()]);
    this.slowlyAt = performance.now();
  }
}
