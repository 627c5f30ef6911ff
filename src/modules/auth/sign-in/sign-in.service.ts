import { Injectable } from '@nestjs/common';
import { authorize, type Ctx, type SignedIn } from '../../../platform/access/context.js';
import { Database } from '../../../platform/database/database.js';
import { Accounts, People, usernameKey } from '../../users/index.js';
import { Attempts } from '../throttling/attempts.js';
import { invalidCredentials, signInExpired } from '../auth.errors.js';
import { Credentials } from '../passwords/credentials.service.js';
import { SecondFactors } from '../factors/second-factors.js';
import { isStaff } from '../sessions/session.rules.js';
import { Sessions } from '../sessions/session.service.js';
import { SignIns } from './sign-ins.js';
import type { AssuranceView, Login, StepUp, TokensView, VerifySecondFactor } from '../sessions/session.dto.js';

/** Signing in: the password, then the second factor where there is one. */
@Injectable()
export class SignIn {
  constructor(
    private readonly database: Database,
    private readonly accounts: Accounts,
    private readonly people: People,
    private readonly attempts: Attempts,
    private readonly credentials: Credentials,
    private readonly factors: SecondFactors,
    private readonly signIns: SignIns,
    private readonly sessions: Sessions,
  ) {}

  /**
   * The same answer after the same work, whether the name is unknown, the password wrong, or the account locked, disabled or
   * not activated: one reservation, two look-ups, one hash verification. Nothing holds a connection while hashing.
   */
  async login(ctx: Ctx, { username, password }: Login): Promise<TokensView> {
    const key = usernameKey(username);
    const attempt = this.attempts.of('password', key);
    const { isAllowed, account, stored } = await this.database.write(null, async (db) => {
      const isAllowed = await this.attempts.reserve(db, attempt, ctx.now);
      const account = await this.accounts.findForSignIn(db, key);
      return { isAllowed, account, stored: await this.credentials.find(db, account?.accountId ?? null) };
    });
    if (account) ctx.identify({ accountId: account.accountId });
    const isCandidate = isAllowed && account?.status === 'active';
    const { ok, needsRehash } = await this.credentials
      .check(password, isCandidate ? stored : null)
      .catch(async (error: unknown) => {
        // Nothing was checked: a rush must not lock anybody out.
        if (isAllowed) await this.database.write(null, (db) => this.attempts.withdraw(db, attempt));
        throw error;
      });
    if (!ok || !account || stored === null) throw invalidCredentials();
    const { accountId } = account;
    // Only an improvement: when the hasher is busy, the next sign-in does it.
    const upgraded = needsRehash ? await this.credentials.hash(password).catch(() => null) : null;

    await this.sessions.letIn(ctx, accountId);
    if (!(await this.credentials.hold(ctx.db, accountId, stored))) throw invalidCredentials();
    await this.attempts.succeeded(ctx.db, attempt);
    if (upgraded !== null) await this.credentials.upgrade(ctx.db, accountId, stored, upgraded);
    if (await this.factors.isConfirmed(ctx.db, accountId)) {
      const mfaToken = await this.signIns.begin(ctx, accountId, 'mfa');
      return { status: 'mfa_required', mfaToken, methods: ['totp', 'recovery_code'] };
    }
    const { person } = await this.people.loadPerson(ctx.db, accountId, ctx.now);
    if (isStaff(person.roles)) {
      return { status: 'enrolment_required', mfaToken: await this.signIns.begin(ctx, accountId, 'enrolment') };
    }
    return this.sessions.open(ctx, accountId, { acr: 'aal1', amr: ['pwd'] });
  }

  async verify(ctx: Ctx, { mfaToken, method, code }: VerifySecondFactor): Promise<TokensView> {
    const accountId = await this.database.write(null, (db) => this.signIns.find(db, mfaToken, 'mfa', ctx.now));
    if (accountId === null) throw signInExpired();
    ctx.identify({ accountId });
    const shown = await this.factors.check(ctx, accountId, method, code, 'signing-in');

    await this.sessions.letIn(ctx, accountId);
    await this.signIns.finish(ctx, mfaToken, 'mfa');
    await this.factors.accept(ctx, shown);
    return this.sessions.open(ctx, accountId, { acr: 'aal2', amr: shown.amr });
  }

  /** Renews the session's assurance. Only a second factor does: the password alone was shown at sign-in. */
  async stepUp(ctx: SignedIn, { method, code }: StepUp): Promise<AssuranceView> {
    authorize(ctx, 'step-up', 'Session', { accountId: ctx.actor.id });
    const shown = await this.factors.check(ctx, ctx.actor.id, method, code, 'signed-in');
    await this.factors.accept(ctx, shown);
    return this.sessions.strengthen(ctx, shown.amr);
  }
}
