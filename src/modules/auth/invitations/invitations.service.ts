import { Inject, Injectable } from '@nestjs/common';
import { newId } from '../../../platform/ids.js';
import type { Ctx } from '../../../platform/access/context.js';
import { after } from '../../../platform/clock.js';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import { normaliseCode, randomCode } from '../../../platform/crypto/index.js';
import { Database } from '../../../platform/database/database.js';
import type { Db } from '../../../platform/database/db.js';
import { Outbox } from '../../../platform/outbox/outbox.js';
import { Accounts, People } from '../../users/index.js';
import { holderOf, type Holder } from '../account-state.js';
import { Attempts, networkOf } from '../throttling/attempts.js';
import { invalidActivation } from '../auth.errors.js';
import { Credentials } from '../passwords/credentials.service.js';
import { FactorPolicy } from '../factors/factor-policy.js';
import { Addresses } from '../recovery/addresses.js';
import { Secrets } from '../secrets.js';
import type { Activate } from './activation.dto.js';
import type { InvitationView } from './invitation.dto.js';

/** How long a code is good, in days. */
export const DAYS = 7;

/** Whom a code lets in: the holder of an account that waits for its first password, or a patient who opens one to their chart. */
export type Invited = { accountId: string } | { patientId: string; email: string };

interface Invitation {
  invitationId: string;
  accountId: string | null;
  patientId: string | null;
  email: string | null;
  mailedTo: string | null;
  told: string | null;
}

/**
 * `mailedTo`: the address that the code goes to straight away, which counts as verified once it was used. `told`: another one,
 * which hears of its use.
 */
interface Whereto {
  mailedTo?: string | null;
  told?: string | null;
}

const TOLD = {
  mailed:
    'An invitation to open an account was made for you, and its code was mailed to another address than this one.',
  printed: 'An invitation to open an account was made for you, and its code was printed as a letter.',
  replaced:
    'This email address was taken off what is known of you: an invitation to open an account no longer comes here.',
  used: 'An account was opened with an invitation that was made for you.',
};

const OPEN = 'used_at IS NULL AND expires_at > $1';

