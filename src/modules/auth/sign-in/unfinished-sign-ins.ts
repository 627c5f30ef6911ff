import { Injectable } from '@nestjs/common';
import type { Ctx } from '../../../platform/access/context.js';
import { workOfNobody } from '../../../platform/access/operator.js';
import { after } from '../../../platform/clock.js';
import { Database } from '../../../platform/database/database.js';
import { Events } from '../../../platform/events/events.js';
import { Notices } from '../recovery/notices.js';
import { SecurityEvents, type Whence } from '../sessions/security-events.js';
import { SIGN_IN_SECONDS } from './sign-ins.js';

const HOUR = 3_600;

interface Unfinished extends Whence {
  accountId: string;
  expiresAt: Date;
  isFinished: boolean;
}

/**
 * A sign-in that stopped half-way: the password was right, and the second factor was refused, or never shown, until its token
 * ran out. Nobody but the holder can say whether that was them (ASVS 6.3.5).
 */
@Injectable()
export class UnfinishedSignIns {
  constructor(
    private readonly database: Database,
    private readonly events: Events,
    private readonly history: SecurityEvents,
    private readonly notices: Notices,
  ) {}

  /**
   * Tells of up to `limit` of them and resolves with how many it looked at; an account is told once an hour at most. Safe on several
   * replicas at once: one at a time does it. Not of those that were begun anew and finished from the same device and address.
   */
  sweep(now: Date, limit: number): Promise<number> {
    const { database, events } = this;
    return workOfNobody({ database, events, now }, async (ctx) => {
      const unfinished = await this.take(ctx, limit);
      for (const one of unfinished) if (!one.isFinished) await this.tell(ctx, one);
      return unfinished.length;
    });
  }

  private async take(ctx: Ctx, limit: number): Promise<Unfinished[]> {
    // Two at once would each miss that the other has just told the account.
    const [lock] = await ctx.db.query<{ isOurs: boolean }>(
      `SELECT pg_try_advisory_xact_lock(hashtextextended('auth.sign_in unfinished', 0)) AS "isOurs"`,
    );
    if (!lock!.isOurs) return [];
    return ctx.db.query<Unfinished>(
      `UPDATE auth.sign_in i SET told_at = $1 WHERE i.token_mac IN (
         SELECT token_mac FROM auth.sign_in
          WHERE expires_at <= $1 AND used_at IS NULL AND told_at IS NULL AND purpose IN ('mfa', 'enrolment') AND device IS NOT NULL
          ORDER BY expires_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED)
       RETURNING i.account_id AS "accountId", i.device, i.address, i.expires_at AS "expiresAt",
         EXISTS (SELECT 1 FROM auth.session s WHERE s.account_id = i.account_id AND s.device = i.device AND s.address = i.address
                    AND s.created_at >= i.expires_at - $3 * interval '1 second') AS "isFinished"`,
      [ctx.now, limit, SIGN_IN_SECONDS],
    );
  }

  private async tell(ctx: Ctx, { accountId, expiresAt, ...from }: Unfinished): Promise<void> {
    if (await this.history.hasSince(ctx.db, accountId, 'sign-in-unfinished', after(ctx.now, -HOUR))) return;
    const { device, address } = from;
    const at = after(expiresAt, -SIGN_IN_SECONDS);
    await this.notices.security(ctx, accountId, 'sign-in-unfinished', { from: { device, address }, at });
  }
}
