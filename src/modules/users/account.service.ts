import { Injectable } from '@nestjs/common';
import { newId } from '../../platform/ids.js';
import { authorize, type SignedIn } from '../../platform/access/context.js';
import type { Role } from '../../platform/access/vocabulary.js';
import { Cursors } from '../../platform/http/cursors.js';
import { staleVersion } from '../../platform/http/if-match.js';
import type { Page } from '../../platform/http/presenter.js';
import { notFound } from '../../platform/http/problem.js';
import type { AccountQuery, AccountView, CreateAccount, GrantRole, UpdateAccount } from './account.dto.js';
import { Account } from './account.entity.js';
import { AccountRepository } from './account.repository.js';
import { checkGrant, checkNewAccount } from './account.rules.js';
import { Feed } from './feed.entity.js';
import { PractitionerService } from './practitioner.service.js';
import { usernameKey } from './username.js';
import { AccountDisabled, AccountInvited, RolesChanged } from './users.events.js';
import { alreadyDisabled, lastAdmin, notDisabled, notToOneself, roleNotHeld } from './users.errors.js';

const LIST = 'users.accounts';

/** Accounts and their roles, kept by administrators. Nobody decides on their own access, and one administrator always remains. */
@Injectable()
export class AccountService {
  constructor(
    private readonly accounts: AccountRepository,
    private readonly practitioners: PractitionerService,
    private readonly cursors: Cursors,
  ) {}

  async list(ctx: SignedIn, query: AccountQuery): Promise<Page<AccountView>> {
    const after = this.cursors.open<[string, string]>(ctx, LIST, query);
    const rows = await this.accounts.list(ctx, query, after);
    return this.cursors.page(
      ctx,
      LIST,
      query,
      rows,
      (row) => [row.sortKey, row.id],
      (row) => this.touched(ctx, row),
    );
  }

  async get(ctx: SignedIn, id: string): Promise<AccountView> {
    return this.touched(ctx, await this.seen(ctx, id));
  }

  async create(ctx: SignedIn, input: CreateAccount): Promise<AccountView> {
    checkNewAccount(input);
    const manager = await ctx.db.manager();
    const id = newId();
    await manager.insert(Account, {
      id,
      username: input.username ?? null,
      usernameKey: input.username === undefined ? null : usernameKey(input.username),
      displayName: input.displayName,
      email: input.email,
      status: 'invited',
      createdAt: ctx.now,
      updatedAt: ctx.now,
    });
    for (const role of input.roles) await this.accounts.grant(ctx, id, role, 'Given when the account was opened.');
    if (input.source) await manager.insert(Feed, { accountId: id, source: input.source });
    if (input.practitioner) await this.practitioners.create(ctx, { ...input.practitioner, accountId: id });
    await ctx.emit(new AccountInvited(id, input.email));
    return this.get(ctx, id);
  }

  async update(ctx: SignedIn, id: string, version: number, input: UpdateAccount): Promise<AccountView> {
    const account = await this.seen(ctx, id);
    authorize(ctx, 'update', 'Account', account);
    if (account.version !== version || !(await this.accounts.update(ctx, id, version, input))) throw staleVersion();
    return this.changed(ctx, account);
  }

  async grant(ctx: SignedIn, id: string, { role, reason }: GrantRole): Promise<AccountView> {
    const account = await this.ofAnother(ctx, id);
    authorize(ctx, 'grant', 'Account', account);
    checkGrant(account, role);
    await this.accounts.grant(ctx, id, role, reason);
    return this.rolesChanged(ctx, account);
  }

  async revoke(ctx: SignedIn, id: string, role: Role, reason: string): Promise<AccountView> {
    const account = await this.ofAnother(ctx, id);
    authorize(ctx, 'revoke', 'Account', account);
    if (role === 'admin') await this.leaveAnAdmin(ctx, id);
    if (!(await this.accounts.revoke(ctx, id, role, reason))) throw roleNotHeld();
    return this.rolesChanged(ctx, account);
  }

  async disable(ctx: SignedIn, id: string, reason: string): Promise<AccountView> {
    const account = await this.ofAnother(ctx, id);
    authorize(ctx, 'disable', 'Account', account);
    await this.leaveAnAdmin(ctx, id);
    if (!(await this.accounts.disable(ctx, id, reason))) throw alreadyDisabled();
    await ctx.emit(new AccountDisabled(id));
    return this.changed(ctx, account);
  }

  /** An account that was never activated gets a new activation code: the old one may have run out. */
  async enable(ctx: SignedIn, id: string): Promise<AccountView> {
    const account = await this.ofAnother(ctx, id);
    authorize(ctx, 'enable', 'Account', account);
    const status = await this.accounts.enable(ctx, id);
    if (status === null) throw notDisabled();
    if (status === 'invited') await ctx.emit(new AccountInvited(id, account.email));
    return this.changed(ctx, account);
  }

  private async seen(ctx: SignedIn, id: string): Promise<AccountView> {
    const account = await this.accounts.find(ctx, id);
    if (!account) throw notFound();
    authorize(ctx, 'read', 'Account', account);
    return account;
  }

  /** Separation of duties. The policy forbids it as well, and the constraints of account_role; here it gets its own words. */
  private async ofAnother(ctx: SignedIn, id: string): Promise<AccountView> {
    const account = await this.seen(ctx, id);
    if (account.id === ctx.actor.id) throw notToOneself();
    return account;
  }

  private async leaveAnAdmin(ctx: SignedIn, id: string): Promise<void> {
    const admins = await this.accounts.lockAdmins(ctx);
    if (admins.length === 1 && admins[0] === id) throw lastAdmin();
  }

  private async rolesChanged(ctx: SignedIn, before: AccountView): Promise<AccountView> {
    await this.accounts.renew(ctx, before.id);
    await ctx.emit(new RolesChanged(before.id));
    return this.changed(ctx, before);
  }

  private async changed(ctx: SignedIn, before: AccountView): Promise<AccountView> {
    return this.touched(ctx, await this.seen(ctx, before.id), before.version);
  }

  private touched(ctx: SignedIn, account: AccountView, previousVersion?: number): AccountView {
    ctx.touch({ patientId: null, type: 'Account', id: account.id, version: account.version, previousVersion });
    return account;
  }
}
