import { Injectable } from '@nestjs/common';
import { authorize, type Ctx, type SignedIn } from '../../../platform/access/context.js';
import { after } from '../../../platform/clock.js';
import { normaliseCode, randomCode } from '../../../platform/crypto/index.js';
import { Database } from '../../../platform/database/database.js';
import { Accounts } from '../../users/index.js';
import { addressVerified, stepUpRequired, tooManyAttempts, wrongCode } from '../auth.errors.js';
import { Factors } from '../factors/factors.service.js';
import { Quotas, type Limit } from '../factors/quotas.js';
import { Secrets } from '../secrets.js';
import { Attempts } from '../throttling/attempts.js';
import { AccountResetRepository } from './account-reset.repository.js';
import { addressKey, Addresses } from './addresses.js';
import { Notices } from './notices.js';
import { RecoveryMails } from './recovery-mails.js';
import type { EmailView } from './recovery.dto.js';

// NIST SP 800-63B-4 §4.2.1.2: a code sent by mail lives for at most 24 hours.
const CODE_HOURS = 24;
const OF_ACCOUNT: readonly Limit[] = [{ most: 5, seconds: 3600 }];
/** A stranger's mailbox is not filled by it either. */
const OF_MAILBOX: readonly Limit[] = [{ most: 3, seconds: 3600 }];

/** The address of an account. A new one counts when its holder has shown to read it, and not before; old and new are told. */
@Injectable()
export class Emails {
  constructor(
    private readonly database: Database,
    private readonly accounts: Accounts,
    private readonly addresses: Addresses,
    private readonly attempts: Attempts,
    private readonly factors: Factors,
    private readonly quotas: Quotas,
    private readonly secrets: Secrets,
    private readonly mails: RecoveryMails,
    private readonly notices: Notices,
    private readonly resets: AccountResetRepository,
  ) {}

  async get(ctx: SignedIn): Promise<EmailView> {
    const { id: accountId } = ctx.actor;
    authorize(ctx, 'read', 'Email', { accountId });
    const address = await this.addresses.of(ctx.db, accountId);
    const [pending] = await ctx.db.query<{ email: string; expiresAt: Date }>(
      'SELECT email, expires_at AS "expiresAt" FROM auth.address_check WHERE account_id = $1 AND expires_at > $2',
      [accountId, ctx.now],
    );
    return { email: address!.email, verified: address!.isVerified, ...(pending ? { pending } : {}) };
  }

  /** Mails a code to the address that is to be. Nothing changes yet; the addresses until now are told. */
  async begin(ctx: SignedIn, email: string): Promise<void> {
    const { id: accountId, assurance } = ctx.actor;
    authorize(ctx, 'update', 'Email', { accountId });
    if (assurance.acr !== 'aal2' && (await this.factors.methodsOf(ctx.db, accountId)).length > 0)
      throw stepUpRequired();
    const address = await this.addresses.of(ctx.db, accountId);
    if (address?.email === email && address.isVerified) throw addressVerified();
    await this.limit(ctx, accountId, email);
    await this.sendCode(ctx, accountId, email);
    const isNew = addressKey(address!.email) !== addressKey(email);
    if (isNew)
      await this.notices.security(ctx, accountId, 'email-changed', {
        more: ['Somebody asked for another address. It takes the place of this one once it is confirmed.'],
      });
    ctx.touch({ patientId: null, type: 'Email', id: accountId });
  }

  /** The code was read at the new address: from now on it is the address. Counted before the code is looked at. */
  async confirm(ctx: SignedIn, typed: string): Promise<void> {
    const { id: accountId } = ctx.actor;
    authorize(ctx, 'confirm', 'Email', { accountId });
    const attempt = this.attempts.of('address-check', accountId);
    const refused = await this.database.write(null, (db) => this.attempts.refusal(db, attempt, ctx.now));
    if (refused) throw refused;
    const code = normaliseCode(typed);
    if (code === null) throw wrongCode();
    const [check] = await ctx.db.query<{ email: string }>(
      'DELETE FROM auth.address_check WHERE account_id = $1 AND code_mac = ANY($2) AND expires_at > $3 RETURNING email',
      [accountId, this.secrets.macs('address-check', code), ctx.now],
    );
    if (!check) throw wrongCode();
    await this.attempts.succeeded(ctx.db, attempt);
    await this.write(ctx, accountId, check.email, false);
    await this.addresses.verified(ctx, accountId, check.email);
    ctx.touch({ patientId: null, type: 'Email', id: accountId });
  }

  /**
   * Another address on an administrator's word. It counts for notices at once, and for recovery once the holder confirms it: a
   * code for that is mailed. The verified ones before it go on getting notices until then. Resolves with whether the account
   * was not activated yet: then an invitation to the new address does the same.
   */
  async replaceByAdministrator(ctx: Ctx, accountId: string, email: string): Promise<boolean> {
    await this.write(ctx, accountId, email, true);
    const isInvited = (await this.accounts.statusOf(ctx, accountId)) === 'invited';
    if (!isInvited) await this.sendCode(ctx, accountId, email);
    return isInvited;
  }

  /** The directory has given the account another address, in this transaction: as above, and its holder confirms it themselves. */
  async replacedByDirectory(ctx: Ctx, accountId: string, addresses: { from: string; to: string }): Promise<void> {
    await this.voidOlder(ctx, accountId);
    await this.notices.security(ctx, accountId, 'email-changed', {
      device: "the hospital's directory",
      alsoTo: [addresses.from, addresses.to],
    });
  }

  /** Tells old and new. What was sent to the old address for recovery is void. */
  private async write(ctx: Ctx, accountId: string, email: string, byAdministrator: boolean): Promise<void> {
    const told = await this.addresses.forNotices(ctx.db, accountId);
    const before = await this.accounts.replaceEmail(ctx, accountId, email);
    if (before === null || before === email) return;
    await this.voidOlder(ctx, accountId);
    await this.notices.security(ctx, accountId, 'email-changed', {
      ...(byAdministrator ? { device: null } : {}),
      more: ['From now on notices go to the new address.'],
      alsoTo: [...told, before, email],
    });
  }

  /** What administrators were to approve while it had the address before, and the code that was mailed there. */
  private async voidOlder(ctx: Ctx, accountId: string): Promise<void> {
    await ctx.db.query('UPDATE auth.lost_factor SET code_mac = NULL, code_expires_at = NULL WHERE account_id = $1', [
      accountId,
    ]);
    await this.resets.close(ctx, accountId);
  }

  private async limit(ctx: Ctx, accountId: string, email: string): Promise<void> {
    const wait =
      (await this.quotas.take(ctx.db, `address-check\0${accountId}`, OF_ACCOUNT, ctx.now)) ??
      (await this.quotas.take(ctx.db, `address-check-mailbox\0${addressKey(email)}`, OF_MAILBOX, ctx.now));
    if (wait !== null) throw tooManyAttempts(wait);
  }

  private async sendCode(ctx: Ctx, accountId: string, email: string): Promise<void> {
    const code = randomCode();
    await ctx.db.query(
      `INSERT INTO auth.address_check (account_id, email, code_mac, expires_at) VALUES ($1, $2, $3, $4)
       ON CONFLICT (account_id) DO UPDATE SET email = excluded.email, code_mac = excluded.code_mac, expires_at = excluded.expires_at`,
      [accountId, email, this.secrets.mac('address-check', normaliseCode(code)!), after(ctx.now, CODE_HOURS * 3600)],
    );
    await this.mails.addressCheck(ctx, email, code, CODE_HOURS);
  }
}
