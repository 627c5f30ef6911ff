import { Injectable } from '@nestjs/common';
import { AuditSink } from '../../../platform/access/audit-sink.js';
import type { Ctx } from '../../../platform/access/context.js';
import { Database } from '../../../platform/database/database.js';
import type { Db } from '../../../platform/database/db.js';
import { SignIns } from '../sign-in/sign-ins.js';

export type EndReason =
  'logout' | 'idle' | 'expired' | 'revoked' | 'reuse' | 'disabled' | 'roles-changed' | 'password-changed';

interface Ended {
  session_id: string;
  account_id: string;
  end_reason: EndReason;
}

const RUN_OUT = `ended_at IS NULL AND (expires_at <= $1 OR last_active_at + idle_seconds * interval '1 second' <= $1)`;
const END_RUN_OUT = `UPDATE auth.session SET ended_at = $1, end_reason = CASE WHEN expires_at <= $1 THEN 'expired' ELSE 'idle' END`;
const RETURNING = 'RETURNING session_id, account_id, end_reason';

/** Each session ends once, for one reason: every way is a conditional UPDATE, and what it returns is what it ended. */
@Injectable()
export class SessionEndings {
  constructor(
    private readonly database: Database,
    private readonly sink: AuditSink,
    private readonly signIns: SignIns,
  ) {}

  /** Automatic logout of one session that a request found idle or past its end. The event is in the same transaction. */
  async runOut(sessionId: string, now: Date): Promise<void> {
    await this.database.write(null, async (db) => {
      const ended = await db.query<Ended>(`${END_RUN_OUT} WHERE session_id = $2 AND ${RUN_OUT} ${RETURNING}`, [
        now,
        sessionId,
      ]);
      await this.tell(db, ended, now);
    });
  }

  /** Automatic logout of up to `limit` sessions; resolves with how many. Safe on several replicas at once. */
  async sweep(now: Date, limit: number): Promise<number> {
    return this.database.write(null, async (db) => {
      const ended = await db.query<Ended>(
        `${END_RUN_OUT} WHERE session_id IN (
           SELECT session_id FROM auth.session WHERE ${RUN_OUT} LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED) ${RETURNING}`,
        [now, limit],
      );
      await this.tell(db, ended, now);
      return ended.length;
    });
  }

  /** A refresh token came back after its use: whoever holds its successors is out. A transaction of its own, because the request is refused. */
  async reused(sessionId: string, now: Date): Promise<void> {
    await this.database.write(null, async (db) => {
      const ended = await db.query<Ended>(
        `UPDATE auth.session SET ended_at = $1, end_reason = 'reuse' WHERE session_id = $2 AND ended_at IS NULL ${RETURNING}`,
        [now, sessionId],
      );
      await this.tell(db, ended, now);
    });
  }

  /** The person's own doing, told by the request's own event and what it touched; false when it had ended already. */
  async endOne(ctx: Ctx, sessionId: string, reason: 'logout' | 'revoked'): Promise<boolean> {
    const ended = await ctx.db.query<Ended>(
      `UPDATE auth.session SET ended_at = $1, end_reason = $3 WHERE session_id = $2 AND ended_at IS NULL ${RETURNING}`,
      [ctx.now, sessionId, reason],
    );
    touch(ctx, ended);
    return ended.length > 0;
  }

  /** All sessions of the account but `except`, and sign-ins half-way: those first, so that none of them opens a session behind our back. */
  async endAll(ctx: Ctx, accountId: string, reason: EndReason, except: string | null = null): Promise<void> {
    await this.signIns.abandon(ctx.db, accountId);
    const ended = await ctx.db.query<Ended>(
      `UPDATE auth.session SET ended_at = $1, end_reason = $3
        WHERE account_id = $2 AND ended_at IS NULL AND session_id IS DISTINCT FROM $4 ${RETURNING}`,
      [ctx.now, accountId, reason, except],
    );
    if (ctx.actor?.id === accountId) touch(ctx, ended);
    else await this.tell(ctx.db, ended, ctx.now);
  }

  private async tell(db: Db, ended: Ended[], at: Date): Promise<void> {
    for (const one of ended) {
      await this.sink.system(db, {
        code: 'Session.end',
        act: 'E',
        accountId: one.account_id,
        sessionId: one.session_id,
        reason: `auth.session-ended:${one.end_reason}`,
        at,
      });
    }
  }
}

function touch(ctx: Ctx, ended: Ended[]): void {
  for (const { session_id: id } of ended) ctx.touch({ patientId: null, type: 'Session', id });
}
