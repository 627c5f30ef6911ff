import { Injectable } from '@nestjs/common';
import type { Ctx } from '../../../platform/access/context.js';
import { after } from '../../../platform/clock.js';
import type { Db } from '../../../platform/database/db.js';
import { Secrets } from '../secrets.js';

export type ChallengePurpose =
  'passkey-registration' | 'passkey-factor' | 'passkey-sign-in' | 'sms-enrolment' | 'sms-factor';

/** For what, for whom, and within what a challenge was made; in anything else it is nothing. */
export interface ChallengeKey {
  purpose: ChallengePurpose;
  /** Null where nobody was recognised yet. */
  accountId: string | null;
  /** Token of the sign-in, or id of the session. */
  boundTo: string;
}

/**
 * What was asked and waits for its one answer: nonces of passkeys (WebAuthn Level 3 §13.4.3), codes of text messages. Kept
 * as MACs; a new one takes the place of the one before it in the same sign-in or session.
 */
@Injectable()
export class Challenges {
  constructor(private readonly secrets: Secrets) {}

  async issue(ctx: Pick<Ctx, 'db' | 'now'>, key: ChallengeKey, secret: string, seconds: number): Promise<Date> {
    const expiresAt = after(ctx.now, seconds);
    await ctx.db.query(
      `INSERT INTO auth.challenge (purpose, bound_mac, account_id, secret_mac, expires_at) VALUES ($1, $2, $3, $4, $5)
       ON CONFLICT (purpose, bound_mac) DO UPDATE
         SET account_id = excluded.account_id, secret_mac = excluded.secret_mac, expires_at = excluded.expires_at, used_at = NULL`,
      [
        key.purpose,
        this.secrets.mac('challenge', key.boundTo),
        key.accountId,
        this.secrets.mac('challenge', secretIn(key, secret)),
        expiresAt,
      ],
    );
    return expiresAt;
  }

  /** Uses it up; the statement decides which of several parallel answers is the one. False for an unknown, used, old or foreign one. */
  async take(db: Pick<Db, 'query'>, key: ChallengeKey, secret: string, now: Date): Promise<boolean> {
    const rows = await db.query(
      `UPDATE auth.challenge SET used_at = $5
        WHERE purpose = $1 AND bound_mac = ANY($2) AND account_id IS NOT DISTINCT FROM $3 AND secret_mac = ANY($4)
          AND used_at IS NULL AND expires_at > $5 RETURNING 1`,
      [
        key.purpose,
        this.secrets.macs('challenge', key.boundTo),
        key.accountId,
        this.secrets.macs('challenge', secretIn(key, secret)),
        now,
      ],
    );
    return rows.length > 0;
  }
}

/** The same code to two people, or in two sign-ins, has two MACs. */
const secretIn = ({ purpose, boundTo }: ChallengeKey, secret: string): string => `${purpose}\0${boundTo}\0${secret}`;
