import { Injectable } from '@nestjs/common';
import { authorize, type Ctx, type SignedIn } from '../../../platform/access/context.js';
import { isByDevice } from '../../../platform/access/door.guard.js';
import { Database } from '../../../platform/database/database.js';
import { notFound } from '../../../platform/http/problem.js';
import { holderOf } from '../account-state.js';
import { People } from '../../users/index.js';
import { ownPassword, passwordChangedMeanwhile, signInExpired, stepUpRequired } from '../auth.errors.js';
import { Credentials } from './credentials.service.js';
import { OwnPassword } from './own-password.service.js';
import { FactorPolicy } from '../factors/factor-policy.js';
import { Notices } from '../recovery/notices.js';
import { SessionEndings } from '../sessions/session-endings.js';
import { Sessions } from '../sessions/session.service.js';
import { SignIns } from '../sign-in/sign-ins.js';
import type { RenewedView } from '../sessions/session.dto.js';
import type { ChangePassword, ChangeRequiredPassword } from './password.dto.js';

@Injectable()
export class Passwords {
  constructor(
    private readonly database: Database,
    private readonly people: People,
    private readonly own: OwnPassword,
    private readonly credentials: Credentials,
    private readonly policy: FactorPolicy,
    private readonly endings: SessionEndings,
    private readonly sessions: Sessions,
    private readonly signIns: SignIns,
    private readonly notices: Notices,
  ) {}

  /** All other sessions end with the change, and this one's access token is renewed. */
  async change(ctx: SignedIn, { currentPassword, newPassword }: ChangePassword): Promise<RenewedView> {
    const { id: accountId, roles, sessionId } = ctx.actor;
    authorize(ctx, 'update', 'Password', { accountId });
    if (isByDevice(ctx.actor)) throw stepUpRequired();
    // Before the new one is looked at: whatever is wrong with that is no failure to prove oneself.
    const { stored, holder } = await this.own.prove(ctx, currentPassword);
    const least = this.policy.leastPasswordOf(roles);
    const hash = await this.credentials.hashNew(newPassword, least, holder, stored);

    if (!(await this.credentials.replace(ctx, accountId, stored, hash))) throw passwordChangedMeanwhile();
    await this.endings.endAll(ctx, accountId, 'password-changed', sessionId);
    await this.notices.security(ctx, accountId, 'password-changed');
    ctx.touch({ patientId: null, type: 'Password', id: accountId });
    return this.sessions.renew(ctx);
  }

  /**
   * Somebody else may know it (NIST SP 800-63B-4 §3.1.1.2: change is forced on evidence of compromise, and never by age):
   * from now on it opens nothing but its own change, and everything that it opened is closed.
   */
  async expire(ctx: SignedIn, accountId: string, reason: string): Promise<void> {
    if (accountId === ctx.actor.id) throw ownPassword();
    authorize(ctx, 'expire', 'Password', { accountId });
    if (!(await this.credentials.expire(ctx, accountId, ctx.actor.id, reason))) throw notFound();
    await this.endings.endAll(ctx, accountId, 'password-expired');
    await this.notices.security(ctx, accountId, 'password-expired', { device: null });
    ctx.touch({ patientId: null, type: 'Password', id: accountId });
  }

  /** Finishes a sign-in with an expired password: after all that the account asks for was shown. Signs nobody in. */
  async changeRequired(ctx: Ctx, { token, newPassword }: ChangeRequiredPassword): Promise<void> {
    const { accountId, stored, least, holder } = await this.database.write(null, async (db) => {
      const signIn = await this.signIns.find(db, token, 'password-change', ctx.now);
      if (!signIn) throw signInExpired();
      const { accountId } = signIn;
      const { person } = await this.people.loadPerson(db, accountId, ctx.now);
      const stored = await this.credentials.find(db, accountId);
      if (!stored) throw signInExpired();
      const least = this.policy.leastPasswordOf(person.roles);
      return { accountId, stored, least, holder: await holderOf(db, accountId) };
    });
    ctx.identify({ accountId });
    const hash = await this.credentials.hashNew(newPassword, least, holder, stored);

    await this.sessions.letIn(ctx, accountId);
    if (!(await this.credentials.replace(ctx, accountId, stored, hash))) throw signInExpired();
    await this.signIns.finish(ctx, token, 'password-change');
    await this.endings.endAll(ctx, accountId, 'password-changed');
    await this.notices.security(ctx, accountId, 'password-changed');
    ctx.touch({ patientId: null, type: 'Password', id: accountId });
  }
}
