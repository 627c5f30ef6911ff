import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import type { SignedIn } from '../../../platform/access/context.js';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import { randomToken } from '../../../platform/crypto/index.js';
import { Database } from '../../../platform/database/database.js';
import { IdentityProviders } from './identity-providers.js';

/** How long signing out waits for a provider that was not heard of yet: whoever leaves is not to stay for it. */
const PATIENCE_MS = 1_000;

/** Where a browser goes to sign out at its provider as well, and what it brings back from there. */
export interface ProviderLogout {
  url: string;
  state: string;
}

/** The way to sign out at the provider too, beside ending the session here (OpenID Connect RP-Initiated Logout 1.0). */
@Injectable()
export class ProviderLogouts {
  constructor(
    private readonly database: Database,
    private readonly providers: IdentityProviders,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** Null where this session did not come by a provider, or the provider has no such page, or does not answer. Never throws for it. */
  async of({ actor }: SignedIn): Promise<ProviderLogout | null> {
    if (this.providers.list().length === 0) return null;
    const [session] = await this.database.write(null, (db) =>
      db.query<{ issuer: string; subject: string }>(
        'SELECT issuer, subject FROM auth.sso_session WHERE session_id = $1',
        [actor.sessionId],
      ),
    );
    const provider = session === undefined ? null : this.providers.of(session.issuer);
    if (session === undefined || provider === null) return null;
    const connecting = this.providers.connect(provider).catch(() => null);
    const connection = await Promise.race([connecting, sleep(PATIENCE_MS, null, { ref: false })]);
    if (connection === null) return null;
    const state = randomToken();
    const url = this.providers.endSessionUrl(provider, connection, {
      logout_hint: session.subject,
      post_logout_redirect_uri: this.config.sso.returnUrl,
      state,
    });
    return url === null ? null : { url, state };
  }
}
