import { Controller, Param, Post } from '@nestjs/common';
import { ReqCtx, type SignedIn } from '../../../platform/access/context.js';
import { Endpoint } from '../../../platform/access/endpoint.js';
import { Uuid } from '../../../platform/http/fields.js';
import { Sessions } from './session.service.js';

export class AccountSessionsParams {
  @Uuid({ description: 'Account.' })
  id: string;
}

/** Somebody else's sessions, which administrators can end and not look at. */
@Controller('v1/users/:id/sessions')
export class AccountSessionsController {
  constructor(private readonly sessions: Sessions) {}

  @Post('end')
  @Endpoint({ action: 'end', subject: 'Session', summary: 'End all sessions of an account', response: null })
  end(@ReqCtx() ctx: SignedIn, @Param() { id }: AccountSessionsParams) {
    return this.sessions.endOf(ctx, id);
  }
}
