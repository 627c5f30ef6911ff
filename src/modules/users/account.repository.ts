import { Injectable } from '@nestjs/common';
import type { Ctx, SignedIn } from '../../platform/access/context.js';
import { accessible, Params } from '../../platform/database/accessible.js';
import { limitOf } from '../../platform/http/cursors.js';
import type { AccountQuery, AccountView } from './account.dto.js';
import { Account } from './account.entity.js';
import { countsAt } from './role.rules.js';
import { lastAdmin } from './users.errors.js';

const SELECT = `
  SELECT a.account_id AS id, a.username, a.display_name AS "displayName", a.email, a.status, a.disabled_reason AS "disabledReason",
         ARRAY(SELECT r.role FROM users.account_role r WHERE r.account_id = a.account_id AND ${countsAt('r', '$1')} ORDER BY r.role) AS roles,
         (SELECT pr.practitioner_id FROM users.practitioner pr WHERE pr.account_id = a.account_id) AS "practitionerId",
         (SELECT f.source FROM users.feed f WHERE f.account_id = a.account_id) AS source,
         a.version, a.created_at AS "createdAt", a.updated_at AS "updatedAt"`;
const NAME = `lower(a.display_name) COLLATE "C"`;

export type AccountRow = AccountView & { sortKey: string };

/** Rows of accounts as the actor may see them. */
@Injectable()
export class AccountRepository {
  list(ctx: SignedIn, query: AccountQuery, after: readonly [string, string] | null): Promise<AccountRow[]> {
    const params = new Params();
    params.add(ctx.now);
    const where = [accessible(ctx, 'list', 'Account', { columns: { id: 'a.account_id' } }, params)];
    if (query.status) where.push(`a.status = ${params.add(query.status)}`);
    if (query.role) {
      where.push(
        `EXISTS (SELECT 1 FROM users.account_role r WHERE r.account_id = a.account_id AND r.role = ${params.add(query.role)} AND ${countsAt('r', '$1')})`,
      );
    }
    if (query.text) where.push(`starts_with(${NAME}, lower(${params.add(query.text)}))`);
    if (after) where.push(`(${NAME}, a.account_id) > (${params.add(after[0])}, ${params.add(after[1])}::uuid)`);
    return ctx.db.query<AccountRow>(
      `${SELECT}, ${NAME} AS "sortKey" FROM users.account a WHERE ${where.join(' AND ')}
        ORDER BY ${NAME}, a.account_id LIMIT ${params.add(limitOf(query) + 1)}`,
      params.values,
    );
  }

  async find(ctx: SignedIn, id: string): Promise<AccountView | null> {
    const params = new Params();
    params.add(ctx.now);
    const seen = accessible(ctx, 'read', 'Account', { columns: { id: 'a.account_id' }, known: { id } }, params);
    const rows = await ctx.db.query<AccountView>(
      `${SELECT} FROM users.account a WHERE a.account_id = ${params.add(id)} AND ${seen}`,
      params.values,
    );
    return rows[0] ?? null;
  }

  /** The actor's own account, whatever else they may see. */
  async own(ctx: SignedIn): Promise<AccountView> {
    const [row] = await ctx.db.query<AccountView>(`${SELECT} FROM users.account a WHERE a.account_id = $2`, [
      ctx.now,
      ctx.actor.id,
    ]);
    if (!row) throw new Error('an actor without an account');
    return row;
  }

  /** Writes over exactly this version; false when it is no longer the current one. */
  async update(
    ctx: SignedIn,
    id: string,
    version: number,
    changes: Partial<Pick<Account, 'displayName'>>,
  ): Promise<boolean> {
    const manager = await ctx.db.manager();
    const { affected } = await manager.update(
      Account,
      { id, version },
      { ...changes, version: version + 1, updatedAt: ctx.now },
    );
    return affected === 1;
  }

  /** Something that the account's view shows has changed: a new version, so that an ETag of before is stale. */
  async renew(ctx: Pick<Ctx, 'db' | 'now'>, id: string): Promise<void> {
    await ctx.db.query('UPDATE users.account SET version = version + 1, updated_at = $2 WHERE account_id = $1', [
      id,
      ctx.now,
    ]);
  }

  /** False when it was disabled already, by a person: what the directory disabled becomes an administrator's, with their reason. */
  async disable(ctx: SignedIn, id: string, reason: string): Promise<boolean> {
    const rows = await ctx.db.query(
      `UPDATE users.account SET status = 'disabled', disabled_reason = $2, is_disabled_by_directory = false,
              access_version = access_version + 1, version = version + 1, updated_at = $3
        WHERE account_id = $1 AND (status <> 'disabled' OR is_disabled_by_directory) RETURNING 1`,
      [id, reason, ctx.now],
    );
    return rows.length === 1;
  }

  /** Has the directory that keeps the account deactivated or removed it? The caller holds the account's lock. */
  async isHeldByDirectory(ctx: SignedIn, id: string): Promise<boolean> {
    const rows = await ctx.db.query(
      'SELECT 1 FROM users.directory_account d WHERE d.account_id = $1 AND NOT d.is_active',
      [id],
    );
    return rows.length > 0;
  }

  /** The state it went back to: `invited` when it was never activated; null when it was not disabled. */
  async enable(ctx: SignedIn, id: string): Promise<'invited' | 'active' | null> {
    const [row] = await ctx.db.query<{ status: 'invited' | 'active' }>(
      `UPDATE users.account SET status = CASE WHEN activated_at IS NULL THEN 'invited' ELSE 'active' END, disabled_reason = NULL,
              is_disabled_by_directory = false, access_version = access_version + 1, version = version + 1, updated_at = $2
        WHERE account_id = $1 AND status = 'disabled' RETURNING status`,
      [id, ctx.now],
    );
    return row?.status ?? null;
  }

  /**
   * Active administrators whose role has no end, locked until the transaction ends, always in the same order. Whoever takes one away must hold
   * this lock: of two such requests the second sees what the first has left (both rows are locked, so both are read anew).
   */
  async lockAdmins(ctx: Pick<Ctx, 'db' | 'now'>): Promise<string[]> {
    const rows = await ctx.db.query<{ id: string }>(
      `SELECT a.account_id AS id FROM users.account a JOIN users.account_role r ON r.account_id = a.account_id
        WHERE a.status = 'active' AND r.role = 'admin' AND r.ends_at IS NULL AND ${countsAt('r', '$1')} ORDER BY a.account_id FOR NO KEY UPDATE`,
      [ctx.now],
    );
    return rows.map((row) => row.id);
  }
  /** The account is about to be no administrator any more: throws users.last-admin where no other one would be left. */
  async leaveAnAdmin(ctx: Pick<Ctx, 'db' | 'now'>, id: string): Promise<void> {
    const admins = await this.lockAdmins(ctx);
    if (admins.length === 1 && admins[0] === id) throw lastAdmin();
  }
}
