import { Controller, Get, Param, Query } from '@nestjs/common';
import { ReqCtx, type SignedIn } from '../../platform/access/context.js';
import { Endpoint } from '../../platform/access/endpoint.js';
import type { Page } from '../../platform/http/presenter.js';
import { SummaryView, TimelineDayView, TimelineQuery } from './chart.dto.js';
import { ChartService } from './chart.service.js';
import { ChartParams } from './record.dto.js';

@Controller('v1/patients/:id')
export class ChartController {
  constructor(private readonly charts: ChartService) {}

  @Get('timeline')
  @Endpoint({
    action: 'list',
    subject: 'Timeline',
    summary: 'A chart day by day, latest first; what has no date of its own is in the list of records only',
    response: TimelineDayView,
    paged: true,
  })
  timeline(
    @ReqCtx() ctx: SignedIn,
    @Param() { id }: ChartParams,
    @Query() query: TimelineQuery,
  ): Promise<Page<TimelineDayView>> {
    return this.charts.timeline(ctx, id, query);
  }

  @Get('summary')
  @Endpoint({ action: 'read', subject: 'Summary', summary: 'A chart at a glance', response: SummaryView })
  summary(@ReqCtx() ctx: SignedIn, @Param() { id }: ChartParams): Promise<SummaryView> {
    return this.charts.summary(ctx, id);
  }
}
