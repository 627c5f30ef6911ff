import { Body, Controller, Param, Post } from '@nestjs/common';
import { ReqCtx, type Ctx, type SignedIn } from '../../../platform/access/context.js';
import { Endpoint } from '../../../platform/access/endpoint.js';
import { RenewedView } from '../sessions/session.dto.js';
import { ChangePassword, ChangeRequiredPassword, ExpirePassword, PasswordParams } from './password.dto.js';
import { Passwords } from './passwords.service.js';

const STEP_UP_SECONDS = 300;

@Controller('v1')
export class PasswordController {
  constructor(private readonly passwords: Passwords) {}

  @Post('auth/password/change')
  @Endpoint({
    action: 'update',
    subject: 'Password',
    summary: 'Change the own password; all other sessions end, and so does the access token until now',
    response: RenewedView,
  })
  changePassword(@ReqCtx() ctx: SignedIn, @Body() input: ChangePassword) {
    return this.passwords.change(ctx, input);
  }

  @Post('auth/password/change-required')
  @Endpoint({
    action: 'update',
    subject: 'Password',
    access: 'public',
    summary: 'Replace a password that may be known to others, during a sign-in; then sign in with the new one',
    response: null,
  })
  changeRequired(@ReqCtx() ctx: Ctx, @Body() input: ChangeRequiredPassword) {
    return this.passwords.changeRequired(ctx, input);
  }

  @Post('users/:id/password/expire')
  @Endpoint({
    action: 'expire',
    subject: 'Password',
    summary: 'Have somebody change their password at the next sign-in, because others may know it; sessions end',
    response: null,
    stepUpSeconds: STEP_UP_SECONDS,
  })
  expire(@ReqCtx() ctx: SignedIn, @Param() { id }: PasswordParams, @Body() { reason }: ExpirePassword) {
    return this.passwords.expire(ctx, id, reason);
  }
}
