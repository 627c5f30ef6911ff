import { Inject, Injectable } from '@nestjs/common';
import { newId } from '../../../platform/ids.js';
import type { Ctx } from '../../../platform/access/context.js';
import type { Role } from '../../../platform/access/vocabulary.js';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import type { SsoProvider } from '../../../platform/config/sso-providers.js';
import { Database } from '../../../platform/database/database.js';
import { Events } from '../../../platform/events/events.js';
import { FederatedAccounts, People } from '../../users/index.js';
import { holdActive } from '../account-state.js';
import { SignIn } from '../sign-in/sign-in.service.js';
import { isStaff } from '../sessions/session.rules.js';
import { FederatedIdentities, replacesPasswords, type FederatedIdentity } from './federated-identities.js';
import { IdentityProviders } from './identity-providers.js';
import { forgetBrowser } from './sso-browser.js';
import { ProvisionedPeople } from './provisioned-people.js';
import { SsoCodes } from './sso-codes.js';
import { SsoFlows, type Flow, type FlowPurpose } from './sso-flows.js';
import { SsoLinks } from './sso-links.service.js';
import { SsoLogouts } from './sso-logouts.service.js';
import { ssoExpired, ssoFailed, ssoNotAllowed, ssoReturnNotAllowed } from './sso.errors.js';
import { personOf, returnPathOf, rolesOf, textOf, vouchingOf, type Claims } from './sso.rules.js';
import type { ExchangeCode, SsoTokensView } from './sso.dto.js';

/** A verified answer of a provider. */
interface Answer {
  provider: SsoProvider;
  flow: Flow;
  /** Of the ID token, and of UserInfo where the provider is configured so. */
  claims: Claims;
  idToken: Claims;
  subject: string;
}

/** What the provider makes of somebody who works here. */
const staffRolesOf = ({ provider, claims }: Answer): Role[] => (provider.forStaff ? rolesOf(claims, provider) : []);

