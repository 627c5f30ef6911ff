import { Injectable } from '@nestjs/common';
import { authorize, type SignedIn } from '../../../platform/access/context.js';
import { Cursors } from '../../../platform/http/cursors.js';
import type { Page } from '../../../platform/http/presenter.js';
import { Invitees } from '../../users/index.js';
import { ActivationLetters } from './activation-letters.js';
import type { InvitationQuery, InvitationView, InvitePatient } from './invitation.dto.js';
import { Invitations } from './invitations.service.js';

/** A chart or an account. */
export type Invitee = { patientId: string } | { accountId: string };

/** Invitations as the hospital's offices keep them: made again, looked at without their codes, made void. */
@Injectable()
export class InvitationService {
  constructor(
    private readonly invitees: Invitees,
    private readonly invitations: Invitations,
    private readonly letters: ActivationLetters,
    private readonly cursors: Cursors,
  ) {}

  /**
   * Resolves with the letter, or with null where the code is mailed. Either voids the codes before it. Where the code does not
   * go to the chart's own address, that is told, now and when it is used: nobody opens an account behind the patient's back.
   */
  async invitePatient(ctx: SignedIn, id: string, { email, deliver = 'mail' }: InvitePatient): Promise<Buffer | null> {
    const { chartEmail, ...invited } = await this.invitees.patient(ctx, id, email);
    const told = deliver === 'mail' && chartEmail === invited.email ? null : chartEmail;
    if (told !== null) await this.invitations.tell(ctx, told, deliver === 'letter' ? 'printed' : 'mailed');
    if (deliver === 'mail') {
      await this.invitations.invite(ctx, invited, invited.email, told);
      return null;
    }
    const { code, expiresAt } = await this.invitations.create(ctx, invited, { told });
    return this.letters.print({ code, expiresAt, now: ctx.now });
  }

  /** For somebody whose code ran out or never came. */
  async inviteAccount(ctx: SignedIn, id: string): Promise<void> {
    const { accountId, email } = await this.invitees.account(ctx, id);
    await this.invitations.invite(ctx, { accountId }, email);
  }

  async list(ctx: SignedIn, invitee: Invitee, query: InvitationQuery): Promise<Page<InvitationView>> {
    await this.seen(ctx, 'list', invitee);
    const list = `auth.invitations:${JSON.stringify(invitee)}`;
    // At most one is open at a time: there is never a second page.
    const rows = await this.invitations.open(ctx, invitee);
    return this.cursors.page(
      ctx,
      list,
      query,
      rows,
      (row) => [row.id],
      (row) => row,
    );
  }

  /** Makes void what is open; nothing to do is no error. */
  async voidAll(ctx: SignedIn, invitee: Invitee): Promise<void> {
    await this.seen(ctx, 'delete', invitee);
    for (const id of await this.invitations.voidOpen(ctx, invitee)) {
      ctx.touch({ patientId: 'patientId' in invitee ? invitee.patientId : null, type: 'Invitation', id });
    }
  }

  private async seen(ctx: SignedIn, action: 'list' | 'delete', invitee: Invitee): Promise<void> {
    await this.invitees.see(ctx, invitee);
    authorize(ctx, action, 'Invitation', { of: 'patientId' in invitee ? 'patient' : 'account' });
  }
}
