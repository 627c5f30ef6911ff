import { Body, Controller, Get, Param, Post, Query } from '@nestjs/common';
import { ReqCtx, type SignedIn } from '../../../platform/access/context.js';
import { Endpoint } from '../../../platform/access/endpoint.js';
import type { Page } from '../../../platform/http/presenter.js';
import {
  ClientKeyParams,
  ClientKeyQuery,
  ClientKeyView,
  ClientParams,
  RegisterKey,
  RevokeKey,
} from './client-key.dto.js';
import { ClientKeys } from './client-keys.service.js';

@Controller('v1/users/:id/keys')
export class ClientKeyController {
  constructor(private readonly keys: ClientKeys) {}

  @Post()
  @Endpoint({
    action: 'create',
    subject: 'ClientKey',
    summary: 'Register a public key or certificate of a service account',
    response: ClientKeyView,
    status: 201,
    creates: true,
    stepUpSeconds: 300,
  })
  register(@ReqCtx() ctx: SignedIn, @Param() { id }: ClientParams, @Body() input: RegisterKey): Promise<ClientKeyView> {
    return this.keys.register(ctx, id, input);
  }

  @Get()
  @Endpoint({
    action: 'list',
    subject: 'ClientKey',
    summary: 'Keys of a service account, newest first',
    response: ClientKeyView,
    paged: true,
  })
  list(
    @ReqCtx() ctx: SignedIn,
    @Param() { id }: ClientParams,
    @Query() query: ClientKeyQuery,
  ): Promise<Page<ClientKeyView>> {
    return this.keys.list(ctx, id, query);
  }

  @Post(':keyId/revoke')
  @Endpoint({
    action: 'revoke',
    subject: 'ClientKey',
    summary: 'Take a key away; its tokens are void at once',
    response: ClientKeyView,
  })
  revoke(
    @ReqCtx() ctx: SignedIn,
    @Param() { id, keyId }: ClientKeyParams,
    @Body() { reason }: RevokeKey,
  ): Promise<ClientKeyView> {
    return this.keys.revoke(ctx, id, keyId, reason);
  }
}
