import { Injectable } from '@nestjs/common';
import { isEmail } from 'class-validator';
import { newId } from '../../platform/ids.js';
import type { Ctx } from '../../platform/access/context.js';
import { STAFF_ROLES, type Role } from '../../platform/access/vocabulary.js';
import { AccountRepository } from './account.repository.js';
import { tidy } from './names.js';
import { normaliseUsername, USERNAME, usernameKey } from './username.js';
import { RolesChanged, RolesOfManyChanged } from './users.events.js';
import { lastAdmin } from './users.errors.js';

/** A unit of work that may have no actor: the person is known, but nobody is signed in yet. */
type Work = Pick<Ctx, 'db' | 'now' | 'emit'>;

/** What an identity provider says of somebody; nothing of it is believed to be well-formed. */
export interface FederatedPerson {
  username: string | null;
  displayName: string | null;
  email: string | null;
  family: string | null;
  given: string | null;
  npi: string | null;
}

/** The provider that speaks for them: its id stands in the history of roles, its name is read by people. */
export interface RoleSource {
  id: string;
  name: string;
}

/** A role that a configured provider may give. */
export interface SourceRole {
  source: string;
  role: Role;
}

/** Grants `r` of providers that no configured provider gives by now; parameters: ids of sources, and their roles. */
const ORPHANED = `r.granted_via = 'sso' AND r.revoked_at IS NULL AND NOT EXISTS (
  SELECT 1 FROM unnest($1::text[], $2::text[]) AS given (source, role) WHERE given.source = r.granted_from AND given.role = r.role)`;

const columnsOf = (given: readonly SourceRole[]) => [given.map(({ source }) => source), given.map(({ role }) => role)];

const NPI = /^\d{10}$/;
const NAME_LENGTH = 100;
const ORPHANED_REASON = 'Single sign-on: the provider is not configured to give this role any more.';
const reasonOf = ({ name }: RoleSource): string => `Single sign-on: ${name}`;

const nameOf = (text: string | null): string | null => tidy(text ?? '').slice(0, NAME_LENGTH) || null;

/** Accounts whose holder an identity provider vouches for. Asks no ability: its caller has verified the provider's word. */
@Injectable()
export class FederatedAccounts {
  constructor(private readonly accounts: AccountRepository) {}

  /**
   * Opens an active account without any role. A username that is taken or has the wrong form is left away, never shared.
   * False when there is no usable address: notices of what happens to the account would reach nobody.
   */
  async open(ctx: Work, accountId: string, person: FederatedPerson): Promise<boolean> {
    const { email } = person;
    if (email === null || !isEmail(email) || email.length > 254) return false;
    const wanted = person.username === null ? '' : normaliseUsername(person.username);
    const username = USERNAME.test(wanted) ? wanted : null;
    const displayName = nameOf(person.displayName) ?? username ?? 'Member of staff';
    if (username === null || !(await this.insert(ctx, accountId, username, displayName, email)))
      await this.insert(ctx, accountId, null, displayName, email);
    return true;
  }

  /**
   * Grants and revokes until of the provider's own grants exactly these roles are left; what an administrator has granted
   * stays, and what one has taken away stays away. Sessions end with a change. False when the account is not active. Throws users.last-admin.
   */
  async syncRoles(ctx: Work, accountId: string, roles: readonly Role[], source: RoleSource): Promise<boolean> {
    if (roles.some((role) => !STAFF_ROLES.includes(role))) throw new Error('a provider grants roles of staff only');
    if (await this.wouldLoseAdmin(ctx, accountId, roles, source)) throw lastAdmin();
    const [account] = await ctx.db.query<{ status: string }>(
      'SELECT status FROM users.account WHERE account_id = $1 FOR NO KEY UPDATE',
      [accountId],
    );
    if (account?.status !== 'active') return false;
    const revoked = await this.revokeOthers(ctx, accountId, roles, source);
    const granted = await this.grantMissing(ctx, accountId, roles, source);
    if (revoked + granted > 0) await this.rolesChanged(ctx, accountId);
    return true;
  }

