import { Injectable } from '@nestjs/common';
import type { SignedIn } from '../../../platform/access/context.js';
import type { Action, Role } from '../../../platform/access/vocabulary.js';
import { accessible, Params } from '../../../platform/database/accessible.js';
import { filterToSql, type Columns } from './scim-filter.js';
import { groupKey } from './scim-group-roles.js';
import type { ListQuery } from './scim-query.js';
import { orderBy } from './scim-user.repository.js';
import { noSuchMember, tooMany } from './scim.errors.js';
import { GROUP } from './scim.schemas.js';

export interface GroupRow {
  id: string;
  directoryId: string;
  externalId: string | null;
  displayName: string;
  roles: Role[];
  version: number;
  createdAt: Date;
  updatedAt: Date;
}

export interface MemberRow {
  groupId: string;
  value: string;
  display: string;
}

/** Most members of one answer, over all its groups. */
const MAX_MEMBERS = 50_000;

const COLUMNS: Columns = {
  id: { kind: 'id', sql: 'g.group_id' },
  externalid: { kind: 'exact', sql: 'g.external_id' },
  displayname: { kind: 'text', sql: 'g.name_key', key: groupKey },
  'meta.created': { kind: 'time', sql: 'g.created_at' },
  'meta.lastmodified': { kind: 'time', sql: 'g.updated_at' },
};
const MEMBER = (id: string): string =>
  `EXISTS (SELECT 1 FROM users.scim_group_member m WHERE m.account_id = ${id} AND m.group_id = g.group_id)`;
const FILTERS: Columns = {
  ...COLUMNS,
  members: { kind: 'one-of', sql: MEMBER },
  'members.value': { kind: 'one-of', sql: MEMBER },
};

const ORDERS: Readonly<Record<string, string>> = {
  id: 'g.group_id',
  externalid: 'g.external_id COLLATE "C"',
  displayname: 'g.name_key COLLATE "C"',
  'meta.created': 'g.created_at',
  'meta.lastmodified': 'g.updated_at',
};

const SELECT = `SELECT g.group_id AS id, g.directory_id AS "directoryId", g.external_id AS "externalId", g.display_name AS "displayName",
    g.roles, g.version, g.created_at AS "createdAt", g.updated_at AS "updatedAt"`;
const OWN = { columns: { directoryId: 'g.directory_id' } };

/** Rows of groups of the actor's directory, and who is in them. */
@Injectable()
export class ScimGroupRepository {
  async list(ctx: SignedIn, action: Action, query: ListQuery): Promise<{ total: number; rows: GroupRow[] }> {
    const params = new Params();
    const where = [accessible(ctx, action, 'ScimGroup', OWN, params)];
    if (query.filter !== null) where.push(filterToSql(query.filter, GROUP, FILTERS, params));
    const order = orderBy(ORDERS, query, 'g.group_id');
    const from = `FROM users.scim_group g WHERE ${where.join(' AND ')}`;
    const [counted] = await ctx.db.query<{ total: number }>(`SELECT count(*)::int AS total ${from}`, params.values);
    if (query.count === 0) return { total: counted!.total, rows: [] };
    const limit = `LIMIT ${params.add(query.count)} OFFSET ${params.add(query.startIndex - 1)}`;
    return {
      total: counted!.total,
      rows: await ctx.db.query<GroupRow>(`${SELECT} ${from} ${order} ${limit}`, params.values),
    };
  }

  /** `FOR UPDATE` for whoever changes it: changes of one group come one after the other. */
  async find(ctx: SignedIn, id: string, lock: '' | 'FOR UPDATE' = ''): Promise<GroupRow | null> {
    const params = new Params();
    const seen = accessible(ctx, 'read', 'ScimGroup', OWN, params);
    const rows = await ctx.db.query<GroupRow>(
      `${SELECT} FROM users.scim_group g WHERE g.group_id = ${params.add(id)} AND ${seen} ${lock}`,
      params.values,
    );
    return rows[0] ?? null;
  }

  /** Members of these groups. Throws 400 tooMany before there are too many for one answer. */
  async members(ctx: SignedIn, groupIds: readonly string[]): Promise<MemberRow[]> {
    const rows = await ctx.db.query<MemberRow>(
      `SELECT m.group_id AS "groupId", m.account_id AS value, a.display_name AS display
         FROM users.scim_group_member m JOIN users.account a ON a.account_id = m.account_id
        WHERE m.group_id = ANY($1) ORDER BY m.group_id, m.account_id LIMIT $2`,
      [groupIds, MAX_MEMBERS + 1],
    );
    if (rows.length > MAX_MEMBERS) throw tooMany();
    return rows;
  }

  async insert(ctx: SignedIn, group: Pick<GroupRow, 'id' | 'externalId' | 'displayName' | 'roles'>): Promise<void> {
    await ctx.db.query(
      `INSERT INTO users.scim_group (group_id, directory_id, external_id, display_name, name_key, roles, created_at, updated_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $7)`,
      [group.id, ctx.actor.id, group.externalId, group.displayName, groupKey(group.displayName), group.roles, ctx.now],
    );
  }

  /** The caller holds the row's lock. */
  async update(
    ctx: SignedIn,
    id: string,
    { externalId, displayName, roles }: Pick<GroupRow, 'externalId' | 'displayName' | 'roles'>,
  ): Promise<void> {
    await ctx.db.query(
      `UPDATE users.scim_group SET external_id = $2, display_name = $3, name_key = $4, roles = $5, version = version + 1, updated_at = $6
        WHERE group_id = $1`,
      [id, externalId, displayName, groupKey(displayName), roles, ctx.now],
    );
  }

  async delete(ctx: SignedIn, id: string): Promise<void> {
    await ctx.db.query('DELETE FROM users.scim_group WHERE group_id = $1', [id]);
  }

  /** Resolves with who came; whoever is a member already does not count. Throws 400 for whoever is no user of the directory. */
  async addMembers(ctx: SignedIn, id: string, accountIds: readonly string[]): Promise<string[]> {
    if (accountIds.length === 0) return [];
    const [found] = await ctx.db.query<{ count: number }>(
      `SELECT count(*)::int AS count FROM users.directory_account WHERE directory_id = $1 AND removed_at IS NULL AND account_id = ANY($2)`,
      [ctx.actor.id, accountIds],
    );
    if (found!.count !== accountIds.length) throw noSuchMember();
    const rows = await ctx.db.query<{ id: string }>(
      `INSERT INTO users.scim_group_member (group_id, directory_id, account_id) SELECT $1, $2, unnest($3::uuid[])
       ON CONFLICT DO NOTHING RETURNING account_id AS id`,
      [id, ctx.actor.id, accountIds],
    );
    return rows.map((row) => row.id);
  }

  /** Resolves with who went. */
  async removeMembers(ctx: SignedIn, id: string, accountIds: readonly string[]): Promise<string[]> {
    if (accountIds.length === 0) return [];
    const rows = await ctx.db.query<{ id: string }>(
      'DELETE FROM users.scim_group_member WHERE group_id = $1 AND account_id = ANY($2) RETURNING account_id AS id',
      [id, accountIds],
    );
    return rows.map((row) => row.id);
  }
}
