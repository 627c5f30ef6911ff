import { Body, Controller, Get, Param, Post, Query } from '@nestjs/common';
import { ReqCtx, type SignedIn } from '../../../platform/access/context.js';
import { Endpoint } from '../../../platform/access/endpoint.js';
import {
  AccountResetParams,
  AccountResetQuery,
  AccountResetView,
  ReplaceEmail,
  RequestReset,
  RESET_STEP_UP_SECONDS,
  WhyAccount,
} from './account-reset.dto.js';
import { AccountResetRepository } from './account-reset.repository.js';
import { AccountResets } from './account-resets.service.js';

const stepUpSeconds = RESET_STEP_UP_SECONDS;

@Controller('v1')
export class AccountResetController {
  constructor(
    private readonly resets: AccountResets,
    private readonly rows: AccountResetRepository,
  ) {}

  @Post('users/:id/mfa/reset')
  @Endpoint({
    action: 'reset-factors',
    subject: 'Account',
    summary:
      'Remove all second factors of an account: with a recorded identity check, or once another administrator approves',
    response: AccountResetView,
    status: 201,
    creates: true,
    stepUpSeconds,
  })
  resetFactors(@ReqCtx() ctx: SignedIn, @Param() { id }: AccountResetParams, @Body() input: RequestReset) {
    return this.resets.resetFactors(ctx, id, input);
  }

  @Post('users/:id/password/reset')
  @Endpoint({
    action: 'reset-password',
    subject: 'Account',
    summary: 'Mail the holder a link to choose a new password',
    response: AccountResetView,
    status: 201,
    creates: true,
    stepUpSeconds,
  })
  resetPassword(@ReqCtx() ctx: SignedIn, @Param() { id }: AccountResetParams, @Body() input: RequestReset) {
    return this.resets.resetPassword(ctx, id, input);
  }

  @Post('users/:id/unlock')
  @Endpoint({
    action: 'unlock',
    subject: 'Account',
    summary: 'Forget the failed attempts of an account',
    response: AccountResetView,
    status: 201,
    creates: true,
    stepUpSeconds,
  })
  unlock(@ReqCtx() ctx: SignedIn, @Param() { id }: AccountResetParams, @Body() { reason }: WhyAccount) {
    return this.resets.unlock(ctx, id, reason);
  }

  @Post('users/:id/email')
  @Endpoint({
    action: 'change-email',
    subject: 'Account',
    summary: 'Replace the address of an account; both addresses are told, and the holder confirms the new one',
    response: AccountResetView,
    status: 201,
    creates: true,
    stepUpSeconds,
  })
  changeEmail(@ReqCtx() ctx: SignedIn, @Param() { id }: AccountResetParams, @Body() input: ReplaceEmail) {
    return this.resets.changeEmail(ctx, id, input);
  }

  @Get('account-resets')
  @Endpoint({
    action: 'list',
    subject: 'AccountReset',
    summary: 'What administrators did, or ask to do, about the way into accounts; newest first',
    response: AccountResetView,
    paged: true,
  })
  list(@ReqCtx() ctx: SignedIn, @Query() query: AccountResetQuery) {
    return this.rows.list(ctx, query);
  }

  @Post('account-resets/:id/approve')
  @Endpoint({
    action: 'approve',
    subject: 'AccountReset',
    summary: 'Approve what another administrator asked for: it is done at once',
    response: AccountResetView,
    stepUpSeconds,
  })
  approve(@ReqCtx() ctx: SignedIn, @Param() { id }: AccountResetParams) {
    return this.resets.approve(ctx, id);
  }

  @Post('account-resets/:id/decline')
  @Endpoint({
    action: 'decline',
    subject: 'AccountReset',
    summary: 'Decline, or take back, what was asked for',
    response: AccountResetView,
    stepUpSeconds,
  })
  decline(@ReqCtx() ctx: SignedIn, @Param() { id }: AccountResetParams) {
    return this.resets.decline(ctx, id);
  }
}
