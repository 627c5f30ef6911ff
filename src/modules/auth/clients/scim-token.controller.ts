import { Body, Controller, Get, Param, Post, Query } from '@nestjs/common';
import { ReqCtx, type SignedIn } from '../../../platform/access/context.js';
import { Endpoint } from '../../../platform/access/endpoint.js';
import type { Page } from '../../../platform/http/presenter.js';
import {
  CreateScimToken,
  NewScimTokenView,
  OneScimTokenParams,
  ScimTokenParams,
  ScimTokenQuery,
  ScimTokenView,
} from './scim-token.dto.js';
import { ScimTokens } from './scim-tokens.service.js';

@Controller('v1/users/:id/scim-tokens')
export class ScimTokenController {
  constructor(private readonly tokens: ScimTokens) {}

  /** Takes no Idempotency-Key: an answer that is kept would hold the secret. */
  @Post()
  @Endpoint({
    action: 'create',
    subject: 'ScimToken',
    summary: 'Make a bearer secret for a directory; it is shown once',
    response: NewScimTokenView,
    status: 201,
    stepUpSeconds: 300,
  })
  create(
    @ReqCtx() ctx: SignedIn,
    @Param() { id }: ScimTokenParams,
    @Body() input: CreateScimToken,
  ): Promise<NewScimTokenView> {
    return this.tokens.create(ctx, id, input);
  }

  @Get()
  @Endpoint({
    action: 'list',
    subject: 'ScimToken',
    summary: 'Bearer secrets of a directory, newest first, without the secrets',
    response: ScimTokenView,
    paged: true,
  })
  list(
    @ReqCtx() ctx: SignedIn,
    @Param() { id }: ScimTokenParams,
    @Query() query: ScimTokenQuery,
  ): Promise<Page<ScimTokenView>> {
    return this.tokens.list(ctx, id, query);
  }

  @Post(':tokenId/revoke')
  @Endpoint({
    action: 'revoke',
    subject: 'ScimToken',
    summary: 'Take a bearer secret away; it opens nothing from the next request on',
    response: ScimTokenView,
  })
  revoke(@ReqCtx() ctx: SignedIn, @Param() { id, tokenId }: OneScimTokenParams): Promise<ScimTokenView> {
    return this.tokens.revoke(ctx, id, tokenId);
  }
}
