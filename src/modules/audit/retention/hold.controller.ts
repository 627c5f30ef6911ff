import { Body, Controller, Get, Param, Post, Query } from '@nestjs/common';
import { ReqCtx, type SignedIn } from '../../../platform/access/context.js';
import { Endpoint } from '../../../platform/access/endpoint.js';
import { PageQuery } from '../../../platform/http/cursors.js';
import type { Page } from '../../../platform/http/presenter.js';
import { CreateHold, HoldParams, HoldView, ReleaseHold } from './hold.dto.js';
import { Holds } from './hold.service.js';

const STEP_UP_SECONDS = 300;

@Controller('v1/audit/holds')
export class HoldController {
  constructor(private readonly holds: Holds) {}

  @Post()
  @Endpoint({
    action: 'create',
    subject: 'LegalHold',
    summary: 'Keep a period of the audit trail from being deleted, whatever its age',
    response: HoldView,
    status: 201,
    creates: true,
    location: '/v1/audit/holds/:id',
    stepUpSeconds: STEP_UP_SECONDS,
  })
  create(@ReqCtx() ctx: SignedIn, @Body() input: CreateHold): Promise<HoldView> {
    return this.holds.place(ctx, input);
  }

  @Get()
  @Endpoint({
    action: 'list',
    subject: 'LegalHold',
    summary: 'Legal holds over the audit trail, newest first, released ones too',
    response: HoldView,
    paged: true,
  })
  list(@ReqCtx() ctx: SignedIn, @Query() query: PageQuery): Promise<Page<HoldView>> {
    return this.holds.list(ctx, query);
  }

  @Get(':id')
  @Endpoint({ action: 'read', subject: 'LegalHold', summary: 'One legal hold', response: HoldView })
  get(@ReqCtx() ctx: SignedIn, @Param() { id }: HoldParams): Promise<HoldView> {
    return this.holds.get(ctx, id);
  }

  @Post(':id/release')
  @Endpoint({
    action: 'release',
    subject: 'LegalHold',
    summary: 'Release a legal hold; what is past its retention is deleted from then on',
    response: HoldView,
    stepUpSeconds: STEP_UP_SECONDS,
  })
  release(@ReqCtx() ctx: SignedIn, @Param() { id }: HoldParams, @Body() input: ReleaseHold): Promise<HoldView> {
    return this.holds.release(ctx, id, input);
  }
}