/** Activation codes: 80 bits, seven days, once; kept as MACs. A new code voids the ones before it. */
@Injectable()
export class Invitations {
  constructor(
    private readonly database: Database,
    private readonly accounts: Accounts,
    private readonly people: People,
    private readonly attempts: Attempts,
    private readonly credentials: Credentials,
    private readonly policy: FactorPolicy,
    private readonly secrets: Secrets,
    private readonly addresses: Addresses,
    private readonly outbox: Outbox,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** The code itself is only in the return value: mail it, or print it as a letter. */
  async create(
    ctx: Pick<Ctx, 'db' | 'now' | 'actor'>,
    invited: Invited,
    { mailedTo = null, told = null }: Whereto = {},
  ): Promise<{ id: string; code: string; expiresAt: Date }> {
    const { accountId, patientId, email } = { accountId: null, patientId: null, email: null, ...invited };
    // One after the other: of two at once, neither would see the other's code to make it void.
    const lock = `auth.invitation ${accountId ?? patientId}`;
    await ctx.db.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [lock]);
    await this.voidOpen(ctx, invited);
    const id = newId();
    const code = randomCode();
    const expiresAt = after(ctx.now, DAYS * 86_400);
    await ctx.db.query(
      `INSERT INTO auth.invitation (invitation_id, code_mac, account_id, patient_id, email, expires_at, created_at, created_by, mailed_to, told)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
      [
        id,
        this.secrets.mac('activation', normaliseCode(code)!),
        accountId,
        patientId,
        email,
        expiresAt,
        ctx.now,
        ctx.actor?.id ?? null,
        mailedTo,
        told,
      ],
    );
    return { id, code, expiresAt };
  }

  /** Ends what is open for the chart or account; resolves with the ids of what that was. */
  async voidOpen(ctx: Pick<Ctx, 'db' | 'now'>, of: { accountId: string } | { patientId: string }): Promise<string[]> {
    const { accountId, patientId } = { accountId: null, patientId: null, ...of };
    const rows = await ctx.db.query<{ id: string }>(
      `UPDATE auth.invitation SET expires_at = $1 WHERE ${OPEN} AND (account_id = $2 OR patient_id = $3) RETURNING invitation_id AS id`,
      [ctx.now, accountId, patientId],
    );
    return rows.map((row) => row.id);
  }

  /** What is open for the chart or account, the newest first. */
  open(ctx: Pick<Ctx, 'db' | 'now'>, of: { accountId: string } | { patientId: string }): Promise<InvitationView[]> {
    const { accountId, patientId } = { accountId: null, patientId: null, ...of };
    return ctx.db.query<InvitationView>(
      `SELECT invitation_id AS id, mailed_to AS "mailedTo", created_at AS "createdAt", created_by AS "createdBy", expires_at AS "expiresAt"
         FROM auth.invitation WHERE ${OPEN} AND (account_id = $2 OR patient_id = $3) ORDER BY invitation_id DESC`,
      [ctx.now, accountId, patientId],
    );
  }

  /** Makes a code and mails it after the commit. The mail says where to go; nothing of the person or their care. */
  async invite(ctx: Ctx, invited: Invited, email: string, told: string | null = null): Promise<void> {
    const { code } = await this.create(ctx, invited, { mailedTo: email, told });
    const isPatient = 'patientId' in invited;
    const { hospital, http } = this.config;
    await this.outbox.mail(ctx, {
      to: email,
      subject: `Your access to the portal of ${hospital.name}`,
      text: [
        `${hospital.name} invites you to its portal.`,
        '',
        `Go to ${http.publicUrl}/activate and enter this code:`,
        '',
        `    ${code}`,
        '',
        `The code works once, for ${DAYS} days.${isPatient ? ' You will also be asked for your date of birth.' : ''}`,
        'If you did not expect this message, you need not do anything.',
      ].join('\n'),
    });
  }

  /** Tells somebody of an invitation that is theirs, where the code itself went elsewhere. Nothing of the person or their care. */
  async tell(ctx: Ctx, to: string, what: keyof typeof TOLD): Promise<void> {
    const { hospital } = this.config;
    await this.outbox.mail(ctx, {
      to,
      subject: `Your access to the portal of ${hospital.name}`,
      text: [
        `This is about your access to the portal of ${hospital.name}.`,
        '',
        TOLD[what],
        '',
        'If this was you, or if you asked for it, there is nothing to do.',
        `If not, tell ${hospital.name} at once: somebody may be trying to see what is yours.`,
      ].join('\n'),
    });
  }

  /**
   * Uses an invitation: the account becomes active under its first password. One answer for a wrong, used or old code and a
   * wrong birth date; tries are counted for the code and for the address they come from. One of several parallel uses wins.
   */
  async activate(ctx: Ctx, input: Activate): Promise<void> {
    const { password, dateOfBirth, username = null } = input;
    const code = normaliseCode(input.activationCode);
    const network = this.attempts.of('activation-address', networkOf(ctx.client.address));
    const ofCode = this.attempts.of('activation', code ?? input.activationCode);
    const found = await this.database.write(null, async (db) => {
      const refused =
        (await this.attempts.networkRefusal(ctx, db, network, 'activation')) ??
        (await this.attempts.refusal(db, ofCode, ctx.now));
      if (refused) return refused;
      return code === null ? null : this.find(db, code, ctx.now);
    });
    if (found instanceof Error) throw found;
    if (!found || (found.invitation.patientId !== null && (dateOfBirth === undefined || username === null)))
      throw invalidActivation();
    const { invitation, least, holder } = found;
    if (invitation.accountId !== null) ctx.identify({ accountId: invitation.accountId });
    const hash = await this.credentials
      .hashNew(password, least, { ...holder, username: holder.username ?? username })
      .catch(async (error: unknown) => {
        // The code was right: whatever is wrong with the password is no failure to show one.
        await this.database.write(null, async (db) => {
          await this.attempts.withdraw(db, network);
          await this.attempts.withdraw(db, ofCode);
        });
        throw error;
      });

    const used = await ctx.db.query(
      `UPDATE auth.invitation SET used_at = $1 WHERE ${OPEN} AND invitation_id = $2 RETURNING 1`,
      [ctx.now, invitation.invitationId],
    );
    if (used.length === 0) throw invalidActivation();
    const accountId = await this.openAccount(ctx, invitation, username, dateOfBirth);
    await this.credentials.create(ctx, accountId, hash);
    const { mailedTo, told } = invitation;
    if (told !== null) await this.tell(ctx, told, 'used');
    if (mailedTo !== null && mailedTo === (await this.accounts.emailOf(ctx, accountId)))
      await this.addresses.verified(ctx, accountId, mailedTo);
    // Of the network only this try is taken back: whoever holds invitations of their own buys no guesses at others' by them.
    await this.attempts.withdraw(ctx.db, network);
    await this.attempts.succeeded(ctx.db, ofCode);
    ctx.identify({ accountId });
    ctx.touch({ patientId: invitation.patientId, type: 'Account', id: accountId });
  }

  private async find(
    db: Db,
    code: string,
    now: Date,
  ): Promise<{ invitation: Invitation; least: number; holder: Holder } | null> {
    const [invitation] = await db.query<Invitation>(
      `SELECT invitation_id AS "invitationId", account_id AS "accountId", patient_id AS "patientId", email, mailed_to AS "mailedTo", told
         FROM auth.invitation WHERE ${OPEN} AND code_mac = ANY($2)`,
      [now, this.secrets.macs('activation', code)],
    );
    if (!invitation) return null;
    if (invitation.accountId === null) {
      const holder = { username: null, email: invitation.email };
      return { invitation, least: this.policy.leastPasswordOf(new Set(['patient'])), holder };
    }
    const { person } = await this.people.loadPerson(db, invitation.accountId, now);
    const least = this.policy.leastPasswordOf(person.roles);
    return { invitation, least, holder: await holderOf(db, invitation.accountId) };
  }

  private async openAccount(
    ctx: Ctx,
    invitation: Invitation,
    username: string | null,
    birthDate: string | undefined,
  ): Promise<string> {
    const { accountId, patientId, email } = invitation;
    if (accountId !== null) {
      await this.accounts.activate(ctx, accountId, username);
      return accountId;
    }
    const opened = await this.accounts.createForPatient(ctx, {
      username: username!,
      // The patient may change it afterwards; the chart's own name is not read before the birth date was right.
      displayName: username!,
      email: email!,
      patientId: patientId!,
      birthDate: birthDate!,
    });
    if (opened === null) throw invalidActivation();
    return opened;
  }
}
