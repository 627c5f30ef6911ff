import { Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { after, Clock } from '../../platform/clock.js';
import { Database } from '../../platform/database/database.js';
import { Problem } from '../../platform/http/problem.js';
import { Logger } from '../../platform/logging/logger.js';
import { Outage } from '../../platform/logging/outage.js';
import { Recurring } from '../../platform/recurring.js';
import { ImportFailure, Superseded, type Turn } from './import-job.js';
import { ImportJobRepository } from './import-job.repository.js';
import { ImportWorker } from './import-worker.js';

const IDLE_MS = 1_000;
/** Seconds after which work that nobody keeps is taken up by another replica, and how often it is kept. */
const LEASE = 30;
const KEEP_MS = 5_000;
const TRY_AGAIN = 15;
const MAX_ATTEMPTS = 5;
/** Imports of so many feeds at once in one process. */
const LANES = 2;
/** Bodies of uploads that broke off are cleared away after a day, imports that nobody completes end after a week; looked for every hour. */
const SWEEP = { everyMs: 3_600_000, age: 86_400 };

/** The server stops: whoever comes next goes on from where the work stands. */
class Stopped extends Error {}

/**
 * Works imports off, in every replica: the row says whose turn it is, and each transaction of the work notes how far it is.
 * A replica that dies loses its turn after half a minute; what it had not committed is done once more, by another.
 */
@Injectable()
export class ImportJobs implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly lanes: Recurring[];
  private readonly sweeps: Recurring;

  constructor(
    private readonly jobs: ImportJobRepository,
    private readonly worker: ImportWorker,
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {
    this.lanes = Array.from({ length: LANES }, () => this.lane());
    this.sweeps = new Recurring(() => this.clear(), {
      ...{ everyMs: SWEEP.everyMs, afterFailureMs: IDLE_MS },
      outage: new Outage(logger, 'what uploads left behind could not be cleared away'),
    });
  }

  onApplicationBootstrap(): void {
    for (const one of [...this.lanes, this.sweeps]) one.start(IDLE_MS);
  }

  async beforeApplicationShutdown(): Promise<void> {
    await Promise.all([...this.lanes, this.sweeps].map((one) => one.stop()));
  }

  wake(): void {
    for (const lane of this.lanes) lane.wake();
  }

  /** Works off what is due; resolves when nothing is. */
  async drain(): Promise<void> {
    await Promise.all(this.lanes.map((lane) => lane.run()));
  }

  /** Clears away what is too old to be of use to anybody. */
  sweep(): Promise<void> {
    return this.sweeps.run();
  }

  private lane(): Recurring {
    const outage = new Outage(this.logger, 'imports could not be worked on');
    const lane: Recurring = new Recurring(
      async () => {
        while (!lane.isStopped && (await this.one(lane)));
      },
      { everyMs: IDLE_MS, outage },
    );
    return lane;
  }

  private async one(lane: Recurring): Promise<boolean> {
    const turn = await this.jobs.take(this.clock.now(), this.in(LEASE));
    if (!turn) return false;
    const keeper = this.keeping(turn);
    try {
      await this.worker.work(turn, () => {
        if (lane.isStopped) throw new Stopped();
      });
    } catch (error) {
      await this.unfinished(turn, error);
    } finally {
      clearInterval(keeper);
    }
    return true;
  }

  /** Long work keeps its turn; work whose turn is lost finds that out by its own transaction. */
  private keeping(turn: Turn): NodeJS.Timeout {
    const keep = () =>
      this.jobs
        .keep(turn, this.in(LEASE))
        .catch((error: unknown) => this.logger.error('an import could not keep its turn', error, { job: turn.id }));
    return setInterval(() => void keep(), KEEP_MS).unref();
  }

  private async unfinished(turn: Turn, error: unknown): Promise<void> {
    if (error instanceof Superseded) return;
    if (error instanceof Stopped) return void (await this.later(turn, 0));
    if (error instanceof ImportFailure) return this.worker.fail(turn, error.code);
    // A body that was looked at when it came and cannot be read now: it is not what came.
    if (error instanceof Problem) return this.worker.fail(turn, error.code);
    this.logger.error('an import was interrupted', error, { job: turn.id });
    if ((await this.later(turn, TRY_AGAIN)) >= MAX_ATTEMPTS) await this.worker.fail(turn, 'internal');
  }

  private later(turn: Turn, seconds: number): Promise<number> {
    return this.database.write(turn.accountId, (db) => this.jobs.later({ db }, turn, this.in(seconds)));
  }

  private clear(): Promise<void> {
    return this.jobs.sweep(this.in(-SWEEP.age), this.clock.now());
  }

  private in(seconds: number): Date {
    return after(this.clock.now(), seconds);
  }
}
