import { Injectable } from '@nestjs/common';
import type { Ctx } from '../../../platform/access/context.js';
import { Database } from '../../../platform/database/database.js';
import type { Db } from '../../../platform/database/db.js';
import { Vault } from '../../../platform/database/vault.js';
import { methodNotOffered } from '../auth.errors.js';
import type { ChallengeKey } from './challenges.js';
import {
  codeOf,
  Factor,
  type Challenge,
  type FactorProof,
  type HeldFactor,
  type Shown,
  type Situation,
} from './factor.js';
import { maskedNumber } from './phone-numbers.js';
import { SmsCodes } from './sms-codes.service.js';

interface NumberRow {
  id: string;
  number: Buffer;
  createdAt: Date;
  lastUsedAt: Date | null;
}

export const placeOfNumber = (id: string) => ({ table: 'sms_number', row: id, column: 'number' });

const keyOf = (accountId: string, { boundTo }: Situation): ChallengeKey => ({
  purpose: 'sms-factor',
  accountId,
  boundTo,
});

/**
 * Codes by text message: the one restricted authenticator of NIST SP 800-63B-4 (§3.1.3.3). Never alone, because whoever sets
 * it up has recovery codes.
 */
@Injectable()
export class SmsFactor extends Factor {
  readonly method = 'sms';
  readonly isPhishingResistant = false;

  constructor(
    private readonly database: Database,
    private readonly vault: Vault,
    private readonly codes: SmsCodes,
  ) {
    super();
  }

  async isEnrolled(db: Pick<Db, 'query'>, accountId: string): Promise<boolean> {
    return (await this.row(db, accountId)) !== null;
  }

  async held(db: Db, accountId: string): Promise<HeldFactor[]> {
    const row = await this.row(db, accountId);
    if (!row) return [];
    const { createdAt, lastUsedAt } = row;
    const name = maskedNumber(await this.open(db, row));
    return [{ method: this.method, name, createdAt, lastUsedAt, restricted: true }];
  }

  async forget(db: Pick<Db, 'query'>, accountId: string): Promise<void> {
    await db.query('DELETE FROM auth.sms_number WHERE account_id = $1', [accountId]);
  }

  override async challenge(ctx: Ctx, accountId: string, situation: Situation): Promise<Challenge> {
    const row = await this.row(ctx.db, accountId);
    if (!row) throw methodNotOffered();
    const number = await this.open(ctx.db, row);
    return this.codes.send(ctx, { accountId, number }, keyOf(accountId, situation));
  }

  async check(ctx: Ctx, accountId: string, proof: FactorProof, situation: Situation): Promise<Shown> {
    const shown = await this.codes.check(ctx, keyOf(accountId, situation), accountId, codeOf(proof), situation);
    const useUp = async (work: Ctx): Promise<boolean> => {
      if (!(await shown.useUp(work))) return false;
      const rows = await work.db.query(
        'UPDATE auth.sms_number SET last_used_at = $2 WHERE account_id = $1 AND confirmed_at IS NOT NULL RETURNING 1',
        [accountId, work.now],
      );
      return rows.length > 0;
    };
    return { ...shown, useUp };
  }

  private async row(db: Pick<Db, 'query'>, accountId: string): Promise<NumberRow | null> {
    const [row] = await db.query<NumberRow>(
      `SELECT sms_number_id AS id, number, created_at AS "createdAt", last_used_at AS "lastUsedAt"
         FROM auth.sms_number WHERE account_id = $1 AND confirmed_at IS NOT NULL`,
      [accountId],
    );
    return row ?? null;
  }

  private async open(db: Db, { id, number }: NumberRow): Promise<string> {
    return (await this.vault.open({ db }, placeOfNumber(id), number)).toString();
  }
}
