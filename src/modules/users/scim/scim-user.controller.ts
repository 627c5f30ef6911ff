import { Body, Controller, Delete, Get, Param, Patch, Post, Put, Query } from '@nestjs/common';
import { ReqCtx, type SignedIn } from '../../../platform/access/context.js';
import { Endpoint } from '../../../platform/access/endpoint.js';
import { ScimIfMatch, type Precondition } from './scim-precondition.js';
import { ScimPatchInput, ScimSearchInput, ScimUserInput, ScimUserListView, ScimUserView } from './scim-user.dto.js';
import { ScimUserService } from './scim-user.service.js';
import { SCIM } from './scim.dialect.js';
import { ScimBodyDoc, ScimIfMatchDoc, ScimListDoc, ScimProjectionDoc } from './scim.documentation.js';

@Controller('scim/v2/Users')
export class ScimUserController {
  constructor(private readonly users: ScimUserService) {}

  @Get()
  @ScimListDoc()
  @Endpoint({
    action: 'list',
    subject: 'ScimUser',
    summary: 'SCIM: people of the directory',
    response: ScimUserListView,
    dialect: SCIM,
  })
  list(@ReqCtx() ctx: SignedIn, @Query() query: object): Promise<ScimUserListView> {
    return this.users.list(ctx, 'list', query);
  }

  @Post('.search')
  @ScimBodyDoc(ScimSearchInput)
  @Endpoint({
    action: 'search',
    subject: 'ScimUser',
    summary: 'SCIM: people of the directory, with the conditions in the body',
    response: ScimUserListView,
    dialect: SCIM,
    work: 'read',
  })
  search(@ReqCtx() ctx: SignedIn, @Body() input: object): Promise<ScimUserListView> {
    return this.users.list(ctx, 'search', input);
  }

  @Post()
  @ScimProjectionDoc()
  @ScimBodyDoc(ScimUserInput)
  @Endpoint({
    action: 'create',
    subject: 'ScimUser',
    summary: 'SCIM: bring somebody in',
    response: ScimUserView,
    dialect: SCIM,
    status: 201,
    creates: true,
    location: '/scim/v2/Users/:id',
  })
  create(@ReqCtx() ctx: SignedIn, @Query() query: object, @Body() input: object): Promise<ScimUserView> {
    return this.users.create(ctx, query, input);
  }

  @Get(':id')
  @ScimProjectionDoc()
  @Endpoint({
    action: 'read',
    subject: 'ScimUser',
    summary: 'SCIM: one person of the directory',
    response: ScimUserView,
    dialect: SCIM,
  })
  get(@ReqCtx() ctx: SignedIn, @Param('id') id: string, @Query() query: object): Promise<ScimUserView> {
    return this.users.get(ctx, id, query);
  }

  @Put(':id')
  @ScimProjectionDoc()
  @ScimIfMatchDoc()
  @ScimBodyDoc(ScimUserInput)
  @Endpoint({
    action: 'update',
    subject: 'ScimUser',
    summary: 'SCIM: write somebody anew',
    response: ScimUserView,
    dialect: SCIM,
  })
  replace(
    @ReqCtx() ctx: SignedIn,
    @Param('id') id: string,
    @Query() query: object,
    @ScimIfMatch() precondition: Precondition,
    @Body() input: object,
  ): Promise<ScimUserView> {
    return this.users.replace(ctx, id, query, precondition, input);
  }

  @Patch(':id')
  @ScimProjectionDoc()
  @ScimIfMatchDoc()
  @ScimBodyDoc(ScimPatchInput)
  @Endpoint({
    action: 'update',
    subject: 'ScimUser',
    summary: 'SCIM: change somebody; active false ends every session at once',
    response: ScimUserView,
    dialect: SCIM,
  })
  patch(
    @ReqCtx() ctx: SignedIn,
    @Param('id') id: string,
    @Query() query: object,
    @ScimIfMatch() precondition: Precondition,
    @Body() input: object,
  ): Promise<ScimUserView> {
    return this.users.patch(ctx, id, query, precondition, input);
  }

  @Delete(':id')
  @ScimIfMatchDoc()
  @Endpoint({
    action: 'delete',
    subject: 'ScimUser',
    summary: 'SCIM: remove somebody; the account stays, disabled',
    response: null,
    dialect: SCIM,
  })
  remove(@ReqCtx() ctx: SignedIn, @Param('id') id: string, @ScimIfMatch() precondition: Precondition): Promise<void> {
    return this.users.remove(ctx, id, precondition);
  }
}
