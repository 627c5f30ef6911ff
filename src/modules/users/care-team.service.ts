import { Injectable } from '@nestjs/common';
import { newId } from '../../platform/ids.js';
import { authorize, type SignedIn } from '../../platform/access/context.js';
import { Cursors } from '../../platform/http/cursors.js';
import type { Page } from '../../platform/http/presenter.js';
import { notFound } from '../../platform/http/problem.js';
import { CareTeamMember } from './care-team-member.entity.js';
import type { CareTeamMemberView, CareTeamQuery, CreateCareTeamMember } from './care-team.dto.js';
import { CareTeamRepository } from './care-team.repository.js';
import { PatientService } from './patient.service.js';
import { PractitionerRepository } from './practitioner.repository.js';
import { alreadyEnded, emptyPeriod, noSuchPractitioner, notToOneself } from './users.errors.js';

const LIST = 'users.care-team';

/** Who treats whom, and when: a clinician sees a chart exactly during such a period. */
@Injectable()
export class CareTeamService {
  constructor(
    private readonly team: CareTeamRepository,
    private readonly patients: PatientService,
    private readonly practitioners: PractitionerRepository,
    private readonly cursors: Cursors,
  ) {}

  async list(ctx: SignedIn, patientId: string, query: CareTeamQuery): Promise<Page<CareTeamMemberView>> {
    await this.patients.seen(ctx, patientId);
    authorize(ctx, 'list', 'CareTeam', { patientId });
    const list = `${LIST}:${patientId}`;
    const after = this.cursors.open<[string]>(ctx, list, query);
    const rows = await this.team.list(ctx, patientId, query, after?.[0] ?? null);
    // An empty answer tells something of this patient as well.
    if (rows.length === 0) ctx.touch({ patientId, type: 'Patient', id: patientId });
    return this.cursors.page(
      ctx,
      list,
      query,
      rows,
      (row) => [row.id],
      (row) => this.touched(ctx, row),
    );
  }

  async add(ctx: SignedIn, patientId: string, input: CreateCareTeamMember): Promise<CareTeamMemberView> {
    await this.patients.seen(ctx, patientId);
    authorize(ctx, 'create', 'CareTeam', { patientId });
    const practitioner = await this.practitioners.find(ctx, input.practitionerId);
    if (!practitioner) throw noSuchPractitioner();
    if (practitioner.accountId === ctx.actor.id) throw notToOneself();
    const startsAt = input.startsAt === undefined ? ctx.now : new Date(input.startsAt);
    const endsAt = input.endsAt === undefined ? null : new Date(input.endsAt);
    if (endsAt !== null && endsAt <= startsAt) throw emptyPeriod();
    const manager = await ctx.db.manager();
    const id = newId();
    await manager.insert(CareTeamMember, {
      id,
      patientId,
      practitionerId: practitioner.id,
      startsAt,
      endsAt,
      createdAt: ctx.now,
      createdBy: ctx.actor.id,
    });
    return this.get(ctx, patientId, id);
  }

  /** Ends a membership now; one that has not begun yet never will. */
  async end(ctx: SignedIn, patientId: string, id: string): Promise<CareTeamMemberView> {
    await this.patients.seen(ctx, patientId);
    authorize(ctx, 'end', 'CareTeam', { patientId });
    if (!(await this.team.find(ctx, patientId, id))) throw notFound();
    if (!(await this.team.end(ctx, patientId, id))) throw alreadyEnded();
    return this.get(ctx, patientId, id);
  }

  private async get(ctx: SignedIn, patientId: string, id: string): Promise<CareTeamMemberView> {
    const member = await this.team.find(ctx, patientId, id);
    if (!member) throw notFound();
    return this.touched(ctx, member);
  }

  private touched(ctx: SignedIn, member: CareTeamMemberView): CareTeamMemberView {
    ctx.touch({ patientId: member.patientId, type: 'CareTeam', id: member.id, category: 'care-team' });
    return member;
  }
}
