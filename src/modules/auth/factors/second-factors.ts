import { Injectable } from '@nestjs/common';
import type { Ctx } from '../../../platform/access/context.js';
import { normaliseCode, randomCode } from '../../../platform/crypto/index.js';
import { Database } from '../../../platform/database/database.js';
import type { Db } from '../../../platform/database/db.js';
import { Vault } from '../../../platform/database/vault.js';
import type { Problem } from '../../../platform/http/problem.js';
import { Attempts, type Attempt } from '../throttling/attempts.js';
import { invalidCode, wrongCode } from '../auth.errors.js';
import { Secrets } from '../secrets.js';
import type { MfaMethod } from '../sessions/session.dto.js';
import { stepOf } from './totp.rules.js';

const RECOVERY_CODES = 10;

/** A second factor that was right when looked at, and that {@link SecondFactors.accept} uses up. */
export interface Shown {
  accountId: string;
  /** RFC 8176, for the session. */
  amr: readonly string[];
  attempt: Attempt;
  /** Uses it up by one conditional statement; resolves with whether this request was the one. */
  useUp: (ctx: Pick<Ctx, 'db' | 'now'>) => Promise<boolean>;
  refusal: () => Problem;
}

/** Who is asking decides how a refusal is answered; see {@link wrongCode}. */
type Situation = 'signing-in' | 'signed-in';

interface TotpRow {
  secret: Buffer;
  confirmed_at: Date | null;
}

export const placeOfTotp = (accountId: string) => ({ table: 'totp', row: accountId, column: 'secret' });

/** Checks one-time codes and recovery codes: counted before they are looked at, accepted once. */
@Injectable()
export class SecondFactors {
  constructor(
    private readonly database: Database,
    private readonly vault: Vault,
    private readonly attempts: Attempts,
    private readonly secrets: Secrets,
  ) {}

  async isConfirmed(db: Pick<Db, 'query'>, accountId: string): Promise<boolean> {
    const rows = await db.query('SELECT 1 FROM auth.totp WHERE account_id = $1 AND confirmed_at IS NOT NULL', [
      accountId,
    ]);
    return rows.length > 0;
  }

  /** Throws 429 while throttled and the refusal of a wrong code; both leave the try counted. Holds no connection afterwards. */
  check(ctx: Ctx, accountId: string, method: MfaMethod, code: string, situation: Situation): Promise<Shown> {
    return method === 'totp'
      ? this.checkTotp(ctx, accountId, code, true, situation)
      : this.checkRecoveryCode(ctx, accountId, code, situation);
  }

  /** `isConfirmed` false: the first code of an app that is being set up; accepting it confirms the app. */
  async checkTotp(
    ctx: Ctx,
    accountId: string,
    code: string,
    isConfirmed: boolean,
    situation: Situation,
  ): Promise<Shown> {
    const attempt = this.attempts.of('totp', accountId);
    const refusal = situation === 'signing-in' ? invalidCode : wrongCode;
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
      amr: ['pwd', 'otp', 'mfa'],
      attempt,
      refusal,
      // The step moves forward only: the same code, or an older one, changes no row. A secret set up anew is another one.
      useUp: async ({ db, now }) => {
        const rows = await db.query(
          `UPDATE auth.totp SET last_step = $2, confirmed_at = coalesce(confirmed_at, $3)
            WHERE account_id = $1 AND last_step < $2 AND secret = $4 AND (confirmed_at IS NOT NULL) = $5 RETURNING 1`,
          [accountId, step, now, sealed, isConfirmed],
        );
        return rows.length > 0;
      },
    };
  }

  /** Uses up what was shown and forgets the failures before it. Throws the refusal when another request was faster. */
  async accept(ctx: Pick<Ctx, 'db' | 'now'>, shown: Shown): Promise<void> {
    if (!(await shown.useUp(ctx))) throw shown.refusal();
    await this.attempts.succeeded(ctx.db, shown.attempt);
  }

  /** Ten new codes in place of all before; they are answered once and stored as MACs. */
  async renewRecoveryCodes(ctx: Pick<Ctx, 'db' | 'now'>, accountId: string): Promise<string[]> {
    const codes = Array.from({ length: RECOVERY_CODES }, () => randomCode());
    await ctx.db.query('DELETE FROM auth.recovery_code WHERE account_id = $1', [accountId]);
    await ctx.db.query(
      'INSERT INTO auth.recovery_code (account_id, code_mac, created_at) SELECT $1, mac, $3 FROM unnest($2::bytea[]) AS mac',
      [accountId, codes.map((code) => this.secrets.mac('recovery', normaliseCode(code)!)), ctx.now],
    );
    return codes;
  }

  private async checkRecoveryCode(ctx: Ctx, accountId: string, typed: string, situation: Situation): Promise<Shown> {
    const attempt = this.attempts.of('recovery_code', accountId);
    const refusal = situation === 'signing-in' ? invalidCode : wrongCode;
    const refused = await this.database.write(null, (db) => this.attempts.refusal(db, attempt, ctx.now));
    if (refused) throw refused;
    const code = normaliseCode(typed);
    if (code === null) throw refusal();
    return {
      accountId,
      amr: ['pwd', 'recovery', 'mfa'],
      attempt,
      refusal,
      useUp: async ({ db, now }) => {
        const rows = await db.query(
          'UPDATE auth.recovery_code SET used_at = $3 WHERE account_id = $1 AND code_mac = ANY($2) AND used_at IS NULL RETURNING 1',
          [accountId, this.secrets.macs('recovery', code), now],
        );
        return rows.length > 0;
      },
    };
  }
}
