import { Injectable } from '@nestjs/common';
import { authorize, type SignedIn } from '../../platform/access/context.js';
import { accessible, Params } from '../../platform/database/accessible.js';
import { Cursors, limitOf, type PageQuery } from '../../platform/http/cursors.js';
import type { Page } from '../../platform/http/presenter.js';
import { notFound } from '../../platform/http/problem.js';
import type { RoleChangeQuery, RoleChangeView, RoleView } from './role.dto.js';
import { RoleGrants } from './role-grants.js';

const CHANGES = 'users.role-changes';
const STANDING = 'users.roles';

const SELECT = `SELECT role_change_id AS id, account_id AS "accountId", role, kind, roles_before AS "rolesBefore", roles_after AS "rolesAfter",
    starts_at AS "startsAt", ends_at AS "endsAt", reason, changed_at AS "changedAt", changed_by AS "changedBy", via, via_name AS "viaName", seq
  FROM users.role_change c`;

type ChangeRow = RoleChangeView & { seq: string };

/** Which roles somebody holds and will hold, and every change there was: for who gives access and for who checks it. */
@Injectable()
export class RoleHistoryService {
  constructor(
    private readonly roles: RoleGrants,
    private readonly cursors: Cursors,
  ) {}

  /** Roles of this moment and of later. An account has a handful: they are cut into pages here. */
  async standing(ctx: SignedIn, accountId: string, query: PageQuery): Promise<Page<RoleView>> {
    await this.exists(ctx, accountId);
    authorize(ctx, 'list', 'Role', { accountId });
    const list = `${STANDING}:${accountId}`;
    const from = this.cursors.open<[number]>(ctx, list, query)?.[0] ?? 0;
    const rows = (await this.roles.standing(ctx.db, accountId, ctx.now))
      .map((row, at) => ({ ...row, at }))
      .slice(from, from + limitOf(query) + 1);
    ctx.touch({ patientId: null, type: 'Account', id: accountId });
    return this.cursors.page(
      ctx,
      list,
      query,
      rows,
      (row) => [row.at + 1],
      (row) => row,
    );
  }

  /** The newest first; of one account or of all. */
  async changes(ctx: SignedIn, accountId: string | null, query: RoleChangeQuery): Promise<Page<RoleChangeView>> {
    if (accountId !== null) await this.exists(ctx, accountId);
    const list = `${CHANGES}:${accountId ?? ''}`;
    const last = this.cursors.open<[string]>(ctx, list, query);
    const params = new Params();
    const where = [accessible(ctx, 'list', 'RoleChange', { columns: { accountId: 'c.account_id' } }, params)];
    if (accountId !== null) where.push(`c.account_id = ${params.add(accountId)}`);
    if (query.role) where.push(`c.role = ${params.add(query.role)}`);
    if (query.actorId) where.push(`c.changed_by = ${params.add(query.actorId)}`);
    if (query.from) where.push(`c.changed_at >= ${params.add(query.from)}`);
    if (query.to) where.push(`c.changed_at < ${params.add(query.to)}`);
    if (last) where.push(`c.seq < ${params.add(last[0])}`);
    const rows = await ctx.db.query<ChangeRow>(
      `${SELECT} WHERE ${where.join(' AND ')} ORDER BY c.seq DESC LIMIT ${params.add(limitOf(query) + 1)}`,
      params.values,
    );
    return this.cursors.page(
      ctx,
      list,
      query,
      rows,
      (row) => [row.seq],
      (row) => {
        ctx.touch({ patientId: null, type: 'RoleChange', id: row.id });
        return row;
      },
    );
  }

  private async exists(ctx: SignedIn, accountId: string): Promise<void> {
    const rows = await ctx.db.query('SELECT 1 FROM users.account WHERE account_id = $1', [accountId]);
    if (rows.length === 0) throw notFound();
  }
}
