import { Injectable } from '@nestjs/common';
import { authorize, type Ctx, type SignedIn } from '../../../platform/access/context.js';
import { after } from '../../../platform/clock.js';
import { isByDevice } from '../../../platform/access/door.guard.js';
import { Database } from '../../../platform/database/database.js';
import { invalid } from '../../../platform/http/validation.js';
import { Accounts, People, usernameKey } from '../../users/index.js';
import { Attempts } from '../throttling/attempts.js';
import { invalidCredentials, methodNotOffered, signInExpired, wrongPassword } from '../auth.errors.js';
import { Devices, type Recognised } from '../devices/devices.service.js';
import { Credentials } from '../passwords/credentials.service.js';
import { OwnPassword } from '../passwords/own-password.service.js';
import type { Db } from '../../../platform/database/db.js';
import { both, isMultiFactor, signedIn, signingIn, type MfaMethod, type Proof } from '../factors/factor.js';
import { FactorPolicy, nextStep, offeredOf } from '../factors/factor-policy.js';
import { Factors } from '../factors/factors.service.js';
import { isEnrolmentDemanded } from '../recovery/enrolment-demand.js';
import { Forgotten } from '../recovery/forgotten.service.js';
import { Notices } from '../recovery/notices.js';
import { SecurityEvents } from '../sessions/security-events.js';
import { Sessions } from '../sessions/session.service.js';
import { SignIns } from './sign-ins.js';
import type { ChallengeSecondFactor, ChallengeView, StepUpChallenge } from '../factors/factor.dto.js';
import type { Login, StepUp, StepUpView, TokensView, VerifySecondFactor } from '../sessions/session.dto.js';

/** From so many in a row on, a success is told. People who mistype are through before. */
const SUSPICIOUS_FAILURES = 5;
const DAY = 86_400;
const BY_PASSWORD: Proof = { amr: ['pwd'], isPhishingResistant: false };

/** Signing in: the password, then the second factor where there is one. */
@Injectable()
export class SignIn {
  constructor(
    private readonly database: Database,
    private readonly accounts: Accounts,
    private readonly people: People,
    private readonly attempts: Attempts,
    private readonly credentials: Credentials,
    private readonly factors: Factors,
    private readonly policy: FactorPolicy,
    private readonly signIns: SignIns,
    private readonly sessions: Sessions,
    private readonly devices: Devices,
    private readonly events: SecurityEvents,
    private readonly own: OwnPassword,
    private readonly notices: Notices,
    private readonly forgotten: Forgotten,
  ) {}

  /**
   * The same answer after the same work, whether the name is unknown, the password wrong, or the account locked, disabled or
   * not activated: two look-ups, one reservation, one hash verification. Nothing holds a connection while hashing. A network
   * that waits is refused before the hash, for whatever name.
   */
  async login(ctx: Ctx, { username, password, deviceToken }: Login): Promise<TokensView> {
    const { account, device, stored, attempt, network, isAllowed, refused } = await this.reserve(
      ctx,
      usernameKey(username),
      deviceToken,
    );
    if (account) ctx.identify({ accountId: account.accountId });
    if (refused) throw refused;
    const isCandidate = isAllowed && account?.status === 'active';
    const { ok, needsRehash } = await this.credentials
      .check(password, isCandidate ? stored : null)
      .catch(async (error: unknown) => {
        // Nothing was checked: a rush must not lock anybody out.
        await this.database.write(null, async (db) => {
          await this.attempts.withdraw(db, network);
          await this.attempts.withdraw(db, attempt);
        });
        throw error;
      });
    if (!ok || !account || stored === null) throw invalidCredentials();
    const { accountId } = account;
    // Before the transaction: many share this row, and nobody is to wait for it until a whole sign-in is through.
    await this.database.write(null, (db) => this.attempts.withdraw(db, network));
    // Only an improvement: when the hasher is busy, the next sign-in does it.
    const upgraded = needsRehash ? await this.credentials.hash(password).catch(() => null) : null;

    await this.sessions.letIn(ctx, accountId);
    // Before the shared lock: two sign-ins that hold it would wait for each other.
    if (upgraded !== null) await this.credentials.upgrade(ctx.db, accountId, stored, upgraded);
    const held = await this.credentials.hold(ctx.db, accountId, stored);
    if (!held) throw invalidCredentials();
    const failures = await this.attempts.succeeded(ctx.db, attempt);
    if (failures > 0)
      await this.events.note(ctx, accountId, 'failed-sign-ins', { count: failures, isFromElsewhere: true });
    if (failures >= SUSPICIOUS_FAILURES) await this.tellOfGuesses(ctx, accountId, failures);
    return held.isExpired ? this.afterExpired(ctx, accountId) : this.proceed(ctx, accountId, BY_PASSWORD, device);
  }

