import { Injectable } from '@nestjs/common';
import type { Ctx } from '../../../platform/access/context.js';
import { HasherBusyError, PasswordHasher, type PasswordCheck } from '../../../platform/crypto/index.js';
import type { Db } from '../../../platform/database/db.js';
import { onlyBySso, type Holder } from '../account-state.js';
import { busy, passwordRefused } from '../auth.errors.js';
import { PasswordRules } from './password-rules.service.js';

type Queries = Pick<Db, 'query'>;

/** `changedAt` says which password it is; the hash of the same password changes with pepper and cost. */
export interface StoredPassword {
  hash: string;
  changedAt: Date;
  /** Others may know it: it opens nothing but its own change. */
  isExpired: boolean;
}

const EXPIRED = 'expired_at IS NOT NULL AND expired_at >= changed_at';

// An instant has milliseconds in JavaScript, microseconds in PostgreSQL.
const SAME = "account_id = $1 AND date_trunc('milliseconds', changed_at) = $2";

const busyOr = (error: unknown): unknown => (error instanceof HasherBusyError ? busy() : error);

/** Stored passwords. Nothing of them but their hashes is ever kept, logged or answered. */
@Injectable()
export class Credentials {
  constructor(
    private readonly hasher: PasswordHasher,
    private readonly rules: PasswordRules,
  ) {}

  /** The stored password, if it counts; asked with null for an unknown account all the same, so that both cost one statement. */
  async find(db: Queries, accountId: string | null): Promise<StoredPassword | null> {
    const [row] = await db.query<StoredPassword>(
      `SELECT password_hash AS hash, changed_at AS "changedAt", ${EXPIRED} AS "isExpired" FROM auth.credential
        WHERE account_id = $1 AND NOT ${onlyBySso('credential.account_id')}`,
      [accountId],
      'auth_credential',
    );
    return row ?? null;
  }

  /** Exactly one hash verification, against nothing when there is nothing that may be checked. Throws auth.busy. */
  async check(password: string, stored: StoredPassword | null): Promise<PasswordCheck> {
    try {
      if (stored !== null) return await this.hasher.verify(password, stored.hash);
      return { ok: await this.hasher.decoy(password), needsRehash: false };
    } catch (error) {
      throw busyOr(error);
    }
  }

  /** {@link keepRules}, then {@link hashOther}: for whoever has nothing to prove in between. */
  async hashNew(
    password: string,
    least: number,
    holder: Holder,
    replaced: StoredPassword | null = null,
  ): Promise<string> {
    await this.keepRules(password, least, holder);
    return this.hashOther(password, least, replaced);
  }

  /** Throws 422 with the reason where a new password breaks a rule. Costs no hash; call it before anything holds a transaction. */
  async keepRules(password: string, least: number, holder: Holder): Promise<void> {
    const fault = await this.rules.faultOf(password, least, holder);
    if (fault) throw passwordRefused(fault, least);
  }

  /** Hashes a new password, which must not be the one until now (`replaced`) where others may know that. */
  async hashOther(password: string, least: number, replaced: StoredPassword | null): Promise<string> {
    if (replaced?.isExpired && (await this.check(password, replaced)).ok) throw passwordRefused('is-current', least);
    return this.hash(password);
  }

  async hash(password: string): Promise<string> {
    try {
      return await this.hasher.hash(password);
    } catch (error) {
      throw busyOr(error);
    }
  }

  /** Keeps this very password from being changed or expired until the transaction ends; null when it was changed already. */
  async hold(
    db: Queries,
    accountId: string,
    { changedAt }: StoredPassword,
  ): Promise<Pick<StoredPassword, 'isExpired'> | null> {
    const [row] = await db.query<Pick<StoredPassword, 'isExpired'>>(
      `SELECT ${EXPIRED} AS "isExpired" FROM auth.credential WHERE ${SAME} FOR SHARE`,
      [accountId, changedAt],
    );
    return row ?? null;
  }

  /** The first password of an account; a second one is refused by the primary key. */
  async create(ctx: Pick<Ctx, 'db' | 'now'>, accountId: string, hash: string): Promise<void> {
    await ctx.db.query('INSERT INTO auth.credential (account_id, password_hash, changed_at) VALUES ($1, $2, $3)', [
      accountId,
      hash,
      ctx.now,
    ]);
  }

  /** False when the password is not `from` any more: somebody else was faster. */
  async replace(ctx: Pick<Ctx, 'db' | 'now'>, accountId: string, from: StoredPassword, hash: string): Promise<boolean> {
    const rows = await ctx.db.query(
      `UPDATE auth.credential SET password_hash = $3, changed_at = $4 WHERE ${SAME} RETURNING 1`,
      [accountId, from.changedAt, hash, ctx.now],
    );
    return rows.length > 0;
  }

  /** The same password under a newer pepper or cost. */
  async upgrade(db: Queries, accountId: string, from: StoredPassword, hash: string): Promise<void> {
    await db.query('UPDATE auth.credential SET password_hash = $3 WHERE account_id = $1 AND password_hash = $2', [
      accountId,
      from.hash,
      hash,
    ]);
  }

  /** From now on the password opens nothing but its own change; false where there is none. */
  async expire(ctx: Pick<Ctx, 'db' | 'now'>, accountId: string, by: string, reason: string): Promise<boolean> {
    const rows = await ctx.db.query(
      `UPDATE auth.credential SET expired_at = $2, expired_by = $3, expired_reason = $4 WHERE account_id = $1 RETURNING 1`,
      [accountId, ctx.now, by, reason],
    );
    return rows.length > 0;
  }

  /** Must it be changed before it opens anything (NIST SP 800-63B-4 §3.1.1.2, evidence of compromise)? */
  async isExpired(db: Queries, accountId: string): Promise<boolean> {
    const rows = await db.query(`SELECT 1 FROM auth.credential WHERE account_id = $1 AND ${EXPIRED}`, [accountId]);
    return rows.length > 0;
  }
}
