import { Body, Controller, Get, Param, Post, Query, Req, Res, type StreamableFile } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ReqCtx, type SignedIn } from '../../../platform/access/context.js';
import { Endpoint } from '../../../platform/access/endpoint.js';
import { sendFile } from '../../../platform/http/file-answer.js';
import type { Page } from '../../../platform/http/presenter.js';
import { ChartParams } from '../record.dto.js';
import {
  CreateDownload,
  CreateTransmission,
  DownloadFileParams,
  DownloadParams,
  DownloadsQuery,
  DownloadView,
  SentTransmissionView,
  TransmissionView,
} from './download.dto.js';
import { DownloadService } from './download.service.js';
import { TransmissionService } from './transmission.service.js';

/** What leaves the hospital for an address that anybody could have typed needs a recent proof of who it is. */
const STEP_UP_SECONDS = 300;

@Controller('v1')
export class DownloadController {
  constructor(
    private readonly downloads: DownloadService,
    private readonly transmissions: TransmissionService,
  ) {}

  @Post('patients/:id/downloads')
  @Endpoint({
    action: 'create',
    subject: 'ChartDownload',
    summary: 'Ask for a copy of a chart, or of a part of it, to take along',
    response: DownloadView,
    status: 202,
    location: '/v1/downloads/:id',
    creates: true,
  })
  create(@ReqCtx() ctx: SignedIn, @Param() { id }: ChartParams, @Body() input: CreateDownload): Promise<DownloadView> {
    return this.downloads.create(ctx, id, input);
  }

  @Get('patients/:id/downloads')
  @Endpoint({
    action: 'list',
    subject: 'ChartDownload',
    summary: 'Copies of a chart that the caller has asked for, newest first',
    response: DownloadView,
    paged: true,
  })
  list(
    @ReqCtx() ctx: SignedIn,
    @Param() { id }: ChartParams,
    @Query() query: DownloadsQuery,
  ): Promise<Page<DownloadView>> {
    return this.downloads.list(ctx, id, query);
  }

  @Get('downloads/:id')
  @Endpoint({ action: 'read', subject: 'ChartDownload', summary: 'How far a copy is', response: DownloadView })
  get(@ReqCtx() ctx: SignedIn, @Param() { id }: DownloadParams): Promise<DownloadView> {
    return this.downloads.get(ctx, id);
  }

  @Post('downloads/:id/end')
  @Endpoint({
    action: 'end',
    subject: 'ChartDownload',
    summary: 'Give up a copy that is not ready yet, or delete its files',
    response: DownloadView,
    status: 200,
  })
  end(@ReqCtx() ctx: SignedIn, @Param() { id }: DownloadParams): Promise<DownloadView> {
    return this.downloads.end(ctx, id);
  }

  @Get('downloads/:id/files/:name')
  @Endpoint({
    action: 'download',
    subject: 'ChartDownload',
    summary: 'One file of a copy; ranges of bytes are answered',
    response: null,
    produces: 'application/octet-stream',
    streams: true,
  })
  async file(
    @ReqCtx() ctx: SignedIn,
    @Param() { id, name }: DownloadFileParams,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<StreamableFile> {
    return sendFile(await this.downloads.file(ctx, id, name), request, reply);
  }

  @Post('downloads/:id/transmissions')
  @Endpoint({
    action: 'create',
    subject: 'Transmission',
    summary: 'Mail a copy, encrypted, to any address; the passphrase is answered this once',
    response: SentTransmissionView,
    status: 201,
    stepUpSeconds: STEP_UP_SECONDS,
  })
  send(
    @ReqCtx() ctx: SignedIn,
    @Param() { id }: DownloadParams,
    @Body() input: CreateTransmission,
  ): Promise<SentTransmissionView> {
    return this.transmissions.send(ctx, id, input);
  }

  @Get('patients/:id/transmissions')
  @Endpoint({
    action: 'list',
    subject: 'Transmission',
    summary: 'Copies of a chart that were mailed, newest first: all of them to the patient, own ones to others',
    response: TransmissionView,
    paged: true,
  })
  sent(
    @ReqCtx() ctx: SignedIn,
    @Param() { id }: ChartParams,
    @Query() query: DownloadsQuery,
  ): Promise<Page<TransmissionView>> {
    return this.transmissions.list(ctx, id, query);
  }
}
