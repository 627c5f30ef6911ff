import { Injectable } from '@nestjs/common';
import { authorize, type SignedIn } from '../../../platform/access/context.js';
import { notFound } from '../../../platform/http/problem.js';
import { AccountInvited, Accounts, People, usernameKey } from '../../users/index.js';
import { holdAlone, usernameOf } from '../account-state.js';
import {
  accountNotActive,
  anotherAdministrator,
  identityCheckNotNow,
  noPassword,
  resetClosed,
} from '../auth.errors.js';
import { Credentials } from '../passwords/credentials.service.js';
import { SignIn } from '../sign-in/sign-in.service.js';
import { Attempts } from '../throttling/attempts.js';
import type { AccountResetView, IdentityCheck, ReplaceEmail, RequestReset, ResetKind } from './account-reset.dto.js';
import { AccountResetRepository, type AccountReset } from './account-reset.repository.js';
import { Addresses } from './addresses.js';
import { Emails } from './email.service.js';
import { FactorResets } from './factor-resets.js';
import { Notices } from './notices.js';
import { PasswordResets } from './password-resets.js';
import { RecoveryMails } from './recovery-mails.js';

const IDENTITY_CHECK_HOURS = 24;

/** What is counted under the account's id. */
const COUNTED_BY_ACCOUNT = ['totp', 'sms', 'recovery_code', 'address-check', 'lost-factor'] as const;
/** What is done once it is allowed; `email`: where a link for a new password goes. */
interface Work {
  accountId: string;
  kind: ResetKind;
  email: string | null;
  needsProof: boolean;
}
type AccountAction = 'unlock' | 'reset-factors' | 'reset-password' | 'change-email';

/**
 * What administrators do for somebody who cannot get in. What would let an administrator in as somebody else takes a second
 * administrator, or, for people who do not work here, a recorded identity check (repeated proofing, NIST SP 800-63B-4
 * §4.2.2.2). Each leaves a row for good; nobody helps themselves. Policy, this service and constraints say so, each alone.
 */
@Injectable()
export class AccountResets {
  constructor(
    private readonly rows: AccountResetRepository,
    private readonly accounts: Accounts,
    private readonly people: People,
    private readonly addresses: Addresses,
    private readonly attempts: Attempts,
    private readonly credentials: Credentials,
    private readonly emails: Emails,
    private readonly factorResets: FactorResets,
    private readonly mails: RecoveryMails,
    private readonly notices: Notices,
    private readonly passwordResets: PasswordResets,
    private readonly signIn: SignIn,
  ) {}

  /** Takes all second factors away, at once with an identity check, else once another administrator has approved. */
  async resetFactors(ctx: SignedIn, accountId: string, input: RequestReset): Promise<AccountResetView> {
    await this.helped(ctx, accountId, 'reset-factors');
    return this.open(ctx, accountId, input, { kind: 'factors', email: null, needsProof: true });
  }

  /**
   * Mails a link; nobody but the holder chooses a password. It takes more than this administrator where the link alone would do
   * what "forgotten password" does not: it goes to an address that is not verified, or is all that stands before the account.
   */
  async resetPassword(ctx: SignedIn, accountId: string, input: RequestReset): Promise<AccountResetView> {
    await this.helped(ctx, accountId, 'reset-password');
    if ((await this.credentials.find(ctx.db, accountId)) === null) throw noPassword();
    // Nobody gives the account another address from here on: the link goes to the one that is looked at now.
    if (!(await holdAlone(ctx.db, accountId))) throw accountNotActive();
    const address = (await this.addresses.of(ctx.db, accountId))!;
    const { holding } = await this.signIn.standing(ctx.db, accountId, ctx.now);
    const isMailAllThereIs = holding.held.length === 0 && holding.rule !== 'optional';
    const needsProof = !address.isVerified || isMailAllThereIs;
    return this.open(ctx, accountId, input, { kind: 'password', email: address.email, needsProof });
  }

  /** Forgets the failures of every secret of the account: whoever was locked out tries again. */
  async unlock(ctx: SignedIn, accountId: string, reason: string): Promise<AccountResetView> {
    await this.helped(ctx, accountId, 'unlock');
    const username = await usernameOf(ctx.db, accountId);
    await this.attempts.succeeded(
      ctx.db,
      this.attempts.of('password', usernameKey(username ?? accountId)),
      ...COUNTED_BY_ACCOUNT.map((kind) => this.attempts.of(kind, accountId)),
    );
    return this.done(ctx, accountId, 'unlock', reason, async () => {
      await this.notices.security(ctx, accountId, 'account-unlocked', { device: null });
    });
  }

