import { Injectable } from '@nestjs/common';
import type { SignedIn } from '../../../platform/access/context.js';
import type { Action, Role } from '../../../platform/access/vocabulary.js';
import { accessible, Params } from '../../../platform/database/accessible.js';
import { BY_DIRECTORY, REMOVED_BY_DIRECTORY } from '../account.rules.js';
import { usernameKey } from '../username.js';
import { filterToSql, type Columns } from './scim-filter.js';
import type { ListQuery } from './scim-query.js';
import type { Profile } from './scim-user.rules.js';
import { invalidValue } from './scim.errors.js';
import { USER } from './scim.schemas.js';

export type UserRow = Profile & {
  id: string;
  directoryId: string;
  status: 'invited' | 'active' | 'disabled';
  disabledReason: string | null;
  groups: { value: string; display: string }[];
  roles: Role[];
  version: number;
  createdAt: Date;
  updatedAt: Date;
};

const ACTIVE = `(a.status <> 'disabled')`;

const COLUMNS: Columns = {
  id: { kind: 'id', sql: 'a.account_id' },
  externalid: { kind: 'exact', sql: 'd.external_id' },
  username: { kind: 'text', sql: 'a.username_key', key: usernameKey },
  displayname: { kind: 'text', sql: 'a.display_name' },
  active: { kind: 'flag', sql: ACTIVE },
  emails: { kind: 'text', sql: 'a.email' },
  'emails.value': { kind: 'text', sql: 'a.email' },
  'emails.type': { kind: 'constant', value: 'work' },
  'emails.primary': { kind: 'constant', value: true },
  'meta.created': { kind: 'time', sql: 'd.created_at' },
  'meta.lastmodified': { kind: 'time', sql: 'a.updated_at' },
};

const ORDERS: Readonly<Record<string, string>> = {
  id: 'a.account_id',
  externalid: 'd.external_id COLLATE "C"',
  username: 'a.username_key COLLATE "C"',
  displayname: 'lower(a.display_name) COLLATE "C"',
  'meta.created': 'd.created_at',
  'meta.lastmodified': 'a.updated_at',
};

const FROM = `FROM users.directory_account d JOIN users.account a ON a.account_id = d.account_id`;

const SELECT = `SELECT a.account_id AS id, d.directory_id AS "directoryId", a.username, d.external_id AS "externalId", a.display_name AS "displayName",
    d.family_name AS "familyName", d.given_name AS "givenName", d.title, a.email, d.is_active AS "isActive", a.status,
    a.disabled_reason AS "disabledReason", a.version, d.created_at AS "createdAt", a.updated_at AS "updatedAt",
    ARRAY(SELECT DISTINCT r.role FROM users.duty r WHERE r.account_id = a.account_id ORDER BY r.role) AS roles,
    (SELECT coalesce(json_agg(json_build_object('value', g.group_id, 'display', g.display_name) ORDER BY g.name_key), '[]')
       FROM users.scim_group_member m JOIN users.scim_group g ON g.group_id = m.group_id WHERE m.account_id = a.account_id) AS groups`;

const OWN = { columns: { directoryId: 'd.directory_id' } };

/** ORDER BY of a list: what is asked for, without a value last, then by id, so that pages are stable. */
export function orderBy(
  orders: Readonly<Record<string, string>>,
  { sortBy, isDescending }: ListQuery,
  id: string,
): string {
  if (sortBy === null) return `ORDER BY ${id}`;
  if (!Object.hasOwn(orders, sortBy)) throw invalidValue('sortBy: the portal does not sort by this attribute.');
  return `ORDER BY ${orders[sortBy]!} ${isDescending ? 'DESC' : 'ASC'} NULLS LAST, ${id}`;
}

/** Rows of people whom the actor's directory has brought in and not removed. */
@Injectable()
export class ScimUserRepository {
  async list(ctx: SignedIn, action: Action, query: ListQuery): Promise<{ total: number; rows: UserRow[] }> {
    const params = new Params();
    const where = [accessible(ctx, action, 'ScimUser', OWN, params), 'd.removed_at IS NULL'];
    if (query.filter !== null) where.push(filterToSql(query.filter, USER, COLUMNS, params));
    const order = orderBy(ORDERS, query, 'a.account_id');
    const from = `${FROM} WHERE ${where.join(' AND ')}`;
    const [counted] = await ctx.db.query<{ total: number }>(`SELECT count(*)::int AS total ${from}`, params.values);
    if (query.count === 0) return { total: counted!.total, rows: [] };
    const limit = `LIMIT ${params.add(query.count)} OFFSET ${params.add(query.startIndex - 1)}`;
    return {
      total: counted!.total,
      rows: await ctx.db.query<UserRow>(`${SELECT} ${from} ${order} ${limit}`, params.values),
    };
  }

