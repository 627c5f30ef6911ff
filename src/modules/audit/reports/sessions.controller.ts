import { Controller, Get, Param, Query } from '@nestjs/common';
import { ReqCtx, type SignedIn } from '../../../platform/access/context.js';
import { Endpoint } from '../../../platform/access/endpoint.js';
import type { Page } from '../../../platform/http/presenter.js';
import { AuditSessionDetailView, AuditSessionParams, AuditSessionView, SessionsQuery } from './sessions.dto.js';
import { AuditSessions } from './sessions.service.js';

@Controller('v1/audit/sessions')
export class AuditSessionsController {
  constructor(private readonly sessions: AuditSessions) {}

  @Get()
  @Endpoint({
    action: 'list',
    subject: 'AuditReport',
    summary: 'Sessions by their sign-in, newest first: how long, how they ended, what was touched',
    response: AuditSessionView,
    paged: true,
  })
  list(@ReqCtx() ctx: SignedIn, @Query() query: SessionsQuery): Promise<Page<AuditSessionView>> {
    return this.sessions.list(ctx, query);
  }

  @Get(':id')
  @Endpoint({
    action: 'read',
    subject: 'AuditReport',
    summary: 'One session, with the charts that were touched in it',
    response: AuditSessionDetailView,
  })
  get(@ReqCtx() ctx: SignedIn, @Param() { id }: AuditSessionParams): Promise<AuditSessionDetailView> {
    return this.sessions.get(ctx, id);
  }
}
