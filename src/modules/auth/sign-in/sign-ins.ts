import { Injectable } from '@nestjs/common';
import type { Ctx } from '../../../platform/access/context.js';
import { after } from '../../../platform/clock.js';
import { randomToken } from '../../../platform/crypto/index.js';
import type { Db } from '../../../platform/database/db.js';
import { signInExpired } from '../auth.errors.js';
import { Secrets } from '../secrets.js';

/** `mfa`: the second factor is to be shown; `enrolment`: one is to be set up. A token of one is nothing to the other. */
type SignInPurpose = 'mfa' | 'enrolment';

const SECONDS = 5 * 60;

/** Sign-ins between the password and the second factor. The token is all that the person has by then; it opens nothing else. */
@Injectable()
export class SignIns {
  constructor(private readonly secrets: Secrets) {}

  async begin(ctx: Pick<Ctx, 'db' | 'now'>, accountId: string, purpose: SignInPurpose): Promise<string> {
    const token = randomToken();
    await ctx.db.query(
      'INSERT INTO auth.sign_in (token_mac, account_id, purpose, expires_at) VALUES ($1, $2, $3, $4)',
      [this.secrets.mac('sign-in', token), accountId, purpose, after(ctx.now, SECONDS)],
    );
    return token;
  }

  /** The account that is signing in, or null when the token is unknown, used, too old or of another purpose. */
  async find(db: Pick<Db, 'query'>, token: string, purpose: SignInPurpose, now: Date): Promise<string | null> {
    const [row] = await db.query<{ account_id: string }>(
      'SELECT account_id FROM auth.sign_in WHERE token_mac = ANY($1) AND purpose = $2 AND used_at IS NULL AND expires_at > $3',
      [this.secrets.macs('sign-in', token), purpose, now],
    );
    return row?.account_id ?? null;
  }

  /** Uses the token up, once: the statement decides which of several parallel requests is the one. */
  async finish(ctx: Pick<Ctx, 'db' | 'now'>, token: string, purpose: SignInPurpose): Promise<void> {
    const rows = await ctx.db.query(
      `UPDATE auth.sign_in SET used_at = $3
        WHERE token_mac = ANY($1) AND purpose = $2 AND used_at IS NULL AND expires_at > $3 RETURNING 1`,
      [this.secrets.macs('sign-in', token), purpose, ctx.now],
    );
    if (rows.length === 0) throw signInExpired();
  }

  /** Whoever is half-way in under this account starts again. */
  async abandon(db: Pick<Db, 'query'>, accountId: string): Promise<void> {
    await db.query('DELETE FROM auth.sign_in WHERE account_id = $1', [accountId]);
  }
}
