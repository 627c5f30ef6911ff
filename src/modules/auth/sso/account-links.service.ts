import { Injectable } from '@nestjs/common';
import { authorize, type SignedIn } from '../../../platform/access/context.js';
import { notFound } from '../../../platform/http/problem.js';
import { isAccount } from '../account-state.js';
import { anotherAdministrator } from '../auth.errors.js';
import type { AccountResetView } from '../recovery/account-reset.dto.js';
import { AccountResets } from '../recovery/account-resets.service.js';
import { Notices } from '../recovery/notices.js';
import { SessionEndings } from '../sessions/session-endings.js';
import { FederatedIdentities } from './federated-identities.js';
import { SsoLinks } from './sso-links.service.js';
import type { AccountIdentitiesView } from './sso.dto.js';

/** Links of somebody else to identity providers: administrators see them, and take away one that is not theirs. */
@Injectable()
export class AccountLinks {
  constructor(
    private readonly identities: FederatedIdentities,
    private readonly links: SsoLinks,
    private readonly resets: AccountResets,
    private readonly endings: SessionEndings,
    private readonly notices: Notices,
  ) {}

  async list(ctx: SignedIn, accountId: string): Promise<AccountIdentitiesView> {
    if (!(await isAccount(ctx.db, accountId))) throw notFound();
    authorize(ctx, 'read', 'FederatedIdentity', { accountId });
    ctx.touch({ patientId: null, type: 'Account', id: accountId });
    const identities = await this.identities.listOf(ctx.db, accountId);
    return {
      items: identities.map((one) => ({ ...this.links.viewOf(one), issuer: one.issuer, subject: one.subject })),
    };
  }

  /**
   * Also one that is the only way in: an administrator then sends a new activation code. All sessions end, because nobody knows
   * which of them were whose. It takes no second administrator: it lets nobody in.
   */
  async revoke(ctx: SignedIn, accountId: string, id: string, reason: string): Promise<AccountResetView> {
    const identity = (await this.identities.listOf(ctx.db, accountId)).find((one) => one.id === id);
    if (!identity) throw notFound();
    if (accountId === ctx.actor.id) throw anotherAdministrator();
    authorize(ctx, 'revoke', 'FederatedIdentity', identity);
    return this.resets.done(ctx, accountId, 'sso-link', reason, async () => {
      await this.links.takeAway(ctx, identity);
      await this.endings.endAll(ctx, accountId, 'factor-changed');
      const factor = this.links.nameOf(identity);
      await this.notices.security(ctx, accountId, 'factor-removed', { factor, device: null });
    });
  }
}
