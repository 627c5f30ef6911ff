import { Injectable } from '@nestjs/common';
import { authorize, type SignedIn } from '../../../platform/access/context.js';
import { noFactor } from '../auth.errors.js';
import { Notices } from '../recovery/notices.js';
import { SessionEndings } from '../sessions/session-endings.js';
import { FactorHolders } from './factor-holders.js';
import { FactorPolicy } from './factor-policy.js';
import type { OwnFactorsView, RecoveryCodesView } from './factor.dto.js';
import { Factors } from './factors.service.js';
import { RecoveryCodes } from './recovery-codes.factor.js';

/** What somebody holds, for themselves. */
@Injectable()
export class OwnFactors {
  constructor(
    private readonly factors: Factors,
    private readonly policy: FactorPolicy,
    private readonly holders: FactorHolders,
    private readonly recoveryCodes: RecoveryCodes,
    private readonly notices: Notices,
    private readonly endings: SessionEndings,
  ) {}

  async get(ctx: SignedIn): Promise<OwnFactorsView> {
    const { id: accountId, roles } = ctx.actor;
    authorize(ctx, 'read', 'SecondFactor', { accountId });
    return {
      policy: this.policy.ruleOf(roles),
      factors: await this.factors.heldBy(ctx.db, accountId),
      available: this.policy.available(roles),
      unusedRecoveryCodes: await this.recoveryCodes.unused(ctx.db, accountId),
    };
  }

  /** Ten new ones, shown once; those from before are void (NIST SP 800-63B-4 §4.2.1.1), and all other sessions end. */
  async renewRecoveryCodes(ctx: SignedIn): Promise<RecoveryCodesView> {
    const { id: accountId } = ctx.actor;
    authorize(ctx, 'create', 'RecoveryCode', { accountId });
    await this.holders.turn(ctx.db, accountId);
    if ((await this.factors.methodsOf(ctx.db, accountId)).length === 0) throw noFactor();
    const recoveryCodes = await this.recoveryCodes.renew(ctx, accountId);
    await this.endings.endSessions(ctx, accountId, 'factor-changed', ctx.actor.sessionId);
    await this.notices.security(ctx, accountId, 'recovery-codes-renewed');
    ctx.touch({ patientId: null, type: 'RecoveryCode', id: accountId });
    return { recoveryCodes };
  }
}
