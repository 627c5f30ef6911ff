import { Inject, Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { CONFIG, type Config } from '../../platform/config/config.js';
import { SystemPool } from '../../platform/database/system-pool.js';
import { Logger } from '../../platform/logging/logger.js';
import { Outage } from '../../platform/logging/outage.js';
import { Recurring } from '../../platform/recurring.js';

const EVERY_MS = 100;
const AFTER_FAILURE_MS = 1_000;
const AT_ONCE = 2_000;

/**
 * Moves committed events from the inbox into the log. Every replica runs one; the row lock on the head makes them take
 * turns, so that none is special and no two give the same place. A crash leaves the inbox as it was: the next turn goes on.
 */
@Injectable()
export class Sequencer implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly pool: SystemPool;
  private readonly turns: Recurring;

  constructor(
    @Inject(CONFIG) config: Config,
    private readonly logger: Logger,
  ) {
    const outage = new Outage(logger, 'events could not be put in order');
    this.turns = new Recurring(() => this.sequence(), { everyMs: EVERY_MS, afterFailureMs: AFTER_FAILURE_MS, outage });
    this.pool = new SystemPool(config.database.sequencerUrl, {
      max: 1,
      name: 'portico-sequencer',
      statementTimeoutMs: 10_000,
    });
  }

  onApplicationBootstrap(): void {
    this.turns.start();
  }

  /** Places what is left before the process ends; events in the inbox are safe anyway. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.turns.stop();
    await this.sequence().catch((error: unknown) =>
      this.logger.error('the last events were left to the next sequencer', error),
    );
    await this.pool.close();
  }

  /** Empties the inbox as it stands now; resolves with the number of events placed. */
  async sequence(): Promise<number> {
    for (let placed = 0; ;) {
      const [row] = await this.pool.query<{ n: string }>('SELECT n FROM audit.sequence($1)', [AT_ONCE], 'sequence');
      placed += Number(row?.n ?? 0);
      if (Number(row?.n ?? 0) < AT_ONCE) return placed;
    }
  }
}
