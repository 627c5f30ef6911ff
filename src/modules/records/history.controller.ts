import { Controller, Get, Param, Query } from '@nestjs/common';
import { ReqCtx, type SignedIn } from '../../platform/access/context.js';
import { Endpoint } from '../../platform/access/endpoint.js';
import type { Page } from '../../platform/http/presenter.js';
import { HistoryQuery, ProvenanceView, VersionParams, VersionView } from './history.dto.js';
import { HistoryService } from './history.service.js';
import { RecordParams, RecordView } from './record.dto.js';

@Controller('v1/records/:id')
export class HistoryController {
  constructor(private readonly history: HistoryService) {}

  @Get('history')
  @Endpoint({
    action: 'list',
    subject: 'RecordVersion',
    summary: 'Versions of a record',
    response: VersionView,
    paged: true,
  })
  list(
    @ReqCtx() ctx: SignedIn,
    @Param() { id }: RecordParams,
    @Query() query: HistoryQuery,
  ): Promise<Page<VersionView>> {
    return this.history.list(ctx, id, query);
  }

  @Get('history/:version')
  @Endpoint({ action: 'read', subject: 'RecordVersion', summary: 'A record as it was', response: RecordView })
  get(@ReqCtx() ctx: SignedIn, @Param() { id, version }: VersionParams): Promise<RecordView> {
    return this.history.get(ctx, id, version);
  }

  @Get('provenance')
  @Endpoint({
    action: 'list',
    subject: 'Provenance',
    summary: 'Where the versions of a record come from',
    response: ProvenanceView,
    paged: true,
  })
  provenances(
    @ReqCtx() ctx: SignedIn,
    @Param() { id }: RecordParams,
    @Query() query: HistoryQuery,
  ): Promise<Page<ProvenanceView>> {
    return this.history.provenances(ctx, id, query);
  }
}