  /**
   * The provider speaks for them no longer: what it has granted is taken, whatever the state of the account; `source` null: it is
   * not configured any more, and its grants are orphaned already. An account that nobody can get into from now on waits for an
   * activation code, as if it had never been activated. Throws users.last-admin.
   */
  async release(ctx: Work, accountId: string, source: RoleSource | null, isOnlyWayIn: boolean): Promise<void> {
    if (isOnlyWayIn) await this.accounts.leaveAnAdmin(ctx, accountId);
    else if (source && (await this.wouldLoseAdmin(ctx, accountId, [], source))) throw lastAdmin();
    await ctx.db.query('SELECT 1 FROM users.account WHERE account_id = $1 FOR NO KEY UPDATE', [accountId]);
    if (source && (await this.revokeOthers(ctx, accountId, [], source)) > 0) await this.rolesChanged(ctx, accountId);
    if (!isOnlyWayIn) return;
    await ctx.db.query(
      `UPDATE users.account SET status = CASE status WHEN 'active' THEN 'invited' ELSE status END, activated_at = NULL,
              access_version = access_version + 1, version = version + 1, updated_at = $2 WHERE account_id = $1`,
      [accountId, ctx.now],
    );
  }

  /** Accounts with roles that none of the given sources gives any more. */
  async withOrphanedRoles(db: Work['db'], given: readonly SourceRole[]): Promise<string[]> {
    const rows = await db.query<{ id: string }>(
      `SELECT DISTINCT r.account_id AS id FROM users.account_role r WHERE ${ORPHANED} ORDER BY r.account_id`,
      columnsOf(given),
    );
    return rows.map(({ id }) => id);
  }

  /**
   * Takes such roles away from these accounts, whose sessions end. Where no administrator would be left, those of these accounts
   * stay administrators: a mistake in a file must not shut everybody out.
   */
  async revokeOrphanedRoles(
    ctx: Work,
    accountIds: readonly string[],
    given: readonly SourceRole[],
  ): Promise<{ changed: { id: string; roles: Role[] }[]; isLastAdminLeft: boolean }> {
    const values = [...columnsOf(given), accountIds];
    const admins = await this.accounts.lockAdmins(ctx);
    await ctx.db.query(
      'SELECT 1 FROM users.account WHERE account_id = ANY ($1) ORDER BY account_id FOR NO KEY UPDATE',
      [accountIds],
    );
    const losing = await ctx.db.query<{ id: string }>(
      `SELECT r.account_id AS id FROM users.account_role r WHERE ${ORPHANED} AND r.account_id = ANY ($3) AND r.role = 'admin'`,
      values,
    );
    const losers = new Set(losing.map(({ id }) => id));
    const isLastAdminLeft = admins.length > 0 && admins.every((id) => losers.has(id));
    const rows = await ctx.db.query<{ id: string; role: Role }>(
      `UPDATE users.account_role r SET revoked_at = $4, revoked_via = 'sso', revoked_from = r.granted_from, revoke_reason = $5
        WHERE ${ORPHANED} AND r.account_id = ANY ($3) AND NOT ($6 AND r.role = 'admin') RETURNING r.account_id AS id, r.role`,
      [...values, ctx.now, ORPHANED_REASON, isLastAdminLeft],
    );
    const ids = [...new Set(rows.map(({ id }) => id))].sort();
    const taken = (id: string) => rows.filter((row) => row.id === id).map(({ role }) => role);
    const changed = ids.map((id) => ({ id, roles: taken(id).sort() }));
    if (ids.length === 0) return { changed, isLastAdminLeft };
    await ctx.db.query('UPDATE users.account SET version = version + 1, updated_at = $2 WHERE account_id = ANY ($1)', [
      ids,
      ctx.now,
    ]);
    await ctx.emit(new RolesOfManyChanged(ids));
    return { changed, isLastAdminLeft };
  }

