import { Body, Controller, Delete, Get, Param, Patch, Post, Put, Query } from '@nestjs/common';
import { ReqCtx, type SignedIn } from '../../../platform/access/context.js';
import { Endpoint } from '../../../platform/access/endpoint.js';
import { ScimGroupBody, ScimGroupListView, ScimGroupView } from './scim-group.dto.js';
import { ScimGroupService } from './scim-group.service.js';
import { ScimIfMatch, type Precondition } from './scim-precondition.js';
import { ScimPatchInput, ScimSearchInput } from './scim-user.dto.js';
import { SCIM } from './scim.dialect.js';
import { ScimBodyDoc, ScimIfMatchDoc, ScimListDoc, ScimProjectionDoc } from './scim.documentation.js';

@Controller('scim/v2/Groups')
export class ScimGroupController {
  constructor(private readonly groups: ScimGroupService) {}

  @Get()
  @ScimListDoc()
  @Endpoint({
    action: 'list',
    subject: 'ScimGroup',
    summary: 'SCIM: groups of the directory',
    response: ScimGroupListView,
    dialect: SCIM,
  })
  list(@ReqCtx() ctx: SignedIn, @Query() query: object): Promise<ScimGroupListView> {
    return this.groups.list(ctx, 'list', query);
  }

  @Post('.search')
  @ScimBodyDoc(ScimSearchInput)
  @Endpoint({
    action: 'search',
    subject: 'ScimGroup',
    summary: 'SCIM: groups of the directory, with the conditions in the body',
    response: ScimGroupListView,
    dialect: SCIM,
    work: 'read',
  })
  search(@ReqCtx() ctx: SignedIn, @Body() input: object): Promise<ScimGroupListView> {
    return this.groups.list(ctx, 'search', input);
  }

  @Post()
  @ScimProjectionDoc()
  @ScimBodyDoc(ScimGroupBody)
  @Endpoint({
    action: 'create',
    subject: 'ScimGroup',
    summary: 'SCIM: make a group',
    response: ScimGroupView,
    dialect: SCIM,
    status: 201,
    creates: true,
    location: '/scim/v2/Groups/:id',
  })
  create(@ReqCtx() ctx: SignedIn, @Query() query: object, @Body() input: object): Promise<ScimGroupView> {
    return this.groups.create(ctx, query, input);
  }

  @Get(':id')
  @ScimProjectionDoc()
  @Endpoint({
    action: 'read',
    subject: 'ScimGroup',
    summary: 'SCIM: one group of the directory',
    response: ScimGroupView,
    dialect: SCIM,
  })
  get(@ReqCtx() ctx: SignedIn, @Param('id') id: string, @Query() query: object): Promise<ScimGroupView> {
    return this.groups.get(ctx, id, query);
  }

  @Put(':id')
  @ScimProjectionDoc()
  @ScimIfMatchDoc()
  @ScimBodyDoc(ScimGroupBody)
  @Endpoint({
    action: 'update',
    subject: 'ScimGroup',
    summary: 'SCIM: write a group anew, members included',
    response: ScimGroupView,
    dialect: SCIM,
  })
  replace(
    @ReqCtx() ctx: SignedIn,
    @Param('id') id: string,
    @Query() query: object,
    @ScimIfMatch() precondition: Precondition,
    @Body() input: object,
  ): Promise<ScimGroupView> {
    return this.groups.replace(ctx, id, query, precondition, input);
  }

  @Patch(':id')
  @ScimIfMatchDoc()
  @ScimBodyDoc(ScimPatchInput)
  @Endpoint({
    action: 'update',
    subject: 'ScimGroup',
    summary: 'SCIM: change a group; members come and go, and with them roles',
    response: null,
    dialect: SCIM,
  })
  patch(
    @ReqCtx() ctx: SignedIn,
    @Param('id') id: string,
    @ScimIfMatch() precondition: Precondition,
    @Body() input: object,
  ): Promise<void> {
    return this.groups.patch(ctx, id, precondition, input);
  }

  @Delete(':id')
  @ScimIfMatchDoc()
  @Endpoint({
    action: 'delete',
    subject: 'ScimGroup',
    summary: 'SCIM: delete a group, and the roles that it gave',
    response: null,
    dialect: SCIM,
  })
  remove(@ReqCtx() ctx: SignedIn, @Param('id') id: string, @ScimIfMatch() precondition: Precondition): Promise<void> {
    return this.groups.remove(ctx, id, precondition);
  }
}
