import { Injectable } from '@nestjs/common';
import type { Ctx } from '../../../platform/access/context.js';
import { SERVICE_ROLES } from '../../../platform/access/vocabulary.js';
import { Database } from '../../../platform/database/database.js';
import type { Db } from '../../../platform/database/db.js';
import { usernameKey } from '../../users/index.js';
import { holdAlone, holderOf } from '../account-state.js';
import {
  askHospital,
  invalidReset,
  methodNotOffered,
  passwordChangedMeanwhile,
  secondProofNeeded,
  tooManyAttempts,
} from '../auth.errors.js';
import { Devices } from '../devices/devices.service.js';
import { FactorPolicy } from '../factors/factor-policy.js';
import { Factors } from '../factors/factors.service.js';
import type { Challenge, FactorProof, MfaMethod, Shown, Situation } from '../factors/factor.js';
import { Quotas, type Limit } from '../factors/quotas.js';
import { Credentials } from '../passwords/credentials.service.js';
import { SessionEndings } from '../sessions/session-endings.js';
import { SignIn } from '../sign-in/sign-in.service.js';
import { SignIns } from '../sign-in/sign-ins.js';
import { Attempts } from '../throttling/attempts.js';
import { Addresses } from './addresses.js';
import { Notices } from './notices.js';
import { PasswordResets, RESET_MINUTES, type OpenReset } from './password-resets.js';
import type { PasswordResetView, ResetChallenge, ResetPassword } from './recovery.dto.js';

const PER_LINK: readonly Limit[] = [{ most: 10, seconds: RESET_MINUTES * 60 }];

/** A challenge made for one reset answers in no other. */
const resetting = (token: string): Situation => ({ isSignedIn: false, boundTo: token });

/**
 * A new password for whoever has the mailed token and, where the account has a second factor, shows that as well: the two
 * proofs of NIST SP 800-63B-4 §4.2.2.2 (an issued code and a bound authenticator). Accounts of one factor need one (§4.2.2.1).
 */
@Injectable()
export class PasswordReset {
  constructor(
    private readonly database: Database,
    private readonly resets: PasswordResets,
    private readonly addresses: Addresses,
    private readonly attempts: Attempts,
    private readonly quotas: Quotas,
    private readonly credentials: Credentials,
    private readonly factors: Factors,
    private readonly policy: FactorPolicy,
    private readonly signIn: SignIn,
    private readonly signIns: SignIns,
    private readonly devices: Devices,
    private readonly endings: SessionEndings,
    private readonly notices: Notices,
  ) {}

  /** What is needed besides the token. */
  async look(ctx: Ctx, token: string): Promise<PasswordResetView> {
    const { reset, methods } = await this.database.write(null, (db) => this.standing(ctx, db, token));
    return { methods, expiresAt: reset.expiresAt };
  }

  /** What a factor needs before it can be shown: passkey options, or a code sent by text message. */
  async challenge(ctx: Ctx, { token, method }: ResetChallenge): Promise<Challenge> {
    const { reset, methods } = await this.database.write(null, (db) => this.standing(ctx, db, token));
    if (!methods.includes(method)) throw methodNotOffered();
    return this.factors.challenge(ctx, reset.accountId, method, resetting(token));
  }

  /**
   * Rules first: a password that is refused uses nothing up. Then the quota of the link and the second proof, and a hash for nobody
   * who has not shown it. A wrong second proof counts as any failure of that factor. Nobody
   * is signed in by it: all sessions end, and whoever was half-way in begins anew.
   */
  async reset(ctx: Ctx, { token, newPassword, method, ...proof }: ResetPassword): Promise<void> {
    const { reset, methods, stored, least, holder } = await this.database.write(null, async (db) => {
      const standing = await this.standing(ctx, db, token);
      const { accountId } = standing.reset;
      return {
        ...standing,
        stored: await this.credentials.find(db, accountId),
        least: this.policy.leastPasswordOf(standing.roles),
        holder: await holderOf(db, accountId),
      };
    });
    if (stored === null) throw askHospital();
    const { accountId } = reset;
    await this.credentials.keepRules(newPassword, least, holder);
    await this.limit(ctx, token);
    const shown = await this.secondProof(ctx, accountId, methods, method, proof, resetting(token));
    const hash = await this.credentials.hashOther(newPassword, least, stored).catch(async (error: unknown) => {
      // The proof was right: neither a busy hasher nor the same password again is a failure to show it.
      if (shown?.attempt) await this.database.write(null, (db) => this.attempts.withdraw(db, shown.attempt!));
      throw error;
    });

    if (!(await holdAlone(ctx.db, accountId)) || !(await this.resets.useUp(ctx, token))) throw invalidReset();
    if (!(await this.credentials.replace(ctx, accountId, stored, hash))) throw passwordChangedMeanwhile();
    await this.signIns.abandon(ctx.db, accountId);
    if (shown) await this.factors.accept(ctx, shown);
    // One was set up since it was asked for.
    else if ((await this.factors.methodsOf(ctx.db, accountId)).length > 0) throw secondProofNeeded();
    await this.attempts.succeeded(ctx.db, this.attempts.of('password', usernameKey(holder.username ?? accountId)));
    // The link was read at that address: an administrator's new one is confirmed by it.
    await this.addresses.verified(ctx, accountId, reset.email);
    await this.devices.forget(ctx, accountId);
    await this.endings.endAll(ctx, accountId, 'recovered');
    await this.notices.security(ctx, accountId, 'password-reset');
    ctx.touch({ patientId: null, type: 'Password', id: accountId });
  }

  private async limit(ctx: Ctx, token: string): Promise<void> {
    const wait = await this.database.write(null, (db) =>
      this.quotas.take(db, `password-reset\0${token}`, PER_LINK, ctx.now),
    );
    if (wait !== null) throw tooManyAttempts(wait);
  }

  private async secondProof(
    ctx: Ctx,
    accountId: string,
    methods: readonly MfaMethod[],
    method: MfaMethod | undefined,
    proof: FactorProof,
    situation: Situation,
  ): Promise<Shown | null> {
    if (methods.length === 0) return null;
    if (method === undefined) throw secondProofNeeded();
    if (!methods.includes(method)) throw methodNotOffered();
    return this.factors.check(ctx, accountId, method, proof, situation);
  }

  /**
   * Whose token it is and what they must show besides. Who must have a second factor and has none (any more) does not get in
   * by a mailbox alone: that takes somebody at the hospital who vouches for them.
   */
  private async standing(ctx: Ctx, db: Db, token: string) {
    const reset: OpenReset | null = await this.resets.find(db, token, ctx.now);
    if (!reset) throw invalidReset();
    ctx.identify(reset);
    const { person, holding, offered } = await this.signIn.standing(db, reset.accountId, ctx.now);
    const isService = SERVICE_ROLES.some((role) => person.roles.has(role));
    const isMailEnough = reset.isAssisted || holding.rule === 'optional';
    if (isService || (offered.length === 0 && !isMailEnough)) throw askHospital();
    return { reset, methods: offered, roles: person.roles };
  }
}
