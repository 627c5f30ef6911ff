import { Injectable } from '@nestjs/common';
import type { Ctx } from '../../../platform/access/context.js';
import type { Db } from '../../../platform/database/db.js';
import { newId } from '../../../platform/ids.js';
import type { Assertion, NewPasskey, StoredPasskey } from './relying-party.js';

type Queries = Pick<Db, 'query'>;

const MOST = 10;
const STORED = `SELECT p.passkey_id AS "passkeyId", p.account_id AS "accountId", p.credential_id AS "credentialId", p.public_key AS "publicKey",
    p.counter::float8 AS counter, p.is_backup_eligible AS "isBackupEligible", h.user_handle AS "userHandle"
  FROM auth.passkey p JOIN auth.factor_holder h USING (account_id) WHERE p.credential_id = $1`;

/** Public keys of passkeys, and what is known of them. */
@Injectable()
export class PasskeyRepository {
  async any(db: Queries, accountId: string): Promise<boolean> {
    const rows = await db.query('SELECT 1 FROM auth.passkey WHERE account_id = $1 LIMIT 1', [accountId]);
    return rows.length > 0;
  }

  knownTo(db: Queries, accountId: string): Promise<{ credentialId: Buffer; transports: string[] }[]> {
    return db.query(
      `SELECT credential_id AS "credentialId", transports FROM auth.passkey WHERE account_id = $1 ORDER BY passkey_id`,
      [accountId],
    );
  }

  async find(db: Queries, credentialId: Buffer): Promise<StoredPasskey | null> {
    const [row] = await db.query<StoredPasskey>(STORED, [credentialId]);
    return row ?? null;
  }

  /** False where the account has ten. Call it in the account's turn. Throws auth.passkey-exists for a known credential. */
  async add(ctx: Pick<Ctx, 'db' | 'now'>, accountId: string, name: string, passkey: NewPasskey): Promise<boolean> {
    const { credentialId, publicKey, counter, transports, isBackupEligible, isBackedUp, aaguid } = passkey;
    const rows = await ctx.db.query(
      `INSERT INTO auth.passkey (passkey_id, account_id, credential_id, public_key, counter, transports, is_backup_eligible, is_backed_up, aaguid, name, created_at)
       SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11 WHERE (SELECT count(*) FROM auth.passkey WHERE account_id = $2) < ${MOST} RETURNING 1`,
      [
        newId(),
        accountId,
        credentialId,
        publicKey,
        counter,
        transports,
        isBackupEligible,
        isBackedUp,
        aaguid,
        name,
        ctx.now,
      ],
    );
    return rows.length > 0;
  }

  isFull(known: readonly unknown[]): boolean {
    return known.length >= MOST;
  }

  /** Notes the use; false when the counter did not move on since it was looked at, or the passkey is gone. Some never count: 0 stays 0. */
  async use(
    { db, now }: Pick<Ctx, 'db' | 'now'>,
    passkeyId: string,
    { counter, isBackedUp }: Assertion,
  ): Promise<boolean> {
    const rows = await db.query(
      `UPDATE auth.passkey SET counter = $2, is_backed_up = $3, last_used_at = $4
        WHERE passkey_id = $1 AND (counter < $2 OR (counter = 0 AND $2 = 0)) RETURNING 1`,
      [passkeyId, counter, isBackedUp, now],
    );
    return rows.length > 0;
  }
}
