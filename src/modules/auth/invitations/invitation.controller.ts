import { Body, Controller, Delete, Get, Param, Post, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { ReqCtx, type SignedIn } from '../../../platform/access/context.js';
import { Endpoint } from '../../../platform/access/endpoint.js';
import { documented } from '../../../platform/docs/documented.js';
import type { Page } from '../../../platform/http/presenter.js';
import {
  InvitationQuery,
  InvitationsQuery,
  InvitationView,
  InviteeParams,
  InvitePatient,
  MadeInvitationView,
} from './invitation.dto.js';
import { InvitationService } from './invitation.service.js';

@Controller('v1')
export class InvitationController {
  constructor(private readonly invitations: InvitationService) {}

  @Get('invitations')
  @Endpoint({
    action: 'search',
    subject: 'Invitation',
    summary:
      'Invitations that were made, newest first, without their codes: who invited whom, where to, and who was told',
    response: MadeInvitationView,
    paged: true,
  })
  made(@ReqCtx() ctx: SignedIn, @Query() query: InvitationsQuery): Promise<Page<MadeInvitationView>> {
    return this.invitations.made(ctx, query);
  }

  @Post('patients/:id/invitations')
  @documented(({ ApiResponse }) => ApiResponse({ status: 204, description: 'The code is mailed.' }))
  @Endpoint({
    action: 'invite',
    subject: 'Patient',
    summary: 'Give the patient a code to open an account, by mail or as a letter to print',
    response: null,
    produces: 'application/pdf',
    stepUpSeconds: 300,
  })
  async invitePatient(
    @ReqCtx() ctx: SignedIn,
    @Param() { id }: InviteeParams,
    @Body() input: InvitePatient,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Buffer | undefined> {
    const letter = await this.invitations.invitePatient(ctx, id, input);
    if (letter === null) {
      void reply.status(204);
      return undefined;
    }
    void reply.type('application/pdf').header('content-disposition', 'attachment; filename="invitation.pdf"');
    return letter;
  }

  @Get('patients/:id/invitations')
  @Endpoint({
    action: 'list',
    subject: 'Invitation',
    summary: "The patient's invitation, if one is open; without its code",
    response: InvitationView,
    paged: true,
  })
  ofPatient(
    @ReqCtx() ctx: SignedIn,
    @Param() { id }: InviteeParams,
    @Query() query: InvitationQuery,
  ): Promise<Page<InvitationView>> {
    return this.invitations.list(ctx, { patientId: id }, query);
  }

  @Delete('patients/:id/invitations')
  @Endpoint({
    action: 'delete',
    subject: 'Invitation',
    summary: "Make the patient's open invitation void",
    response: null,
  })
  voidOfPatient(@ReqCtx() ctx: SignedIn, @Param() { id }: InviteeParams): Promise<void> {
    return this.invitations.voidAll(ctx, { patientId: id });
  }

  @Post('users/:id/invitations')
  @Endpoint({
    action: 'invite',
    subject: 'Account',
    summary: 'Mail a new activation code to the holder of an account that was never activated',
    response: null,
    stepUpSeconds: 300,
  })
  inviteAccount(@ReqCtx() ctx: SignedIn, @Param() { id }: InviteeParams): Promise<void> {
    return this.invitations.inviteAccount(ctx, id);
  }

  @Get('users/:id/invitations')
  @Endpoint({
    action: 'list',
    subject: 'Invitation',
    summary: "The account's invitation, if one is open; without its code",
    response: InvitationView,
    paged: true,
  })
  ofAccount(
    @ReqCtx() ctx: SignedIn,
    @Param() { id }: InviteeParams,
    @Query() query: InvitationQuery,
  ): Promise<Page<InvitationView>> {
    return this.invitations.list(ctx, { accountId: id }, query);
  }

  @Delete('users/:id/invitations')
  @Endpoint({
    action: 'delete',
    subject: 'Invitation',
    summary: "Make the account's open invitation void",
    response: null,
  })
  voidOfAccount(@ReqCtx() ctx: SignedIn, @Param() { id }: InviteeParams): Promise<void> {
    return this.invitations.voidAll(ctx, { accountId: id });
  }
}
