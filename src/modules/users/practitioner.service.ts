import { Injectable } from '@nestjs/common';
import { newId } from '../../platform/ids.js';
import { authorize, type SignedIn } from '../../platform/access/context.js';
import { Cursors } from '../../platform/http/cursors.js';
import { staleVersion } from '../../platform/http/if-match.js';
import type { Page } from '../../platform/http/presenter.js';
import { notFound } from '../../platform/http/problem.js';
import type {
  CreatePractitioner,
  PractitionerQuery,
  PractitionerView,
  UpdatePractitioner,
} from './practitioner.dto.js';
import { Practitioner } from './practitioner.entity.js';
import { PractitionerRepository, type PractitionerRow } from './practitioner.repository.js';
import { notToOneself, practitionerHasAccount } from './users.errors.js';

const LIST = 'users.practitioners';

/** Who treats at the hospital. An entry with an account carries that account's care teams. */
@Injectable()
export class PractitionerService {
  constructor(
    private readonly practitioners: PractitionerRepository,
    private readonly cursors: Cursors,
  ) {}

  async list(ctx: SignedIn, query: PractitionerQuery): Promise<Page<PractitionerView>> {
    const after = this.cursors.open<[string, string]>(ctx, LIST, query);
    const rows = await this.practitioners.list(ctx, query, after);
    return this.cursors.page(
      ctx,
      LIST,
      query,
      rows,
      (row) => [row.sortKey, row.id],
      (row) => row,
    );
  }

  async get(ctx: SignedIn, id: string): Promise<PractitionerRow> {
    const practitioner = await this.practitioners.find(ctx, id);
    if (!practitioner) throw notFound();
    authorize(ctx, 'read', 'Practitioner', practitioner);
    return practitioner;
  }

  async create(ctx: SignedIn, { accountId, npi, ...input }: CreatePractitioner): Promise<PractitionerView> {
    this.notForOneself(ctx, accountId);
    const manager = await ctx.db.manager();
    const id = newId();
    await manager.insert(Practitioner, {
      ...input,
      id,
      npi: npi ?? null,
      accountId: accountId ?? null,
      createdAt: ctx.now,
      updatedAt: ctx.now,
    });
    ctx.touch({ patientId: null, type: 'Practitioner', id, version: 1 });
    return this.get(ctx, id);
  }

  async update(ctx: SignedIn, id: string, version: number, input: UpdatePractitioner): Promise<PractitionerView> {
    const practitioner = await this.get(ctx, id);
    authorize(ctx, 'update', 'Practitioner', practitioner);
    if (practitioner.version !== version) throw staleVersion();
    if (input.accountId !== undefined && practitioner.accountId !== null) throw practitionerHasAccount();
    this.notForOneself(ctx, input.accountId);
    const manager = await ctx.db.manager();
    const { affected } = await manager.update(
      Practitioner,
      { id, version },
      { ...input, version: version + 1, updatedAt: ctx.now },
    );
    if (affected !== 1) throw staleVersion();
    ctx.touch({ patientId: null, type: 'Practitioner', id, version: version + 1, previousVersion: version });
    return this.get(ctx, id);
  }

  /** The entry's care teams open charts: nobody takes one for themselves. */
  private notForOneself(ctx: SignedIn, accountId: string | undefined): void {
    if (accountId === ctx.actor.id) throw notToOneself();
  }
}
