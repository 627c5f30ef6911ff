import { Body, Controller, Delete, Get, Headers, Param, Post, Query } from '@nestjs/common';
import { ReqCtx, type Ctx, type SignedIn } from '../../../platform/access/context.js';
import { Endpoint } from '../../../platform/access/endpoint.js';
import { RefreshTokens } from './refresh.service.js';
import { CsrfView, LogoutView, Refresh, SessionParams, SessionQuery, SessionView, TokensView } from './session.dto.js';
import { Sessions } from './session.service.js';

/** Whoever ends other sessions was recognised not long ago (ASVS 7.5.2): a screen left behind throws nobody out. */
const RECENT_SECONDS = 900;

@Controller('v1/auth')
export class SessionController {
  constructor(
    private readonly refreshTokens: RefreshTokens,
    private readonly sessions: Sessions,
  ) {}

  @Post('refresh')
  @Endpoint({
    action: 'refresh',
    subject: 'Session',
    access: 'public',
    background: true,
    summary: 'Exchange a refresh token for a new pair',
    response: TokensView,
  })
  refresh(@ReqCtx() ctx: Ctx, @Body() input: Refresh, @Headers('x-csrf-token') csrfToken?: string) {
    return this.refreshTokens.rotate(ctx, input, csrfToken);
  }

  @Get('csrf')
  @Endpoint({
    action: 'check',
    subject: 'Session',
    access: 'public',
    background: true,
    summary: 'Tell the CSRF token of the session that the cookies carry',
    response: CsrfView,
  })
  csrf(@ReqCtx() ctx: Ctx) {
    return this.refreshTokens.csrfTokenOf(ctx);
  }

  @Post('logout')
  @Endpoint({ action: 'logout', subject: 'Session', summary: 'End this session', response: LogoutView })
  logout(@ReqCtx() ctx: SignedIn) {
    return this.sessions.logout(ctx);
  }

  @Post('logout-all')
  @Endpoint({
    action: 'logout-all',
    subject: 'Session',
    summary: 'End all own sessions, this one too',
    stepUpSeconds: RECENT_SECONDS,
    response: null,
  })
  logoutAll(@ReqCtx() ctx: SignedIn) {
    return this.sessions.logoutAll(ctx);
  }

  @Post('logout-others')
  @Endpoint({
    action: 'logout-others',
    subject: 'Session',
    stepUpSeconds: RECENT_SECONDS,
    summary: 'End all own sessions but this one',
    response: null,
  })
  logoutOthers(@ReqCtx() ctx: SignedIn) {
    return this.sessions.logoutOthers(ctx);
  }

  @Get('sessions')
  @Endpoint({
    action: 'list',
    subject: 'Session',
    summary: 'List own sessions that are open',
    response: SessionView,
    paged: true,
  })
  list(@ReqCtx() ctx: SignedIn, @Query() query: SessionQuery) {
    return this.sessions.list(ctx, query);
  }

  @Delete('sessions/:id')
  @Endpoint({
    action: 'revoke',
    subject: 'Session',
    stepUpSeconds: RECENT_SECONDS,
    summary: 'End one of the own sessions',
    response: null,
  })
  revoke(@ReqCtx() ctx: SignedIn, @Param() { id }: SessionParams) {
    return this.sessions.revoke(ctx, id);
  }
}
