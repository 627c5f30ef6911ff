import { Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { after, Clock } from '../../../platform/clock.js';
import { Events } from '../../../platform/events/events.js';
import { Logger } from '../../../platform/logging/logger.js';
import { Outage } from '../../../platform/logging/outage.js';
import { Recurring } from '../../../platform/recurring.js';
import { AccountDisabled } from '../../users/index.js';
import { DownloadFailure, Superseded, type Turn } from './download-job.js';
import { DownloadRepository } from './download.repository.js';
import { DownloadWorker } from './download-worker.js';

const IDLE_MS = 1_000;
/** Seconds after which work that nobody keeps is taken up by another replica, and how often it is kept. */
const LEASE = 30;
const KEEP_MS = 5_000;
const TRY_AGAIN = 15;
const MAX_ATTEMPTS = 5;
/** Files whose days are over are looked for this often (seconds). */
const SWEEP_EVERY = 600;

/** The server stops: whoever comes next goes on from the file that was not finished. */
class Stopped extends Error {}

/**
 * Works downloads off, in every replica, one at a time; the row says whose turn it is. A replica that dies loses its turn after
 * half a minute; files that were whole stay, the one under way is written anew.
 */
@Injectable()
export class DownloadJobs implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly turns: Recurring;
  private sweptAt = 0;

  constructor(
    private readonly downloads: DownloadRepository,
    private readonly worker: DownloadWorker,
    private readonly clock: Clock,
    private readonly logger: Logger,
    events: Events,
  ) {
    // In the transaction that ends the account: with it go the copies that lie here for it.
    events.on(AccountDisabled, (ctx, { accountId }) => downloads.expire(ctx, accountId));
    const outage = new Outage(logger, 'downloads could not be worked on');
    this.turns = new Recurring(() => this.work(), { everyMs: IDLE_MS, outage });
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

  /** Works off what is due, and clears away what is over; resolves when nothing is left. */
  drain(): Promise<void> {
    return this.turns.run();
  }

  private async work(): Promise<void> {
    while (!this.turns.isStopped && (await this.one()));
    await this.sweep();
  }

  private async one(): Promise<boolean> {
    const turn = await this.downloads.take(this.clock.now(), this.in(LEASE));
    if (!turn) return false;
    const keeper = this.keeping(turn);
    try {
      await this.worker.work(turn, () => {
        if (this.turns.isStopped) throw new Stopped();
      });
    } catch (error) {
      await this.unfinished(turn, error);
    } finally {
      clearInterval(keeper);
    }
    return true;
  }

  private keeping(turn: Turn): NodeJS.Timeout {
    const keep = () =>
      this.downloads
        .keep(turn, this.in(LEASE))
        .catch((error: unknown) => this.logger.error('a download could not keep its turn', error, { job: turn.id }));
    return setInterval(() => void keep(), KEEP_MS).unref();
  }

  private async unfinished(turn: Turn, error: unknown): Promise<void> {
    if (error instanceof Superseded) return;
    if (error instanceof Stopped) return void (await this.downloads.later(turn, this.clock.now()));
    if (error instanceof DownloadFailure) return this.downloads.fail(turn, error.code, this.clock.now());
    this.logger.error('a download was interrupted', error, { job: turn.id });
    const attempts = await this.downloads.later(turn, this.in(TRY_AGAIN));
    if (attempts >= MAX_ATTEMPTS) await this.downloads.fail(turn, 'internal', this.clock.now());
  }

  private async sweep(): Promise<void> {
    const now = this.clock.now();
    if (now.getTime() - this.sweptAt < SWEEP_EVERY * 1_000) return;
    this.sweptAt = now.getTime();
    await this.downloads.sweep(now);
  }

  private in(seconds: number): Date {
    return after(this.clock.now(), seconds);
  }
}
