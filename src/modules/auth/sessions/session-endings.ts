import { Injectable } from '@nestjs/common';
import { AuditSink } from '../../../platform/access/audit-sink.js';
import type { Ctx, SignedIn } from '../../../platform/access/context.js';
import { Database } from '../../../platform/database/database.js';
import type { Db } from '../../../platform/database/db.js';
import { Devices } from '../devices/devices.service.js';
import { SignIns } from '../sign-in/sign-ins.js';
import { SecurityEvents } from './security-events.js';
import { SERVICE_DEVICE } from './session.rules.js';

export type EndReason =
  | 'logout'
  | 'idle'
  | 'expired'
  | 'revoked'
  | 'reuse'
  | 'disabled'
  | 'roles-changed'
  | 'password-changed'
  | 'password-expired'
  | 'factor-changed'
  | 'sso-logout'
  | 'too-many'
  | 'recovered'
  | 'key-revoked';

interface Ended {
  session_id: string;
  account_id: string;
  end_reason: EndReason;
  device: string;
  place: string;
  created_at: Date;
  /** When it ran out, if nothing had ended it before. */
  runs_out_at: Date;
}

/** Ended by themselves: at their time, not when it was noticed. */
const BY_THEMSELVES: readonly EndReason[] = ['idle', 'expired'];

/** Whom a logout token names: a session, a subject, or both. */
interface SsoEnd {
  issuer: string;
  subject: string | null;
  sid: string | null;
}

const IDLE_AT = `last_active_at + idle_seconds * interval '1 second'`;
const RUN_OUT = `ended_at IS NULL AND (expires_at <= $1 OR ${IDLE_AT} <= $1)`;
const END_RUN_OUT = `UPDATE auth.session SET ended_at = $1, end_reason = CASE WHEN expires_at <= $1 THEN 'expired' ELSE 'idle' END`;
const RETURNING = `RETURNING session_id, account_id, end_reason, device, place, created_at, least(expires_at, ${IDLE_AT}) AS runs_out_at`;

function touched(ctx: Ctx, ended: readonly Ended[]): void {
  for (const { session_id: id } of ended) ctx.touch({ patientId: null, type: 'Session', id });
}

