import { Injectable } from '@nestjs/common';
import type { Ctx } from '../../../platform/access/context.js';
import { after } from '../../../platform/clock.js';
import { randomToken } from '../../../platform/crypto/index.js';
import { Database } from '../../../platform/database/database.js';
import type { SsoProvider } from '../../../platform/config/sso-providers.js';
import { tooManyChallenges } from '../auth.errors.js';
import { Quotas } from '../factors/quotas.js';
import { Secrets } from '../secrets.js';
import { networkOf } from '../throttling/attempts.js';
import type { FlowSecrets } from './identity-providers.js';
import { browserOf, markBrowser } from './sso-browser.js';
import { ssoExpired } from './sso.errors.js';

const SECONDS = 10 * 60;
// A whole hospital signs in from one address; what is bounded is how much a stranger can leave in the database.
const PER_NETWORK = [{ most: 1_000, seconds: SECONDS }];

/** What a person wants of the provider: to sign in, or to link their account, signed in as they are. */
export interface FlowPurpose {
  returnTo: string;
  isFresh: boolean;
  link: { accountId: string; sessionId: string } | null;
}

export interface Flow extends FlowPurpose {
  secrets: FlowSecrets;
  createdAt: Date;
}

interface Row {
  state_mac: Buffer;
  return_to: string;
  is_fresh: boolean;
  link_account_id: string | null;
  link_session_id: string | null;
  created_at: Date;
}

/**
 * Ways to a provider and back: ten minutes, once, in the browser that began (ASVS 5.0 V10.1.2). Nonce and PKCE verifier are
 * computed from the state and the browser's token under keys of ours, so that no table holds them.
 */
@Injectable()
export class SsoFlows {
  constructor(
    private readonly database: Database,
    private readonly quotas: Quotas,
    private readonly secrets: Secrets,
  ) {}

  /** Begins one, and marks the browser. */
  async begin(ctx: Ctx, provider: SsoProvider, { returnTo, isFresh, link }: FlowPurpose): Promise<FlowSecrets> {
    const network = `sso\0${networkOf(ctx.client.address)}`;
    const waitSeconds = await this.quotas.take(ctx.db, network, PER_NETWORK, ctx.now);
    if (waitSeconds !== null) throw tooManyChallenges(waitSeconds);
    const state = randomToken();
    const browser = markBrowser(ctx);
    await ctx.db.query(
      `INSERT INTO auth.sso_flow (state_mac, browser_mac, provider, return_to, is_fresh, link_account_id, link_session_id, created_at, expires_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
      [
        this.secrets.mac('sso-state', state),
        this.secrets.mac('sso-browser', browser),
        provider.id,
        returnTo,
        isFresh,
        link?.accountId ?? null,
        link?.sessionId ?? null,
        ctx.now,
        after(ctx.now, SECONDS),
      ],
    );
    return this.secretsOf(state, browser, 0);
  }

  /**
   * Uses a state up, whatever becomes of the rest: a transaction of its own, one conditional statement. Throws auth.sso-expired
   * for a state that is unknown, used, too old, another provider's, or another browser's.
   */
  async finish(ctx: Ctx, provider: SsoProvider, state: string | null): Promise<Flow> {
    const browser = browserOf(ctx);
    if (state === null || browser === null) throw ssoExpired();
    const macs = this.secrets.macs('sso-state', state);
    const [row] = await this.database.write(null, (db) =>
      db.query<Row>(
        `UPDATE auth.sso_flow SET used_at = $4
          WHERE state_mac = ANY($1) AND browser_mac = ANY($2) AND provider = $3 AND used_at IS NULL AND expires_at > $4
         RETURNING state_mac, return_to, is_fresh, link_account_id, link_session_id, created_at`,
        [macs, this.secrets.macs('sso-browser', browser), provider.id, ctx.now],
      ),
    );
    if (!row) throw ssoExpired();
    const { link_account_id: accountId, link_session_id: sessionId } = row;
    return {
      secrets: this.secretsOf(
        state,
        browser,
        macs.findIndex((mac) => mac.equals(row.state_mac)),
      ),
      returnTo: row.return_to,
      isFresh: row.is_fresh,
      link: accountId !== null && sessionId !== null ? { accountId, sessionId } : null,
      createdAt: row.created_at,
    };
  }

  /** `key`: which of the keys was the active one when it began; 0 is the active one now. */
  private secretsOf(state: string, browser: string, key: number): FlowSecrets {
    const derived = (kind: 'sso-nonce' | 'sso-verifier') =>
      this.secrets.macs(kind, `${state}.${browser}`)[key]!.toString('base64url');
    return { state, nonce: derived('sso-nonce'), verifier: derived('sso-verifier') };
  }
}
