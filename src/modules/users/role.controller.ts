import { Controller, Get, Param, Query } from '@nestjs/common';
import { ReqCtx, type SignedIn } from '../../platform/access/context.js';
import { Endpoint } from '../../platform/access/endpoint.js';
import type { Page } from '../../platform/http/presenter.js';
import { AccountParams } from './account.dto.js';
import { RoleChangeQuery, RoleChangeView, RolesQuery, RoleView } from './role.dto.js';
import { RoleHistoryService } from './role-history.service.js';

@Controller('v1')
export class RoleController {
  constructor(private readonly history: RoleHistoryService) {}

  @Get('users/:id/roles')
  @Endpoint({
    action: 'list',
    subject: 'Role',
    summary: 'Roles that an account holds, and those that begin later',
    response: RoleView,
    paged: true,
  })
  roles(@ReqCtx() ctx: SignedIn, @Param() { id }: AccountParams, @Query() query: RolesQuery): Promise<Page<RoleView>> {
    return this.history.standing(ctx, id, query);
  }

  @Get('users/:id/role-changes')
  @Endpoint({
    action: 'list',
    subject: 'RoleChange',
    summary: 'Every change of what an account may do, newest first',
    response: RoleChangeView,
    paged: true,
  })
  changesOf(
    @ReqCtx() ctx: SignedIn,
    @Param() { id }: AccountParams,
    @Query() query: RoleChangeQuery,
  ): Promise<Page<RoleChangeView>> {
    return this.history.changes(ctx, id, query);
  }

  @Get('role-changes')
  @Endpoint({
    action: 'list',
    subject: 'RoleChange',
    summary: 'Every change of what anybody may do, newest first',
    response: RoleChangeView,
    paged: true,
  })
  changes(@ReqCtx() ctx: SignedIn, @Query() query: RoleChangeQuery): Promise<Page<RoleChangeView>> {
    return this.history.changes(ctx, null, query);
  }
}