/** Signing in by way of an identity provider: there, back, and on by the same step as after a password. */
@Injectable()
export class SsoSignIn {
  constructor(
    private readonly database: Database,
    private readonly events: Events,
    private readonly people: People,
    private readonly accounts: FederatedAccounts,
    private readonly providers: IdentityProviders,
    private readonly flows: SsoFlows,
    private readonly codes: SsoCodes,
    private readonly identities: FederatedIdentities,
    private readonly links: SsoLinks,
    private readonly provisioned: ProvisionedPeople,
    private readonly logouts: SsoLogouts,
    private readonly signIn: SignIn,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** Where to send the browser. Throws auth.sso-unavailable before anything is written when the provider does not answer. */
  async start(
    ctx: Ctx,
    id: string,
    { returnTo = '/', isFresh, link }: Partial<Pick<FlowPurpose, 'returnTo'>> & Omit<FlowPurpose, 'returnTo'>,
  ): Promise<string> {
    const provider = this.providers.get(id);
    const path = returnPathOf(returnTo, this.config.sso.returnPaths);
    if (path === null) throw ssoReturnNotAllowed();
    const connection = await this.providers.connect(provider);
    const secrets = await this.flows.begin(ctx, provider, { returnTo: path, isFresh, link });
    return this.providers.authorizationUrl(provider, connection, secrets, isFresh);
  }

  /** The person is back with the provider's answer: resolves with the page of the front end that goes on. */
  async finish(ctx: Ctx, id: string, query: string): Promise<string> {
    const provider = this.providers.get(id);
    const states = new URLSearchParams(query).getAll('state');
    const flow = await this.flows.finish(ctx, provider, states.length === 1 ? states[0]! : null);
    if (flow.link) ctx.identify(flow.link);
    const elapsed = Math.ceil((ctx.now.getTime() - flow.createdAt.getTime()) / 1000);
    const maxAge = flow.isFresh ? elapsed : provider.maxAgeSeconds;
    const said = await this.providers.redeem(provider, query, flow.secrets, maxAge);
    const answer = { provider, flow, ...said, subject: said.idToken.sub as string };
    const page = new URL(this.config.sso.returnUrl);
    if (flow.link) {
      await this.links.finish(ctx, provider, flow.link, answer.subject);
      page.searchParams.set('linked', provider.id);
    } else page.searchParams.set('code', await this.codeFor(ctx, answer));
    return page.href;
  }

  /** Exchanges the code of the address for what a sign-in answers: a session, or the demand for our own second factor. */
  async exchange(ctx: Ctx, { code }: ExchangeCode): Promise<SsoTokensView> {
    const accountId = await this.database.write(null, (db) => this.codes.find(db, ctx, code));
    if (accountId === null) throw ssoExpired();
    ctx.identify({ accountId });
    if (!(await holdActive(ctx.db, accountId))) throw ssoNotAllowed();
    const { origin, vouching, returnTo } = await this.codes.finish(ctx, code);
    forgetBrowser(ctx);
    const { hasSecondFactor, isPhishingResistant, authTime } = vouching;
    const amr = hasSecondFactor ? ['sso', 'mfa'] : ['sso'];
    const answer = await this.signIn.proceed(ctx, accountId, { amr, isPhishingResistant, authTime, sso: origin });
    return { ...answer, returnTo };
  }

  private async codeFor(ctx: Ctx, answer: Answer): Promise<string> {
    const { provider, flow, claims, subject } = answer;
    const vouching = vouchingOf(claims, provider, ctx.now);
    const sid = claims.sid === undefined ? null : textOf(claims.sid);
    if (!vouching || sid !== (claims.sid ?? null)) throw ssoFailed();
    const origin = { issuer: provider.issuer, subject, sid };
    await this.takeIfNothingGiven(ctx, answer);
    await this.identities.hold(ctx.db, provider.issuer);
    const known =
      (await this.identities.find(ctx.db, provider.issuer, subject)) ?? (await this.provisioned.link(ctx, answer));
    if (known) ctx.identify(known);
    const accountId = known ? await this.admit(ctx, answer, known) : await this.open(ctx, answer);
    if (await this.logouts.isOver(ctx.db, origin, new Date((claims.iat as number) * 1000))) throw ssoExpired();
    return this.codes.create(ctx, { accountId, origin, vouching, returnTo: flow.returnTo });
  }

  /** Lets a known person in, with the roles that the provider gives them today. */
  private async admit(ctx: Ctx, answer: Answer, { accountId, kind }: FederatedIdentity): Promise<string> {
    if (kind === 'patient') {
      if (!(await holdActive(ctx.db, accountId))) throw ssoNotAllowed();
      const { person } = await this.people.loadPerson(ctx.db, accountId, ctx.now);
      // Whoever came to work here since links anew: a link of a patient was never checked for that.
      if (!answer.provider.forPatients || isStaff(person.roles)) throw ssoNotAllowed();
      return accountId;
    }
    const roles = staffRolesOf(answer);
    if (roles.length === 0) throw ssoNotAllowed();
    if (!(await this.accounts.syncRoles(ctx, accountId, roles, answer.provider))) throw ssoNotAllowed();
    if (roles.includes('clinician'))
      await this.accounts.tiePractitioner(ctx, accountId, personOf(answer.claims, answer.provider));
    return accountId;
  }

  /**
   * The provider gives somebody nothing any more: what it gave is taken and their sessions end, although the sign-in is
   * refused. A transaction of its own, before the request's has begun: it must outlive the refusal.
   */
  private async takeIfNothingGiven(ctx: Ctx, answer: Answer): Promise<void> {
    const { provider, subject } = answer;
    if (staffRolesOf(answer).length > 0) return;
    await this.database.write(null, async (db) => {
      const known = await this.identities.find(db, provider.issuer, subject);
      if (known) ctx.identify(known);
      if (known?.kind !== 'staff') return;
      const own: Ctx = { ...ctx, db, emit: (event) => this.events.emit(own, event) };
      await this.accounts.syncRoles(own, known.accountId, [], provider);
    });
  }

  /** Just in time: an account for somebody whom the provider gives a role of staff. Never tied to an account by name or address. */
  private async open(ctx: Ctx, answer: Answer): Promise<string> {
    const { provider, claims, subject } = answer;
    if (!provider.justInTime || staffRolesOf(answer).length === 0) throw ssoNotAllowed();
    const { issuer } = provider;
    const accountId = newId();
    const replacesPassword = replacesPasswords(provider);
    const link = { issuer, subject, accountId, kind: 'staff', isManaged: true, replacesPassword } as const;
    const id = await this.identities.create(ctx, link);
    if (id === null) {
      // Two first sign-ins at once: the other one has opened it.
      const known = await this.identities.find(ctx.db, issuer, subject);
      if (!known) throw ssoFailed();
      ctx.identify(known);
      return this.admit(ctx, answer, known);
    }
    if (!(await this.accounts.open(ctx, accountId, personOf(claims, provider)))) throw ssoNotAllowed();
    await this.admit(ctx, answer, { ...link, id, createdAt: ctx.now });
    ctx.identify({ accountId });
    ctx.touch({ patientId: null, type: 'Account', id: accountId });
    ctx.touch({ patientId: null, type: 'FederatedIdentity', id });
    return accountId;
  }
}
