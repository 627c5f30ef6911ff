import { Body, Controller, Get, Headers, Param, Post, Query } from '@nestjs/common';
import { ReqCtx, type SignedIn } from '../../platform/access/context.js';
import { Endpoint } from '../../platform/access/endpoint.js';
import type { Page } from '../../platform/http/presenter.js';
import {
  FileQuery,
  ImportAccepted,
  ImportFileView,
  ImportIssueView,
  ImportParams,
  ImportsQuery,
  ImportView,
  IssuesQuery,
  OpenImport,
} from './import.dto.js';
import { IMPORT_MEDIA_TYPE, NDJSON_TYPES } from './records.errors.js';
import { ImportService, type Upload } from './import.service.js';

export type Given = Record<string, string | undefined>;

export const uploadOf = (body: unknown, headers: Given, name?: string): Upload => ({
  body,
  mediaType: (headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase(),
  length: headers['content-length'] === undefined ? undefined : Number(headers['content-length']),
  name,
});

@Controller('v1/imports')
export class ImportController {
  constructor(private readonly imports: ImportService) {}

  @Post()
  @Endpoint({
    action: 'import',
    subject: 'Import',
    summary: "Take in a FHIR R4 Bundle, or a file with a resource a line, of the caller's feed",
    response: ImportAccepted,
    status: 202,
    location: '/v1/imports/:id',
    consumes: [IMPORT_MEDIA_TYPE, ...NDJSON_TYPES],
    uploads: true,
  })
  create(@ReqCtx() ctx: SignedIn, @Body() body: unknown, @Headers() headers: Given): Promise<ImportAccepted> {
    return this.imports.create(ctx, uploadOf(body, headers));
  }

  @Post('open')
  @Endpoint({
    action: 'create',
    subject: 'Import',
    summary: 'Begin an import of several files, such as those of one Bulk Data export',
    response: ImportView,
    status: 201,
    location: '/v1/imports/:id',
    creates: true,
  })
  open(@ReqCtx() ctx: SignedIn, @Body() input: OpenImport): Promise<ImportView> {
    return this.imports.open(ctx, input);
  }

  @Post(':id/files')
  @Endpoint({
    action: 'import',
    subject: 'Import',
    summary: 'Add a file with a resource a line, in any order; `deleted` files too',
    response: ImportFileView,
    status: 201,
    consumes: NDJSON_TYPES,
    uploads: true,
  })
  addFile(
    @ReqCtx() ctx: SignedIn,
    @Param() { id }: ImportParams,
    @Query() { name }: FileQuery,
    @Body() body: unknown,
    @Headers() headers: Given,
  ): Promise<ImportFileView> {
    return this.imports.addFile(ctx, id, uploadOf(body, headers, name));
  }

  @Post(':id/complete')
  @Endpoint({
    action: 'confirm',
    subject: 'Import',
    summary: 'All files are there: begin the work',
    response: ImportAccepted,
    status: 202,
    location: '/v1/imports/:id',
  })
  complete(@ReqCtx() ctx: SignedIn, @Param() { id }: ImportParams): Promise<ImportAccepted> {
    return this.imports.complete(ctx, id);
  }

  @Post(':id/cancel')
  @Endpoint({
    action: 'end',
    subject: 'Import',
    summary: 'Stop an import; what was stored of it stays',
    response: ImportAccepted,
  })
  cancel(@ReqCtx() ctx: SignedIn, @Param() { id }: ImportParams): Promise<ImportAccepted> {
    return this.imports.cancel(ctx, id);
  }

  @Get()
  @Endpoint({
    action: 'list',
    subject: 'Import',
    summary: "The caller's imports, newest first",
    response: ImportView,
    paged: true,
  })
  list(@ReqCtx() ctx: SignedIn, @Query() query: ImportsQuery): Promise<Page<ImportView>> {
    return this.imports.list(ctx, query);
  }

  @Get(':id')
  @Endpoint({
    action: 'read',
    subject: 'Import',
    summary: 'How far an import is, and what became of it',
    response: ImportView,
  })
  get(@ReqCtx() ctx: SignedIn, @Param() { id }: ImportParams): Promise<ImportView> {
    return this.imports.get(ctx, id);
  }

  @Get(':id/issues')
  @Endpoint({
    action: 'list',
    subject: 'Import',
    summary: 'Faults and warnings of an import, by entry or line',
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
