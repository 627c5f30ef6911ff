import { packRules } from '@casl/ability/extra';
import { Injectable } from '@nestjs/common';
import type { SignedIn } from '../../platform/access/context.js';
import { staleVersion } from '../../platform/http/if-match.js';
import type { AccountView, UpdateAccount } from './account.dto.js';
import { AccountRepository } from './account.repository.js';
import type { MeView, PermissionsView } from './me.dto.js';

/** What stands about the caller, and what they may do. */
@Injectable()
export class MeService {
  constructor(private readonly accounts: AccountRepository) {}

  async get(ctx: SignedIn): Promise<MeView> {
    return this.view(ctx, await this.accounts.own(ctx));
  }

  async update(ctx: SignedIn, version: number, input: UpdateAccount): Promise<MeView> {
    if (!(await this.accounts.update(ctx, ctx.actor.id, version, input))) throw staleVersion();
    return this.view(ctx, await this.accounts.own(ctx), version);
  }

  permissions(ctx: SignedIn): PermissionsView {
    return { rules: packRules(ctx.actor.ability.rules) };
  }

  private view(ctx: SignedIn, account: AccountView, previousVersion?: number): MeView {
    const { id, version } = account;
    ctx.touch({ patientId: null, type: 'Account', id, version, previousVersion });
    return { ...account, patientIds: ctx.actor.patientIds };
  }
}
