import { Body, Controller, Get, Param, Patch, Post, Query } from '@nestjs/common';
import { ReqCtx, type SignedIn } from '../../platform/access/context.js';
import { Endpoint } from '../../platform/access/endpoint.js';
import { IfMatch } from '../../platform/http/if-match.js';
import type { Page } from '../../platform/http/presenter.js';
import {
  CreatePractitioner,
  PractitionerParams,
  PractitionerQuery,
  PractitionerView,
  UpdatePractitioner,
} from './practitioner.dto.js';
import { PractitionerService } from './practitioner.service.js';

@Controller('v1/practitioners')
export class PractitionerController {
  constructor(private readonly practitioners: PractitionerService) {}

  @Post()
  @Endpoint({
    action: 'create',
    subject: 'Practitioner',
    summary: 'Enter a practitioner',
    response: PractitionerView,
    status: 201,
    creates: true,
    location: '/v1/practitioners/:id',
  })
  create(@ReqCtx() ctx: SignedIn, @Body() input: CreatePractitioner): Promise<PractitionerView> {
    return this.practitioners.create(ctx, input);
  }

  @Get()
  @Endpoint({
    action: 'list',
    subject: 'Practitioner',
    summary: 'Practitioners by family name',
    response: PractitionerView,
    paged: true,
  })
  list(@ReqCtx() ctx: SignedIn, @Query() query: PractitionerQuery): Promise<Page<PractitionerView>> {
    return this.practitioners.list(ctx, query);
  }

  @Get(':id')
  @Endpoint({ action: 'read', subject: 'Practitioner', summary: 'One practitioner', response: PractitionerView })
  get(@ReqCtx() ctx: SignedIn, @Param() { id }: PractitionerParams): Promise<PractitionerView> {
    return this.practitioners.get(ctx, id);
  }

  @Patch(':id')
  @Endpoint({
    action: 'update',
    subject: 'Practitioner',
    summary: 'Change a practitioner',
    response: PractitionerView,
    conditional: true,
  })
  update(
    @ReqCtx() ctx: SignedIn,
    @Param() { id }: PractitionerParams,
    @IfMatch() version: number,
    @Body() input: UpdatePractitioner,
  ): Promise<PractitionerView> {
    return this.practitioners.update(ctx, id, version, input);
  }
}
