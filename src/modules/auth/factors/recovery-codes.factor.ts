import { Injectable } from '@nestjs/common';
import type { Ctx } from '../../../platform/access/context.js';
import { normaliseCode, randomCode } from '../../../platform/crypto/index.js';
import { Database } from '../../../platform/database/database.js';
import type { Db } from '../../../platform/database/db.js';
import { invalidCode, wrongCode } from '../auth.errors.js';
import { Secrets } from '../secrets.js';
import { Attempts } from '../throttling/attempts.js';
import { Notices } from '../recovery/notices.js';
import { codeOf, Factor, type FactorProof, type HeldFactor, type Shown, type Situation } from './factor.js';
import { FactorHolders } from './factor-holders.js';

const CODES = 10;
/** 120 bits: from 112 on no slow hash is asked for (ASVS 6.5.2). */
export const GROUPS = 6;

/** Saved recovery codes: 120 bits each, once, kept as MACs (NIST SP 800-63B-4 §4.2.1.1). They stand in for a factor that is not at hand. */
@Injectable()
export class RecoveryCodes extends Factor {
  readonly method = 'recovery_code';
  readonly isPhishingResistant = false;

  constructor(
    private readonly database: Database,
    private readonly attempts: Attempts,
    private readonly secrets: Secrets,
    private readonly holders: FactorHolders,
    private readonly notices: Notices,
  ) {
    super();
  }

  async isEnrolled(db: Pick<Db, 'query'>, accountId: string): Promise<boolean> {
    return (await this.unused(db, accountId)) > 0;
  }

  /** No factor of their own: how many are left is told apart. */
  held(): Promise<HeldFactor[]> {
    return Promise.resolve([]);
  }

  async unused(db: Pick<Db, 'query'>, accountId: string): Promise<number> {
    const [row] = await db.query<{ count: number }>(
      'SELECT count(*)::integer AS count FROM auth.recovery_code WHERE account_id = $1 AND used_at IS NULL',
      [accountId],
    );
    return row!.count;
  }

  async check(ctx: Ctx, accountId: string, proof: FactorProof, { isSignedIn }: Situation): Promise<Shown> {
    const attempt = this.attempts.of('recovery_code', accountId);
    const refusal = isSignedIn ? wrongCode : invalidCode;
    const typed = codeOf(proof);
    const refused = await this.database.write(null, (db) => this.attempts.refusal(db, attempt, ctx.now));
    if (refused) throw refused;
    const code = normaliseCode(typed);
    if (code === null) throw refusal();
    return {
      accountId,
      method: this.method,
      amr: ['recovery'],
      isPhishingResistant: false,
      attempt,
      refusal,
      useUp: (work) => this.use(work, accountId, code),
      replenish: (work) => this.replenish(work, accountId),
    };
  }

  /** In turn, so that of two who use the last two codes at once the second sees that none is left. */
  private async use(ctx: Ctx, accountId: string, code: string): Promise<boolean> {
    await this.holders.turn(ctx.db, accountId);
    const rows = await ctx.db.query(
      'UPDATE auth.recovery_code SET used_at = $3 WHERE account_id = $1 AND code_mac = ANY($2) AND used_at IS NULL RETURNING 1',
      [accountId, this.secrets.macs('recovery', code), ctx.now],
    );
    if (rows.length === 0) return false;
    await this.notices.security(ctx, accountId, 'recovery-code-used');
    return true;
  }

  /** NIST SP 800-63B-4 §4.2.1.1: whoever used the last one gets new ones. */
  private async replenish(ctx: Ctx, accountId: string): Promise<string[] | undefined> {
    return (await this.unused(ctx.db, accountId)) === 0 ? this.renew(ctx, accountId) : undefined;
  }

  /** Ten new codes in place of all before; they are answered once and stored as MACs. */
  async renew(ctx: Pick<Ctx, 'db' | 'now'>, accountId: string): Promise<string[]> {
    const codes = Array.from({ length: CODES }, () => randomCode(GROUPS));
    await this.forget(ctx.db, accountId);
    await ctx.db.query(
      'INSERT INTO auth.recovery_code (account_id, code_mac, created_at) SELECT $1, mac, $3 FROM unnest($2::bytea[]) AS mac',
      [accountId, codes.map((code) => this.secrets.mac('recovery', normaliseCode(code)!)), ctx.now],
    );
    return codes;
  }

  async forget(db: Pick<Db, 'query'>, accountId: string): Promise<void> {
    await db.query('DELETE FROM auth.recovery_code WHERE account_id = $1', [accountId]);
  }
}
