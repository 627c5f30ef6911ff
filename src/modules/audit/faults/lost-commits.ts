import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import type { Receipt } from '../../../platform/access/audit-sink.js';
import { SystemPool } from '../../../platform/database/system-pool.js';
import { Logger } from '../../../platform/logging/logger.js';

/** SQLSTATE of asking for a transaction that PostgreSQL knows nothing of: it was forgotten in a crash. */
const NO_SUCH_TRANSACTION = '22023';
const FIRST_WAIT_MS = 25;

/**
 * Asks back after a COMMIT whose answer was lost (audit-log design, 4.5). The event decides, because it is in the write's own
 * transaction; but only when that transaction has ended, or it could be committed after it was called lost.
 */
@Injectable()
export class LostCommits {
  constructor(
    private readonly pool: SystemPool,
    private readonly logger: Logger,
  ) {}

  /** True or false for good; null: it cannot be told within so many milliseconds. Never rejects. */
  async wasCommitted(receipt: Receipt, withinMs: number): Promise<boolean | null> {
    const deadline = new AbortController();
    const late = sleep(withinMs, null, { signal: deadline.signal }).catch(() => null);
    const asked = this.ask(receipt, performance.now() + withinMs);
    const answer = await Promise.race([asked, late]);
    deadline.abort();
    this.logger.warn('the answer to a COMMIT was lost', {
      component: 'ledger',
      reason: answer === null ? 'unknown' : answer ? 'committed' : 'rolled-back',
    });
    return answer;
  }

  private async ask(receipt: Receipt, until: number): Promise<boolean | null> {
    for (let wait = FIRST_WAIT_MS; performance.now() < until; wait *= 2) {
      // The database may be on its way back.
      const answer = await this.askOnce(receipt).catch(() => null);
      if (answer !== null) return answer;
      await sleep(wait);
    }
    return null;
  }

  private async askOnce({ transaction, eventIds }: Receipt): Promise<boolean | null> {
    if (await this.isUnderWay(transaction)) return null;
    // A statement of its own, begun after the end of the transaction: it sees what that has left.
    return (await this.pool.query('SELECT audit.has($1) AS id', [eventIds])).length > 0;
  }

  private async isUnderWay(transaction: string): Promise<boolean> {
    try {
      const [row] = await this.pool.query<{ status: string | null }>('SELECT pg_xact_status($1::xid8) AS status', [
        transaction,
      ]);
      return row!.status === 'in progress';
    } catch (error) {
      if ((error as { code?: unknown }).code === NO_SUCH_TRANSACTION) return false;
      throw error;
    }
  }
}
