import { PageQuery } from '../../../platform/http/cursors.js';
import { Email, Flag, Instant, OneOf, Uuid } from '../../../platform/http/fields.js';

const DELIVERIES = ['mail', 'letter'] as const;

export class InviteeParams {
  @Uuid({ description: 'Whom it is about: a patient or an account, as the path says.' })
  id: string;
}

export class InvitePatient {
  @Email({
    optional: true,
    description:
      "The account's address: where a mailed code goes, and notices later. Default: the chart's. With a letter it stays unverified until the patient confirms it.",
  })
  email?: string;

  @OneOf(DELIVERIES, { optional: true, description: '`letter`: the answer is a PDF to print. Default: `mail`.' })
  deliver?: (typeof DELIVERIES)[number];
}

export class InvitationQuery extends PageQuery {}

/** An invitation that can still be used. Its code is nowhere but with whom it was sent to. */
export class InvitationView {
  @Uuid({ description: 'Invitation.' })
  id: string;

  @Email({ nullable: true, description: 'Where the code was mailed; null: it was printed and handed over.' })
  mailedTo: string | null;

  @Instant({ description: 'When it was made.' })
  createdAt: Date;

  @Uuid({ nullable: true, description: 'Account of who made it; null: the operator of the server, or the directory.' })
  createdBy: string | null;

  @Instant({ description: 'From when on its code no longer works.' })
  expiresAt: Date;
}

export class InvitationsQuery extends PageQuery {
  @Uuid({ optional: true, description: 'Only those that this account has made.' })
  createdBy?: string;

  @Flag({ optional: true, description: 'Only those to a chart of which nobody heard but whom the code went to.' })
  unwatched?: boolean;
}

/** An invitation whatever became of it, for whoever looks after those who invite. */
export class MadeInvitationView extends InvitationView {
  @Uuid({ nullable: true, description: 'Chart that it opens an account to.' })
  patientId: string | null;

  @Uuid({ nullable: true, description: 'Account that it activates.' })
  accountId: string | null;

  @Email({
    nullable: true,
    description: "The chart's own address, where that was another: it heard of the invitation, and of its use.",
  })
  told: string | null;

  @Instant({ nullable: true, description: 'When its code was used.' })
  usedAt: Date | null;
}
