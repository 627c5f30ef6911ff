import { Inject, Injectable } from '@nestjs/common';
import { newId } from '../../../platform/ids.js';
import { authorize, type Ctx, type SignedIn } from '../../../platform/access/context.js';
import type { Assurance } from '../../../platform/access/actor.js';
import { after } from '../../../platform/clock.js';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import { randomToken } from '../../../platform/crypto/index.js';
import { accessible, Params } from '../../../platform/database/accessible.js';
import { Cursors, limitOf } from '../../../platform/http/cursors.js';
import type { Transport } from '../../../platform/http/cookies.js';
import type { Page } from '../../../platform/http/presenter.js';
import { notFound } from '../../../platform/http/problem.js';
import { People } from '../../users/index.js';
import { AccessTokens } from './access-tokens.js';
import { holdActive, isAccount } from '../account-state.js';
import { invalidCredentials, sessionEnded } from '../auth.errors.js';
import type { Proof as FactorProof } from '../factors/factor.js';
import { Notices } from '../recovery/notices.js';
import { Credentials } from '../passwords/credentials.service.js';
import { Secrets } from '../secrets.js';
import { SignIns } from '../sign-in/sign-ins.js';
import { ProviderLogouts } from '../sso/provider-logouts.js';
import type { EndedView, EndEverybodys } from './account-sessions.dto.js';
import { CsrfTokens } from './csrf.js';
import { Places } from './places.js';
import { SecurityEvents } from './security-events.js';
import { SessionEndings } from './session-endings.js';
import { deviceOf, limitsFor, SERVICE_DEVICE } from './session.rules.js';
import type { AssuranceView, LogoutView, RenewedView, SessionQuery, SessionView, TokensView } from './session.dto.js';

type Proof = Pick<Assurance, 'acr' | 'amr'> &
  Pick<FactorProof, 'authTime' | 'sso'> & {
    /** Left out: as the request asks. */
    transport?: Transport;
    /** A remembered device is no news, wherever it is. */
    isRememberedDevice?: boolean;
  };

/** How a session's tokens travel, and which of its access tokens counts. */
interface Carried {
  transport: Transport;
  generation: number;
}

export const ACCESS_COOKIE = 'access';
export const REFRESH_COOKIE = 'refresh';
/** Devices and places that an account signed in from within this time are known. */
const KNOWN_SECONDS = 90 * 86_400;
/** A machine's workers each ask for a token of their own; none lives longer than five minutes. */
export const MAX_SERVICE_SESSIONS = 50;

const COLUMNS = { columns: { accountId: 'account_id' } };
const VIEW = `session_id AS id, device, place, address, created_at AS "createdAt", last_active_at AS "lastActiveAt", expires_at AS "expiresAt"`;
const STANDING = `ended_at IS NULL AND expires_at > $1 AND last_active_at + idle_seconds * interval '1 second' > $1`;

