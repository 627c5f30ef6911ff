import { Inject, Injectable } from '@nestjs/common';
import { newId } from '../../../platform/ids.js';
import { authorize, type Ctx, type SignedIn } from '../../../platform/access/context.js';
import type { Assurance } from '../../../platform/access/actor.js';
import { after } from '../../../platform/clock.js';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import { randomToken } from '../../../platform/crypto/index.js';
import { accessible, Params } from '../../../platform/database/accessible.js';
import { Cursors, limitOf } from '../../../platform/http/cursors.js';
import type { Page } from '../../../platform/http/presenter.js';
import { notFound } from '../../../platform/http/problem.js';
import { People } from '../../users/index.js';
import { AccessTokens } from './access-tokens.js';
import { holdActive } from '../account-state.js';
import { invalidCredentials, sessionEnded } from '../auth.errors.js';
import { Secrets } from '../secrets.js';
import { SessionEndings } from './session-endings.js';
import { deviceOf, limitsFor } from './session.rules.js';
import type { AssuranceView, SessionQuery, SessionView, TokensView } from './session.dto.js';

type Proof = Pick<Assurance, 'acr' | 'amr'>;

const COLUMNS = { columns: { accountId: 'account_id' } };
const VIEW = `session_id AS id, device, address, created_at AS "createdAt", last_active_at AS "lastActiveAt", expires_at AS "expiresAt"`;
const STANDING = `ended_at IS NULL AND expires_at > $1 AND last_active_at + idle_seconds * interval '1 second' > $1`;

/** Sessions as their person has them: opened, listed, made stronger, ended. */
@Injectable()
export class Sessions {
  constructor(
    private readonly people: People,
    private readonly tokens: AccessTokens,
    private readonly secrets: Secrets,
    private readonly endings: SessionEndings,
    private readonly cursors: Cursors,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** Opens a session for whoever has proved to be this account, with limits by role. The caller has called {@link letIn}. */
  async open(ctx: Ctx, accountId: string, { acr, amr }: Proof): Promise<TokensView> {
    const { person } = await this.people.loadPerson(ctx.db, accountId, ctx.now);
    const { idleSeconds, absoluteSeconds } = limitsFor(person.roles, this.config.sessions);
    const id = newId();
    const expiresAt = after(ctx.now, absoluteSeconds);
    await ctx.db.query(
      `INSERT INTO auth.session (session_id, account_id, created_at, last_active_at, idle_seconds, expires_at, acr, amr, auth_time, device, address)
       VALUES ($1, $2, $3, $3, $4, $5, $6, $7, $3, $8, $9)`,
      [id, accountId, ctx.now, idleSeconds, expiresAt, acr, amr, deviceOf(ctx.client.userAgent), ctx.client.address],
    );
    const refreshToken = randomToken();
    await ctx.db.query('INSERT INTO auth.refresh_token (token_mac, session_id, issued_at) VALUES ($1, $2, $3)', [
      this.secrets.mac('refresh', refreshToken),
      id,
      ctx.now,
    ]);
    ctx.identify({ accountId, sessionId: id });
    ctx.touch({ patientId: null, type: 'Session', id });
    return this.answer(
      { id, accountId, acr, amr: [...amr], authTime: ctx.now, expiresAt, idleSeconds },
      refreshToken,
      ctx.now,
    );
  }

  /** What a client gets of an open session. */
  answer(session: AssuranceView & { accountId: string }, refreshToken: string, now: Date): TokensView {
    const { accountId, id: sessionId, expiresAt } = session;
    return {
      status: 'authenticated',
      ...this.tokens.issue({ accountId, sessionId, expiresAt }, now),
      refreshToken,
      session,
    };
  }

  async list(ctx: SignedIn, query: SessionQuery): Promise<Page<SessionView>> {
    const params = new Params();
    params.add(ctx.now);
    const mine = accessible(ctx, 'list', 'Session', COLUMNS, params);
    const last = this.cursors.open<[string]>(ctx, 'sessions', query);
    const from = last ? `AND session_id < ${params.add(last[0])}` : '';
    const rows = await ctx.db.query<SessionView>(
      `SELECT ${VIEW} FROM auth.session WHERE ${STANDING} AND account_id = ${params.add(ctx.actor.id)} AND ${mine} ${from}
        ORDER BY session_id DESC LIMIT ${params.add(limitOf(query) + 1)}`,
      params.values,
    );
    return this.cursors.page(
      ctx,
      'sessions',
      query,
      rows,
      (row) => [row.id],
      (row) => ({ ...row, current: row.id === ctx.actor.sessionId }),
    );
  }

  /** Ends one of the person's own sessions; somebody else's does not exist. */
  async revoke(ctx: SignedIn, id: string): Promise<void> {
    const [session] = await ctx.db.query<{ accountId: string }>(
      'SELECT account_id AS "accountId" FROM auth.session WHERE session_id = $1 AND ended_at IS NULL',
      [id],
    );
    if (!session) throw notFound();
    authorize(ctx, 'revoke', 'Session', session);
    if (!(await this.endings.endOne(ctx, id, 'revoked'))) throw notFound();
  }

  async logout(ctx: SignedIn): Promise<void> {
    authorize(ctx, 'logout', 'Session', { accountId: ctx.actor.id });
    await this.endings.endOne(ctx, ctx.actor.sessionId, 'logout');
  }

  async logoutAll(ctx: SignedIn): Promise<void> {
    authorize(ctx, 'logout-all', 'Session', { accountId: ctx.actor.id });
    await this.endings.endAll(ctx, ctx.actor.id, 'logout');
  }

  /** Notes that the second factor was just shown in the running session. */
  async strengthen(ctx: SignedIn, amr: readonly string[]): Promise<AssuranceView> {
    const [session] = await ctx.db.query<AssuranceView>(
      `UPDATE auth.session SET acr = 'aal2', amr = $2, auth_time = $3 WHERE session_id = $1 AND ended_at IS NULL
       RETURNING session_id AS id, acr, amr, auth_time AS "authTime", expires_at AS "expiresAt", idle_seconds AS "idleSeconds"`,
      [ctx.actor.sessionId, amr, ctx.now],
    );
    if (!session) throw sessionEnded();
    ctx.touch({ patientId: null, type: 'Session', id: session.id });
    return session;
  }

  /** The first lock of every way in: the account is active and stays so until the session stands. */
  async letIn(ctx: Ctx, accountId: string): Promise<void> {
    if (!(await holdActive(ctx.db, accountId))) throw invalidCredentials();
  }
}
