import { PageQuery } from '../../../platform/http/cursors.js';
import { Email, Flag, Instant, Nested, OneOf, Text, Uuid } from '../../../platform/http/fields.js';

const RESET_KINDS = ['factors', 'password', 'unlock', 'email', 'sso-link'] as const;
export type ResetKind = (typeof RESET_KINDS)[number];
const RESET_STATUSES = ['requested', 'executed', 'declined', 'expired'] as const;
const IDENTITY_METHODS = ['in-person-id-document', 'video-id-document', 'known-in-person'] as const;
const DOCUMENTS = ['passport', 'national-id-card', 'driving-licence', 'residence-permit', 'staff-badge'] as const;

/** How recent the second factor must be for touching somebody's way in, in seconds. */
export const RESET_STEP_UP_SECONDS = 300;

const tidy = (text: string): string => text.trim().normalize('NFC');
const WhyText = () => Text({ min: 3, max: 500, normalise: tidy, description: 'Why; kept.' });

export class AccountResetParams {
  @Uuid({ description: 'Request.' })
  id: string;
}

/** That somebody looked at who asks. Which kind of document, never its number. */
export class IdentityCheck {
  @OneOf(IDENTITY_METHODS, { description: 'How it was done.' })
  method: string;

  @OneOf(DOCUMENTS, { description: 'Kind of document that was shown.' })
  document: string;

  @Text({ max: 100, normalise: tidy, description: 'Name of who looked.' })
  checkedBy: string;

  @Instant({ description: 'When; of the last 24 hours.' })
  checkedAt: string;
}

export class WhyAccount {
  @WhyText()
  reason: string;
}

export class RequestReset extends WhyAccount {
  @Nested(() => IdentityCheck, {
    optional: true,
    description: 'Stands for the second administrator, except for people who work for the hospital.',
  })
  identityCheck?: IdentityCheck;
}

export class ReplaceEmail extends WhyAccount {
  @Email({ description: 'The new address. Its holder confirms it before it serves for recovery.' })
  email: string;
}

export class AccountResetQuery extends PageQuery {
  @OneOf(RESET_STATUSES, { optional: true, description: 'Only those in this state.' })
  status?: string;

  @Uuid({ optional: true, description: 'Only those about this account.' })
  accountId?: string;
}

/** Where a link goes. */
export class ResetAddress {
  @Email({ description: "The account's address when it was asked for; approving takes that it still is." })
  email: string;

  @Flag({ description: 'Has the holder shown to read it? If not, it may be anybody’s: ask who gave it.' })
  isVerified: boolean;
}

export class AccountResetView {
  @Uuid({ description: 'Request.' })
  id: string;

  @Uuid({ description: 'Whose way in it is about.' })
  accountId: string;

  @OneOf(RESET_KINDS, {
    description:
      'factors: second factors are removed; password: a link to choose a new one is mailed; unlock: failures are forgotten; email: another address; sso-link: a link to an identity provider was taken away.',
  })
  kind: ResetKind;

  @OneOf(RESET_STATUSES, {
    description:
      'requested: another administrator must approve within a day. expired: nobody did, or the account has another address.',
  })
  status: string;

  @Text({ max: 500, description: 'Why.' })
  reason: string;

  @Nested(() => ResetAddress, { nullable: true, description: 'password: where the link goes; look before approving.' })
  address: ResetAddress | null;

  @Flag({ description: 'Somebody who works for the hospital: always two administrators.' })
  isStaff: boolean;

  @Nested(() => IdentityCheck, { nullable: true, description: 'Identity check that was recorded.' })
  identityCheck: IdentityCheck | null;

  @Uuid({ description: 'Administrator who asked.' })
  requestedBy: string;

  @Instant({ description: 'When.' })
  requestedAt: Date;

  @Instant({ description: 'Until when it can be approved.' })
  expiresAt: Date;

  @Uuid({ nullable: true, description: 'Administrator who decided.' })
  decidedBy: string | null;

  @Instant({ nullable: true, description: 'When.' })
  decidedAt: Date | null;
}
