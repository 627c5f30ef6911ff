import { Injectable } from '@nestjs/common';
import { authorize, type SignedIn } from '../../../platform/access/context.js';
import { accessible, Params } from '../../../platform/database/accessible.js';
import { Cursors, limitOf } from '../../../platform/http/cursors.js';
import type { Page } from '../../../platform/http/presenter.js';
import { Invitees } from '../../users/index.js';
import { ActivationLetters } from './activation-letters.js';
import type {
  InvitationQuery,
  InvitationsQuery,
  InvitationView,
  InvitePatient,
  MadeInvitationView,
} from './invitation.dto.js';
import { Invitations } from './invitations.service.js';

const MADE = 'auth.invitations-made';
const OF = { columns: { of: "CASE WHEN patient_id IS NULL THEN 'account' ELSE 'patient' END" } };

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
    const { id: invitationId, code, expiresAt } = await this.invitations.create(ctx, invited, { told });
    // What leaves on paper is told apart in the trail (ASTM E2147 7.1.8: print).
    ctx.touch({ patientId: id, type: 'Letter', id: invitationId });
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

  /**
   * All that were made, open or not. A chart without an address has nobody who could be told that it was invited: whoever looks after
   * those who invite sees it here, by who made it.
   */
  async made(ctx: SignedIn, query: InvitationsQuery): Promise<Page<MadeInvitationView>> {
    const params = new Params();
    const where = [accessible(ctx, 'search', 'Invitation', OF, params)];
    if (query.createdBy !== undefined) where.push(`created_by = ${params.add(query.createdBy)}`);
    if (query.unwatched) where.push('patient_id IS NOT NULL AND told IS NULL');
    const last = this.cursors.open<[string]>(ctx, MADE, query);
    if (last) where.push(`invitation_id < ${params.add(last[0])}`);
    const rows = await ctx.db.query<MadeInvitationView>(
      `SELECT invitation_id AS id, patient_id AS "patientId", account_id AS "accountId", mailed_to AS "mailedTo", told, created_at AS "createdAt",
              created_by AS "createdBy", expires_at AS "expiresAt", used_at AS "usedAt"
         FROM auth.invitation WHERE ${where.join(' AND ')} ORDER BY invitation_id DESC LIMIT ${params.add(limitOf(query) + 1)}`,
      params.values,
    );
    const touched = (row: MadeInvitationView) => {
      ctx.touch({ patientId: row.patientId, type: 'Invitation', id: row.id });
      return row;
    };
    return this.cursors.page(ctx, MADE, query, rows, (row) => [row.id], touched);
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
