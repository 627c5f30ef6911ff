import { Injectable } from '@nestjs/common';
import { authorize, type Ctx, type SignedIn } from '../../../platform/access/context.js';
import type { SsoProvider } from '../../../platform/config/sso-providers.js';
import { notFound } from '../../../platform/http/problem.js';
import { FederatedAccounts, People } from '../../users/index.js';
import { holdActive } from '../account-state.js';
import { Notices } from '../recovery/notices.js';
import { SessionEndings } from '../sessions/session-endings.js';
import { isStaff } from '../sessions/session.rules.js';
import { FederatedIdentities, replacesPasswords, type FederatedIdentity } from './federated-identities.js';
import { IdentityProviders } from './identity-providers.js';
import { ssoExpired, ssoLinkTaken, ssoNotAllowed, ssoOnlyWayIn } from './sso.errors.js';
import type { IdentitiesView, IdentityView } from './sso.dto.js';

/** Links that the holder of an account makes and removes: signed in here, with a fresh second factor, and at the provider. */
@Injectable()
export class SsoLinks {
  constructor(
    private readonly people: People,
    private readonly accounts: FederatedAccounts,
    private readonly providers: IdentityProviders,
    private readonly identities: FederatedIdentities,
    private readonly notices: Notices,
    private readonly endings: SessionEndings,
  ) {}

  async list(ctx: SignedIn): Promise<IdentitiesView> {
    authorize(ctx, 'list', 'FederatedIdentity', { accountId: ctx.actor.id });
    const identities = await this.identities.listOf(ctx.db, ctx.actor.id);
    return { items: identities.map((one) => this.viewOf(one)) };
  }

  /** As people read it: the provider by its name, where it is still configured. */
  viewOf({ id, issuer, createdAt, isManaged }: FederatedIdentity): IdentityView {
    const provider = this.providers.of(issuer);
    return { id, provider: provider?.id ?? null, name: provider?.name ?? issuer, createdAt, managed: isManaged };
  }

  /** Whether the provider vouches for people like them. Asked before they are sent there, and again when they are back. */
  require(ctx: SignedIn, id: string): void {
    authorize(ctx, 'enrol', 'FederatedIdentity', { accountId: ctx.actor.id });
    kindFor(this.providers.get(id), isStaff(ctx.actor.roles));
  }

  /** The holder is back: ties the subject to the account, if the session that asked for it is still open. */
  async finish(
    ctx: Ctx,
    provider: SsoProvider,
    link: { accountId: string; sessionId: string },
    subject: string,
  ): Promise<void> {
    const { accountId, sessionId } = link;
    if (!(await holdActive(ctx.db, accountId))) throw ssoNotAllowed();
    const open = await ctx.db.query('SELECT 1 FROM auth.session WHERE session_id = $1 AND ended_at IS NULL FOR SHARE', [
      sessionId,
    ]);
    if (open.length === 0) throw ssoExpired();
    const { person } = await this.people.loadPerson(ctx.db, accountId, ctx.now);
    const kind = kindFor(provider, isStaff(person.roles));
    const replacesPassword = kind === 'staff' && replacesPasswords(provider);
    const identity = { issuer: provider.issuer, subject, accountId, kind, isManaged: false, replacesPassword };
    const id = await this.identities.create(ctx, identity);
    if (id === null) throw ssoLinkTaken();
    ctx.touch({ patientId: null, type: 'FederatedIdentity', id });
    // Another way to be recognised: whoever was in before shows again that it is them (ASVS 7.4.3).
    await this.endings.endAll(ctx, accountId, 'factor-changed', sessionId);
    await this.notices.security(ctx, accountId, 'factor-added', {
      factor: this.nameOf(provider),
      ...(replacesPassword
        ? { more: ['From now on it is your only way in: your password is not asked for any more.'] }
        : {}),
    });
  }

  /** Removes an own link; sessions that came by it end, and all others but this one. */
  async remove(ctx: SignedIn, id: string): Promise<void> {
    const identity = (await this.identities.listOf(ctx.db, ctx.actor.id)).find((one) => one.id === id);
    if (!identity) throw notFound();
    authorize(ctx, 'delete', 'FederatedIdentity', identity);
    if (identity.isManaged || (await this.identities.isOnlyWayIn(ctx.db, ctx.actor.id, id))) throw ssoOnlyWayIn();
    await this.takeAway(ctx, identity);
    await this.endings.endAll(ctx, ctx.actor.id, 'factor-changed', ctx.actor.sessionId);
    await this.notices.security(ctx, ctx.actor.id, 'factor-removed', { factor: this.nameOf(identity) });
  }

  /**
   * The link ends, with the roles that its provider gave, the sessions that came by it, and ways there and back that are open. An
   * account without a password waits for an activation code then. The caller tells its holder.
   */
  async takeAway(ctx: SignedIn, identity: FederatedIdentity): Promise<void> {
    const { id, issuer, subject, accountId } = identity;
    await this.identities.holdAlone(ctx.db, issuer);
    const isOnlyWayIn = await this.identities.isOnlyWayIn(ctx.db, accountId, id);
    await this.accounts.release(ctx, accountId, this.providers.of(issuer), isOnlyWayIn);
    if (!(await this.identities.remove(ctx, id))) throw notFound();
    await this.endings.endOfSso(ctx, { issuer, subject, sid: null });
    ctx.touch({ patientId: null, type: 'FederatedIdentity', id });
  }

  /** In the words of notices. */
  nameOf({ issuer }: Pick<FederatedIdentity, 'issuer'>): string {
    return `single sign-on by ${this.providers.of(issuer)?.name ?? issuer}`;
  }
}

/** As what an account is linked: a provider of patients never opens one of staff, nor the other way round. */
function kindFor(provider: SsoProvider, isOfStaff: boolean): 'staff' | 'patient' {
  if (!(isOfStaff ? provider.forStaff : provider.forPatients)) throw ssoNotAllowed();
  return isOfStaff ? 'staff' : 'patient';
}
