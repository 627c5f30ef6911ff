import { Body, Controller, Get, Param, Post, Query, Req, Res, type StreamableFile } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ReqCtx, type SignedIn } from '../../../platform/access/context.js';
import { Endpoint } from '../../../platform/access/endpoint.js';
import { sendFile } from '../../../platform/http/file-answer.js';
import type { Page } from '../../../platform/http/presenter.js';
import { CreateExport, ExportFileParams, ExportParams, ExportsQuery, ExportView } from './export.dto.js';
import { ExportService } from './export.service.js';

/** What takes data away in bulk needs a recent proof of who it is. */
const STEP_UP_SECONDS = 300;

@Controller('v1/audit/exports')
export class ExportController {
  constructor(private readonly exports: ExportService) {}

  @Post()
  @Endpoint({
    action: 'create',
    subject: 'AuditExport',
    summary: 'Ask for a copy of the audit trail, or of a part of it, that verifies by itself',
    response: ExportView,
    status: 202,
    location: '/v1/audit/exports/:id',
    creates: true,
    stepUpSeconds: STEP_UP_SECONDS,
  })
  create(@ReqCtx() ctx: SignedIn, @Body() input: CreateExport): Promise<ExportView> {
    return this.exports.create(ctx, input);
  }

  @Get()
  @Endpoint({
    action: 'list',
    subject: 'AuditExport',
    summary: 'Who exported what of the audit trail and why, newest first',
    response: ExportView,
    paged: true,
  })
  list(@ReqCtx() ctx: SignedIn, @Query() query: ExportsQuery): Promise<Page<ExportView>> {
    return this.exports.list(ctx, query);
  }

  @Get(':id')
  @Endpoint({ action: 'read', subject: 'AuditExport', summary: 'How far an export is', response: ExportView })
  get(@ReqCtx() ctx: SignedIn, @Param() { id }: ExportParams): Promise<ExportView> {
    return this.exports.get(ctx, id);
  }

  @Post(':id/end')
  @Endpoint({
    action: 'end',
    subject: 'AuditExport',
    summary: 'Give up an export that is not ready yet, or let nobody fetch it any more',
    response: ExportView,
    status: 200,
  })
  end(@ReqCtx() ctx: SignedIn, @Param() { id }: ExportParams): Promise<ExportView> {
    return this.exports.end(ctx, id);
  }

  @Get(':id/bundle')
  @Endpoint({
    action: 'download',
    subject: 'AuditExport',
    summary: 'The whole export as a ZIP file: lines, proofs, checkpoint, how to verify them',
    response: null,
    produces: 'application/zip',
    streams: true,
    stepUpSeconds: STEP_UP_SECONDS,
  })
  async bundle(
    @ReqCtx() ctx: SignedIn,
    @Param() { id }: ExportParams,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<StreamableFile> {
    return sendFile(await this.exports.bundle(ctx, id), request, reply);
  }

  @Get(':id/:name')
  @Endpoint({
    action: 'download',
    subject: 'AuditExport',
    summary: 'One file of an export',
    response: null,
    produces: 'application/octet-stream',
    streams: true,
    stepUpSeconds: STEP_UP_SECONDS,
  })
  async file(
    @ReqCtx() ctx: SignedIn,
    @Param() { id, name }: ExportFileParams,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<StreamableFile> {
    return sendFile(await this.exports.file(ctx, id, name), request, reply);
  }
}
