import { Body, Controller, Post } from '@nestjs/common';
import { ReqCtx, type Ctx } from '../../../platform/access/context.js';
import { Endpoint } from '../../../platform/access/endpoint.js';
import { ChallengeView } from '../factors/factor.dto.js';
import { TokensView } from '../sessions/session.dto.js';
import { Forgotten } from './forgotten.service.js';
import { LostFactor } from './lost-factor.service.js';
import { PasswordReset } from './password-reset.service.js';
import {
  CheckReset,
  ConfirmLostFactor,
  ForgotPassword,
  ForgotUsername,
  LostFactorView,
  PasswordResetView,
  ReportLostFactor,
  ResetChallenge,
  ResetPassword,
} from './recovery.dto.js';

@Controller('v1/auth')
export class RecoveryController {
  constructor(
    private readonly forgotten: Forgotten,
    private readonly passwordReset: PasswordReset,
    private readonly lostFactor: LostFactor,
  ) {}

  @Post('password/forgot')
  @Endpoint({
    action: 'forgot',
    subject: 'Password',
    access: 'public',
    summary: 'Ask for a mail with a link to a new password; answers the same whether or not there is an account',
    response: null,
  })
  forgotPassword(@ReqCtx() ctx: Ctx, @Body() { usernameOrEmail }: ForgotPassword) {
    return this.forgotten.password(ctx, usernameOrEmail);
  }

  @Post('password/reset/check')
  @Endpoint({
    action: 'check',
    subject: 'Password',
    access: 'public',
    summary: 'What is needed besides the mailed token',
    response: PasswordResetView,
  })
  check(@ReqCtx() ctx: Ctx, @Body() { token }: CheckReset) {
    return this.passwordReset.look(ctx, token);
  }

  @Post('password/reset/challenge')
  @Endpoint({
    action: 'challenge',
    subject: 'Password',
    access: 'public',
    summary: 'Passkey options, or a code by text message, for the second proof',
    response: ChallengeView,
  })
  async challenge(@ReqCtx() ctx: Ctx, @Body() input: ResetChallenge) {
    return { method: input.method, ...(await this.passwordReset.challenge(ctx, input)) };
  }

  @Post('password/reset')
  @Endpoint({
    action: 'reset',
    subject: 'Password',
    access: 'public',
    summary: 'Choose a new password with the mailed token and, where there is one, a second factor; all sessions end',
    response: null,
  })
  reset(@ReqCtx() ctx: Ctx, @Body() input: ResetPassword) {
    return this.passwordReset.reset(ctx, input);
  }

  @Post('username/forgot')
  @Endpoint({
    action: 'forgot',
    subject: 'Account',
    access: 'public',
    summary: 'Ask for a mail with the usernames of an address; answers the same whether or not there are any',
    response: null,
  })
  forgotUsername(@ReqCtx() ctx: Ctx, @Body() { email }: ForgotUsername) {
    return this.forgotten.username(ctx, email);
  }

  @Post('mfa/lost')
  @Endpoint({
    action: 'report-lost',
    subject: 'SecondFactor',
    access: 'public',
    summary: 'Report a lost second factor, after the password (patients); again after the wait, for the mailed code',
    response: LostFactorView,
  })
  reportLost(@ReqCtx() ctx: Ctx, @Body() { mfaToken }: ReportLostFactor) {
    return this.lostFactor.report(ctx, mfaToken);
  }

  @Post('mfa/lost/confirm')
  @Endpoint({
    action: 'reset',
    subject: 'SecondFactor',
    access: 'public',
    summary: 'Take away the lost second factors with a saved recovery code or the mailed code, and set up a new one',
    response: TokensView,
  })
  confirmLost(@ReqCtx() ctx: Ctx, @Body() input: ConfirmLostFactor) {
    return this.lostFactor.confirm(ctx, input);
  }
}
