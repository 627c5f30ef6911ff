import { Injectable } from '@nestjs/common';
import { authorize, type SignedIn } from '../../../platform/access/context.js';
import { Database } from '../../../platform/database/database.js';
import { usernameOf } from '../account-state.js';
import { usernameKey } from '../../users/index.js';
import { Attempts } from '../throttling/attempts.js';
import { passwordChangedMeanwhile, wrongPassword } from '../auth.errors.js';
import { Credentials } from './credentials.service.js';
import { LEAST_ALONE, LEAST_WITH_SECOND_FACTOR } from './password.rules.js';
import { SessionEndings } from '../sessions/session-endings.js';
import { isStaff } from '../sessions/session.rules.js';
import type { ChangePassword } from './password.dto.js';

@Injectable()
export class Passwords {
  constructor(
    private readonly database: Database,
    private readonly attempts: Attempts,
    private readonly credentials: Credentials,
    private readonly endings: SessionEndings,
  ) {}

  /** Counts failures together with those of sign-in: it is the same secret. All other sessions end with the change. */
  async change(ctx: SignedIn, { currentPassword, newPassword }: ChangePassword): Promise<void> {
    const { id: accountId, roles, sessionId } = ctx.actor;
    authorize(ctx, 'update', 'Password', { accountId });
    const { attempt, refused, stored, username } = await this.database.write(null, async (db) => {
      const username = await usernameOf(db, accountId);
      const attempt = this.attempts.of('password', usernameKey(username ?? accountId));
      const refused = await this.attempts.refusal(db, attempt, ctx.now);
      return { attempt, refused, stored: await this.credentials.find(db, accountId), username };
    });
    if (refused) throw refused;
    const { ok } = await this.credentials.check(currentPassword, stored).catch(async (error: unknown) => {
      await this.database.write(null, (db) => this.attempts.withdraw(db, attempt));
      throw error;
    });
    if (!ok || stored === null) throw wrongPassword();
    // The current password was right: whatever is wrong with the new one is not a failure to prove oneself.
    await this.database.write(null, (db) => this.attempts.succeeded(db, attempt));
    const hash = await this.credentials.hashNew(
      newPassword,
      isStaff(roles) ? LEAST_WITH_SECOND_FACTOR : LEAST_ALONE,
      username,
    );

    if (!(await this.credentials.replace(ctx, accountId, stored, hash))) throw passwordChangedMeanwhile();
    await this.endings.endAll(ctx, accountId, 'password-changed', sessionId);
    ctx.touch({ patientId: null, type: 'Password', id: accountId });
  }
}
