import { Injectable } from '@nestjs/common';
import { Clock } from '../../../platform/clock.js';
import type { LogNow } from './checkpoints.repository.js';

/** What keeps the log from being signed: a refusal, which an officer has to look at, or something that failed and is tried again. */
export interface SealingProblem {
  kind: 'refused' | 'failed';
  code: string;
  message: string;
  since: Date;
}

/** How the sealing stands, as this replica has seen it last: for health and metrics. */
export interface SealingReport {
  /** Size and time of the newest checkpoint; null before the first. */
  size: number | null;
  signedAt: Date | null;
  /** Entries that no checkpoint covers yet. */
  waiting: number;
  /** Seconds for which entries have been waiting. */
  lagSeconds: number;
  /** They have waited for longer than {@link LATE_SECONDS}. */
  isLate: boolean;
  problem: SealingProblem | null;
}

/** Six turns: one that failed, or a database that was away for a moment, is no alarm yet. */
export const LATE_SECONDS = 60;

@Injectable()
export class SealingState {
  private log: LogNow | null = null;
  private waitingSince: Date | null = null;
  private problem: SealingProblem | null = null;

  constructor(private readonly clock: Clock) {}

  observed(log: LogNow): void {
    this.log = log;
    if (this.waiting() === 0) this.waitingSince = null;
    else this.waitingSince ??= this.clock.now();
  }

  /** A checkpoint was published: entries that came since wait from now on. */
  sealed(log: LogNow): void {
    this.waitingSince = null;
    this.problem = null;
    this.observed(log);
  }

  /** True: it is news, and somebody has to be told. */
  hindered(kind: SealingProblem['kind'], code: string, message: string): boolean {
    const isNews = this.problem?.code !== code || this.problem.message !== message;
    if (isNews) this.problem = { kind, code, message, since: this.clock.now() };
    return isNews;
  }

  /** A turn went well. What was refused stays so until something was signed again. True: there was a problem before. */
  recovered(hasSigned: boolean): boolean {
    if (this.problem === null || (this.problem.kind === 'refused' && !hasSigned)) return false;
    this.problem = null;
    return true;
  }

  report(): SealingReport {
    const lagSeconds = this.waitingSince
      ? Math.max(0, (this.clock.now().getTime() - this.waitingSince.getTime()) / 1000)
      : 0;
    return {
      size: this.log?.latest?.size ?? null,
      signedAt: this.log?.latest?.signedAt ?? null,
      waiting: this.waiting(),
      lagSeconds,
      isLate: lagSeconds > LATE_SECONDS,
      problem: this.problem,
    };
  }

  private waiting(): number {
    return this.log ? Math.max(0, this.log.head.size - (this.log.latest?.size ?? 0)) : 0;
  }
}
