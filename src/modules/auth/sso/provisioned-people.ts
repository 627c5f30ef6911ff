import { Injectable } from '@nestjs/common';
import type { Ctx } from '../../../platform/access/context.js';
import type { SsoProvider } from '../../../platform/config/sso-providers.js';
import { Logger } from '../../../platform/logging/logger.js';
import { ProvisionedAccounts } from '../../users/index.js';
import { Invitations } from '../invitations/invitations.service.js';
import { Notices } from '../recovery/notices.js';
import { SessionEndings } from '../sessions/session-endings.js';
import { FederatedIdentities, replacesPasswords, type FederatedIdentity } from './federated-identities.js';
import { ssoNotAllowed } from './sso.errors.js';
import { claimAt, textOf, type Claims } from './sso.rules.js';

/** What of a verified answer says who somebody is: the ID token alone, which the provider has signed. */
interface Vouched {
  provider: SsoProvider;
  subject: string;
  idToken: Claims;
}

/**
 * Somebody whom the directory has provisioned (SCIM) and who signs in by a provider for the first time is one person, if the
 * operator has said by which claim (`scimMatch`). Whoever the directory knows is linked or refused, and never opened a second
 * account; whoever it does not know is none of its people, whatever their name here (ASVS 5.0 V10.5.2, OpenID Connect Core 1.0 §5.7).
 */
@Injectable()
export class ProvisionedPeople {
  constructor(
    private readonly accounts: ProvisionedAccounts,
    private readonly identities: FederatedIdentities,
    private readonly invitations: Invitations,
    private readonly endings: SessionEndings,
    private readonly notices: Notices,
    private readonly logger: Logger,
  ) {}

  /** Links them; null when the directory knows nobody as this. Throws auth.sso-not-allowed, with the reason in the log. */
  async link(ctx: Ctx, vouched: Vouched): Promise<FederatedIdentity | null> {
    const { provider, idToken } = vouched;
    if (provider.scimMatch === null) return null;
    const { claim, attribute, directoryId } = provider.scimMatch;
    const said = claimAt(idToken, [claim]);
    const value = textOf(said);
    // Without it a second account would be opened for everybody from the day on that the provider leaves it away.
    if (value === null || value !== said) throw this.refused(provider, 'claim-unusable');
    const found = await this.accounts.find(ctx, { attribute, value, directoryId });
    if (found.length === 0) return null;
    const standing = found.filter(({ isRemoved }) => !isRemoved);
    if (standing.length !== 1) throw this.refused(provider, standing.length === 0 ? 'removed' : 'ambiguous');
    return this.tie(ctx, vouched, standing[0]!.accountId);
  }

  private async tie(ctx: Ctx, { provider, subject }: Vouched, accountId: string): Promise<FederatedIdentity> {
    const { issuer, scimMatch } = provider;
    if (!(await this.accounts.take(ctx, accountId, scimMatch!.mayBeAdmin)))
      throw this.refused(provider, 'disabled-or-administrator');
    if (await this.identities.wasRemoved(ctx.db, accountId, issuer, subject))
      throw this.refused(provider, 'link-removed');
    const isManaged = await this.identities.isOnlyWayIn(ctx.db, accountId, null);
    const replacesPassword = replacesPasswords(provider);
    const link = { issuer, subject, accountId, kind: 'staff', isManaged, replacesPassword } as const;
    const id = await this.identities.create(ctx, link);
    // Of two first sign-ins at once the other one has made it; or the account is somebody else's at this provider.
    if (id === null) return this.madeMeanwhile(ctx, provider, subject, accountId);
    await this.invitations.voidOpen(ctx, { accountId });
    // Another way to be recognised: whoever was in before shows again that it is them (ASVS 7.4.3).
    await this.endings.endAll(ctx, accountId, 'factor-changed');
    await this.notices.security(ctx, accountId, 'factor-added', {
      factor: `single sign-on by ${provider.name}`,
      more: [
        `${provider.name} knows you as the person whom the hospital's directory has entered.`,
        ...(replacesPassword ? ['It is your only way in: no password is asked for.'] : []),
      ],
    });
    ctx.touch({ patientId: null, type: 'Account', id: accountId });
    ctx.touch({ patientId: null, type: 'FederatedIdentity', id });
    return { ...link, id, createdAt: ctx.now };
  }

  private async madeMeanwhile(
    ctx: Ctx,
    provider: SsoProvider,
    subject: string,
    accountId: string,
  ): Promise<FederatedIdentity> {
    const known = await this.identities.find(ctx.db, provider.issuer, subject);
    if (known?.accountId !== accountId) throw this.refused(provider, 'linked-to-another');
    return known;
  }

  private refused(provider: SsoProvider, reason: string): Error {
    this.logger.warn('a person of the directory was not let in by single sign-on', { component: provider.id, reason });
    return ssoNotAllowed();
  }
}
