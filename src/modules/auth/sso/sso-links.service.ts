import { Injectable } from '@nestjs/common';
import { authorize, type Ctx, type SignedIn } from '../../../platform/access/context.js';
import type { SsoProvider } from '../../../platform/config/sso-providers.js';
import { notFound } from '../../../platform/http/problem.js';
import { People } from '../../users/index.js';
import { holdActive } from '../account-state.js';
import { Notices } from '../recovery/notices.js';
import { SessionEndings } from '../sessions/session-endings.js';
import { isStaff } from '../sessions/session.rules.js';
import { FederatedIdentities, replacesPasswords } from './federated-identities.js';
import { IdentityProviders } from './identity-providers.js';
import { ssoExpired, ssoLinkTaken, ssoNotAllowed, ssoOnlyWayIn } from './sso.errors.js';
import type { IdentitiesView } from './sso.dto.js';

/** Links that the holder of an account makes and removes: signed in here, with a fresh second factor, and at the provider. */
@Injectable()
export class SsoLinks {
  constructor(
    private readonly people: People,
    private readonly providers: IdentityProviders,
    private readonly identities: FederatedIdentities,
    private readonly notices: Notices,
    private readonly endings: SessionEndings,
  ) {}

  async list(ctx: SignedIn): Promise<IdentitiesView> {
    authorize(ctx, 'list', 'FederatedIdentity', { accountId: ctx.actor.id });
    const identities = await this.identities.listOf(ctx.db, ctx.actor.id);
    const items = identities.map(({ id, issuer, createdAt, isManaged }) => {
      const provider = this.providers.list().find((one) => one.issuer === issuer);
      return { id, provider: provider?.id ?? null, name: provider?.name ?? issuer, createdAt, managed: isManaged };
    });
    return { items };
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
    await this.notices.security(ctx, accountId, 'factor-added', {
      factor: `single sign-on by ${provider.name}`,
      ...(replacesPassword
        ? { more: ['From now on it is your only way in: your password is not asked for any more.'] }
        : {}),
    });
  }

  /** Removes a link; sessions that came by it end. */
  async remove(ctx: SignedIn, id: string): Promise<void> {
    const identity = (await this.identities.listOf(ctx.db, ctx.actor.id)).find((one) => one.id === id);
    if (!identity) throw notFound();
    authorize(ctx, 'delete', 'FederatedIdentity', identity);
    if (identity.isManaged) throw ssoOnlyWayIn();
    const { issuer, subject, accountId } = identity;
    await this.identities.holdAlone(ctx.db, issuer);
    await this.identities.holdAccount(ctx.db, accountId);
    if (!(await this.identities.remove(ctx.db, id))) throw notFound();
    await this.endings.endOfSso(ctx, { issuer, subject, sid: null });
    ctx.touch({ patientId: null, type: 'FederatedIdentity', id });
    const name = this.providers.list().find((one) => one.issuer === issuer)?.name ?? issuer;
    await this.notices.security(ctx, ctx.actor.id, 'factor-removed', { factor: `single sign-on by ${name}` });
  }
}

/** As what an account is linked: a provider of patients never opens one of staff, nor the other way round. */
function kindFor(provider: SsoProvider, isOfStaff: boolean): 'staff' | 'patient' {
  if (!(isOfStaff ? provider.forStaff : provider.forPatients)) throw ssoNotAllowed();
  return isOfStaff ? 'staff' : 'patient';
}
