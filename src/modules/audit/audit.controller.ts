import { Controller, Get, Param, Query } from '@nestjs/common';
import { ReqCtx, type SignedIn } from '../../platform/access/context.js';
import { Endpoint } from '../../platform/access/endpoint.js';
import type { Page } from '../../platform/http/presenter.js';
import { AroundQuery, AroundView, EventParams, EventsQuery, EventView } from './audit.dto.js';
import { EventsService } from './events.service.js';

@Controller('v1/audit/events')
export class AuditController {
  constructor(private readonly events: EventsService) {}

  @Get()
  @Endpoint({
    action: 'list',
    subject: 'Event',
    summary: 'Search the audit trail; newest first unless told otherwise',
    response: EventView,
    paged: true,
  })
  list(@ReqCtx() ctx: SignedIn, @Query() query: EventsQuery): Promise<Page<EventView>> {
    return this.events.list(ctx, query);
  }

  @Get(':seq')
  @Endpoint({ action: 'read', subject: 'Event', summary: 'One event of the audit trail', response: EventView })
  get(@ReqCtx() ctx: SignedIn, @Param() { seq }: EventParams): Promise<EventView> {
    return this.events.get(ctx, seq);
  }

  @Get(':seq/around')
  @Endpoint({
    action: 'list',
    subject: 'Event',
    summary: 'Everything around an event, in the order of time, and what it has in common with it',
    response: AroundView,
    paged: true,
  })
  around(
    @ReqCtx() ctx: SignedIn,
    @Param() { seq }: EventParams,
    @Query() query: AroundQuery,
  ): Promise<Page<AroundView>> {
    return this.events.around(ctx, seq, query);
  }
}
