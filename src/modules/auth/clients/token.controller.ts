import { Body, Controller, Post, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { ReqCtx, type Ctx } from '../../../platform/access/context.js';
import { Endpoint } from '../../../platform/access/endpoint.js';
import { documented } from '../../../platform/docs/documented.js';
import { ClientCertificates } from '../../../platform/http/client-certificate.js';
import { OAUTH } from './oauth.dialect.js';
import { TokenRequest, TokenView } from './token.dto.js';
import { ClientTokens, tokenRequestOf } from './token.service.js';

@Controller('v1/auth')
export class TokenController {
  constructor(
    private readonly tokens: ClientTokens,
    private readonly certificates: ClientCertificates,
  ) {}

  @Post('token')
  @documented(({ ApiConsumes }) => ApiConsumes('application/x-www-form-urlencoded'))
  @documented(({ ApiBody }) => ApiBody({ type: TokenRequest }))
  @Endpoint({
    action: 'login',
    subject: 'Session',
    access: 'public',
    summary: 'An access token for a service account (OAuth 2.0 client credentials)',
    response: TokenView,
    dialect: OAUTH,
  })
  issue(@ReqCtx() ctx: Ctx, @Req() request: FastifyRequest, @Body() body: object): Promise<TokenView> {
    return this.tokens.issue(ctx, tokenRequestOf(body), this.certificates.of(request));
  }
}
