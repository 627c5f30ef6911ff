import { Injectable } from '@nestjs/common';
import type { Ctx } from '../../../platform/access/context.js';
import type { Db } from '../../../platform/database/db.js';
import { Attempts } from '../throttling/attempts.js';
import { noChallenge } from '../auth.errors.js';
import type { Challenge, Factor, FactorProof, HeldFactor, MfaMethod, Shown, Situation } from './factor.js';
import { PasskeyFactor } from './passkey.factor.js';
import { RecoveryCodes } from './recovery-codes.factor.js';
import { SmsFactor } from './sms.factor.js';
import { TotpFactor } from './totp.factor.js';

/** All second factors that there are. A new kind is one class, named here; nothing else asks which kind it is. */
@Injectable()
export class Factors {
  private readonly known: readonly Factor[];

  constructor(
    private readonly attempts: Attempts,
    passkeys: PasskeyFactor,
    totp: TotpFactor,
    sms: SmsFactor,
    recoveryCodes: RecoveryCodes,
  ) {
    this.known = [passkeys, totp, sms, recoveryCodes];
  }

  /** What the account holds, in the order in which it is offered. Recovery codes alone are no second factor: they stand in for one. */
  async methodsOf(db: Pick<Db, 'query'>, accountId: string): Promise<MfaMethod[]> {
    const methods: MfaMethod[] = [];
    for (const factor of this.known) if (await factor.isEnrolled(db, accountId)) methods.push(factor.method);
    return methods.some((method) => method !== 'recovery_code') ? methods : [];
  }

  async heldBy(db: Db, accountId: string): Promise<HeldFactor[]> {
    const held: HeldFactor[] = [];
    for (const factor of this.known) held.push(...(await factor.held(db, accountId)));
    return held;
  }

  /** What the person needs before they can show the factor. Throws auth.no-challenge for factors that need nothing. */
  challenge(ctx: Ctx, accountId: string, method: MfaMethod, situation: Situation): Promise<Challenge> {
    const factor = this.of(method);
    if (!factor.challenge) throw noChallenge();
    return factor.challenge(ctx, accountId, situation);
  }

  /** Throws 429 while throttled and the refusal of a wrong proof; both leave the try counted. Holds no connection afterwards. */
  check(ctx: Ctx, accountId: string, method: MfaMethod, proof: FactorProof, situation: Situation): Promise<Shown> {
    return this.of(method).check(ctx, accountId, proof, situation);
  }

  /** Uses up what was shown and forgets the failures before it. Throws the refusal when another request was faster. */
  async accept(ctx: Ctx, shown: Shown): Promise<void> {
    if (!(await shown.useUp(ctx))) throw shown.refusal();
    if (shown.attempt) await this.attempts.succeeded(ctx.db, shown.attempt);
  }

  /** Takes away everything that could confirm a sign-in, recovery codes too: account recovery begins anew. */
  async forgetAll(db: Pick<Db, 'query'>, accountId: string): Promise<void> {
    for (const factor of this.known) await factor.forget(db, accountId);
  }

  private of(method: MfaMethod): Factor {
    return this.known.find((factor) => factor.method === method)!;
  }
}
