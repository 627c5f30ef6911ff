import { Controller, Get, Param, Query, Req, Res, StreamableFile } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ReqCtx, type SignedIn } from '../../platform/access/context.js';
import { Endpoint } from '../../platform/access/endpoint.js';
import { attachmentDisposition } from '../../platform/content/index.js';
import { rangeOf } from '../../platform/http/byte-range.js';
import { isKnownTo } from '../../platform/http/if-none-match.js';
import type { Page } from '../../platform/http/presenter.js';
import { AttachmentParams, AttachmentsQuery, AttachmentView } from './attachment.dto.js';
import { AttachmentService, type Download } from './attachment.service.js';
import { IMPORT_MEDIA_TYPE } from './records.errors.js';
import { RecordParams } from './record.dto.js';

const one = (header: string | string[] | undefined): string | undefined =>
  Array.isArray(header) ? header.join(', ') : header;

/** Whatever it is, a browser saves it and runs nothing of it (https://www.w3.org/TR/CSP3/#directive-sandbox). */
const SAFE = {
  'content-security-policy': "sandbox; default-src 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
};

/** All of it, or the bytes that are asked for (RFC 9110 section 14). */
async function send(
  download: Download,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<StreamableFile | undefined> {
  const { mediaType: type, title, extension, size, etag } = download;
  const { range, 'if-range': ifRange, 'if-none-match': ifNoneMatch } = request.headers;
  void reply.headers({ ...SAFE, etag, 'accept-ranges': 'bytes' });
  if (isKnownTo(one(ifNoneMatch), etag)) return void reply.status(304);
  const about = { type, disposition: attachmentDisposition(title, extension) };
  const asked = range && request.method === 'GET' ? rangeOf({ range, ifRange: one(ifRange) }, { etag, size }) : null;
  if (asked) void reply.status(206).header('content-range', `bytes ${asked.start}-${asked.end}/${size}`);
  const length = asked ? asked.end - asked.start + 1 : size;
  return new StreamableFile(await download.open(asked), { ...about, length });
}

@Controller('v1')
export class AttachmentController {
  constructor(private readonly attachments: AttachmentService) {}

  @Get('records/:id/attachments')
  @Endpoint({
    action: 'list',
    subject: 'Attachment',
    summary: "A record's attachments",
    response: AttachmentView,
    paged: true,
  })
  list(
    @ReqCtx() ctx: SignedIn,
    @Param() { id }: RecordParams,
    @Query() query: AttachmentsQuery,
  ): Promise<Page<AttachmentView>> {
    return this.attachments.list(ctx, id, query);
  }

  @Get('records/:id/original')
  @Endpoint({
    action: 'download',
    subject: 'Record',
    summary: 'A record with the contents of its attachments in it, as its sender wrote it',
    response: null,
    produces: IMPORT_MEDIA_TYPE,
    streams: true,
  })
  async original(
    @ReqCtx() ctx: SignedIn,
    @Param() { id }: RecordParams,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<StreamableFile> {
    void reply.headers(SAFE);
    const disposition = attachmentDisposition(id, 'json');
    return new StreamableFile(await this.attachments.original(ctx, id), { type: IMPORT_MEDIA_TYPE, disposition });
  }

  @Get('attachments/:id')
  @Endpoint({
    action: 'download',
    subject: 'Attachment',
    summary: 'The bytes of an attachment',
    response: null,
    produces: 'application/octet-stream',
    streams: true,
  })
  async download(
    @ReqCtx() ctx: SignedIn,
    @Param() { id }: AttachmentParams,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<StreamableFile | undefined> {
    return send(await this.attachments.download(ctx, id), request, reply);
  }
}
