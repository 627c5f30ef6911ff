import { Controller, Get, Param, Query } from '@nestjs/common';
import { ReqCtx, type SignedIn } from '../../platform/access/context.js';
import { Endpoint } from '../../platform/access/endpoint.js';
import type { Page } from '../../platform/http/presenter.js';
import { ChartParams, RecordParams, RecordsQuery, RecordView } from './record.dto.js';
import { RecordService } from './record.service.js';

@Controller('v1')
export class RecordController {
  constructor(private readonly records: RecordService) {}

  @Get('patients/:id/records')
  @Endpoint({ action: 'list', subject: 'Record', summary: "A patient's records", response: RecordView, paged: true })
  list(@ReqCtx() ctx: SignedIn, @Param() { id }: ChartParams, @Query() query: RecordsQuery): Promise<Page<RecordView>> {
    return this.records.list(ctx, id, query);
  }

  @Get('records/:id')
  @Endpoint({ action: 'read', subject: 'Record', summary: 'One record', response: RecordView })
  get(@ReqCtx() ctx: SignedIn, @Param() { id }: RecordParams): Promise<RecordView> {
    return this.records.get(ctx, id);
  }
}
