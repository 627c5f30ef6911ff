import { Body, Controller, Delete, Get, Param, Post, Put, Query } from '@nestjs/common';
import { ReqCtx, type SignedIn } from '../../../platform/access/context.js';
import { Endpoint } from '../../../platform/access/endpoint.js';
import { IfMatch } from '../../../platform/http/if-match.js';
import type { Page } from '../../../platform/http/presenter.js';
import { EventView } from '../audit.dto.js';
import { KeepQuery, QueriesQuery, QueryParams, RunQuery, SavedQueryView } from './queries.dto.js';
import { Queries } from './queries.service.js';

@Controller('v1/audit/queries')
export class QueriesController {
  constructor(private readonly queries: Queries) {}

  @Get()
  @Endpoint({
    action: 'list',
    subject: 'AuditQuery',
    summary: 'Saved queries: own ones, and those that other officers share; newest first',
    response: SavedQueryView,
    paged: true,
  })
  list(@ReqCtx() ctx: SignedIn, @Query() query: QueriesQuery): Promise<Page<SavedQueryView>> {
    return this.queries.list(ctx, query);
  }

  @Post()
  @Endpoint({
    action: 'create',
    subject: 'AuditQuery',
    summary: 'Save a query of the audit trail',
    response: SavedQueryView,
    status: 201,
    location: '/v1/audit/queries/:id',
    creates: true,
  })
  create(@ReqCtx() ctx: SignedIn, @Body() input: KeepQuery): Promise<SavedQueryView> {
    return this.queries.create(ctx, input);
  }

  @Get(':id')
  @Endpoint({ action: 'read', subject: 'AuditQuery', summary: 'One saved query', response: SavedQueryView })
  get(@ReqCtx() ctx: SignedIn, @Param() { id }: QueryParams): Promise<SavedQueryView> {
    return this.queries.get(ctx, id);
  }

  @Put(':id')
  @Endpoint({
    action: 'update',
    subject: 'AuditQuery',
    summary: 'Change a saved query of your own',
    response: SavedQueryView,
    conditional: true,
  })
  update(
    @ReqCtx() ctx: SignedIn,
    @Param() { id }: QueryParams,
    @IfMatch() version: number,
    @Body() input: KeepQuery,
  ): Promise<SavedQueryView> {
    return this.queries.update(ctx, id, version, input);
  }

  @Delete(':id')
  @Endpoint({
    action: 'delete',
    subject: 'AuditQuery',
    summary: 'Delete a saved query of your own',
    response: null,
  })
  remove(@ReqCtx() ctx: SignedIn, @Param() { id }: QueryParams): Promise<void> {
    return this.queries.remove(ctx, id);
  }

  @Get(':id/events')
  @Endpoint({
    action: 'list',
    subject: 'Event',
    summary: 'The events that a saved query finds now',
    response: EventView,
    paged: true,
  })
  run(@ReqCtx() ctx: SignedIn, @Param() { id }: QueryParams, @Query() query: RunQuery): Promise<Page<EventView>> {
    return this.queries.run(ctx, id, query);
  }
}
