import { Body, Controller, Get, Headers, Param, Post, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { ReqCtx, type SignedIn } from '../../platform/access/context.js';
import { Endpoint } from '../../platform/access/endpoint.js';
import type { Page } from '../../platform/http/presenter.js';
import { ImportAccepted, ImportIssueView, ImportParams, ImportView, IssuesQuery } from './import.dto.js';
import { IMPORT_MEDIA_TYPE } from './records.errors.js';
import { ImportService } from './import.service.js';

@Controller('v1/imports')
export class ImportController {
  constructor(private readonly imports: ImportService) {}

  @Post()
  @Endpoint({
    action: 'import',
    subject: 'Import',
    summary: "Take in a FHIR R4 Bundle of the caller's feed",
    response: ImportAccepted,
    status: 202,
    consumes: [IMPORT_MEDIA_TYPE],
  })
  async create(
    @ReqCtx() ctx: SignedIn,
    @Body() body: unknown,
    @Headers('content-length') length: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ImportAccepted> {
    const accepted = await this.imports.create(ctx, body, length === undefined ? undefined : Number(length));
    void reply.header('location', `/v1/imports/${accepted.id}`);
    return accepted;
  }

  @Get(':id')
  @Endpoint({
    action: 'read',
    subject: 'Import',
    summary: 'What became of an import: status and counts',
    response: ImportView,
  })
  get(@ReqCtx() ctx: SignedIn, @Param() { id }: ImportParams): Promise<ImportView> {
    return this.imports.get(ctx, id);
  }

  @Get(':id/issues')
  @Endpoint({
    action: 'list',
    subject: 'Import',
    summary: 'Faults and warnings of an import, by entry',
    response: ImportIssueView,
    paged: true,
  })
  issues(
    @ReqCtx() ctx: SignedIn,
    @Param() { id }: ImportParams,
    @Query() query: IssuesQuery,
  ): Promise<Page<ImportIssueView>> {
    return this.imports.issues(ctx, id, query);
  }
}
