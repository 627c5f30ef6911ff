import { Body, Controller, Get, Param, Post, Query } from '@nestjs/common';
import { ReqCtx, type SignedIn } from '../../platform/access/context.js';
import { Endpoint } from '../../platform/access/endpoint.js';
import type { Page } from '../../platform/http/presenter.js';
import { ChartMergeParams, ChartMergesQuery, ChartMergeView, UndoMerge } from './chart-merge.dto.js';
import { ChartMergeService } from './chart-merge.service.js';

@Controller('v1/chart-merges')
export class ChartMergeController {
  constructor(private readonly merges: ChartMergeService) {}

  @Get()
  @Endpoint({
    action: 'list',
    subject: 'ChartMerge',
    summary: 'Charts that a feed declared to be one person’s, oldest first',
    response: ChartMergeView,
    paged: true,
  })
  list(@ReqCtx() ctx: SignedIn, @Query() query: ChartMergesQuery): Promise<Page<ChartMergeView>> {
    return this.merges.list(ctx, query);
  }

  @Post(':id/confirm')
  @Endpoint({
    action: 'confirm',
    subject: 'ChartMerge',
    summary: 'They are one person: the patient’s account gets to the chart that goes on',
    response: ChartMergeView,
  })
  confirm(@ReqCtx() ctx: SignedIn, @Param() { id }: ChartMergeParams): Promise<ChartMergeView> {
    return this.merges.settle(ctx, id, 'confirmed', null);
  }

  @Post(':id/undo')
  @Endpoint({
    action: 'revoke',
    subject: 'ChartMerge',
    summary: 'They are two: every record goes back to its chart',
    response: ChartMergeView,
  })
  undo(
    @ReqCtx() ctx: SignedIn,
    @Param() { id }: ChartMergeParams,
    @Body() { reason }: UndoMerge,
  ): Promise<ChartMergeView> {
    return this.merges.settle(ctx, id, 'undone', reason);
  }
}
