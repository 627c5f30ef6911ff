import { Body, Controller, Delete, Get, Param, Post, Put, Query } from '@nestjs/common';
import { ReqCtx, type SignedIn } from '../../platform/access/context.js';
import { Endpoint } from '../../platform/access/endpoint.js';
import { IfMatch } from '../../platform/http/if-match.js';
import type { Page } from '../../platform/http/presenter.js';
import { ChartParams, RecordParams } from './record.dto.js';
import {
  ChartSettingsView,
  HeldItemView,
  HoldBack,
  HoldReportQuery,
  HoldsQuery,
  HoldView,
  UpdateChartSettings,
} from './release.dto.js';
import { ReleaseService } from './release.service.js';

@Controller('v1')
export class ReleaseController {
  constructor(private readonly release: ReleaseService) {}

  @Post('records/:id/hold')
  @Endpoint({
    action: 'create',
    subject: 'Hold',
    summary: 'Hold a record back from the patient for a time',
    response: HoldView,
    status: 201,
    creates: true,
  })
  holdBack(@ReqCtx() ctx: SignedIn, @Param() { id }: RecordParams, @Body() input: HoldBack): Promise<HoldView> {
    return this.release.holdBack(ctx, id, input);
  }

  @Delete('records/:id/hold')
  @Endpoint({ action: 'end', subject: 'Hold', summary: 'End a hold before its time', response: null })
  lift(@ReqCtx() ctx: SignedIn, @Param() { id }: RecordParams): Promise<void> {
    return this.release.lift(ctx, id);
  }

  @Get('records/:id/holds')
  @Endpoint({
    action: 'list',
    subject: 'Hold',
    summary: 'Holds that there were on a record, the latest first',
    response: HoldView,
    paged: true,
  })
  holds(@ReqCtx() ctx: SignedIn, @Param() { id }: RecordParams, @Query() query: HoldsQuery): Promise<Page<HoldView>> {
    return this.release.holds(ctx, id, query);
  }

  @Get('holds')
  @Endpoint({
    action: 'list',
    subject: 'HoldReport',
    summary: 'Which records are or were held back, by whom, why and how that ended; the latest first',
    response: HeldItemView,
    paged: true,
  })
  report(@ReqCtx() ctx: SignedIn, @Query() query: HoldReportQuery): Promise<Page<HeldItemView>> {
    return this.release.report(ctx, query);
  }

  @Post('records/:id/review')
  @Endpoint({
    action: 'review',
    subject: 'Record',
    summary: 'Say that a clinician has looked at this version of a result',
    response: null,
    conditional: true,
  })
  review(@ReqCtx() ctx: SignedIn, @Param() { id }: RecordParams, @IfMatch() version: number): Promise<void> {
    return this.release.review(ctx, id, version);
  }

  @Get('patients/:id/chart-settings')
  @Endpoint({
    action: 'read',
    subject: 'ChartSettings',
    summary: 'How the patient wishes the chart to be shown',
    response: ChartSettingsView,
  })
  settings(@ReqCtx() ctx: SignedIn, @Param() { id }: ChartParams): Promise<ChartSettingsView> {
    return this.release.settings(ctx, id);
  }

  @Put('patients/:id/chart-settings')
  @Endpoint({
    action: 'update',
    subject: 'ChartSettings',
    summary: 'Say how the chart is to be shown',
    response: ChartSettingsView,
  })
  change(
    @ReqCtx() ctx: SignedIn,
    @Param() { id }: ChartParams,
    @Body() { resultsAfterReview }: UpdateChartSettings,
  ): Promise<ChartSettingsView> {
    return this.release.change(ctx, id, resultsAfterReview);
  }
}
