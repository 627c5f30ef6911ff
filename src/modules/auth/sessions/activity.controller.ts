import { Controller, Get, Query } from '@nestjs/common';
import { ReqCtx, type SignedIn } from '../../../platform/access/context.js';
import { Endpoint } from '../../../platform/access/endpoint.js';
import { ActivityQuery, ActivityView } from './activity.dto.js';
import { SecurityEvents } from './security-events.js';

@Controller('v1/me/activity')
export class ActivityController {
  constructor(private readonly events: SecurityEvents) {}

  @Get()
  @Endpoint({
    action: 'list',
    subject: 'SecurityEvent',
    summary: 'Own sign-ins and what else concerned the safety of the account, newest first',
    response: ActivityView,
    paged: true,
  })
  list(@ReqCtx() ctx: SignedIn, @Query() query: ActivityQuery) {
    return this.events.list(ctx, query);
  }
}