  async changeEmail(ctx: SignedIn, accountId: string, { email, reason }: ReplaceEmail): Promise<AccountResetView> {
    await this.helped(ctx, accountId, 'change-email');
    return this.done(ctx, accountId, 'email', reason, async () => {
      const isInvited = await this.emails.replaceByAdministrator(ctx, accountId, email);
      if (isInvited) await ctx.emit(new AccountInvited(accountId, email));
    });
  }

  /** Another administrator agrees, to the address that they were shown: it is done now. The statement decides which of several decides. */
  async approve(ctx: SignedIn, id: string): Promise<AccountResetView> {
    const request = await this.seen(ctx, id);
    if (request.requestedBy === ctx.actor.id || request.accountId === ctx.actor.id) throw anotherAdministrator();
    authorize(ctx, 'approve', 'AccountReset', request);
    if (!(await holdAlone(ctx.db, request.accountId))) throw accountNotActive();
    if (!(await this.rows.decide(ctx, id, 'executed'))) throw resetClosed();
    await this.execute(ctx, { ...request, email: request.address?.email ?? null });
    return this.view(ctx, id);
  }

  async decline(ctx: SignedIn, id: string): Promise<AccountResetView> {
    const request = await this.seen(ctx, id);
    authorize(ctx, 'decline', 'AccountReset', request);
    if (!(await this.rows.decide(ctx, id, 'declined'))) throw resetClosed();
    return this.view(ctx, id);
  }

  private async open(
    ctx: SignedIn,
    accountId: string,
    { reason, identityCheck }: RequestReset,
    work: Pick<Work, 'kind' | 'email' | 'needsProof'>,
  ): Promise<AccountResetView> {
    if (identityCheck) requireRecent(identityCheck, ctx.now);
    if (!(await holdAlone(ctx.db, accountId))) throw accountNotActive();
    const isEnough = !work.needsProof || (identityCheck !== undefined && !(await this.worksHere(ctx, accountId)));
    const status = isEnough ? 'executed' : 'requested';
    const id = await this.rows.insert(ctx, { accountId, status, reason, identityCheck, ...work });
    if (isEnough) await this.execute(ctx, { accountId, ...work });
    return this.view(ctx, id);
  }

  /** Does what one administrator may decide, and keeps who did it and why. The caller has authorized it. */
  async done(
    ctx: SignedIn,
    accountId: string,
    kind: ResetKind,
    reason: string,
    work: () => Promise<void>,
  ): Promise<AccountResetView> {
    const id = await this.rows.insert(ctx, { accountId, kind, status: 'executed', reason, needsProof: false });
    await work();
    return this.view(ctx, id);
  }

  private async execute(ctx: SignedIn, { accountId, kind, email, needsProof }: Work): Promise<void> {
    if (kind === 'factors') return this.factorResets.run(ctx, accountId, { device: null });
    if (email === null) throw new Error('a link to no address');
    const username = await usernameOf(ctx.db, accountId);
    const [token] = await this.passwordResets.issue(ctx, [{ accountId, email }], needsProof);
    await this.mails.passwordLinks(ctx, email, [{ username: username!, token: token! }], 'administrator');
    await this.notices.security(ctx, accountId, 'recovery-requested', {
      device: null,
      more: ['A link to choose a new password was mailed.'],
    });
  }

  /** The account is there, somebody else's, and a person's. */
  private async helped(ctx: SignedIn, accountId: string, action: AccountAction): Promise<void> {
    if ((await this.accounts.emailOf(ctx, accountId)) === null) throw notFound();
    if (accountId === ctx.actor.id) throw anotherAdministrator();
    authorize(ctx, action, 'Account', { id: accountId });
  }

  private async worksHere(ctx: SignedIn, accountId: string): Promise<boolean> {
    const { person } = await this.people.loadPerson(ctx.db, accountId, ctx.now);
    return [...person.roles].some((role) => role !== 'patient' && role !== 'proxy');
  }

  private async seen(ctx: SignedIn, id: string): Promise<AccountReset> {
    const request = await this.rows.find(ctx, id);
    if (!request) throw notFound();
    authorize(ctx, 'read', 'AccountReset', request);
    return request;
  }

  private async view(ctx: SignedIn, id: string): Promise<AccountResetView> {
    const row = (await this.rows.find(ctx, id))!;
    ctx.touch({ patientId: null, type: 'AccountReset', id });
    ctx.touch({ patientId: null, type: 'Account', id: row.accountId });
    return row;
  }
}

function requireRecent({ checkedAt }: IdentityCheck, now: Date): void {
  const ageMs = now.getTime() - new Date(checkedAt).getTime();
  if (ageMs < 0 || ageMs > IDENTITY_CHECK_HOURS * 3_600_000) throw identityCheckNotNow();
}
