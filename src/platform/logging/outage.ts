import type { Logger } from './logger.js';

const REMIND_MS = 60_000;

/** A failure that comes again at each try: told when it begins, once a minute while it lasts, and when it is over. */
export class Outage {
  private since: number | null = null;
  private toldAt = 0;
  private count = 0;

  constructor(
    private readonly logger: Logger,
    private readonly message: string,
    private readonly nowMs: () => number = () => performance.now(),
  ) {}

  failed(error: unknown): void {
    const now = this.nowMs();
    this.count++;
    if (this.since !== null && now - this.toldAt < REMIND_MS) return;
    this.since ??= now;
    this.toldAt = now;
    this.logger.error(this.message, error, { count: this.count });
  }

  over(): void {
    if (this.since === null) return;
    this.logger.info(`over: ${this.message}`, { ms: Math.round(this.nowMs() - this.since), count: this.count });
    this.since = null;
    this.count = 0;
  }
}
