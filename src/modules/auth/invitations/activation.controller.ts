import { Body, Controller, Post } from '@nestjs/common';
import { ReqCtx, type Ctx } from '../../../platform/access/context.js';
import { Endpoint } from '../../../platform/access/endpoint.js';
import { Activate } from './activation.dto.js';
import { Invitations } from './invitations.service.js';

@Controller('v1/auth')
export class ActivationController {
  constructor(private readonly invitations: Invitations) {}

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
}
