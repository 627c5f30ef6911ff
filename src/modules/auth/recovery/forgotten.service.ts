import { Injectable } from '@nestjs/common';
import type { Ctx } from '../../../platform/access/context.js';
import { Database } from '../../../platform/database/database.js';
import { newId } from '../../../platform/ids.js';
import { tooManyAttempts } from '../auth.errors.js';
import { Quotas, type Limit } from '../factors/quotas.js';
import { networkOf } from '../throttling/attempts.js';
import { addressKey, Addresses, type Reachable } from './addresses.js';
import { PasswordResets } from './password-resets.js';
import { RecoveryMails } from './recovery-mails.js';

/** More than that is no help to whoever forgot, and fills a stranger's mailbox. */
const PER_MAILBOX: readonly Limit[] = [{ most: 3, seconds: 3600 }];
const PER_NETWORK: readonly Limit[] = [{ most: 30, seconds: 3600 }];

/**
 * Forgotten passwords and usernames. Whoever asks learns nothing: the answer is the same and the work is, whether there is an
 * account or none, disabled, not activated, without a verified address, or has had its mails of this hour: one look-up, one
 * token, one job in the outbox. Only how many somebody asks for from one network is said aloud.
 */
@Injectable()
export class Forgotten {
  constructor(
    private readonly database: Database,
    private readonly addresses: Addresses,
    private readonly resets: PasswordResets,
    private readonly quotas: Quotas,
    private readonly mails: RecoveryMails,
  ) {}

  async password(ctx: Ctx, usernameOrEmail: string): Promise<void> {
    const { accounts, mailboxes } = await this.ask(ctx, 'password', usernameOrEmail);
    const tokens = await this.resets.issue(ctx, accounts);
    const links = accounts.map(({ email, username }, n) => ({ email, username, token: tokens[n]! }));
    for (const to of mailboxes) await this.mails.passwordLinks(ctx, to, at(to, links));
  }

  /**
   * The same link for the holder of an account whose password opens nothing any more; false without a verified address. Counts with
   * {@link password}: nobody fills a mailbox by signing in.
   */
  async linkFor(ctx: Ctx, accountId: string): Promise<boolean> {
    const account = await this.addresses.reachable(ctx.db, accountId);
    if (!account) return false;
    const { email, username } = account;
    if (!(await this.mayMail(ctx, 'password', addressKey(email)))) return true;
    const [token] = await this.resets.issue(ctx, [account]);
    await this.mails.passwordLinks(ctx, email, [{ username, token: token! }], 'expired');
    return true;
  }

  async username(ctx: Ctx, email: string): Promise<void> {
    const { accounts, mailboxes } = await this.ask(ctx, 'username', email);
    for (const to of mailboxes) {
      const usernames = at(to, accounts).map(({ username }) => username);
      await this.mails.usernames(ctx, to, usernames);
    }
  }

  /**
   * About which accounts, and to whom: one mail for each address as it stands with an account. Nobody, about an account that
   * is none, where there is nobody to write to.
   */
  private async ask(
    ctx: Ctx,
    what: 'password' | 'username',
    typed: string,
  ): Promise<{ accounts: Reachable[]; mailboxes: (string | null)[] }> {
    await this.limitNetwork(ctx);
    const found = await this.addresses.meantBy(ctx.db, typed, { withPassword: what === 'password' });
    const isMeant = what === 'password' || addressKey(found[0]?.email ?? '') === addressKey(typed);
    const accounts = isMeant ? found : [];
    const key = addressKey(accounts[0]?.email ?? typed);
    const isAllowed = await this.mayMail(ctx, what, key);
    if (accounts.length === 1) ctx.identify({ accountId: accounts[0]!.accountId });
    if (isAllowed && accounts.length > 0)
      return { accounts, mailboxes: [...new Set(accounts.map(({ email }) => email))] };
    // Nothing of what a stranger typed is kept: some type their password there.
    return { accounts: [{ accountId: newId(), username: 'nobody', email: '' }], mailboxes: [null] };
  }

  private async mayMail(ctx: Ctx, what: 'password' | 'username', key: string): Promise<boolean> {
    return (await this.quotas.take(ctx.db, `${what}-mail\0${key}`, PER_MAILBOX, ctx.now)) === null;
  }

  private async limitNetwork(ctx: Ctx): Promise<void> {
    const network = networkOf(ctx.client.address);
    const wait = await this.database.write(null, (db) =>
      this.quotas.take(db, `recovery-network\0${network}`, PER_NETWORK, ctx.now),
    );
    if (wait !== null) throw tooManyAttempts(wait);
  }
}

/** What goes to exactly this address; to nobody goes the one that stands for none. */
const at = <T extends { email: string }>(to: string | null, all: readonly T[]): T[] =>
  all.filter(({ email }) => email === (to ?? ''));