/** Sessions as their person has them: opened, listed, made stronger, ended. */
@Injectable()
export class Sessions {
  constructor(
    private readonly people: People,
    private readonly tokens: AccessTokens,
    private readonly secrets: Secrets,
    private readonly endings: SessionEndings,
    private readonly places: Places,
    private readonly events: SecurityEvents,
    private readonly notices: Notices,
    private readonly csrf: CsrfTokens,
    private readonly credentials: Credentials,
    private readonly signIns: SignIns,
    private readonly cursors: Cursors,
    private readonly providerLogouts: ProviderLogouts,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /**
   * Opens a session for whoever has proved to be this account, with limits by role. The caller has called {@link letIn}. A
   * password that may be known to others opens none, whatever was shown with it: it is to be changed, by whoever has shown a
   * second factor as well.
   */
  async open(ctx: Ctx, accountId: string, proof: Proof): Promise<TokensView> {
    if (proof.amr.includes('pwd') && (await this.credentials.isExpired(ctx.db, accountId))) {
      if (proof.acr !== 'aal2') throw invalidCredentials();
      const half = { amr: proof.amr, isPhishingResistant: false };
      const token = await this.signIns.begin(ctx, accountId, 'password-change', half);
      return { status: 'password_change_required', changeBy: 'token', token };
    }
    const { acr, amr, authTime = ctx.now, sso, transport = ctx.client.transport } = proof;
    const { person } = await this.people.loadPerson(ctx.db, accountId, ctx.now);
    const { idleSeconds, absoluteSeconds } = limitsFor(person.roles, this.config.sessions);
    const id = newId();
    const expiresAt = after(ctx.now, absoluteSeconds);
    const device = deviceOf(ctx.client.userAgent);
    const place = await this.places.of(ctx.client.address);
    const news = proof.isRememberedDevice === true ? null : await this.newsOf(ctx, accountId, device, place);
    await this.endings.makeRoom(ctx, accountId, this.config.sessions.maxPerAccount - 1);
    await ctx.db.query(
      `INSERT INTO auth.session (session_id, account_id, created_at, last_active_at, idle_seconds, expires_at, acr, amr, auth_time, device, address, place, transport)
       VALUES ($1, $2, $3, $3, $4, $5, $6, $7, $10, $8, $9, $11, $12)`,
      [
        id,
        accountId,
        ctx.now,
        idleSeconds,
        expiresAt,
        acr,
        amr,
        device,
        ctx.client.address,
        authTime,
        place,
        transport,
      ],
    );
    if (sso) {
      await ctx.db.query('INSERT INTO auth.sso_session (session_id, issuer, subject, sid) VALUES ($1, $2, $3, $4)', [
        id,
        sso.issuer,
        sso.subject,
        sso.sid,
      ]);
    }
    const refreshToken = randomToken();
    await ctx.db.query('INSERT INTO auth.refresh_token (token_mac, session_id, issued_at) VALUES ($1, $2, $3)', [
      this.secrets.mac('refresh', refreshToken),
      id,
      ctx.now,
    ]);
    await this.events.note(ctx, accountId, 'signed-in', { sessionId: id, detail: amr.join(' ') });
    if (news) await this.notices.security(ctx, accountId, news);
    ctx.identify({ accountId, sessionId: id });
    ctx.touch({ patientId: null, type: 'Session', id, version: 1 });
    return this.answer(
      ctx,
      { id, accountId, transport, generation: 0, acr, amr: [...amr], authTime, expiresAt, idleSeconds },
      refreshToken,
    );
  }

  /**
   * A session of a machine: as long as its one access token, and never longer than the key by which it was opened. No person
   * is behind it: nothing to refresh, no device, no notice. The caller holds the account and the key.
   */
  async openForService(
    ctx: Ctx,
    accountId: string,
    { keyId, until, certificate }: { keyId: string; until: Date; certificate: string | null },
  ): Promise<{ accessToken: string; expiresIn: number }> {
    const id = newId();
    const end = after(ctx.now, this.config.sessions.accessTokenSeconds);
    const expiresAt = end < until ? end : until;
    const place = await this.places.of(ctx.client.address);
    await this.endings.makeRoom(ctx, accountId, MAX_SERVICE_SESSIONS - 1);
    await ctx.db.query(
      `INSERT INTO auth.session (session_id, account_id, created_at, last_active_at, idle_seconds, expires_at, acr, amr, auth_time,
                                 device, address, place, client_key_id)
       VALUES ($1, $2, $3, $3, $4, $5, 'aal1', '{swk}', $3, '${SERVICE_DEVICE}', $6, $7, $8)`,
      [id, accountId, ctx.now, this.config.sessions.accessTokenSeconds, expiresAt, ctx.client.address, place, keyId],
    );
    ctx.identify({ accountId, sessionId: id });
    ctx.touch({ patientId: null, type: 'Session', id, version: 1 });
    return this.tokens.issue({ accountId, sessionId: id, expiresAt, generation: 0, certificate }, ctx.now);
  }

  /** What a client gets of an open session: tokens in the answer or, where it asked for cookies, in those alone. */
  answer(
    ctx: Pick<Ctx, 'cookies' | 'now'>,
    session: AssuranceView & Carried & { accountId: string },
    refreshToken: string,
  ): TokensView {
    const { accountId, id: sessionId, expiresAt, generation } = session;
    const { accessToken, expiresIn } = this.tokens.issue({ accountId, sessionId, expiresAt, generation }, ctx.now);
    const opened = { status: 'authenticated', expiresIn, session };
    if (session.transport === 'bearer') return { ...opened, accessToken, refreshToken };
    ctx.cookies.set(ACCESS_COOKIE, accessToken);
    ctx.cookies.set(REFRESH_COOKIE, refreshToken);
    return { ...opened, csrfToken: this.csrf.of(sessionId) };
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

  /** Ends this session; whoever came by an identity provider is told where they sign out there. */
  async logout(ctx: SignedIn): Promise<LogoutView> {
    authorize(ctx, 'logout', 'Session', { accountId: ctx.actor.id });
    // Before the transaction begins: it may call out.
    const providerLogout = await this.providerLogouts.of(ctx);
    await this.endings.endOne(ctx, ctx.actor.sessionId, 'logout');
    forgetCookies(ctx);
    return { providerLogout };
  }

  async logoutAll(ctx: SignedIn): Promise<void> {
    authorize(ctx, 'logout-all', 'Session', { accountId: ctx.actor.id });
    await this.endings.endAll(ctx, ctx.actor.id, 'logout');
    forgetCookies(ctx);
  }

  async logoutOthers(ctx: SignedIn): Promise<void> {
    authorize(ctx, 'logout-others', 'Session', { accountId: ctx.actor.id });
    await this.endings.endAll(ctx, ctx.actor.id, 'revoked', ctx.actor.sessionId);
  }

  /** An administrator signs somebody out everywhere, without shutting them out. */
  async endOf(ctx: SignedIn, accountId: string, reason: string): Promise<void> {
    if (!(await isAccount(ctx.db, accountId))) throw notFound();
    authorize(ctx, 'end', 'Session', { accountId });
    const sessions = await this.endings.endAll(ctx, accountId, 'revoked');
    await this.noteEnding(ctx, { accountId, reason, sessions });
    ctx.touch({ patientId: null, type: 'Account', id: accountId });
  }

  /** An administrator signs out everybody (ASVS 7.4.5): people, and machines with their tokens. Nobody is shut out by it. */
  async endEverybodys(ctx: SignedIn, { reason, includeCurrent = false }: EndEverybodys): Promise<EndedView> {
    authorize(ctx, 'end-all', 'Session', { accountId: ctx.actor.id });
    const ended = await this.endings.endEverybodys(ctx, includeCurrent ? null : ctx.actor.sessionId);
    await this.noteEnding(ctx, { accountId: null, reason, sessions: ended });
    if (includeCurrent) forgetCookies(ctx);
    return { ended };
  }

  /** The reason stays in a row that the event points to: free text gets into no event, which nobody could erase. */
  private async noteEnding(
    ctx: SignedIn,
    { accountId, reason, sessions }: { accountId: string | null; reason: string; sessions: number },
  ): Promise<void> {
    const id = newId();
    await ctx.db.query(
      `INSERT INTO auth.session_ending (session_ending_id, account_id, reason, ended_by, ended_at, sessions) VALUES ($1, $2, $3, $4, $5, $6)`,
      [id, accountId, reason, ctx.actor.id, ctx.now, sessions],
    );
    ctx.touch({ patientId: null, type: 'SessionEnding', id });
  }

  /** Notes that its person was just recognised anew in the running session, and renews its access token. */
  async strengthen(
    ctx: SignedIn,
    { acr, amr }: Pick<Assurance, 'acr' | 'amr'>,
  ): Promise<{ session: AssuranceView; renewed: RenewedView }> {
    return this.advance(ctx, ', acr = $2, amr = $3, auth_time = $4', [acr, amr, ctx.now]);
  }

  /**
   * A new access token in place of all that the session had until now, which are refused from the next request on (ASVS 7.2.4).
   * The refresh token stays: another tab is told `auth.token-expired`, refreshes, and goes on. Nobody was recognised anew: a password
   * alone must not make a second factor of some time ago count as shown just now.
   */
  async renew(ctx: SignedIn): Promise<RenewedView> {
    return (await this.advance(ctx)).renewed;
  }

  private async advance(ctx: SignedIn, changes = '', values: unknown[] = []) {
    const [row] = await ctx.db.query<AssuranceView & Carried>(
      `UPDATE auth.session SET generation = generation + 1${changes} WHERE session_id = $1 AND ended_at IS NULL
       RETURNING session_id AS id, acr, amr, auth_time AS "authTime", expires_at AS "expiresAt", idle_seconds AS "idleSeconds",
         transport, generation`,
      [ctx.actor.sessionId, ...values],
    );
    if (!row) throw sessionEnded();
    const { transport, generation, ...session } = row;
    ctx.touch({ patientId: null, type: 'Session', id: session.id });
    const { id: sessionId, expiresAt } = session;
    const token = this.tokens.issue({ accountId: ctx.actor.id, sessionId, expiresAt, generation }, ctx.now);
    if (transport === 'bearer') return { session, renewed: token };
    ctx.cookies.set(ACCESS_COOKIE, token.accessToken);
    return { session, renewed: { expiresIn: token.expiresIn } };
  }

  /**
   * What the holder is told of a sign-in (ASVS 6.3.5): that it is the first in 90 days at all, or from such a device at such a place.
   * Nothing of the very first.
   */
  private async newsOf(
    ctx: Ctx,
    accountId: string,
    device: string,
    place: string,
  ): Promise<'after-absence' | 'new-device' | null> {
    const [seen] = await ctx.db.query<{ isKnown: boolean; isPresent: boolean; isFirst: boolean }>(
      `SELECT EXISTS (SELECT 1 FROM auth.session WHERE account_id = $1 AND created_at > $4 AND device = $2 AND place = $3) AS "isKnown",
         EXISTS (SELECT 1 FROM auth.session WHERE account_id = $1 AND created_at > $4) AS "isPresent",
         NOT EXISTS (SELECT 1 FROM auth.session WHERE account_id = $1) AS "isFirst"`,
      [accountId, device, place, after(ctx.now, -KNOWN_SECONDS)],
      'auth_session_known',
    );
    const { isKnown, isPresent, isFirst } = seen!;
    if (isKnown || isFirst) return null;
    return isPresent ? 'new-device' : 'after-absence';
  }

  /** The first lock of every way in: the account is active and stays so until the session stands. */
  async letIn(ctx: Ctx, accountId: string): Promise<void> {
    // Sign-ins of one account take turns, which are short: where one hangs, the next is not to wait for as long again.
    await ctx.db.query("SELECT set_config('lock_timeout', '1000', true)");
    if (!(await holdActive(ctx.db, accountId))) throw invalidCredentials();
  }
}

/** Only where the browser has some: an answer to a bearer token sets none. */
function forgetCookies({ cookies }: Pick<Ctx, 'cookies'>): void {
  for (const name of [ACCESS_COOKIE, REFRESH_COOKIE]) if (cookies.get(name) !== null) cookies.clear(name);
}
