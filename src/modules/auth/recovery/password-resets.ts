import { Injectable } from '@nestjs/common';
import type { Ctx } from '../../../platform/access/context.js';
import { after } from '../../../platform/clock.js';
import { randomToken } from '../../../platform/crypto/index.js';
import type { Db } from '../../../platform/database/db.js';
import { Secrets } from '../secrets.js';

/** How long a link works. NIST SP 800-63B-4 §4.2.1.2 allows 24 hours for mail. */
export const RESET_MINUTES = 30;

export interface OpenReset {
  accountId: string;
  email: string;
  /** An administrator vouches for who asked. */
  isAssisted: boolean;
  expiresAt: Date;
}

/** Counts only while the account is active and has the address that the token went to. */
const OPEN = `
  r.token_mac = ANY($1) AND r.expires_at > $2
  AND EXISTS (SELECT 1 FROM users.account a WHERE a.account_id = r.account_id AND a.status = 'active' AND a.email = r.email)`;

/** Tokens of "forgotten password": 256 bits, once, half an hour; kept as MACs. A newer one voids the one before it. */
@Injectable()
export class PasswordResets {
  constructor(private readonly secrets: Secrets) {}

  /** One token for each, in the same order. An id of nobody does the same work. What an administrator vouched for stays vouched for. */
  async issue(
    ctx: Pick<Ctx, 'db' | 'now'>,
    accounts: readonly { accountId: string; email: string }[],
    isAssisted = false,
  ): Promise<string[]> {
    const tokens = accounts.map(() => randomToken());
    await ctx.db.query(
      `INSERT INTO auth.password_reset AS r (account_id, token_mac, email, is_assisted, expires_at)
       SELECT id, mac, email, $4, $5 FROM unnest($1::uuid[], $2::bytea[], $3::text[]) AS one (id, mac, email) ORDER BY id
       ON CONFLICT (account_id) DO UPDATE SET token_mac = excluded.token_mac, email = excluded.email, expires_at = excluded.expires_at,
         is_assisted = excluded.is_assisted OR (r.is_assisted AND r.expires_at > $6 AND r.email = excluded.email)`,
      [
        accounts.map(({ accountId }) => accountId),
        tokens.map((token) => this.secrets.mac('password-reset', token)),
        accounts.map(({ email }) => email),
        isAssisted,
        after(ctx.now, RESET_MINUTES * 60),
        ctx.now,
      ],
    );
    return tokens;
  }

  async find(db: Pick<Db, 'query'>, token: string, now: Date): Promise<OpenReset | null> {
    const [row] = await db.query<OpenReset>(
      `SELECT r.account_id AS "accountId", r.email, r.is_assisted AS "isAssisted", r.expires_at AS "expiresAt"
         FROM auth.password_reset r WHERE ${OPEN}`,
      [this.secrets.macs('password-reset', token), now],
    );
    return row ?? null;
  }

  /** Uses the token up: of several parallel requests the statement lets one through. */
  async useUp({ db, now }: Pick<Ctx, 'db' | 'now'>, token: string): Promise<boolean> {
    const rows = await db.query(`DELETE FROM auth.password_reset r WHERE ${OPEN} RETURNING 1`, [
      this.secrets.macs('password-reset', token),
      now,
    ]);
    return rows.length > 0;
  }
}
