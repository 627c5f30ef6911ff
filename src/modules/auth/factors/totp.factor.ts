import { Injectable } from '@nestjs/common';
import type { Ctx } from '../../../platform/access/context.js';
import { Database } from '../../../platform/database/database.js';
import type { Db } from '../../../platform/database/db.js';
import { Vault } from '../../../platform/database/vault.js';
import { invalidCode, wrongCode } from '../auth.errors.js';
import { Attempts } from '../throttling/attempts.js';
import { codeOf, Factor, type FactorProof, type HeldFactor, type Shown, type Situation } from './factor.js';
import { stepOf } from './totp.rules.js';

interface TotpRow {
  secret: Buffer;
  confirmed_at: Date | null;
}

export const placeOfTotp = (accountId: string) => ({ table: 'totp', row: accountId, column: 'secret' });

/** Codes of an authenticator app (RFC 6238): not phishing-resistant, accepted once (NIST SP 800-63B-4 §3.1.4). */
@Injectable()
export class TotpFactor extends Factor {
  readonly method = 'totp';
  readonly isPhishingResistant = false;

  constructor(
    private readonly database: Database,
    private readonly vault: Vault,
    private readonly attempts: Attempts,
  ) {
    super();
  }

  async held(db: Pick<Db, 'query'>, accountId: string): Promise<HeldFactor[]> {
    const rows = await db.query<Pick<HeldFactor, 'createdAt' | 'lastUsedAt'>>(
      `SELECT confirmed_at AS "createdAt", last_used_at AS "lastUsedAt" FROM auth.totp WHERE account_id = $1 AND confirmed_at IS NOT NULL`,
      [accountId],
    );
    return rows.map((row) => ({ ...row, method: this.method, name: 'Authenticator app', restricted: false }));
  }

  async isEnrolled(db: Pick<Db, 'query'>, accountId: string): Promise<boolean> {
    const rows = await db.query('SELECT 1 FROM auth.totp WHERE account_id = $1 AND confirmed_at IS NOT NULL', [
      accountId,
    ]);
    return rows.length > 0;
  }

  async forget(db: Pick<Db, 'query'>, accountId: string): Promise<void> {
    await db.query('DELETE FROM auth.totp WHERE account_id = $1', [accountId]);
  }

  check(ctx: Ctx, accountId: string, proof: FactorProof, situation: Situation): Promise<Shown> {
    return this.checkCode(ctx, accountId, codeOf(proof), true, situation);
  }

  /** `isConfirmed` false: the first code of an app that is being set up; accepting it confirms the app. */
  async checkCode(
    ctx: Ctx,
    accountId: string,
    code: string,
    isConfirmed: boolean,
    { isSignedIn }: Situation,
  ): Promise<Shown> {
    const attempt = this.attempts.of('totp', accountId);
    const refusal = isSignedIn ? wrongCode : invalidCode;
    const found = await this.database.write(null, async (db) => {
      const refused = await this.attempts.refusal(db, attempt, ctx.now);
      if (refused) return refused;
      const [row] = await db.query<TotpRow>('SELECT secret, confirmed_at FROM auth.totp WHERE account_id = $1', [
        accountId,
      ]);
      if (!row || (row.confirmed_at !== null) !== isConfirmed) return null;
      const secret = await this.vault.open({ db }, placeOfTotp(accountId), row.secret);
      return { sealed: row.secret, secret: secret.toString() };
    });
    if (found instanceof Error) throw found;
    const step = found ? stepOf(found.secret, code, ctx.now) : null;
    if (!found || step === null) throw refusal();
    const { sealed } = found;
    return {
      accountId,
      method: this.method,
      amr: ['otp'],
      isPhishingResistant: false,
      attempt,
      refusal,
      // The step moves forward only: the same code, or an older one, changes no row. A secret set up anew is another one.
      useUp: async ({ db, now }) => {
        const rows = await db.query(
          `UPDATE auth.totp SET last_step = $2, last_used_at = $3, confirmed_at = coalesce(confirmed_at, $3)
            WHERE account_id = $1 AND last_step < $2 AND secret = $4 AND (confirmed_at IS NOT NULL) = $5 RETURNING 1`,
          [accountId, step, now, sealed, isConfirmed],
        );
        return rows.length > 0;
      },
    };
  }
}
