import { Injectable } from '@nestjs/common';
import type { SignedIn } from '../../../platform/access/context.js';
import { Database } from '../../../platform/database/database.js';
import { usernameKey } from '../../users/index.js';
import { holderOf, type Holder } from '../account-state.js';
import { tooManyAttempts, wrongPassword } from '../auth.errors.js';
import { Quotas, type Limit } from '../factors/quotas.js';
import { Attempts, HOUR } from '../throttling/attempts.js';
import { Credentials, type StoredPassword } from './credentials.service.js';

/** A right password resets the failures: without this, whoever is signed in could have hashes computed without end. */
const PROOFS: readonly Limit[] = [{ most: 20, seconds: HOUR }];

/** Somebody who is signed in shows their password again. */
@Injectable()
export class OwnPassword {
  constructor(
    private readonly database: Database,
    private readonly attempts: Attempts,
    private readonly quotas: Quotas,
    private readonly credentials: Credentials,
  ) {}

  /**
   * Which password it was. Failures count together with those of sign-in: it is the same secret; and 20 an hour are looked at,
   * right ones too. Throws auth.too-many-attempts,
   * auth.wrong-password, auth.busy; holds no connection while hashing, nor afterwards.
   */
  async prove(ctx: SignedIn, password: string): Promise<{ stored: StoredPassword; holder: Holder }> {
    const { id: accountId } = ctx.actor;
    const { attempt, refused, stored, holder } = await this.database.write(null, async (db) => {
      const holder = await holderOf(db, accountId);
      const wait = await this.quotas.take(db, `own-password\0${accountId}`, PROOFS, ctx.now);
      if (wait !== null) throw tooManyAttempts(wait);
      const attempt = this.attempts.of('password', usernameKey(holder.username ?? accountId));
      const refused = await this.attempts.refusal(db, attempt, ctx.now);
      return { attempt, refused, stored: await this.credentials.find(db, accountId), holder };
    });
    if (refused) throw refused;
    const { ok } = await this.credentials.check(password, stored).catch(async (error: unknown) => {
      await this.database.write(null, (db) => this.attempts.withdraw(db, attempt));
      throw error;
    });
    if (!ok || stored === null) throw wrongPassword();
    await this.database.write(null, (db) => this.attempts.succeeded(db, attempt));
    return { stored, holder };
  }
}
