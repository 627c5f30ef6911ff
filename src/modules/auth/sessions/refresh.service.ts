import { Injectable } from '@nestjs/common';
import type { Ctx } from '../../../platform/access/context.js';
import { Database } from '../../../platform/database/database.js';
import type { Db } from '../../../platform/database/db.js';
import { signInRequired } from '../../../platform/access/door.guard.js';
import type { Transport } from '../../../platform/http/cookies.js';
import { invalid } from '../../../platform/http/validation.js';
import { forged, sessionEnded } from '../auth.errors.js';
import { Secrets } from '../secrets.js';
import { SessionEndings } from './session-endings.js';
import { verdictOf, type SessionState } from './session.rules.js';
import { REFRESH_COOKIE, Sessions } from './session.service.js';
import { CsrfTokens } from './csrf.js';
import type { AssuranceView, CsrfView, Refresh, TokensView } from './session.dto.js';

interface Shown extends SessionState, Omit<AssuranceView, 'expiresAt'> {
  accountId: string;
  generation: number;
  transport: Transport;
  usedAt: Date | null;
  isActive: boolean;
}

/** Two tabs, or an answer that was lost: within this time the same successor is answered again. */
const SAME_ANSWER_MS = 10_000;

const LOOK = `SELECT s.session_id AS id, s.account_id AS "accountId", s.acr, s.amr, s.auth_time AS "authTime", s.created_at AS "createdAt",
    s.last_active_at AS "lastActiveAt", s.idle_seconds AS "idleSeconds", s.expires_at AS "expiresAt", s.ended_at AS "endedAt",
    r.used_at AS "usedAt", s.transport, s.generation, a.status = 'active' AS "isActive"
  FROM auth.refresh_token r JOIN auth.session s ON s.session_id = r.session_id JOIN users.account a ON a.account_id = s.account_id
  WHERE r.token_mac = ANY($1)`;

/**
 * Rotation of refresh tokens with detection of reuse (RFC 9700 §4.14.2). One conditional UPDATE decides who rotates; a token
 * that comes back later than its successor was used, or than ten seconds, was stolen or its successor was: the session ends.
 */
@Injectable()
export class RefreshTokens {
  constructor(
    private readonly database: Database,
    private readonly secrets: Secrets,
    private readonly endings: SessionEndings,
    private readonly sessions: Sessions,
    private readonly csrf: CsrfTokens,
  ) {}

  /**
   * A new pair, from the body's token or, without one, from the cookie's and then only with the session's CSRF token. Counts
   * as no activity. Throws auth.session-ended for every token that gives none.
   */
  async rotate(ctx: Ctx, { refreshToken: inBody }: Refresh, csrfToken: string | undefined): Promise<TokensView> {
    const inCookie = inBody === undefined ? ctx.cookies.get(REFRESH_COOKIE) : null;
    const token = inBody ?? inCookie;
    if (token === null)
      throw invalid([{ pointer: '/refreshToken', code: 'missing', detail: 'refreshToken is needed.' }]);
    const macs = this.secrets.macs('refresh', token);
    const carrier = inCookie === null ? 'bearer' : 'cookie';
    const session = await this.look(ctx, token, macs, (found) => {
      if (found.transport !== carrier) throw sessionEnded();
      if (carrier === 'cookie' && !this.csrf.matches(csrfToken, found.id)) throw forged();
    });
    const refreshToken =
      (await this.rotateOnce(ctx, token, macs, session.id)) ?? (await this.standing(ctx.db, token, session.id));
    // The successor was used between the look and now; the next use of this token tells.
    if (refreshToken === null) throw sessionEnded();
    ctx.touch({ patientId: null, type: 'Session', id: session.id });
    return this.sessions.answer(ctx, session, refreshToken);
  }

  /** The CSRF token of the session that the cookies carry, for a page that was loaded anew. Uses nothing up. */
  async csrfTokenOf(ctx: Ctx): Promise<CsrfView> {
    const token = ctx.cookies.get(REFRESH_COOKIE);
    if (token === null) throw signInRequired('auth.sign-in-required');
    const [session] = await ctx.db.query<Shown>(LOOK, [this.secrets.macs('refresh', token)]);
    const isLive = session?.isActive && session.transport === 'cookie' && verdictOf(session, ctx.now) === 'live';
    if (!isLive) throw sessionEnded();
    ctx.identify({ accountId: session.accountId, sessionId: session.id });
    return { csrfToken: this.csrf.of(session.id) };
  }

  /** Before anything is changed, and in a transaction of its own: what ends here stays ended, though the request is refused. */
  private async look(ctx: Ctx, token: string, macs: Buffer[], admit: (found: Shown) => void): Promise<Shown> {
    const { session, isReuse } = await this.database.write(null, async (db) => {
      const [session] = await db.query<Shown>(LOOK, [macs]);
      // Before anything follows from it: a page of somebody else must not be able to end a session either.
      if (session) admit(session);
      return { session, isReuse: session ? await this.isReuse(db, token, session, ctx.now) : false };
    });
    if (!session) throw sessionEnded();
    ctx.identify({ accountId: session.accountId, sessionId: session.id });
    const verdict = verdictOf(session, ctx.now);
    if (verdict === 'idle' || verdict === 'expired') await this.endings.runOut(session.id, ctx.now);
    else if (verdict === 'live' && isReuse) await this.endings.reused(session.id, ctx.now);
    if (verdict !== 'live' || isReuse || !session.isActive) throw sessionEnded();
    return session;
  }

  private async isReuse(db: Pick<Db, 'query'>, token: string, session: Shown, now: Date): Promise<boolean> {
    if (session.usedAt === null) return false;
    if (now.getTime() - session.usedAt.getTime() > SAME_ANSWER_MS) return true;
    return (await this.standing(db, token, session.id)) === null;
  }

  /** The new token when this request is the one that rotates; null when another was. A crash before COMMIT leaves the old one good. */
  private async rotateOnce(ctx: Ctx, token: string, macs: Buffer[], sessionId: string): Promise<string | null> {
    const won = await ctx.db.query(
      `UPDATE auth.refresh_token r SET used_at = $2 FROM auth.session s
        WHERE r.token_mac = ANY($1) AND r.used_at IS NULL AND s.session_id = r.session_id AND s.ended_at IS NULL RETURNING 1`,
      [macs, ctx.now],
    );
    if (won.length === 0) return null;
    const [successor] = this.secrets.successors(token) as [string];
    await ctx.db.query('INSERT INTO auth.refresh_token (token_mac, session_id, issued_at) VALUES ($1, $2, $3)', [
      this.secrets.mac('refresh', successor),
      sessionId,
      ctx.now,
    ]);
    return successor;
  }

  /** The successor that was answered before, while nobody has used it. Computed anew: no token is stored. */
  private async standing(db: Pick<Db, 'query'>, token: string, sessionId: string): Promise<string | null> {
    for (const successor of this.secrets.successors(token)) {
      const rows = await db.query(
        'SELECT 1 FROM auth.refresh_token WHERE token_mac = ANY($1) AND session_id = $2 AND used_at IS NULL',
        [this.secrets.macs('refresh', successor), sessionId],
      );
      if (rows.length > 0) return successor;
    }
    return null;
  }
}
