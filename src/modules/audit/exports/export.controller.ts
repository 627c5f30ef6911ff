import { pipeline } from 'node:stream';
import { createGzip } from 'node:zlib';
import { Body, Controller, Get, Param, Post, Query, Req, Res, StreamableFile } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ReqCtx, type SignedIn } from '../../../platform/access/context.js';
import { Endpoint } from '../../../platform/access/endpoint.js';
import { rangeOf } from '../../../platform/http/byte-range.js';
import type { Page } from '../../../platform/http/presenter.js';
import { CreateExport, ExportFileParams, ExportParams, ExportsQuery, ExportView } from './export.dto.js';
import { ExportService, type Download } from './export.service.js';

/** What takes data away in bulk needs a recent proof of who it is. */
const STEP_UP_SECONDS = 300;

/** RFC 9110 §12.5.3: named, and not with a weight of nothing. */
const one = (header: string | string[] | undefined): string | undefined =>
  Array.isArray(header) ? header.join(', ') : header;

const acceptsGzip = (header: string | undefined): boolean =>
  (header ?? '').split(',').some((one) => {
    const [name, ...weights] = one
      .trim()
      .toLowerCase()
      .split(/\s*;\s*/);
    return name === 'gzip' && !weights.some((weight) => /^q=0(\.0*)?$/.test(weight));
  });

/** What is sent of it: all, packed where the client takes that; or the bytes it asks for (RFC 9110 section 14), never packed. */
function send(download: Download, request: FastifyRequest, reply: FastifyReply): StreamableFile {
  const { mediaType, name, known, isLong } = download;
  const { range, 'if-range': ifRange, 'accept-encoding': encodings } = request.headers;
  const about = { type: mediaType, disposition: `attachment; filename="${name}"` };
  const asked = known && range && request.method === 'GET' ? rangeOf({ range, ifRange: one(ifRange) }, known) : null;
  void reply.header('accept-ranges', known ? 'bytes' : 'none');
  if (isLong) void reply.header('vary', 'Accept-Encoding');
  if (isLong && range === undefined && acceptsGzip(one(encodings))) {
    void reply.headers({ 'content-encoding': 'gzip', etag: known!.etag.replace(/"$/, '-gzip"') });
    return new StreamableFile(
      pipeline(download.open(null), createGzip(), () => undefined),
      about,
    );
  }
  if (known) void reply.header('etag', known.etag);
  if (!asked) return new StreamableFile(download.open(null), { ...about, length: known?.size });
  const { start, end } = asked;
  void reply.status(206).header('content-range', `bytes ${start}-${end}/${known!.size}`);
  return new StreamableFile(download.open(asked), { ...about, length: end - start + 1 });
}

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
    return send(await this.exports.bundle(ctx, id), request, reply);
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
    return send(await this.exports.file(ctx, id, name), request, reply);
  }
}
