import { Injectable } from '@nestjs/common';
import type { SignedIn } from '../../platform/access/context.js';
import { AccountService } from './account.service.js';
import { PatientService, type InvitedPatient } from './patient.service.js';

/** People whom an activation code may go to. Says whether the actor may invite them, and where to; the codes are `auth`'s. */
@Injectable()
export class Invitees {
  constructor(
    private readonly accounts: AccountService,
    private readonly patients: PatientService,
  ) {}

  /** Throws users.chart-has-account, -birth-date-needed, -email-needed. */
  patient(ctx: SignedIn, id: string, email: string | undefined): Promise<InvitedPatient> {
    return this.patients.toInvite(ctx, id, email);
  }

  /** Throws users.not-invited for an account that was activated or disabled. */
  account(ctx: SignedIn, id: string): Promise<{ accountId: string; email: string }> {
    return this.accounts.toInvite(ctx, id);
  }

  /** Throws 404 for a chart or an account that the actor may not see; leaves the trace that they looked. */
  async see(ctx: SignedIn, who: { patientId: string } | { accountId: string }): Promise<void> {
    if ('patientId' in who) await this.patients.get(ctx, who.patientId);
    else await this.accounts.get(ctx, who.accountId);
  }
}
