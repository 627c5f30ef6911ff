import { Controller, Get, Param, Query } from '@nestjs/common';
import { ReqCtx, type SignedIn } from '../../../platform/access/context.js';
import { Endpoint } from '../../../platform/access/endpoint.js';
import type { Page } from '../../../platform/http/presenter.js';
import { ActivityParams, ActivityQuery, ActivityView } from './activity.dto.js';
import { ActivityService } from './activity.service.js';

@Controller('v1/patients/:id/activity')
export class ActivityController {
  constructor(private readonly activity: ActivityService) {}

  @Get()
  @Endpoint({
    action: 'list',
    subject: 'ChartActivity',
    summary: 'Who viewed, downloaded and sent on a chart, newest first',
    response: ActivityView,
    paged: true,
  })
  list(
    @ReqCtx() ctx: SignedIn,
    @Param() { id }: ActivityParams,
    @Query() query: ActivityQuery,
  ): Promise<Page<ActivityView>> {
    return this.activity.list(ctx, id, query);
  }
}
