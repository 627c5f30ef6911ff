import { Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { Clock } from '../../platform/clock.js';
import { Database } from '../../platform/database/database.js';
import { Logger } from '../../platform/logging/logger.js';

const EVERY_MS = 30_000;
const BATCH = 2_000;

/**
 * Labels records anew when the rules of sensitivity have changed: in steps, each a transaction that notes how far it is, so
 * that any replica goes on where one died. One replica does it at a time; a newer version of the rules begins anew.
 */
@Injectable()
export class Relabelling implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private timer: NodeJS.Timeout | null = null;
  private working: Promise<void> = Promise.resolve();
  private isStopped = false;

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => this.wake(), EVERY_MS);
    this.timer.unref();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.isStopped = true;
    if (this.timer) clearInterval(this.timer);
    await this.working;
  }

  wake(): void {
    this.drain().catch((error: unknown) => this.logger.error('records could not be labelled anew', error));
  }

  /** Resolves when all records are labelled by the rules of now. */
  drain(): Promise<void> {
    const work = this.working.then(async () => {
      while (!this.isStopped && (await this.step()) > 0);
    });
    this.working = work.catch(() => undefined);
    return work;
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