  async find(ctx: SignedIn, id: string): Promise<UserRow | null> {
    const params = new Params();
    const seen = accessible(ctx, 'read', 'ScimUser', OWN, params);
    const rows = await ctx.db.query<UserRow>(
      `${SELECT} ${FROM} WHERE a.account_id = ${params.add(id)} AND d.removed_at IS NULL AND ${seen}`,
      params.values,
    );
    return rows[0] ?? null;
  }

  async insert(ctx: SignedIn, id: string, profile: Profile): Promise<void> {
    const { username, displayName, email, isActive } = profile;
    await ctx.db.query(
      `INSERT INTO users.account (account_id, username, username_key, display_name, email, status, disabled_reason,
              is_disabled_by_directory, created_at, updated_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $9, $8, $8)`,
      [
        id,
        username,
        usernameKey(username),
        displayName,
        email,
        isActive ? 'invited' : 'disabled',
        isActive ? null : BY_DIRECTORY,
        ctx.now,
        !isActive,
      ],
    );
    await ctx.db.query(
      `INSERT INTO users.directory_account (account_id, directory_id, external_id, family_name, given_name, title, is_active, created_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
      [id, ctx.actor.id, profile.externalId, profile.familyName, profile.givenName, profile.title, isActive, ctx.now],
    );
  }

  /**
   * Writes over exactly this version; null when it is no longer the current one. `active` switches between disabled and what
   * it was before (an account that was never activated is invited again); what an administrator disabled stays disabled.
   */
  async update(ctx: SignedIn, before: UserRow, after: Profile): Promise<UserRow['status'] | null> {
    const [row] = await ctx.db.query<{ status: UserRow['status'] }>(
      `UPDATE users.account SET username = $3, username_key = $4, display_name = $5, email = $6, version = version + 1, updated_at = $7,
              status = CASE WHEN NOT $8 THEN 'disabled' WHEN NOT is_disabled_by_directory THEN status
                            WHEN activated_at IS NULL THEN 'invited' ELSE 'active' END,
              disabled_reason = CASE WHEN NOT $8 THEN coalesce(disabled_reason, $9) WHEN NOT is_disabled_by_directory THEN disabled_reason END,
              is_disabled_by_directory = NOT $8 AND (is_disabled_by_directory OR status <> 'disabled'),
              access_version = access_version + CASE WHEN (status = 'disabled') = $8 THEN 1 ELSE 0 END
        WHERE account_id = $1 AND version = $2 RETURNING status`,
      [
        before.id,
        before.version,
        after.username,
        usernameKey(after.username),
        after.displayName,
        after.email,
        ctx.now,
        after.isActive,
        BY_DIRECTORY,
      ],
    );
    if (!row) return null;
    await ctx.db.query(
      `UPDATE users.directory_account SET external_id = $2, family_name = $3, given_name = $4, title = $5, is_active = $6 WHERE account_id = $1`,
      [before.id, after.externalId, after.familyName, after.givenName, after.title, after.isActive],
    );
    return row.status;
  }

  /** The account stays, disabled and without its name, which is free again (RFC 7644 section 3.6); false when the version is not the current one. */
  async remove(ctx: SignedIn, before: UserRow): Promise<boolean> {
    const rows = await ctx.db.query(
      `UPDATE users.account SET username = NULL, username_key = NULL, status = 'disabled', disabled_reason = coalesce(disabled_reason, $3),
              is_disabled_by_directory = is_disabled_by_directory OR status <> 'disabled', access_version = access_version + 1, version = version + 1, updated_at = $4
        WHERE account_id = $1 AND version = $2 RETURNING 1`,
      [before.id, before.version, REMOVED_BY_DIRECTORY, ctx.now],
    );
    if (rows.length === 0) return false;
    await ctx.db.query(
      `UPDATE users.directory_account SET is_active = false, removed_at = $2, former_username = $3 WHERE account_id = $1`,
      [before.id, ctx.now, before.username],
    );
    return true;
  }

  /** Leaves all groups; resolves with the roles that they gave. */
  async leaveGroups(ctx: SignedIn, id: string): Promise<Role[]> {
    const rows = await ctx.db.query<{ roles: Role[] }>(
      `DELETE FROM users.scim_group_member m USING users.scim_group g WHERE m.account_id = $1 AND g.group_id = m.group_id RETURNING g.roles`,
      [id],
    );
    return [...new Set(rows.flatMap((row) => row.roles))];
  }
}
