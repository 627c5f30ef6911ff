import { Inject, Injectable } from '@nestjs/common';
import type { Ctx } from '../../../platform/access/context.js';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import { Outbox } from '../../../platform/outbox/outbox.js';
import { SecurityEvents, type Whence } from '../sessions/security-events.js';
import { deviceOf } from '../sessions/session.rules.js';
import { Addresses, distinct } from './addresses.js';

export type NoticeKind =
  | 'password-changed'
  | 'password-expired'
  | 'password-reset'
  | 'factor-added'
  | 'factor-removed'
  | 'passkey-copied'
  | 'recovery-codes-renewed'
  | 'recovery-code-used'
  | 'email-changed'
  | 'new-device'
  | 'after-absence'
  | 'sign-in-unfinished'
  | 'guessed-before'
  | 'account-unlocked'
  | 'account-recovered'
  | 'factors-reset'
  | 'recovery-requested';

/** What a notice may say beside its kind. Never a code, never anything of anybody's care. */
export interface NoticeDetails {
  /** Kind of device in words; left out: the one that the request came from. Null: somebody of the hospital did it. */
  device?: string | null;
  /** Place in words, where it is known. */
  place?: string;
  /** Name of the second factor in words: `an authenticator app`. */
  factor?: string;
  /** Addresses to tell besides those of the account: the one that was given up, the one that is new. */
  alsoTo?: readonly string[];
  /** Where and when it was, if not this request and now. */
  from?: Whence;
  at?: Date;
  /** How often, where that is said. */
  count?: number;
  /** More lines, each a sentence. */
  more?: readonly string[];
}

const WHAT: Record<NoticeKind, (details: NoticeDetails) => string> = {
  'password-changed': () => 'Your password was changed.',
  'password-expired': () =>
    'Somebody else may know your password. Everybody was signed out; you choose another one at your next sign-in.',
  'password-reset': () => 'Your password was replaced by way of "forgotten password". Everybody was signed out.',
  'factor-added': ({ factor }) => `A way to confirm your sign-in was added: ${factor ?? 'a second factor'}.`,
  'factor-removed': ({ factor }) => `A way to confirm your sign-in was removed: ${factor ?? 'a second factor'}.`,
  'passkey-copied': () =>
    'One of your passkeys seems to have been copied. It was refused. Remove it, and set up a new one.',
  'recovery-codes-renewed': () => 'You have new recovery codes. Those from before no longer work.',
  'recovery-code-used': () => 'One of your recovery codes was used. It does not work again.',
  'email-changed': () => 'This is about the email address of your account.',
  'new-device': () => 'There was a sign-in from a device or place that is new to us.',
  'after-absence': () => 'There was a sign-in, the first one in more than 90 days.',
  'sign-in-unfinished': () =>
    'Somebody began to sign in with what only you should know or have, and did not show the second factor.',
  'guessed-before': ({ count }) =>
    `There was a sign-in, after ${count ?? 'several'} attempts with a wrong password since the one before.`,
  'account-unlocked': () => 'The failed attempts to sign in were forgotten: you can try again.',
  'account-recovered': () => 'Your account was recovered. Everybody was signed out.',
  'factors-reset': () =>
    'All ways to confirm your sign-in were removed. Everybody was signed out; set up a new one at the next sign-in.',
  'recovery-requested': () => 'Somebody who knows your password says that your second factor is lost.',
};

export const NOTICE_KINDS = Object.keys(WHAT) as readonly NoticeKind[];

/** Tells people what happened to the way into their account (NIST SP 800-63B-4 §4.6): at every change, at all addresses. */
@Injectable()
export class Notices {
  constructor(
    private readonly addresses: Addresses,
    private readonly outbox: Outbox,
    private readonly events: SecurityEvents,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** Puts a notice to every verified address of the account into the outbox, in the caller's transaction, and notes it in the account's history. */
  async security(ctx: Ctx, accountId: string, kind: NoticeKind, told: NoticeDetails = {}): Promise<void> {
    const { factor, from } = told;
    const place = await this.events.note(ctx, accountId, kind, {
      ...(factor === undefined ? {} : { detail: factor }),
      ...(from === undefined ? {} : { from }),
    });
    const details = place === null ? told : { place, ...told };
    const addresses = await this.addresses.forNotices(ctx.db, accountId);
    for (const to of distinct([...addresses, ...(details.alsoTo ?? [])])) {
      await this.outbox.mail(ctx, {
        to,
        subject: `Your account at ${this.config.hospital.name}`,
        text: this.text(ctx, kind, details),
      });
    }
  }

  private text(ctx: Ctx, kind: NoticeKind, details: NoticeDetails): string {
    const { hospital, http } = this.config;
    const device =
      details.device === undefined ? (details.from?.device ?? deviceOf(ctx.client.userAgent)) : details.device;
    return [
      `This is about your account at the portal of ${hospital.name}.`,
      '',
      WHAT[kind](details),
      ...(details.more ?? []),
      '',
      `When: ${(details.at ?? ctx.now).toISOString().slice(0, 16).replace('T', ' ')} UTC`,
      `From: ${device === null ? `an administrator of ${hospital.name}` : device}${details.place ? `, ${details.place}` : ''}`,
      '',
      'If this was you, there is nothing to do.',
      `If it was not: go to ${http.publicUrl}, change your password, end the sessions that you do not know, and tell ${hospital.name}.`,
    ].join('\n');
  }
}
