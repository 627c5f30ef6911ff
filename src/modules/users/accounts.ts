import { Injectable } from '@nestjs/common';
import { newId } from '../../platform/ids.js';
import type { Ctx } from '../../platform/access/context.js';
import type { Db } from '../../platform/database/db.js';
import { Account } from './account.entity.js';
import { RoleGrants } from './role-grants.js';
import { countsAt } from './role.rules.js';
import { normaliseUsername, usernameKey } from './username.js';
import { notInvited, usernameNeeded } from './users.errors.js';

/** A unit of work that may have no actor: activation and the operator's commands come before anybody is signed in. */
type Work = Pick<Ctx, 'db' | 'now'>;

export interface SignInAccount {
  accountId: string;
  status: 'invited' | 'active' | 'disabled';
  email: string;
  displayName: string;
}

/** Accounts as sign-in needs them. Asks no ability: its callers prove who somebody is before there is an actor. */
@Injectable()
export class Accounts {
  constructor(private readonly roles: RoleGrants) {}

  /** The account of a username, found by its {@link usernameKey}. */
  async findForSignIn(db: Pick<Db, 'query'>, key: string): Promise<SignInAccount | null> {
    const rows = await db.query<SignInAccount>(
      `SELECT account_id AS "accountId", status, email, display_name AS "displayName" FROM users.account WHERE username_key = $1`,
      [key],
      'users_account_for_sign_in',
    );
    return rows[0] ?? null;
  }

  async emailOf(ctx: Pick<Ctx, 'db'>, accountId: string): Promise<string | null> {
    const rows = await ctx.db.query<{ email: string }>('SELECT email FROM users.account WHERE account_id = $1', [
      accountId,
    ]);
    return rows[0]?.email ?? null;
  }

  async statusOf(ctx: Pick<Ctx, 'db'>, accountId: string): Promise<SignInAccount['status'] | null> {
    const rows = await ctx.db.query<Pick<SignInAccount, 'status'>>(
      'SELECT status FROM users.account WHERE account_id = $1',
      [accountId],
    );
    return rows[0]?.status ?? null;
  }

  /** Ids of everybody who is an administrator at this moment. */
  async administrators({ db, now }: Work): Promise<string[]> {
    const rows = await db.query<{ id: string }>(
      `SELECT a.account_id AS id FROM users.account a WHERE a.status = 'active' AND EXISTS (
         SELECT 1 FROM users.account_role r WHERE r.account_id = a.account_id AND r.role = 'admin' AND ${countsAt('r', '$1')})`,
      [now],
    );
    return rows.map(({ id }) => id);
  }

  /** Resolves with the address that stood there before; null when there is no such account. Who may do this, the caller has asked. */
  async replaceEmail(ctx: Work, accountId: string, email: string): Promise<string | null> {
    const rows = await ctx.db.query<{ before: string }>(
      `UPDATE users.account a SET email = $2, version = a.version + 1, updated_at = $3
         FROM (SELECT account_id, email FROM users.account WHERE account_id = $1 FOR NO KEY UPDATE) old
        WHERE a.account_id = old.account_id RETURNING old.email AS before`,
      [accountId, email, ctx.now],
    );
    return rows[0]?.before ?? null;
  }

  /**
   * Makes an invited account active, under its own username or, where it has none, this one. Exactly one of several
   * attempts succeeds; a disabled account stays disabled. Throws users.not-invited, -username-needed, -username-taken.
   */
  async activate(ctx: Work, accountId: string, username: string | null): Promise<{ username: string }> {
    const wanted = username === null ? null : normaliseUsername(username);
    const [account] = await ctx.db.query<{ username: string | null }>(
      `UPDATE users.account SET username = coalesce(username, $2), username_key = coalesce(username_key, $3),
              status = 'active', activated_at = $4, version = version + 1, updated_at = $4
        WHERE account_id = $1 AND status = 'invited' RETURNING username`,
      [accountId, wanted, wanted === null ? null : usernameKey(wanted), ctx.now],
    );
    if (!account) throw notInvited();
    if (account.username === null) throw usernameNeeded();
    return { username: account.username };
  }

  /**
   * Opens an active account with the role patient and ties the chart to it, if the chart has no account yet and exactly this
   * birth date (YYYY-MM-DD). Otherwise null, and nothing is left of the account. The caller has checked the invitation. Whether
   * the username is taken is looked at last: only whoever knows the birth date too is told (users.username-taken).
   */
  async createForPatient(
    ctx: Work,
    input: { username: string; displayName: string; email: string; patientId: string; birthDate: string },
  ): Promise<string | null> {
    await ctx.db.query('SAVEPOINT users_new_patient');
    const accountId = await this.insert(ctx, {
      displayName: input.displayName,
      email: input.email,
      status: 'active',
      role: 'patient',
      via: 'invitation',
      reason: 'Activated the invitation to the chart.',
    });
    const [linked] = await ctx.db.query<{ linked: boolean }>('SELECT users.link_chart($1, $2, $3, $4) AS linked', [
      input.patientId,
      accountId,
      input.birthDate,
      ctx.now,
    ]);
    await ctx.db.query(
      linked?.linked ? 'RELEASE SAVEPOINT users_new_patient' : 'ROLLBACK TO SAVEPOINT users_new_patient',
    );
    if (!linked?.linked) return null;
    const username = normaliseUsername(input.username);
    await ctx.db.query('UPDATE users.account SET username = $2, username_key = $3 WHERE account_id = $1', [
      accountId,
      username,
      usernameKey(username),
    ]);
    return accountId;
  }

  /** An invited administrator, made by the operator at the server itself, where nobody is signed in who could grant the role. */
  createFirstAdmin(ctx: Work, input: { username?: string; displayName: string; email: string }): Promise<string> {
    return this.insert(ctx, {
      ...input,
      status: 'invited',
      role: 'admin',
      via: 'operator',
      reason: 'Made by the operator of the server.',
    });
  }

  private async insert(
    ctx: Work,
    input: {
      username?: string;
      displayName: string;
      email: string;
      status: 'invited' | 'active';
      role: 'patient' | 'admin';
      via: 'invitation' | 'operator';
      reason: string;
    },
  ): Promise<string> {
    const manager = await ctx.db.manager();
    const id = newId();
    const username = input.username === undefined ? null : normaliseUsername(input.username);
    await manager.insert(Account, {
      id,
      username,
      usernameKey: username === null ? null : usernameKey(username),
      displayName: input.displayName,
      email: input.email,
      status: input.status,
      activatedAt: input.status === 'active' ? ctx.now : null,
      createdAt: ctx.now,
      updatedAt: ctx.now,
    });
    await this.roles.grant(ctx, id, input.role, { hand: { via: input.via }, reason: input.reason });
    return id;
  }
}