  /**
   * Others may know the password: it changes itself only together with a second factor, for which no remembered device stands in
   * and which nobody sets up by it. Who has none gets the link of a forgotten password at their verified address, or is helped by
   * the hospital (NIST SP 800-63B-4 §3.1.1.2, §4.2.2).
   */
  private async afterExpired(ctx: Ctx, accountId: string): Promise<TokensView> {
    const { holding } = await this.standing(ctx.db, accountId, ctx.now);
    if (holding.held.length > 0) return this.proceed(ctx, accountId, BY_PASSWORD);
    const isMailed = holding.rule === 'optional' && (await this.forgotten.linkFor(ctx, accountId));
    return { status: 'password_change_required', changeBy: isMailed ? 'mail' : 'hospital' };
  }

  /** ASVS 6.3.5. At most one a day, so that guessing fills nobody's mailbox. */
  private async tellOfGuesses(ctx: Ctx, accountId: string, count: number): Promise<void> {
    if (await this.events.hasSince(ctx.db, accountId, 'guessed-before', after(ctx.now, -DAY))) return;
    await this.notices.security(ctx, accountId, 'guessed-before', { count });
  }

  /**
   * Counts the try before the password is looked at: for the name or, on a remembered device of theirs, for that device, which
   * strangers' failures cannot lock; and for the network. A device that failed too often counts as none.
   */
  private reserve(ctx: Ctx, usernameKey: string, deviceToken: string | undefined) {
    const network = this.attempts.ofNetwork(ctx.client);
    return this.database.write(null, async (db) => {
      const account = await this.accounts.findForSignIn(db, usernameKey);
      const accountId = account?.accountId ?? null;
      const stored = await this.credentials.find(db, accountId);
      const device = await this.devices.recognise(ctx, db, accountId, deviceToken);
      if (device) {
        const attempt = this.attempts.of('device', device.deviceId);
        const reserved = await this.attempts.reserveSignIn(ctx, db, network, attempt, true);
        if (reserved.isAllowed) return { account, stored, device, attempt, network, ...reserved };
        // It is one try, and is counted as one below.
        await this.attempts.withdraw(db, network);
      }
      const attempt = this.attempts.of('password', usernameKey);
      const reserved = await this.attempts.reserveSignIn(ctx, db, network, attempt, false);
      return { account, stored, device: null, attempt, network, ...reserved };
    });
  }

  /**
   * The one way on from any proof of who somebody is (password, passkey, single sign-on, a second factor): opens the session,
   * asks for a second factor, or demands that one is set up, by the rule of their roles. The caller has called
   * `sessions.letIn` and used up what was shown, in this transaction. A remembered device stands in for the second factor
   * of patients, and makes no second factor of itself: the session is aal1.
   */
  async proceed(ctx: Ctx, accountId: string, proof: Proof, device: Recognised | null = null): Promise<TokensView> {
    const { person, holding, offered, fitting } = await this.standing(ctx.db, accountId, ctx.now);
    switch (nextStep(holding, proof)) {
      case 'open': {
        const acr = isMultiFactor(proof) ? 'aal2' : 'aal1';
        return this.sessions.open(ctx, accountId, { ...proof, acr });
      }
      case 'show': {
        const mayStandIn = holding.rule !== 'required_phishing_resistant' && this.devices.mayRemember(person.roles);
        const next = device && mayStandIn ? await this.devices.renew(ctx, device) : null;
        if (next) {
          const shown = { ...proof, acr: 'aal1', amr: [...proof.amr, 'device'], isRememberedDevice: true } as const;
          return { ...(await this.sessions.open(ctx, accountId, shown)), ...next };
        }
        const mfaToken = await this.signIns.begin(ctx, accountId, 'mfa', proof);
        return { status: 'mfa_required', mfaToken, methods: offered };
      }
      case 'enrol': {
        const mfaToken = await this.signIns.begin(ctx, accountId, 'enrolment', proof);
        return { status: 'enrolment_required', mfaToken, methods: fitting };
      }
    }
  }

  async verify(ctx: Ctx, { mfaToken, method, rememberDevice, ...proof }: VerifySecondFactor): Promise<TokensView> {
    const accountId = await this.halfSignedIn(ctx, mfaToken, method);
    const shown = await this.factors.check(ctx, accountId, method, proof, signingIn(mfaToken));

    await this.sessions.letIn(ctx, accountId);
    const first = await this.signIns.finish(ctx, mfaToken, 'mfa');
    await this.factors.accept(ctx, shown);
    const recoveryCodes = await shown.replenish?.(ctx);
    const next = await this.proceed(ctx, accountId, both(first, shown));
    const answer = recoveryCodes ? { ...next, recoveryCodes } : next;
    if (!rememberDevice || answer.status !== 'authenticated') return answer;
    const { person } = await this.standing(ctx.db, accountId, ctx.now);
    return this.devices.mayRemember(person.roles)
      ? { ...answer, ...(await this.devices.remember(ctx, accountId)) }
      : answer;
  }