/** Each session ends once, for one reason: every way is a conditional UPDATE, and what it returns is what it ended. */
@Injectable()
export class SessionEndings {
  constructor(
    private readonly database: Database,
    private readonly sink: AuditSink,
    private readonly signIns: SignIns,
    private readonly devices: Devices,
    private readonly events: SecurityEvents,
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

  /** The person's own doing; false when it had ended already. */
  async endOne(ctx: Ctx, sessionId: string, reason: 'logout' | 'revoked'): Promise<boolean> {
    const ended = await ctx.db.query<Ended>(
      `UPDATE auth.session SET ended_at = $1, end_reason = $3 WHERE session_id = $2 AND ended_at IS NULL ${RETURNING}`,
      [ctx.now, sessionId, reason],
    );
    touched(ctx, ended);
    await this.tell(ctx.db, ended, ctx.now);
    return ended.length > 0;
  }

  /**
   * All sessions of the account but `except`, and sign-ins half-way: those first, so that none of them opens a session behind our
   * back. Resolves with how many sessions that were.
   */
  async endAll(ctx: Ctx, accountId: string, reason: EndReason, except: string | null = null): Promise<number> {
    await this.signIns.abandon(ctx.db, accountId);
    // Whoever only signs out keeps their devices; after anything else the second factor is shown anew.
    if (reason !== 'logout') await this.devices.forget(ctx, accountId);
    return this.endSessions(ctx, accountId, reason, except);
  }

  /** The sessions alone: for whoever holds locks beyond those of sign-ins half-way. */
  async endSessions(ctx: Ctx, accountId: string, reason: EndReason, except: string | null): Promise<number> {
    const ended = await ctx.db.query<Ended>(
      `UPDATE auth.session SET ended_at = $1, end_reason = $3
        WHERE account_id = $2 AND ended_at IS NULL AND session_id IS DISTINCT FROM $4 ${RETURNING}`,
      [ctx.now, accountId, reason, except],
    );
    if (ctx.actor?.id === accountId) touched(ctx, ended);
    await this.tell(ctx.db, ended, ctx.now);
    return ended.length;
  }

  /**
   * Everybody's, of people and machines, but `except`: sign-ins half-way and codes of single sign-on first, then remembered devices.
   * Whoever shows who they are from now on opens another session. Resolves with how many sessions that were.
   */
  async endEverybodys(ctx: SignedIn, except: string | null): Promise<number> {
    // Of two at once the second finds nothing left, instead of waiting for the first in another order.
    await ctx.db.query("SELECT pg_advisory_xact_lock(hashtextextended('auth.session everybody', 0))");
    for (const table of ['sso_code', 'sign_in', 'device']) await ctx.db.query(`DELETE FROM auth.${table}`);
    const ended = await ctx.db.query<Ended>(
      `WITH open AS MATERIALIZED (
         SELECT session_id FROM auth.session WHERE ended_at IS NULL AND session_id IS DISTINCT FROM $2
          ORDER BY account_id, created_at FOR NO KEY UPDATE)
       UPDATE auth.session SET ended_at = $1, end_reason = 'revoked' WHERE session_id IN (SELECT session_id FROM open) ${RETURNING}`,
      [ctx.now, except],
    );
    touched(
      ctx,
      ended.filter((one) => one.account_id === ctx.actor.id),
    );
    await this.tell(ctx.db, ended, ctx.now);
    return ended.length;
  }

  /** A service's key was taken away: what it opened is over. */
  async endOfKey(ctx: Ctx, keyId: string): Promise<void> {
    const ended = await ctx.db.query<Ended>(
      `UPDATE auth.session SET ended_at = $1, end_reason = 'key-revoked' WHERE client_key_id = $2 AND ended_at IS NULL ${RETURNING}`,
      [ctx.now, keyId],
    );
    await this.tell(ctx.db, ended, ctx.now);
  }

  /** The same for many accounts; only those that have something to end cost statements of their own. */
  async endAllOf(ctx: Ctx, accountIds: readonly string[], reason: EndReason): Promise<void> {
    const rows = await ctx.db.query<{ id: string }>(
      `SELECT account_id AS id FROM auth.session WHERE account_id = ANY($1) AND ended_at IS NULL
        UNION SELECT account_id FROM auth.sign_in WHERE account_id = ANY($1)
        UNION SELECT account_id FROM auth.device WHERE account_id = ANY($1) ORDER BY id`,
      [accountIds],
    );
    for (const { id } of rows) await this.endAll(ctx, id, reason);
  }

  /**
   * A session at an identity provider has ended: all that it opened here, and sign-ins of it half-way, those first. `sid`
   * null: all of this subject. Resolves with the accounts that it was about.
   */
  async endOfSso(ctx: Ctx, { issuer, subject, sid }: SsoEnd): Promise<string[]> {
    const of = 'issuer = $1 AND ($2::text IS NULL OR subject = $2) AND ($3::text IS NULL OR sid = $3)';
    const mine = [issuer, subject, sid];
    const codes = await ctx.db.query<{ account_id: string }>(
      `DELETE FROM auth.sso_code WHERE ${of} RETURNING account_id`,
      mine,
    );
    const halfWay = await ctx.db.query<{ account_id: string }>(
      `DELETE FROM auth.sign_in WHERE ${of.replace(/\b(issuer|subject|sid)\b/g, 'sso_$1')} RETURNING account_id`,
      mine,
    );
    const ended = await ctx.db.query<Ended>(
      `UPDATE auth.session SET ended_at = $4, end_reason = 'sso-logout'
        WHERE ended_at IS NULL AND session_id IN (SELECT session_id FROM auth.sso_session WHERE ${of}) ${RETURNING}`,
      [...mine, ctx.now],
    );
    await this.tell(ctx.db, ended, ctx.now);
    return [...new Set([...codes, ...halfWay, ...ended].map((row) => row.account_id))];
  }

  /**
   * Leaves at most so many sessions of the account, those that were active last. Called before another one is opened; sign-ins of
   * one account take turns from here on, so that many at once open no more than one after the other. A session that somebody
   * else holds at this moment is passed over for the next.
   */
  async makeRoom(ctx: Ctx, accountId: string, left: number): Promise<void> {
    await ctx.db.query("SELECT pg_advisory_xact_lock(hashtextextended('auth.session ' || $1, 0))", [accountId]);
    const ended = await ctx.db.query<Ended>(
      // Chosen once and for all: as a plain subquery they could be chosen anew for each row, and be more.
      `WITH surplus AS MATERIALIZED (
         SELECT session_id FROM auth.session WHERE account_id = $2 AND ended_at IS NULL ORDER BY last_active_at, session_id
          LIMIT (SELECT greatest(count(*) - $3, 0) FROM auth.session WHERE account_id = $2 AND ended_at IS NULL)
            FOR NO KEY UPDATE SKIP LOCKED)
       UPDATE auth.session SET ended_at = $1, end_reason = 'too-many'
        WHERE ended_at IS NULL AND session_id IN (SELECT session_id FROM surplus) ${RETURNING}`,
      [ctx.now, accountId, left],
    );
    await this.tell(ctx.db, ended, ctx.now);
  }

  /** Not of machines, whose sessions end every few minutes and whose history nobody reads. */
  private note(db: Db, ended: Ended[], at: Date): Promise<void> {
    const history = ended
      .filter(({ device }) => device !== SERVICE_DEVICE)
      .map(({ session_id: sessionId, account_id: accountId, end_reason: reason, ...where }) => ({
        sessionId,
        accountId,
        reason,
        ...where,
      }));
    return this.events.noteEnded(db, history, at);
  }

  /** The end of each session is one event, whoever ended it: why, when it took effect, and how long it had lasted. */
  private async tell(db: Db, ended: Ended[], at: Date): Promise<void> {
    await this.note(db, ended, at);
    // They share the way to the database: thousands, where everybody's are ended.
    await Promise.all(
      ended.map((one) => {
        const endedAt = BY_THEMSELVES.includes(one.end_reason) ? one.runs_out_at : at;
        return this.sink.system(db, {
          code: 'Session.end',
          act: 'E',
          accountId: one.account_id,
          sessionId: one.session_id,
          reason: `auth.session-ended:${one.end_reason}`,
          at,
          effectiveAt: endedAt,
          detail: { seconds: Math.max(0, Math.round((endedAt.getTime() - one.created_at.getTime()) / 1000)) },
        });
      }),
    );
  }
}
