import { Body, Controller, Get, Param, Post, Put, Query } from '@nestjs/common';
import { ReqCtx, type SignedIn } from '../../platform/access/context.js';
import { Endpoint } from '../../platform/access/endpoint.js';
import { IfMatch } from '../../platform/http/if-match.js';
import type { Page } from '../../platform/http/presenter.js';
import {
  DiscardQuarantined,
  QuarantineItem,
  QuarantineParams,
  QuarantineQuery,
  QuarantineView,
  RetryAccepted,
} from './quarantine.dto.js';
import { QuarantineService } from './quarantine.service.js';
import { HL7_TYPES, IMPORT_MEDIA_TYPE } from './records.errors.js';

@Controller('v1/imports/quarantine')
export class QuarantineController {
  constructor(private readonly quarantine: QuarantineService) {}

  @Get()
  @Endpoint({
    action: 'list',
    subject: 'Quarantine',
    summary: 'Records and messages that could not be taken and wait for somebody to put them right, oldest first',
    response: QuarantineItem,
    paged: true,
  })
  list(@ReqCtx() ctx: SignedIn, @Query() query: QuarantineQuery): Promise<Page<QuarantineItem>> {
    return this.quarantine.list(ctx, query);
  }

  @Get(':id')
  @Endpoint({
    action: 'read',
    subject: 'Quarantine',
    summary: 'One of them, as it was sent and as it was put right',
    response: QuarantineView,
  })
  get(@ReqCtx() ctx: SignedIn, @Param() { id }: QuarantineParams): Promise<QuarantineView> {
    return this.quarantine.get(ctx, id);
  }

  @Put(':id')
  @Endpoint({
    action: 'update',
    subject: 'Quarantine',
    summary: 'Put a corrected resource or message in its place; whether it is good now, the answer says',
    response: QuarantineView,
    consumes: [IMPORT_MEDIA_TYPE, ...HL7_TYPES],
    conditional: true,
  })
  correct(
    @ReqCtx() ctx: SignedIn,
    @Param() { id }: QuarantineParams,
    @IfMatch() version: number,
    @Body() body: unknown,
  ): Promise<QuarantineView> {
    return this.quarantine.correct(ctx, id, version, body);
  }

  @Post(':id/retry')
  @Endpoint({
    action: 'confirm',
    subject: 'Quarantine',
    summary: 'Try it again, as it was put right or as it was sent',
    response: RetryAccepted,
    status: 202,
  })
  retry(@ReqCtx() ctx: SignedIn, @Param() { id }: QuarantineParams): Promise<RetryAccepted> {
    return this.quarantine.retry(ctx, id);
  }

  @Post(':id/discard')
  @Endpoint({
    action: 'decline',
    subject: 'Quarantine',
    summary: 'Leave it out for good, for a reason',
    response: QuarantineView,
  })
  discard(
    @ReqCtx() ctx: SignedIn,
    @Param() { id }: QuarantineParams,
    @Body() { reason }: DiscardQuarantined,
  ): Promise<QuarantineView> {
    return this.quarantine.discard(ctx, id, reason);
  }
}
