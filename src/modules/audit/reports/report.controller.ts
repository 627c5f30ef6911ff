import { Controller, Get, Query } from '@nestjs/common';
import { ReqCtx, type SignedIn } from '../../../platform/access/context.js';
import { Endpoint } from '../../../platform/access/endpoint.js';
import { ComparisonQuery, ComparisonView, PeriodQuery, PeriodReportView } from './report.dto.js';
import { Reports } from './reports.service.js';

@Controller('v1/audit/reports')
export class ReportController {
  constructor(private readonly reports: Reports) {}

  @Get('period')
  @Endpoint({
    action: 'read',
    subject: 'AuditReport',
    summary: 'What happened in a period, in numbers, each with the search that finds its events',
    response: PeriodReportView,
  })
  period(@ReqCtx() ctx: SignedIn, @Query() query: PeriodQuery): Promise<PeriodReportView> {
    return this.reports.period(ctx, query);
  }

  @Get('comparison')
  @Endpoint({
    action: 'read',
    subject: 'AuditReport',
    summary: 'One period beside another: what has changed most, and who does unusually much',
    response: ComparisonView,
  })
  comparison(@ReqCtx() ctx: SignedIn, @Query() query: ComparisonQuery): Promise<ComparisonView> {
    return this.reports.comparison(ctx, query);
  }
}
