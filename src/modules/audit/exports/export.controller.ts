import { pipeline } from 'node:stream';
import { createGzip } from 'node:zlib';
import { Body, Controller, Get, Headers, Param, Post, Query, Res, StreamableFile } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { ReqCtx, type SignedIn } from '../../../platform/access/context.js';
import { Endpoint } from '../../../platform/access/endpoint.js';
import type { Page } from '../../../platform/http/presenter.js';
import {
  CreateExport,
  ExportFileParams,
  ExportFileQuery,
  ExportParams,
  ExportsQuery,
  ExportView,
} from './export.dto.js';
import { ExportService, type Download } from './export.service.js';

/** What takes data away in bulk needs a recent proof of who it is. */
const STEP_UP_SECONDS = 300;

/** RFC 9110 §12.5.3: named, and not with a weight of nothing. */
const acceptsGzip = (header: string | undefined): boolean =>
  (header ?? '').split(',').some((one) => {
    const [name, ...weights] = one
      .trim()
      .toLowerCase()
      .split(/\s*;\s*/);
    return name === 'gzip' && !weights.some((weight) => /^q=0(\.0*)?$/.test(weight));
  });

const saved = ({ stream, mediaType, name }: Download, body = stream): StreamableFile =>
  new StreamableFile(body, { type: mediaType, disposition: `attachment; filename="${name}"` });

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
  async bundle(@ReqCtx() ctx: SignedIn, @Param() { id }: ExportParams): Promise<StreamableFile> {
    return saved(await this.exports.bundle(ctx, id));
  }

  @Get(':id/:name')
  @Endpoint({
    action: 'download',
    subject: 'AuditExport',
    summary: 'One file of an export; goes on behind a line that arrived already',
    response: null,
    produces: 'application/octet-stream',
    streams: true,
    stepUpSeconds: STEP_UP_SECONDS,
  })
  async file(
    @ReqCtx() ctx: SignedIn,
    @Param() { id, name }: ExportFileParams,
    @Query() { after }: ExportFileQuery,
    @Headers('accept-encoding') encodings: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<StreamableFile> {
    const download = await this.exports.file(ctx, id, name, after ?? null);
    if (!download.isLong) return saved(download);
    void reply.header('vary', 'Accept-Encoding');
    if (!acceptsGzip(encodings)) return saved(download);
    void reply.header('content-encoding', 'gzip');
    return saved(
      download,
      pipeline(download.stream, createGzip(), () => undefined),
    );
  }
}
