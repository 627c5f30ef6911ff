import { Injectable } from '@nestjs/common';
import type { Ctx, SignedIn } from '../../../platform/access/context.js';
import type { Db } from '../../../platform/database/db.js';
import { accessible, Params } from '../../../platform/database/accessible.js';
import { Cursors, limitOf } from '../../../platform/http/cursors.js';
import type { Page } from '../../../platform/http/presenter.js';
import { newOrderedId } from '../../../platform/ids.js';
import type { NoticeKind } from '../recovery/notices.js';
import type { ActivityQuery, ActivityView } from './activity.dto.js';
import { Places } from './places.js';
import { deviceOf } from './session.rules.js';

/** What happened to an account, in the words of its history: its sessions, and everything that a security notice tells of. */
export type SecurityEventKind = 'signed-in' | 'failed-sign-ins' | 'session-ended' | NoticeKind;

export interface SecurityEventDetails {
  /** A short code, never a secret and nothing that a person typed: the reason of an end, the kind of factor. */
  detail?: string;
  /** How often, where it was more than one thing. */
  count?: number;
  sessionId?: string;
  /** Not the doing of whoever sent this request. */
  isFromElsewhere?: boolean;
  /** Where it came from, if not from this request. */
  from?: Whence;
}

/** A device in words and a network address, kept from an earlier request. */
export interface Whence {
  device: string;
  address: string;
}

export interface EndedSession {
  sessionId: string;
  accountId: string;
  reason: string;
  device: string;
  place: string;
}

const COLUMNS = { columns: { accountId: 'account_id' } };
const VIEW = `security_event_id AS id, kind, detail, count, session_id AS "sessionId", device, place, occurred_at AS at`;

/**
 * The history that people see of their own accounts (`GET /v1/me/activity`). Auth's own, apart from the audit trail: it is
 * written in the transaction of what it tells, so that neither stands without the other.
 */
@Injectable()
export class SecurityEvents {
  constructor(
    private readonly places: Places,
    private readonly cursors: Cursors,
  ) {}

  /**
   * Device and place are those of the request, and only when the person made it: not where an administrator sits. Resolves
   * with the place, in words.
   */
  async note(
    ctx: Pick<Ctx, 'db' | 'now' | 'client' | 'actor'>,
    accountId: string,
    kind: SecurityEventKind,
    { detail, count, sessionId, isFromElsewhere = false, from }: SecurityEventDetails = {},
  ): Promise<string | null> {
    const isByPerson = ctx.actor === null || ctx.actor.id === accountId;
    const isOwn = isByPerson && !isFromElsewhere && ctx.client.address !== '';
    const whence = from ?? (isOwn ? { device: deviceOf(ctx.client.userAgent), address: ctx.client.address } : null);
    const place = whence && (await this.places.of(whence.address));
    await ctx.db.query(
      `INSERT INTO auth.security_event (security_event_id, account_id, kind, detail, count, session_id, device, place, occurred_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
      [
        newOrderedId(),
        accountId,
        kind,
        detail ?? null,
        count ?? null,
        sessionId ?? null,
        whence?.device ?? null,
        place,
        ctx.now,
      ],
    );
    return place;
  }

  /** Does the history of the account tell of this, since then? */
  async hasSince(db: Pick<Db, 'query'>, accountId: string, kind: SecurityEventKind, since: Date): Promise<boolean> {
    const rows = await db.query(
      'SELECT 1 FROM auth.security_event WHERE account_id = $1 AND kind = $2 AND occurred_at > $3 LIMIT 1',
      [accountId, kind, since],
    );
    return rows.length > 0;
  }

  /** Sessions that ended, each with its own device and place: those that its person knows it by. */
  async noteEnded(db: Pick<Db, 'query'>, ended: readonly EndedSession[], at: Date): Promise<void> {
    if (ended.length === 0) return;
    const column = <K extends keyof EndedSession>(key: K) => ended.map((one) => one[key]);
    await db.query(
      `INSERT INTO auth.security_event (security_event_id, account_id, kind, detail, session_id, device, place, occurred_at)
       SELECT id, account_id, 'session-ended', reason, session_id, device, place, $7
         FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[], $5::text[], $6::text[])
           AS one (id, account_id, reason, session_id, device, place)`,
      [
        ended.map(() => newOrderedId()),
        column('accountId'),
        column('reason'),
        column('sessionId'),
        column('device'),
        column('place'),
        at,
      ],
    );
  }

  /** The caller's own, newest first. */
  async list(ctx: SignedIn, query: ActivityQuery): Promise<Page<ActivityView>> {
    const params = new Params();
    const mine = accessible(ctx, 'list', 'SecurityEvent', COLUMNS, params);
    const last = this.cursors.open<[string]>(ctx, 'activity', query);
    const from = last ? `AND security_event_id < ${params.add(last[0])}` : '';
    const rows = await ctx.db.query<Omit<ActivityView, 'current'>>(
      `SELECT ${VIEW} FROM auth.security_event WHERE account_id = ${params.add(ctx.actor.id)} AND ${mine} ${from}
        ORDER BY security_event_id DESC LIMIT ${params.add(limitOf(query) + 1)}`,
      params.values,
    );
    return this.cursors.page(
      ctx,
      'activity',
      query,
      rows,
      (row) => [row.id],
      (row) => ({ ...row, current: row.sessionId === ctx.actor.sessionId }),
    );
  }
}
