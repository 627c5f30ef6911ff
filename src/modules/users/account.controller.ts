import { Body, Controller, Get, Param, Patch, Post, Query } from '@nestjs/common';
import { ReqCtx, type SignedIn } from '../../platform/access/context.js';
import { Endpoint } from '../../platform/access/endpoint.js';
import { IfMatch } from '../../platform/http/if-match.js';
import type { Page } from '../../platform/http/presenter.js';
import {
  AccountParams,
  AccountQuery,
  AccountRoleParams,
  AccountView,
  CreateAccount,
  GrantRole,
  Reason,
  ROLE_STEP_UP_SECONDS,
  UpdateAccount,
} from './account.dto.js';
import { AccountService } from './account.service.js';

const stepUpSeconds = ROLE_STEP_UP_SECONDS;

@Controller('v1/users')
export class AccountController {
  constructor(private readonly accounts: AccountService) {}

  @Post()
  @Endpoint({
    action: 'create',
    subject: 'Account',
    summary: 'Open an account and invite its holder',
    response: AccountView,
    status: 201,
    creates: true,
    location: '/v1/users/:id',
    stepUpSeconds,
  })
  create(@ReqCtx() ctx: SignedIn, @Body() input: CreateAccount): Promise<AccountView> {
    return this.accounts.create(ctx, input);
  }

  @Get()
  @Endpoint({
    action: 'list',
    subject: 'Account',
    summary: 'Accounts by display name',
    response: AccountView,
    paged: true,
  })
  list(@ReqCtx() ctx: SignedIn, @Query() query: AccountQuery): Promise<Page<AccountView>> {
    return this.accounts.list(ctx, query);
  }

  @Get(':id')
  @Endpoint({ action: 'read', subject: 'Account', summary: 'One account', response: AccountView })
  get(@ReqCtx() ctx: SignedIn, @Param() { id }: AccountParams): Promise<AccountView> {
    return this.accounts.get(ctx, id);
  }

  @Patch(':id')
  @Endpoint({
    action: 'update',
    subject: 'Account',
    summary: 'Change the name of an account',
    response: AccountView,
    conditional: true,
  })
  update(
    @ReqCtx() ctx: SignedIn,
    @Param() { id }: AccountParams,
    @IfMatch() version: number,
    @Body() input: UpdateAccount,
  ): Promise<AccountView> {
    return this.accounts.update(ctx, id, version, input);
  }

  @Post(':id/roles')
  @Endpoint({
    action: 'grant',
    subject: 'Account',
    summary: 'Give an account a role',
    response: AccountView,
    stepUpSeconds,
  })
  grant(@ReqCtx() ctx: SignedIn, @Param() { id }: AccountParams, @Body() input: GrantRole): Promise<AccountView> {
    return this.accounts.grant(ctx, id, input);
  }

  @Post(':id/roles/:role/revoke')
  @Endpoint({
    action: 'revoke',
    subject: 'Account',
    summary: 'Take a role away from an account',
    response: AccountView,
    stepUpSeconds,
  })
  revoke(
    @ReqCtx() ctx: SignedIn,
    @Param() { id, role }: AccountRoleParams,
    @Body() { reason }: Reason,
  ): Promise<AccountView> {
    return this.accounts.revoke(ctx, id, role, reason);
  }

  @Post(':id/disable')
  @Endpoint({
    action: 'disable',
    subject: 'Account',
    summary: 'Disable an account and end its sessions',
    response: AccountView,
  })
  disable(@ReqCtx() ctx: SignedIn, @Param() { id }: AccountParams, @Body() { reason }: Reason): Promise<AccountView> {
    return this.accounts.disable(ctx, id, reason);
  }

  @Post(':id/enable')
  @Endpoint({ action: 'enable', subject: 'Account', summary: 'Let a disabled account in again', response: AccountView })
  enable(@ReqCtx() ctx: SignedIn, @Param() { id }: AccountParams): Promise<AccountView> {
    return this.accounts.enable(ctx, id);
  }
}
