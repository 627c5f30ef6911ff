import { Body, Controller, Delete, Get, Headers, Inject, Param, Post, Query, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ReqCtx, type Ctx, type SignedIn } from '../../../platform/access/context.js';
import { Endpoint } from '../../../platform/access/endpoint.js';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import { problemOf } from '../../../platform/database/database-errors.js';
import { Problem } from '../../../platform/http/problem.js';
import { IdentityProviders } from './identity-providers.js';
import { SsoLinks } from './sso-links.service.js';
import { SsoLogouts } from './sso-logouts.service.js';
import { SsoSignIn } from './sso-sign-in.service.js';
import {
  ExchangeCode,
  IdentitiesView,
  IdentityParams,
  LinkIdentity,
  ProviderParams,
  ProvidersView,
  RedirectView,
  SsoTokensView,
  StartQuery,
} from './sso.dto.js';

/** How recent the second factor must be for opening another way into the account, in seconds. */
const STEP_UP_SECONDS = 300;
const FORM = 'application/x-www-form-urlencoded';

@Controller('v1/auth/sso')
export class SsoController {
  constructor(
    private readonly providers: IdentityProviders,
    private readonly signIn: SsoSignIn,
    private readonly links: SsoLinks,
    private readonly logouts: SsoLogouts,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  @Get()
  @Endpoint({
    action: 'list',
    subject: 'IdentityProvider',
    access: 'public',
    work: 'none',
    summary: 'Identity providers that one can sign in by',
    response: ProvidersView,
  })
  list(): ProvidersView {
    const items = this.providers.list().map(({ id, name, forStaff, forPatients }) => ({
      id,
      name,
      audience: forStaff && forPatients ? 'both' : forStaff ? 'staff' : 'patients',
    }));
    return { items };
  }

  @Get('identities')
  @Endpoint({
    action: 'list',
    subject: 'FederatedIdentity',
    summary: 'Own links to identity providers',
    response: IdentitiesView,
  })
  identities(@ReqCtx() ctx: SignedIn): Promise<IdentitiesView> {
    return this.links.list(ctx);
  }

  @Delete('identities/:id')
  @Endpoint({
    action: 'delete',
    subject: 'FederatedIdentity',
    stepUpSeconds: STEP_UP_SECONDS,
    summary: 'Remove a link to an identity provider; sessions that came by it end',
    response: null,
  })
  remove(@ReqCtx() ctx: SignedIn, @Param() { id }: IdentityParams): Promise<void> {
    return this.links.remove(ctx, id);
  }

  @Get(':provider/start')
  @Endpoint({
    action: 'challenge',
    subject: 'IdentityProvider',
    access: 'public',
    work: 'write',
    summary: 'Begin to sign in: sends the browser to the identity provider',
    response: null,
    status: 302,
  })
  async start(
    @ReqCtx() ctx: Ctx,
    @Param() { provider }: ProviderParams,
    @Query() { returnTo, fresh = false }: StartQuery,
    @Headers('accept') accept: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<void> {
    const purpose = { ...(returnTo === undefined ? {} : { returnTo }), isFresh: fresh, link: null };
    const location = await this.orBack(accept, this.signIn.start(ctx, provider, purpose));
    void reply.header('location', location);
  }

  /** Unknown parameters are ignored, as RFC 6749 §4.1.2 wants it: the library reads the address as it came. */
  @Get(':provider/callback')
  @Endpoint({
    action: 'verify',
    subject: 'IdentityProvider',
    access: 'public',
    work: 'write',
    summary: 'Redirect URI: the identity provider sends the browser back here, and it goes on to the front end',
    response: null,
    status: 302,
  })
  async callback(
    @ReqCtx() ctx: Ctx,
    @Param() { provider }: ProviderParams,
    @Query() _answer: object,
    @Headers('accept') accept: string | undefined,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<void> {
    const query = request.url.slice(request.url.indexOf('?') + 1);
    const location = await this.orBack(accept, this.signIn.finish(ctx, provider, query));
    void reply.header('location', location);
  }

  @Post('exchange')
  @Endpoint({
    action: 'login',
    subject: 'Session',
    access: 'public',
    summary: 'Finish a single sign-on: exchange the code of the address, in the browser that began',
    response: SsoTokensView,
  })
  exchange(@ReqCtx() ctx: Ctx, @Body() input: ExchangeCode): Promise<SsoTokensView> {
    return this.signIn.exchange(ctx, input);
  }

  @Post(':provider/link')
  @Endpoint({
    action: 'enrol',
    subject: 'FederatedIdentity',
    stepUpSeconds: STEP_UP_SECONDS,
    summary: 'Begin to link the own account to an identity provider',
    response: RedirectView,
  })
  async link(
    @ReqCtx() ctx: SignedIn,
    @Param() { provider }: ProviderParams,
    @Body() { returnTo }: LinkIdentity,
  ): Promise<RedirectView> {
    this.links.require(ctx, provider);
    const { id: accountId, sessionId } = ctx.actor;
    const purpose = { ...(returnTo === undefined ? {} : { returnTo }), isFresh: true, link: { accountId, sessionId } };
    return { redirectUrl: await this.signIn.start(ctx, provider, purpose) };
  }

  @Post(':provider/backchannel-logout')
  @Endpoint({
    action: 'logout',
    subject: 'IdentityProvider',
    access: 'public',
    summary: 'Back-channel logout: the identity provider says that a session has ended',
    response: null,
    status: 200,
    consumes: [FORM],
  })
  backchannelLogout(
    @ReqCtx() ctx: Ctx,
    @Param() { provider }: ProviderParams,
    @Headers('content-type') type: string | undefined,
    @Body() form: Record<string, unknown>,
  ): Promise<void> {
    // JSON arrives here parsed as well. Other parameters are ignored (OpenID Connect Back-Channel Logout 1.0 §2.5).
    if (!type?.toLowerCase().startsWith(FORM)) throw new Problem(415, 'http.media-type', `Send the body as ${FORM}.`);
    return this.logouts.obey(ctx, provider, form.logout_token);
  }

  /** A browser that navigates is sent back to the front end with the code of a refusal: a person reads no JSON. */
  private async orBack(accept: string | undefined, going: Promise<string>): Promise<string> {
    try {
      return await going;
    } catch (error) {
      const problem = problemOf(error);
      if (!(problem instanceof Problem) || !accept?.includes('text/html')) throw error;
      const page = new URL(this.config.sso.returnUrl);
      page.searchParams.set('error', problem.code);
      throw new Problem(problem.status, problem.code, problem.detail, { ...problem.extra, seeOther: page.href });
    }
  }
}
