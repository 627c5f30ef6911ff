import { Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { Clock } from '../../platform/clock.js';
import { Database } from '../../platform/database/database.js';
import { Logger } from '../../platform/logging/logger.js';
import { Outage } from '../../platform/logging/outage.js';
import { Recurring } from '../../platform/recurring.js';

const EVERY_MS = 30_000;
const BATCH = 2_000;

/**
 * Labels records anew when the rules of sensitivity have changed: in steps, each a transaction that notes how far it is, so
 * that any replica goes on where one died. One replica does it at a time; a newer version of the rules begins anew.
 */
@Injectable()
export class Relabelling implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly turns: Recurring;

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    logger: Logger,
  ) {
    const outage = new Outage(logger, 'records could not be labelled anew');
    this.turns = new Recurring(() => this.work(), { everyMs: EVERY_MS, outage });
  }

  onApplicationBootstrap(): void {
    this.turns.start();
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.turns.stop();
  }

  wake(): void {
    this.turns.wake();
  }

  /** Resolves when all records are labelled by the rules of now. */
  drain(): Promise<void> {
    return this.turns.run();
  }

  private async work(): Promise<void> {
    while (!this.turns.isStopped && (await this.step()) > 0);
  }

  private step(): Promise<number> {
    return this.database.write(null, async (db) => {
      const [row] = await db.query<{ passed: number }>('SELECT records.relabel($1, $2) AS passed', [
        BATCH,
        this.clock.now(),
      ]);
      return row!.passed;
    });
  }
}
