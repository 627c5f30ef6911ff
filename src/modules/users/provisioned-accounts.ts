import { Injectable } from '@nestjs/common';
import type { Ctx } from '../../platform/access/context.js';
import { normaliseUsername, usernameKey } from './username.js';

type Work = Pick<Ctx, 'db' | 'now'>;

/** What an identity provider says that somebody is to the directory. Null as `directoryId`: to any of them. */
export interface ProvisionedAs {
  attribute: 'externalId' | 'userName';
  value: string;
  directoryId: string | null;
}

export interface Provisioned {
  accountId: string;
  /** Gone for the directory. */
  isRemoved: boolean;
}

/** Accounts that the hospital's directory has provisioned (SCIM), as single sign-on needs them. Asks no ability: its caller has verified the provider's word. */
@Injectable()
export class ProvisionedAccounts {
  /** All that the directory knows as this: an externalId exactly, a userName in any case (RFC 7643 §4.1.1) but in no other form. */
  async find({ db }: Pick<Work, 'db'>, { attribute, value, directoryId }: ProvisionedAs): Promise<Provisioned[]> {
    const isName = attribute === 'userName';
    // Names that are equal only in a compatibility form may be two people's at the provider.
    if (isName && normaliseUsername(value) !== value) return [];
    return db.query<Provisioned>(
      `SELECT account_id AS "accountId", is_removed AS "isRemoved" FROM users.provisioned_as($1, $2, $3)`,
      [attribute, isName ? usernameKey(value) : value, directoryId],
    );
  }

  /**
   * Takes the account for its holder, whom a provider has recognised: it is active from now on, whether or not it was activated
   * before, and nobody changes it until the transaction ends. False for one that is disabled, and for an administrator's unless
   * `mayBeAdmin`.
   */
  async take(ctx: Work, accountId: string, mayBeAdmin: boolean): Promise<boolean> {
    const [account] = await ctx.db.query<{ status: string }>(
      'SELECT status FROM users.account WHERE account_id = $1 FOR NO KEY UPDATE',
      [accountId],
    );
    if (!account || account.status === 'disabled') return false;
    if (!mayBeAdmin && (await this.isAdmin(ctx, accountId))) return false;
    await ctx.db.query(
      `UPDATE users.account SET status = 'active', activated_at = $2, version = version + 1, updated_at = $2
        WHERE account_id = $1 AND status = 'invited'`,
      [accountId, ctx.now],
    );
    return true;
  }

  /** Also one whose period is still to come. */
  private async isAdmin({ db, now }: Work, accountId: string): Promise<boolean> {
    const rows = await db.query(
      `SELECT 1 FROM users.account_role WHERE account_id = $1 AND role = 'admin' AND revoked_at IS NULL AND (ends_at IS NULL OR ends_at > $2)`,
      [accountId, now],
    );
    return rows.length > 0;
  }
}
