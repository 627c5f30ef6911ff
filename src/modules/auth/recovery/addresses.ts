import { Injectable } from '@nestjs/common';
import type { Ctx } from '../../../platform/access/context.js';
import type { Db } from '../../../platform/database/db.js';
import { usernameKey } from '../../users/index.js';
import { onlyBySso } from '../account-state.js';

type Queries = Pick<Db, 'query'>;

/** The form in which addresses are compared: case makes no difference. */
export const addressKey = (email: string): string => email.trim().normalize('NFKC').toLowerCase();

/** The same address in another case is the same mailbox to whoever is told: one mail each. */
export const distinct = (addresses: readonly string[]): string[] => [
  ...new Map(addresses.map((address) => [address.toLowerCase(), address])).values(),
];

/** An active account that can be reached at the verified address that stands with it. */
export interface Reachable {
  accountId: string;
  username: string;
  email: string;
}

/** More accounts than a family has stand for a mistake; they are not put into one mail. */
const MOST_OF_ONE_ADDRESS = 10;

/** The address that stands with the account, and is verified: an administrator's change of it takes recovery away until it is. */
const REACHABLE = `
  SELECT a.account_id AS "accountId", a.username, a.email
    FROM users.account a JOIN auth.verified_address v ON v.account_id = a.account_id AND v.email = a.email
   WHERE a.status = 'active' AND a.username IS NOT NULL`;

/** Whoever signs in elsewhere (single sign-on, a key) has none to forget. */
const HAS_PASSWORD = `EXISTS (SELECT 1 FROM auth.credential c WHERE c.account_id = a.account_id) AND NOT ${onlyBySso('a.account_id')}`;

/** Verified addresses: whoever holds the account has shown that they read what is sent there. */
@Injectable()
export class Addresses {
  /** Every verified address of these accounts, each mailbox once; of one that has none yet, the address that stands with it. */
  async forNotices(db: Queries, ...accountIds: readonly string[]): Promise<string[]> {
    const rows = await db.query<{ email: string }>(
      `SELECT v.email FROM auth.verified_address v WHERE v.account_id = ANY($1)
        UNION ALL
       SELECT a.email FROM users.account a WHERE a.account_id = ANY($1)
          AND NOT EXISTS (SELECT 1 FROM auth.verified_address v WHERE v.account_id = a.account_id)`,
      [accountIds],
    );
    return distinct(rows.map(({ email }) => email));
  }

  /** The address of the account, and whether its holder has shown to read it; null when there is no such account. */
  async of(db: Queries, accountId: string): Promise<{ email: string; isVerified: boolean } | null> {
    const [row] = await db.query<{ email: string; isVerified: boolean }>(
      `SELECT a.email, EXISTS (SELECT 1 FROM auth.verified_address v WHERE v.account_id = a.account_id AND v.email = a.email) AS "isVerified"
         FROM users.account a WHERE a.account_id = $1`,
      [accountId],
    );
    return row ?? null;
  }

  /**
   * Whom somebody means who has forgotten a password: by address where it looks like one and is known, else by username. The
   * addresses of the accounts found compare as equal, and may be different mailboxes all the same: each account is written to
   * at its own. One statement, whatever is found.
   */
  async meantBy(db: Queries, typed: string, { withPassword }: { withPassword: boolean }): Promise<Reachable[]> {
    const reachable = withPassword ? `${REACHABLE} AND ${HAS_PASSWORD}` : REACHABLE;
    const rows = await db.query<Reachable & { isByName: boolean }>(
      `SELECT * FROM (${reachable} AND v.email_key = $1 ORDER BY a.account_id LIMIT ${MOST_OF_ONE_ADDRESS}) e, (VALUES (false)) f ("isByName")
        UNION ALL
       SELECT * FROM (${reachable} AND a.username_key = $2) n, (VALUES (true)) t ("isByName")`,
      [addressKey(typed), usernameKey(typed)],
    );
    const byAddress = rows.filter(({ isByName }) => !isByName);
    return byAddress.length > 0 ? byAddress : rows;
  }

  /** The account, where it has a password and a verified address to send a link to. */
  async reachable(db: Queries, accountId: string): Promise<Reachable | null> {
    const [row] = await db.query<Reachable>(`${REACHABLE} AND ${HAS_PASSWORD} AND a.account_id = $1`, [accountId]);
    return row ?? null;
  }

  /** From now on this is the account's one verified address: those before it no longer are. */
  async verified(ctx: Pick<Ctx, 'db' | 'now'>, accountId: string, email: string): Promise<void> {
    const key = addressKey(email);
    await ctx.db.query('DELETE FROM auth.address_check WHERE account_id = $1 AND email = $2', [accountId, email]);
    await ctx.db.query('DELETE FROM auth.verified_address WHERE account_id = $1 AND email_key <> $2', [accountId, key]);
    await ctx.db.query(
      `INSERT INTO auth.verified_address (account_id, email, email_key, verified_at) VALUES ($1, $2, $3, $4)
       ON CONFLICT (account_id, email_key) DO UPDATE SET email = excluded.email, verified_at = excluded.verified_at`,
      [accountId, email, key, ctx.now],
    );
  }
}
