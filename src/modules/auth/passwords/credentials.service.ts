import { Injectable } from '@nestjs/common';
import type { Ctx } from '../../../platform/access/context.js';
import { HasherBusyError, PasswordHasher, type PasswordCheck } from '../../../platform/crypto/index.js';
import type { Db } from '../../../platform/database/db.js';
import { busy, passwordRefused } from '../auth.errors.js';
import { faultOf } from './password.rules.js';

type Queries = Pick<Db, 'query'>;

const busyOr = (error: unknown): unknown => (error instanceof HasherBusyError ? busy() : error);

/** Stored passwords. Nothing of them but their hashes is ever kept, logged or answered. */
@Injectable()
export class Credentials {
  constructor(private readonly hasher: PasswordHasher) {}

  /** The stored hash; asked with null for an unknown account all the same, so that both cost one statement. */
  async find(db: Queries, accountId: string | null): Promise<string | null> {
    const [row] = await db.query<{ password_hash: string }>(
      'SELECT password_hash FROM auth.credential WHERE account_id = $1',
      [accountId],
      'auth_credential',
    );
    return row?.password_hash ?? null;
  }

  /** Exactly one hash verification, against nothing when there is nothing that may be checked. Throws auth.busy. */
  async check(password: string, stored: string | null): Promise<PasswordCheck> {
    try {
      if (stored !== null) return await this.hasher.verify(password, stored);
      return { ok: await this.hasher.decoy(password), needsRehash: false };
    } catch (error) {
      throw busyOr(error);
    }
  }

  /** Hashes a new password that keeps the rules. Throws 422 with the reason; call it before anything holds a transaction. */
  async hashNew(password: string, least: number, username: string | null): Promise<string> {
    const fault = faultOf(password, least, username);
    if (fault) throw passwordRefused(fault, least);
    return this.hash(password);
  }

  async hash(password: string): Promise<string> {
    try {
      return await this.hasher.hash(password);
    } catch (error) {
      throw busyOr(error);
    }
  }

  /** Keeps this very hash from being changed until the transaction ends; false when it was changed already. */
  async hold(db: Queries, accountId: string, hash: string): Promise<boolean> {
    const rows = await db.query(
      'SELECT 1 FROM auth.credential WHERE account_id = $1 AND password_hash = $2 FOR SHARE',
      [accountId, hash],
    );
    return rows.length > 0;
  }

  /** The first password of an account; a second one is refused by the primary key. */
  async create(ctx: Pick<Ctx, 'db' | 'now'>, accountId: string, hash: string): Promise<void> {
    await ctx.db.query('INSERT INTO auth.credential (account_id, password_hash, changed_at) VALUES ($1, $2, $3)', [
      accountId,
      hash,
      ctx.now,
    ]);
  }

  /** False when the hash is not `from` any more: somebody else was faster. */
  async replace(ctx: Pick<Ctx, 'db' | 'now'>, accountId: string, from: string, to: string): Promise<boolean> {
    const rows = await ctx.db.query(
      'UPDATE auth.credential SET password_hash = $3, changed_at = $4 WHERE account_id = $1 AND password_hash = $2 RETURNING 1',
      [accountId, from, to, ctx.now],
    );
    return rows.length > 0;
  }

  /** The same password under a newer pepper or cost. */
  async upgrade(db: Queries, accountId: string, from: string, to: string): Promise<void> {
    await db.query('UPDATE auth.credential SET password_hash = $3 WHERE account_id = $1 AND password_hash = $2', [
      accountId,
      from,
      to,
    ]);
  }
}