  /** Renews the session's assurance: by a second factor or, where there is none, by the password. */
  async stepUp(ctx: SignedIn, { method, password, ...proof }: StepUp): Promise<StepUpView> {
    const { id: accountId, assurance } = ctx.actor;
    authorize(ctx, 'step-up', 'Session', { accountId });
    if (method === 'password') return this.stepUpByPassword(ctx, password);
    await this.database.write(null, (db) => this.requireOffered(db, accountId, method, ctx.now));
    const shown = await this.factors.check(ctx, accountId, method, proof, signedIn(ctx));
    await this.factors.accept(ctx, shown);
    const recoveryCodes = await shown.replenish?.(ctx);
    const { amr } = both({ ...assurance, isPhishingResistant: false }, shown);
    const { session, renewed } = await this.sessions.strengthen(ctx, { acr: 'aal2', amr });
    return { ...session, ...renewed, ...(recoveryCodes ? { recoveryCodes } : {}) };
  }

  /**
   * Only where the password alone would open a session now: never beside a second factor, nor where one is demanded. The
   * session becomes no stronger than it was.
   */
  private async stepUpByPassword(ctx: SignedIn, password: string | undefined): Promise<StepUpView> {
    const { id: accountId, assurance } = ctx.actor;
    if (password === undefined)
      throw invalid([{ pointer: '/password', code: 'missing', detail: 'password is needed for this method.' }]);
    const { holding } = await this.database.write(null, (db) => this.standing(db, accountId, ctx.now));
    if (nextStep(holding, BY_PASSWORD) !== 'open' || isByDevice(ctx.actor)) throw methodNotOffered();
    const { stored } = await this.own.prove(ctx, password);
    if (!(await this.credentials.hold(ctx.db, accountId, stored))) throw wrongPassword();
    const amr = [...new Set([...assurance.amr, 'pwd'])];
    const { session, renewed } = await this.sessions.strengthen(ctx, { acr: assurance.acr, amr });
    return { ...session, ...renewed };
  }

  /** Sends a code or gives options, on request only: nobody's telephone rings because somebody else knows their password. */
  async challenge(ctx: Ctx, { mfaToken, method }: ChallengeSecondFactor): Promise<ChallengeView> {
    const accountId = await this.halfSignedIn(ctx, mfaToken, method);
    return { method, ...(await this.factors.challenge(ctx, accountId, method, signingIn(mfaToken))) };
  }

  /** The same in a running session, before {@link stepUp}. */
  async challengeStepUp(ctx: SignedIn, { method }: StepUpChallenge): Promise<ChallengeView> {
    const { id: accountId } = ctx.actor;
    authorize(ctx, 'challenge', 'Session', { accountId });
    await this.database.write(null, (db) => this.requireOffered(db, accountId, method, ctx.now));
    return { method, ...(await this.factors.challenge(ctx, accountId, method, signedIn(ctx))) };
  }

  /** Whose sign-in the token belongs to, if the method is one that they may finish it with. */
  private async halfSignedIn(ctx: Ctx, mfaToken: string, method: MfaMethod): Promise<string> {
    const accountId = await this.database.write(null, async (db) => {
      const signIn = await this.signIns.find(db, mfaToken, 'mfa', ctx.now);
      if (!signIn) throw signInExpired();
      ctx.identify(signIn);
      await this.requireOffered(db, signIn.accountId, method, ctx.now);
      return signIn.accountId;
    });
    return accountId;
  }

  private async requireOffered(db: Pick<Db, 'query'>, accountId: string, method: MfaMethod, now: Date): Promise<void> {
    const { offered } = await this.standing(db, accountId, now);
    if (!offered.includes(method)) throw methodNotOffered();
  }

  /** What the account must have, holds, may show and may set up. */
  async standing(db: Pick<Db, 'query'>, accountId: string, now: Date) {
    const { person } = await this.people.loadPerson(db, accountId, now);
    const holding = this.policy.holdingOf(person.roles, await this.factors.methodsOf(db, accountId));
    if (holding.rule === 'optional' && (await isEnrolmentDemanded(db, accountId))) holding.rule = 'required';
    return { person, holding, offered: offeredOf(holding), fitting: this.policy.fitting(person.roles) };
  }
}
