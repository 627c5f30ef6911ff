import { Body, Controller, Get, Param, Post } from '@nestjs/common';
import { ReqCtx, type SignedIn } from '../../../platform/access/context.js';
import { Endpoint } from '../../../platform/access/endpoint.js';
import { AccountResetView, RESET_STEP_UP_SECONDS, WhyAccount } from '../recovery/account-reset.dto.js';
import { AccountLinks } from './account-links.service.js';
import { AccountIdentitiesParams, AccountIdentitiesView, AccountIdentityParams } from './sso.dto.js';

@Controller('v1/users/:id/sso/identities')
export class AccountLinksController {
  constructor(private readonly links: AccountLinks) {}

  @Get()
  @Endpoint({
    action: 'read',
    subject: 'FederatedIdentity',
    summary: 'Links of an account to identity providers',
    response: AccountIdentitiesView,
  })
  list(@ReqCtx() ctx: SignedIn, @Param() { id }: AccountIdentitiesParams): Promise<AccountIdentitiesView> {
    return this.links.list(ctx, id);
  }

  @Post(':identityId/revoke')
  @Endpoint({
    action: 'revoke',
    subject: 'FederatedIdentity',
    summary: 'Take away the link of an account to an identity provider; all its sessions end',
    response: AccountResetView,
    status: 201,
    creates: true,
    stepUpSeconds: RESET_STEP_UP_SECONDS,
  })
  revoke(
    @ReqCtx() ctx: SignedIn,
    @Param() { id, identityId }: AccountIdentityParams,
    @Body() { reason }: WhyAccount,
  ): Promise<AccountResetView> {
    return this.links.revoke(ctx, id, identityId, reason);
  }
}
