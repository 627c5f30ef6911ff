import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { Clock } from '../../../platform/clock.js';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import { SystemPool } from '../../../platform/database/system-pool.js';
import { Logger } from '../../../platform/logging/logger.js';
import { Recurring } from '../../../platform/recurring.js';
import { VERSION } from '../../../platform/version.js';
import { Ledger } from '../ledger.service.js';
import { replicaName } from '../replica.js';
import { FaultWatch } from './fault-watch.js';
import { FaultsRepository, type Word } from './faults.repository.js';

const CODES = { start: 'System.start', alive: 'System.heartbeat', stop: 'System.stop' } as const;

/**
 * Again and again an event of every process: proofs do not show that an event was never made, but a silence between heartbeats, or
 * refusals that one of them counts, bound how much can be missing (audit-log design, 4.1).
 */
@Injectable()
export class Heartbeat implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly replica = replicaName();
  private readonly beats: Recurring;
  /** Until it is stored that this process has begun, every heartbeat says so. */
  private hasStarted = false;
  private toldRefused = 0;

  private readonly everyMs: number;

  constructor(
    @Inject(CONFIG) { audit }: Config,
    private readonly ledger: Ledger,
    private readonly watch: FaultWatch,
    private readonly repository: FaultsRepository,
    private readonly system: SystemPool,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {
    this.everyMs = audit.heartbeatSeconds * 1000;
    this.beats = new Recurring(() => this.say('alive'), { everyMs: this.everyMs });
  }

  /** Before the first request, where the database is there. */
  async onApplicationBootstrap(): Promise<void> {
    if (this.everyMs === 0) return;
    await this.beat();
    this.beats.start();
  }

  /** While the sequencer still works: the silence that follows is meant. */
  async onModuleDestroy(): Promise<void> {
    if (this.everyMs === 0 || !this.hasStarted) return;
    await this.beats.stop();
    await this.say('stop');
  }

  /** One heartbeat; never rejects. */
  beat(): Promise<void> {
    return this.beats.run();
  }

  private async say(what: 'alive' | 'stop'): Promise<void> {
    const says = what === 'alive' && !this.hasStarted ? 'start' : what;
    try {
      await this.store(says);
      this.hasStarted = true;
    } catch (error) {
      this.logger.error('a heartbeat could not be stored', error, { component: 'heartbeat', code: CODES[says] });
    }
  }

  private async store(says: Word['says']): Promise<void> {
    const { queued, refused } = this.ledger.counts;
    const offset = this.watch.seen.clock?.offsetMs ?? null;
    const since = refused - this.toldRefused;
    const { replica } = this;
    const word = { says, replica, version: VERSION, queueDepth: queued, refused: since, clockOffsetMs: offset };
    await this.system.transaction(async (db) => {
      await this.ledger.system(db, {
        ...{ code: CODES[says], act: 'E', accountId: '', sessionId: null, at: this.clock.now() },
        detail: {
          ...{ queued, refused: since, uptime: Math.round(process.uptime()), version: VERSION },
          ...(offset === null ? {} : { offset }),
        },
      });
      await this.repository.heard(db, word);
    });
    this.toldRefused = refused;
  }
}
