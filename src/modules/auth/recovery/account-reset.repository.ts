import { Injectable } from '@nestjs/common';
import type { Ctx, SignedIn } from '../../../platform/access/context.js';
import { after } from '../../../platform/clock.js';
import { accessible, Params } from '../../../platform/database/accessible.js';
import { Cursors, limitOf } from '../../../platform/http/cursors.js';
import type { Page } from '../../../platform/http/presenter.js';
import { newId } from '../../../platform/ids.js';
import type { AccountResetQuery, AccountResetView, IdentityCheck, ResetKind } from './account-reset.dto.js';

const HOURS = 24;
const LIST = 'auth.account-resets';
const COLUMNS = { columns: { accountId: 'account_id', requestedBy: 'requested_by' } };

export interface AccountReset extends AccountResetView {
  needsProof: boolean;
}

interface NewReset {
  accountId: string;
  kind: ResetKind;
  status: 'requested' | 'executed';
  reason: string;
  email?: string | null;
  needsProof: boolean;
  identityCheck?: IdentityCheck | undefined;
}

/** `$1` is now. */
const STATUS = `CASE WHEN status = 'requested' AND expires_at <= $1 THEN 'expired' ELSE status END`;
/** Whether it is verified now: whoever approves decides now. */
const ADDRESS = `CASE WHEN email IS NOT NULL THEN jsonb_build_object('email', email, 'isVerified', EXISTS (
              SELECT 1 FROM auth.verified_address v WHERE v.account_id = account_reset.account_id AND v.email = account_reset.email)) END`;
const SELECT = `
  SELECT account_reset_id AS id, account_id AS "accountId", kind, ${STATUS} AS status, reason, ${ADDRESS} AS address, is_staff AS "isStaff", needs_proof AS "needsProof",
         CASE WHEN identity_method IS NOT NULL THEN jsonb_build_object('method', identity_method, 'document', identity_document,
              'checkedBy', identity_checked_by, 'checkedAt', to_char(identity_checked_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')) END AS "identityCheck",
         requested_by AS "requestedBy", requested_at AS "requestedAt", expires_at AS "expiresAt", decided_by AS "decidedBy", decided_at AS "decidedAt"
    FROM auth.account_reset`;

@Injectable()
export class AccountResetRepository {
  constructor(private readonly cursors: Cursors) {}

  /** Resolves with the id. Throws auth.reset-asked-already beside another open one of the same kind. */
  async insert(
    ctx: SignedIn,
    { accountId, kind, status, reason, email = null, needsProof, identityCheck }: NewReset,
  ): Promise<string> {
    const id = newId();
    // What nobody approved in time makes room for a new request.
    await ctx.db.query(
      `UPDATE auth.account_reset SET status = 'expired'
        WHERE account_id = $1 AND kind = $2 AND status = 'requested' AND expires_at <= $3`,
      [accountId, kind, ctx.now],
    );
    await ctx.db.query(
      `INSERT INTO auth.account_reset (account_reset_id, account_id, kind, status, reason, is_staff, needs_proof, identity_method,
              identity_document, identity_checked_by, identity_checked_at, requested_by, requested_at, expires_at, email)
       VALUES ($1, $2, $3, $4, $5, true, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
      [
        id,
        accountId,
        kind,
        status,
        reason,
        needsProof,
        identityCheck?.method ?? null,
        identityCheck?.document ?? null,
        identityCheck?.checkedBy ?? null,
        identityCheck?.checkedAt ?? null,
        ctx.actor.id,
        ctx.now,
        after(ctx.now, HOURS * 3600),
        email,
      ],
    );
    return id;
  }

  async find(ctx: SignedIn, id: string): Promise<AccountReset | null> {
    const params = new Params();
    params.add(ctx.now);
    const seen = accessible(ctx, 'read', 'AccountReset', COLUMNS, params);
    const rows = await ctx.db.query<AccountReset>(
      `${SELECT} WHERE account_reset_id = ${params.add(id)} AND ${seen}`,
      params.values,
    );
    return rows[0] ?? null;
  }

  /** Newest first. */
  async list(ctx: SignedIn, query: AccountResetQuery): Promise<Page<AccountResetView>> {
    const params = new Params();
    params.add(ctx.now);
    const where = [accessible(ctx, 'list', 'AccountReset', COLUMNS, params)];
    if (query.status) where.push(`${STATUS} = ${params.add(query.status)}`);
    if (query.accountId) where.push(`account_id = ${params.add(query.accountId)}`);
    const last = this.cursors.open<[string]>(ctx, LIST, query);
    if (last) where.push(`account_reset_id < ${params.add(last[0])}`);
    const rows = await ctx.db.query<AccountReset>(
      `${SELECT} WHERE ${where.join(' AND ')} ORDER BY account_reset_id DESC LIMIT ${params.add(limitOf(query) + 1)}`,
      params.values,
    );
    return this.cursors.page(
      ctx,
      LIST,
      query,
      rows,
      (row) => [row.id],
      (row) => row,
    );
  }

  /** The account has another address: what was asked for before is void, and has to be looked at anew. */
  async close({ db }: Pick<Ctx, 'db'>, accountId: string): Promise<void> {
    await db.query(`UPDATE auth.account_reset SET status = 'expired' WHERE account_id = $1 AND status = 'requested'`, [
      accountId,
    ]);
  }

  /**
   * False when it was decided already, is too old, or would go to another address than was asked for: of several
   * administrators one decides. Whoever executes holds the account alone, so that the address stays.
   */
  async decide(ctx: SignedIn, id: string, status: 'executed' | 'declined'): Promise<boolean> {
    const rows = await ctx.db.query(
      `UPDATE auth.account_reset SET status = $2, decided_by = $3, decided_at = $4
        WHERE account_reset_id = $1 AND status = 'requested' AND expires_at > $4
          AND ($2 = 'declined' OR email IS NULL OR email = (SELECT a.email FROM users.account a WHERE a.account_id = account_reset.account_id))
       RETURNING 1`,
      [id, status, ctx.actor.id, ctx.now],
    );
    return rows.length > 0;
  }
}
