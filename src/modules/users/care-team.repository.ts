import { Injectable } from '@nestjs/common';
import type { SignedIn } from '../../platform/access/context.js';
import { accessible, Params } from '../../platform/database/accessible.js';
import { limitOf } from '../../platform/http/cursors.js';
import type { CareTeamMemberView, CareTeamQuery } from './care-team.dto.js';

const SELECT = `
  SELECT c.care_team_member_id AS id, c.patient_id AS "patientId", c.starts_at AS "startsAt", c.ends_at AS "endsAt",
         jsonb_build_object('id', pr.practitioner_id, 'family', pr.family, 'given', pr.given, 'specialty', pr.specialty) AS practitioner
    FROM users.care_team_member c JOIN users.practitioner pr ON pr.practitioner_id = c.practitioner_id`;

@Injectable()
export class CareTeamRepository {
  list(ctx: SignedIn, patientId: string, query: CareTeamQuery, after: string | null): Promise<CareTeamMemberView[]> {
    const params = new Params();
    const where = this.visible(ctx, patientId, params);
    if (!query.ended)
      where.push(`(c.ends_at IS NULL OR c.ends_at > greatest(c.starts_at, ${params.add(ctx.now)}::timestamptz))`);
    if (after) where.push(`c.care_team_member_id > ${params.add(after)}`);
    return ctx.db.query<CareTeamMemberView>(
      `${SELECT} WHERE ${where.join(' AND ')} ORDER BY c.care_team_member_id LIMIT ${params.add(limitOf(query) + 1)}`,
      params.values,
    );
  }

  async find(ctx: SignedIn, patientId: string, id: string): Promise<CareTeamMemberView | null> {
    const params = new Params();
    const where = [...this.visible(ctx, patientId, params), `c.care_team_member_id = ${params.add(id)}`];
    return (await ctx.db.query<CareTeamMemberView>(`${SELECT} WHERE ${where.join(' AND ')}`, params.values))[0] ?? null;
  }

  /** False when it has ended already. */
  async end(ctx: SignedIn, patientId: string, id: string): Promise<boolean> {
    const rows = await ctx.db.query(
      `UPDATE users.care_team_member SET ends_at = greatest(starts_at, $3)
        WHERE care_team_member_id = $1 AND patient_id = $2 AND (ends_at IS NULL OR ends_at > $3) AND starts_at IS DISTINCT FROM ends_at RETURNING 1`,
      [id, patientId, ctx.now],
    );
    return rows.length === 1;
  }

  private visible(ctx: SignedIn, patientId: string, params: Params): string[] {
    const known = { patientId };
    return [
      `c.patient_id = ${params.add(patientId)}`,
      accessible(ctx, 'list', 'CareTeam', { columns: { patientId: 'c.patient_id' }, known }, params),
    ];
  }
}
