import { Body, Controller, Param, Post } from '@nestjs/common';
import { ReqCtx, type SignedIn } from '../../../platform/access/context.js';
import { Endpoint } from '../../../platform/access/endpoint.js';
import { AccountSessionsParams, EndedView, EndEverybodys, EndSessions } from './account-sessions.dto.js';
import { Sessions } from './session.service.js';

/** Other people's sessions, which administrators can end and not look at. */
@Controller('v1')
export class AccountSessionsController {
  constructor(private readonly sessions: Sessions) {}

  @Post('users/:id/sessions/end')
  @Endpoint({ action: 'end', subject: 'Session', summary: 'End all sessions of an account', response: null })
  end(@ReqCtx() ctx: SignedIn, @Param() { id }: AccountSessionsParams, @Body() { reason }: EndSessions) {
    return this.sessions.endOf(ctx, id, reason);
  }

  @Post('sessions/end-all')
  @Endpoint({
    action: 'end-all',
    subject: 'Session',
    summary: "End everybody's sessions, of people and machines; the one that asks goes on unless it says otherwise",
    response: EndedView,
    stepUpSeconds: 300,
  })
  endAll(@ReqCtx() ctx: SignedIn, @Body() input: EndEverybodys) {
    return this.sessions.endEverybodys(ctx, input);
  }
}
