import type { Outage } from './logging/outage.js';

export interface RecurringOptions {
  everyMs: number;
  /** After a turn that failed; `everyMs` where it is left out. */
  afterFailureMs?: number;
  /** Tells of failures: when they begin, while they last, when they are over. Left out where the work does that itself. */
  outage?: Outage;
}

/**
 * Work that comes again and again in every replica: one turn at a time, each so long after the end of the one before. A turn that
 * fails is told of and keeps no other from coming; stopping waits for the turn under way.
 */
export class Recurring {
  private timer: NodeJS.Timeout | null = null;
  private dueAt = 0;
  private working: Promise<unknown> = Promise.resolve();
  private stopped = false;

  constructor(
    private readonly work: () => Promise<unknown>,
    private readonly options: RecurringOptions,
  ) {}

  /** Long work looks here whether it has to end early. */
  get isStopped(): boolean {
    return this.stopped;
  }

  start(firstMs = this.options.everyMs): void {
    this.later(firstMs);
  }

  /** The next turn is now: there is something to do. */
  wake(): void {
    this.later(0);
  }

  /** One turn, after the one under way; rejects when it fails. Once it was stopped, nothing is done. */
  run(): Promise<void> {
    const ran = this.working.then(async () => {
      if (!this.stopped) await this.work();
    });
    this.working = ran.catch(() => undefined);
    return ran;
  }

  async stop(): Promise<void> {
    this.stopped = true;
    if (this.timer) clearTimeout(this.timer);
    await this.working;
  }

  private later(ms: number): void {
    const at = performance.now() + ms;
    // Whoever woke it is not made to wait by a turn that ends at the same moment.
    if (this.stopped || (this.timer && this.dueAt <= at)) return;
    if (this.timer) clearTimeout(this.timer);
    this.dueAt = at;
    this.timer = setTimeout(() => {
      this.timer = null;
      void this.turn();
    }, ms);
    this.timer.unref();
  }

  private async turn(): Promise<void> {
    const { everyMs, afterFailureMs = everyMs, outage } = this.options;
    try {
      await this.run();
      outage?.over();
      this.later(everyMs);
    } catch (error) {
      outage?.failed(error);
      this.later(afterFailureMs);
    }
  }
}
