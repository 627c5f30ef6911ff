import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { Db } from '../../../platform/database/db.js';

/** WebAuthn Level 3 §5.4.3: at most 64 bytes, nothing that says who the person is. */
const HANDLE_BYTES = 32;

/** Accounts that have, or are about to set up, second factors. */
@Injectable()
export class FactorHolders {
  /**
   * Waits for its turn: whatever adds, removes or counts factors of one account comes one after the other, until the end of
   * the transaction. Resolves with the random handle by which passkeys know the account.
   */
  async turn(db: Pick<Db, 'query'>, accountId: string): Promise<Buffer> {
    const [row] = await db.query<{ user_handle: Buffer }>(
      `INSERT INTO auth.factor_holder (account_id, user_handle) VALUES ($1, $2)
       ON CONFLICT (account_id) DO UPDATE SET account_id = excluded.account_id RETURNING user_handle`,
      [accountId, randomBytes(HANDLE_BYTES)],
    );
    return row!.user_handle;
  }
}
