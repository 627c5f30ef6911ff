import { Body, Controller, Delete, Get, Param, Post, Query } from '@nestjs/common';
import { ReqCtx, type Ctx, type SignedIn } from '../../platform/access/context.js';
import { Endpoint } from '../../platform/access/endpoint.js';
import { Activate, ChangePassword } from './account.dto.js';
import { Invitations } from './invitations.service.js';
import { Passwords } from './passwords.service.js';
import { RefreshTokens } from './refresh.service.js';
import {
  Login,
  Refresh,
  SessionParams,
  SessionQuery,
  SessionView,
  TokensView,
  VerifySecondFactor,
} from './session.dto.js';
import { Sessions } from './session.service.js';
import { SignIn } from './sign-in.service.js';

@Controller('v1/auth')
export class AuthController {
  constructor(
    private readonly signIn: SignIn,
    private readonly refreshTokens: RefreshTokens,
    private readonly sessions: Sessions,
    private readonly invitations: Invitations,
    private readonly passwords: Passwords,
  ) {}

  @Post('login')
  @Endpoint({
    action: 'login',
    subject: 'Session',
    access: 'public',
    summary: 'Sign in with username and password',
    response: TokensView,
  })
  login(@ReqCtx() ctx: Ctx, @Body() input: Login) {
    return this.signIn.login(ctx, input);
  }

  @Post('mfa/verify')
  @Endpoint({
    action: 'verify',
    subject: 'Session',
    access: 'public',
    summary: 'Finish a sign-in with the second factor',
    response: TokensView,
  })
  verify(@ReqCtx() ctx: Ctx, @Body() input: VerifySecondFactor) {
    return this.signIn.verify(ctx, input);
  }

  @Post('refresh')
  @Endpoint({
    action: 'refresh',
    subject: 'Session',
    access: 'public',
    background: true,
    summary: 'Exchange a refresh token for a new pair',
    response: TokensView,
  })
  refresh(@ReqCtx() ctx: Ctx, @Body() { refreshToken }: Refresh) {
    return this.refreshTokens.rotate(ctx, refreshToken);
  }

  @Post('logout')
  @Endpoint({ action: 'logout', subject: 'Session', summary: 'End this session', response: null })
  logout(@ReqCtx() ctx: SignedIn) {
    return this.sessions.logout(ctx);
  }

  @Post('logout-all')
  @Endpoint({ action: 'logout-all', subject: 'Session', summary: 'End all own sessions, this one too', response: null })
  logoutAll(@ReqCtx() ctx: SignedIn) {
    return this.sessions.logoutAll(ctx);
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
  @Endpoint({ action: 'revoke', subject: 'Session', summary: 'End one of the own sessions', response: null })
  revoke(@ReqCtx() ctx: SignedIn, @Param() { id }: SessionParams) {
    return this.sessions.revoke(ctx, id);
  }

  @Post('activate')
  @Endpoint({
    action: 'activate',
    subject: 'Account',
    access: 'public',
    summary: 'Use an invitation: choose the first password',
    response: null,
  })
  activate(@ReqCtx() ctx: Ctx, @Body() input: Activate) {
    return this.invitations.activate(ctx, input);
  }

  @Post('password/change')
  @Endpoint({
    action: 'update',
    subject: 'Password',
    summary: 'Change the own password; all other sessions end',
    response: null,
  })
  changePassword(@ReqCtx() ctx: SignedIn, @Body() input: ChangePassword) {
    return this.passwords.change(ctx, input);
  }
}
