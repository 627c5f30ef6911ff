import { Body, Controller, Post } from '@nestjs/common';
import { ReqCtx, type SignedIn } from '../../../platform/access/context.js';
import { Endpoint } from '../../../platform/access/endpoint.js';
import { ChangePassword } from './password.dto.js';
import { Passwords } from './passwords.service.js';

@Controller('v1/auth')
export class PasswordController {
  constructor(private readonly passwords: Passwords) {}

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
