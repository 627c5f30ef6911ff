import { Body, Controller, Get, Post } from '@nestjs/common';
import { ReqCtx, type SignedIn } from '../../../platform/access/context.js';
import { Endpoint } from '../../../platform/access/endpoint.js';
import { RESET_STEP_UP_SECONDS } from './account-reset.dto.js';
import { Emails } from './email.service.js';
import { ChangeEmail, ConfirmEmail, EmailView } from './recovery.dto.js';

@Controller('v1/me/email')
export class EmailController {
  constructor(private readonly emails: Emails) {}

  @Get()
  @Endpoint({
    action: 'read',
    subject: 'Email',
    summary: 'Own address, and whether it is verified',
    response: EmailView,
  })
  get(@ReqCtx() ctx: SignedIn) {
    return this.emails.get(ctx);
  }

  @Post()
  @Endpoint({
    action: 'update',
    subject: 'Email',
    summary: 'Ask for another address, or for a check of the present one: a code is mailed there',
    response: null,
    stepUpSeconds: RESET_STEP_UP_SECONDS,
  })
  change(@ReqCtx() ctx: SignedIn, @Body() { email }: ChangeEmail) {
    return this.emails.begin(ctx, email);
  }

  @Post('confirm')
  @Endpoint({
    action: 'confirm',
    subject: 'Email',
    summary: 'Confirm the address with the mailed code',
    response: null,
  })
  confirm(@ReqCtx() ctx: SignedIn, @Body() { code }: ConfirmEmail) {
    return this.emails.confirm(ctx, code);
  }
}
