import { Body, Controller, Get, Param, Post, Query } from '@nestjs/common';
import { ReqCtx, type SignedIn } from '../../platform/access/context.js';
import { Endpoint } from '../../platform/access/endpoint.js';
import type { Page } from '../../platform/http/presenter.js';
import { CareTeamMemberParams, CareTeamMemberView, CareTeamQuery, CreateCareTeamMember } from './care-team.dto.js';
import { CareTeamService } from './care-team.service.js';
import { PatientParams } from './patient.dto.js';

@Controller('v1/patients/:id/care-team')
export class CareTeamController {
  constructor(private readonly team: CareTeamService) {}

  @Get()
  @Endpoint({
    action: 'list',
    subject: 'CareTeam',
    summary: 'Who treats this patient',
    response: CareTeamMemberView,
    paged: true,
  })
  list(
    @ReqCtx() ctx: SignedIn,
    @Param() { id }: PatientParams,
    @Query() query: CareTeamQuery,
  ): Promise<Page<CareTeamMemberView>> {
    return this.team.list(ctx, id, query);
  }

  @Post()
  @Endpoint({
    action: 'create',
    subject: 'CareTeam',
    summary: 'Put a practitioner on the care team',
    response: CareTeamMemberView,
    status: 201,
    creates: true,
  })
  add(
    @ReqCtx() ctx: SignedIn,
    @Param() { id }: PatientParams,
    @Body() input: CreateCareTeamMember,
  ): Promise<CareTeamMemberView> {
    return this.team.add(ctx, id, input);
  }

  @Post(':memberId/end')
  @Endpoint({
    action: 'end',
    subject: 'CareTeam',
    summary: 'End a membership of the care team',
    response: CareTeamMemberView,
  })
  end(@ReqCtx() ctx: SignedIn, @Param() { id, memberId }: CareTeamMemberParams): Promise<CareTeamMemberView> {
    return this.team.end(ctx, id, memberId);
  }
}