  /**
   * Ties the account to the entry of practitioners with its NPI, or makes one. Nothing where the provider names none, where the
   * entry is somebody else's, or where the account has one: then an administrator decides.
   */
  async tiePractitioner(ctx: Work, accountId: string, person: FederatedPerson): Promise<void> {
    const family = nameOf(person.family ?? person.displayName);
    if (person.npi === null || !NPI.test(person.npi) || family === null) return;
    await ctx.db.query(
      `INSERT INTO users.practitioner AS pr (practitioner_id, account_id, family, given, npi, specialty, created_at, updated_at)
       SELECT $1, $2, $3, $4, $5, 'Not stated', $6, $6 WHERE NOT EXISTS (SELECT 1 FROM users.practitioner o WHERE o.account_id = $2)
       ON CONFLICT (npi) DO UPDATE SET account_id = excluded.account_id, version = pr.version + 1, updated_at = excluded.updated_at
         WHERE pr.account_id IS NULL`,
      [newId(), accountId, family, nameOf(person.given) === null ? [] : [nameOf(person.given)], person.npi, ctx.now],
    );
  }

  /** Takes what the provider has granted but these; resolves with how many. */
  private async revokeOthers(
    { db, now }: Work,
    accountId: string,
    roles: readonly Role[],
    source: RoleSource,
  ): Promise<number> {
    const rows = await db.query(
      `UPDATE users.account_role SET revoked_at = $3, revoked_via = 'sso', revoked_from = $2, revoke_reason = $4
        WHERE account_id = $1 AND granted_via = 'sso' AND granted_from = $2 AND revoked_at IS NULL AND role <> ALL ($5) RETURNING 1`,
      [accountId, source.id, now, reasonOf(source), roles],
    );
    return rows.length;
  }

  private async rolesChanged(ctx: Work, accountId: string): Promise<void> {
    await this.accounts.renew(ctx, accountId);
    await ctx.emit(new RolesChanged(accountId));
  }

  /** False when the username is taken. */
  private async insert(
    { db, now }: Work,
    accountId: string,
    username: string | null,
    displayName: string,
    email: string,
  ): Promise<boolean> {
    const rows = await db.query(
      `INSERT INTO users.account (account_id, username, username_key, display_name, email, status, activated_at, created_at, updated_at)
       VALUES ($1, $2, $3, $4, $5, 'active', $6, $6, $6) ON CONFLICT (username_key) DO NOTHING RETURNING 1`,
      [accountId, username, username === null ? null : usernameKey(username), displayName, email, now],
    );
    return rows.length > 0;
  }

  /** Nothing that is held, nor what a person took away last, of whoever had given it: only a person gives that back. */
  private async grantMissing(
    { db, now }: Work,
    accountId: string,
    roles: readonly Role[],
    source: RoleSource,
  ): Promise<number> {
    const settled = await db.query<{ role: Role }>(
      `SELECT role FROM users.duty WHERE account_id = $1 AND role = ANY ($2)
        UNION
       SELECT role FROM (
         SELECT DISTINCT ON (role) role, revoked_via FROM users.account_role WHERE account_id = $1 AND role = ANY ($2)
          ORDER BY role, granted_at DESC, account_role_id DESC) newest
        WHERE revoked_via = 'person'`,
      [accountId, roles],
    );
    let granted = 0;
    for (const role of roles.filter((wanted) => !settled.some((one) => one.role === wanted))) {
      const rows = await db.query(
        `INSERT INTO users.account_role (account_role_id, account_id, role, reason, granted_at, granted_via, granted_from)
         VALUES ($1, $2, $3, $4, $5, 'sso', $6) ON CONFLICT DO NOTHING RETURNING 1`,
        [newId(), accountId, role, reasonOf(source), now, source.id],
      );
      granted += rows.length;
    }
    return granted;
  }

  /** Takes the lock of all administrators, before the account's own, only when the provider takes one away. */
  private async wouldLoseAdmin(
    ctx: Work,
    accountId: string,
    roles: readonly Role[],
    source: RoleSource,
  ): Promise<boolean> {
    if (roles.includes('admin')) return false;
    const rows = await ctx.db.query(
      `SELECT 1 FROM users.account_role WHERE account_id = $1 AND role = 'admin' AND granted_via = 'sso' AND granted_from = $2
          AND revoked_at IS NULL`,
      [accountId, source.id],
    );
    if (rows.length === 0) return false;
    const admins = await this.accounts.lockAdmins(ctx);
    return admins.length === 1 && admins[0] === accountId;
  }
}
