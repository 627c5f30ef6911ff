import { Injectable } from '@nestjs/common';
import type { Ctx } from '../../../platform/access/context.js';
import { after } from '../../../platform/clock.js';
import type { Db } from '../../../platform/database/db.js';
import type { SsoOrigin } from '../factors/factor.js';
import { SessionEndings } from '../sessions/session-endings.js';
import { FederatedIdentities } from './federated-identities.js';
import { IdentityProviders } from './identity-providers.js';
import { logoutTokenRefused } from './sso.errors.js';

/** A logout token has a few claims. */
const MAX_LENGTH = 16 * 1024;
/** Longer than a logout token counts, and than a sign-in may be under way. */
const REMEMBERED_SECONDS = 3_600;

/** What providers say of sessions that have ended with them (OpenID Connect Back-Channel Logout 1.0). */
@Injectable()
export class SsoLogouts {
  constructor(
    private readonly providers: IdentityProviders,
    private readonly identities: FederatedIdentities,
    private readonly endings: SessionEndings,
  ) {}

  /** Ends what the provider's session, or all sessions of its subject, opened here. Throws auth.logout-token-refused. */
  async obey(ctx: Ctx, providerId: string, token: unknown): Promise<void> {
    const provider = this.providers.get(providerId);
    if (typeof token !== 'string' || token.length > MAX_LENGTH) throw logoutTokenRefused();
    const { jti, subject, sid, issuedAt } = await this.providers.verifyLogout(provider, token, ctx.now);
    const { issuer } = provider;
    await this.identities.holdAlone(ctx.db, issuer);
    const first = await ctx.db.query(
      `INSERT INTO auth.sso_logout (issuer, jti, subject, sid, issued_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)
       ON CONFLICT DO NOTHING RETURNING 1`,
      [issuer, jti, subject, sid, issuedAt, after(ctx.now, REMEMBERED_SECONDS)],
    );
    if (first.length === 0) throw logoutTokenRefused();
    const accountId = await this.holderOf(ctx.db, issuer, subject, sid);
    if (accountId === null) return;
    ctx.identify({ accountId });
    await this.identities.holdAccount(ctx.db, accountId);
    await this.endings.endOfSso(ctx, { issuer, subject, sid });
  }

  /** Was this provider's session ended while its sign-in was under way? Asked while it is held. */
  async isOver(db: Pick<Db, 'query'>, { issuer, subject, sid }: SsoOrigin, issuedAt: Date): Promise<boolean> {
    const rows = await db.query(
      `SELECT 1 FROM auth.sso_logout WHERE issuer = $1 AND (subject IS NULL OR subject = $2)
          AND (CASE WHEN sid IS NULL THEN issued_at >= $4 ELSE sid = $3 END)`,
      [issuer, subject, sid, issuedAt],
    );
    return rows.length > 0;
  }

  /** Whose session it was: by the subject, else by what the session opened. */
  private async holderOf(db: Db, issuer: string, subject: string | null, sid: string | null): Promise<string | null> {
    if (subject !== null) return (await this.identities.find(db, issuer, subject))?.accountId ?? null;
    const [row] = await db.query<{ account_id: string }>(
      `SELECT i.account_id FROM auth.federated_identity i JOIN (
           SELECT subject FROM auth.sso_session WHERE issuer = $1 AND sid = $2
           UNION SELECT subject FROM auth.sso_code WHERE issuer = $1 AND sid = $2
           UNION SELECT sso_subject FROM auth.sign_in WHERE sso_issuer = $1 AND sso_sid = $2) s USING (subject)
        WHERE i.issuer = $1 LIMIT 1`,
      [issuer, sid],
    );
    return row?.account_id ?? null;
  }
}
