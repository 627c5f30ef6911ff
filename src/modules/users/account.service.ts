import { Injectable } from '@nestjs/common';
import { newId } from '../../platform/ids.js';
import { authorize, type SignedIn } from '../../platform/access/context.js';
import type { Touch } from '../../platform/access/trail.js';
import { SERVICE_ROLES, type Role } from '../../platform/access/vocabulary.js';
import { Cursors } from '../../platform/http/cursors.js';
import { staleVersion } from '../../platform/http/if-match.js';
import type { Page } from '../../platform/http/presenter.js';
import { notFound } from '../../platform/http/problem.js';
import type { AccountQuery, AccountView, CreateAccount, GrantRole, UpdateAccount } from './account.dto.js';
import { Account } from './account.entity.js';
import { AccountRepository } from './account.repository.js';
import { changeOf, checkGrant, checkNewAccount, standingOf } from './account.rules.js';
import { Feed } from './feed.entity.js';
import { PractitionerService } from './practitioner.service.js';
import { RoleGrants, type Hand } from './role-grants.js';
import { periodOf } from './role.rules.js';
import { usernameKey } from './username.js';
import { AccountDisabled, AccountInvited, RolesChanged } from './users.events.js';
import {
  alreadyDisabled,
  heldByDirectory,
  notDisabled,
  notInvited,
  notToOneself,
  roleNotHeld,
} from './users.errors.js';

const LIST = 'users.accounts';

const byPerson = (ctx: SignedIn): Hand => ({ via: 'person', by: ctx.actor.id });

/** Accounts and their roles, kept by administrators. Nobody decides on their own access, and one administrator always remains. */
@Injectable()
export class AccountService {
  constructor(
    private readonly accounts: AccountRepository,
    private readonly practitioners: PractitionerService,
    private readonly roles: RoleGrants,
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
    const isService = input.roles.some((role) => SERVICE_ROLES.includes(role));
    const manager = await ctx.db.manager();
    const id = newId();
    await manager.insert(Account, {
      id,
      username: input.username ?? null,
      usernameKey: input.username === undefined ? null : usernameKey(input.username),
      displayName: input.displayName,
      email: input.email,
      // A machine activates nothing: it is known by the keys that are registered for it.
      status: isService ? 'active' : 'invited',
      activatedAt: isService ? ctx.now : null,
      createdAt: ctx.now,
      updatedAt: ctx.now,
    });
    const reason = 'Given when the account was opened.';
    for (const role of input.roles) await this.roles.grant(ctx, id, role, { hand: byPerson(ctx), reason });
    if (input.source) await manager.insert(Feed, { accountId: id, source: input.source });
    if (input.practitioner) await this.practitioners.create(ctx, { ...input.practitioner, accountId: id });
    if (!isService) await ctx.emit(new AccountInvited(id, input.email));
    const opened = await this.seen(ctx, id);
    return this.touched(ctx, opened, { before: [], after: standingOf(opened) });
  }

  async update(ctx: SignedIn, id: string, version: number, input: UpdateAccount): Promise<AccountView> {
    const account = await this.seen(ctx, id);
    authorize(ctx, 'update', 'Account', account);
    if (account.version !== version || !(await this.accounts.update(ctx, id, version, input))) throw staleVersion();
    return this.changed(ctx, account);
  }

  /** A role that begins later changes nothing now: sessions end when it begins. */
  async grant(ctx: SignedIn, id: string, { role, reason, ...input }: GrantRole): Promise<AccountView> {
    const account = await this.ofAnother(ctx, id);
    authorize(ctx, 'grant', 'Account', account);
    checkGrant(account, role);
    const period = periodOf(ctx.now, input);
    const grant = await this.roles.grant(ctx, id, role, { hand: byPerson(ctx), reason, period });
    return this.rolesChanged(ctx, account, [grant], [role, true]);
  }

  async revoke(ctx: SignedIn, id: string, role: Role, reason: string): Promise<AccountView> {
    const account = await this.ofAnother(ctx, id);
    authorize(ctx, 'revoke', 'Account', account);
    if (role === 'admin') await this.accounts.leaveAnAdmin(ctx, id);
    const grants = await this.roles.revoke(ctx, id, role, { hand: byPerson(ctx), reason });
    if (grants.length === 0) throw roleNotHeld();
    return this.rolesChanged(ctx, account, grants, [role, false]);
  }

  async disable(ctx: SignedIn, id: string, reason: string): Promise<AccountView> {
    const account = await this.ofAnother(ctx, id);
    authorize(ctx, 'disable', 'Account', account);
    await this.accounts.leaveAnAdmin(ctx, id);
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
    // Asked after the account's row is ours: what the directory says at the same moment comes before or after all of this.
    if (await this.accounts.isHeldByDirectory(ctx, id)) throw heldByDirectory();
    if (status === 'invited') await ctx.emit(new AccountInvited(id, account.email));
    return this.changed(ctx, account);
  }

  /** Whom a new activation code for this account goes to, if the actor may invite them and it was never activated. */
  async toInvite(ctx: SignedIn, id: string): Promise<{ accountId: string; email: string }> {
    const account = await this.ofAnother(ctx, id);
    authorize(ctx, 'invite', 'Account', account);
    if (account.status !== 'invited') throw notInvited();
    this.touched(ctx, account);
    return { accountId: id, email: account.email };
  }

  /** The account, if the actor may see it at all; leaves no trace yet. */
  async seen(ctx: SignedIn, id: string): Promise<AccountView> {
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

  /** The role itself stands in the trail as well: one that begins later changes nothing of the account yet. */
  private async rolesChanged(
    ctx: SignedIn,
    before: AccountView,
    grants: string[],
    change: [Role, isGiven: boolean],
  ): Promise<AccountView> {
    const [role, isGiven] = change;
    for (const id of await this.roles.changesOf(ctx.db, grants))
      ctx.touch({
        patientId: null,
        type: 'RoleChange',
        id,
        before: isGiven ? [] : [role],
        after: isGiven ? [role] : [],
      });
    await this.accounts.renew(ctx, before.id);
    const after = await this.changed(ctx, before);
    if (after.roles.join() !== before.roles.join()) await ctx.emit(new RolesChanged(before.id));
    return after;
  }

  private async changed(ctx: SignedIn, before: AccountView): Promise<AccountView> {
    const after = await this.seen(ctx, before.id);
    return this.touched(ctx, after, { previousVersion: before.version, ...changeOf(before, after) });
  }

  private touched(ctx: SignedIn, account: AccountView, change: Partial<Touch> = {}): AccountView {
    ctx.touch({ patientId: null, type: 'Account', id: account.id, version: account.version, ...change });
    return account;
  }
}
