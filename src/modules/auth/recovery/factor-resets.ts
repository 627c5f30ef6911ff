import { Injectable } from '@nestjs/common';
import type { Ctx } from '../../../platform/access/context.js';
import { Devices } from '../devices/devices.service.js';
import { FactorHolders } from '../factors/factor-holders.js';
import { Factors } from '../factors/factors.service.js';
import { SessionEndings } from '../sessions/session-endings.js';
import { SignIns } from '../sign-in/sign-ins.js';
import { demandEnrolment } from './enrolment-demand.js';
import { Notices, type NoticeDetails } from './notices.js';

/** What account recovery ends with when second factors are lost, whoever has decided it. */
@Injectable()
export class FactorResets {
  constructor(
    private readonly factors: Factors,
    private readonly holders: FactorHolders,
    private readonly devices: Devices,
    private readonly signIns: SignIns,
    private readonly endings: SessionEndings,
    private readonly notices: Notices,
  ) {}

  /**
   * Takes away all second factors and recovery codes, ends all sessions and sign-ins half-way, demands a new factor at the next
   * sign-in, and tells all addresses. The caller holds the account's lock and has the two proofs, or somebody's approval.
   */
  async run(ctx: Ctx, accountId: string, told: NoticeDetails = {}): Promise<void> {
    await ctx.db.query('DELETE FROM auth.lost_factor WHERE account_id = $1', [accountId]);
    await this.signIns.abandon(ctx.db, accountId);
    await this.holders.turn(ctx.db, accountId);
    await this.factors.forgetAll(ctx.db, accountId);
    await this.devices.forget(ctx, accountId);
    await demandEnrolment(ctx, accountId);
    await this.endings.endAll(ctx, accountId, 'recovered');
    await this.notices.security(ctx, accountId, 'factors-reset', told);
    ctx.touch({ patientId: null, type: 'SecondFactor', id: accountId });
  }
}
