import { Injectable } from '@nestjs/common';
import { authorize, type SignedIn } from '../../../platform/access/context.js';
import { PeopleNames } from '../../../platform/access/people-names.js';
import { after } from '../../../platform/clock.js';
import { Cursors, limitOf } from '../../../platform/http/cursors.js';
import { staleVersion } from '../../../platform/http/if-match.js';
import type { Page } from '../../../platform/http/presenter.js';
import { notFound } from '../../../platform/http/problem.js';
import { newId } from '../../../platform/ids.js';
import type { EventView } from '../audit.dto.js';
import { EventsService } from '../events.service.js';
import type { KeepQuery, QueriesQuery, RunQuery, SavedFilter, SavedQueryView } from './queries.dto.js';
import { QueriesRepository, type SavedQuery } from './queries.repository.js';
import { daysOrPeriod, periodBackwards } from './reports.errors.js';

const LIST = 'audit.queries';
const DAY = 86_400;

/** What was left out is not kept as null. */
const present = (filter: SavedFilter): SavedFilter =>
  Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined));

function checkPeriod({ days, from, to }: SavedFilter): void {
  if (days !== undefined && (from !== undefined || to !== undefined)) throw daysOrPeriod();
  if (from !== undefined && to !== undefined && Date.parse(from) >= Date.parse(to)) throw periodBackwards();
}

/** Searches that officers keep, for themselves or for all officers. Whose they are, nobody changes. */
@Injectable()
export class Queries {
  constructor(
    private readonly queries: QueriesRepository,
    private readonly events: EventsService,
    private readonly names: PeopleNames,
    private readonly cursors: Cursors,
  ) {}

  async list(ctx: SignedIn, query: QueriesQuery): Promise<Page<SavedQueryView>> {
    const [before] = this.cursors.open<[string]>(ctx, LIST, query) ?? [null];
    const rows = await this.queries.list(ctx, { of: query.of, before, limit: limitOf(query) + 1 });
    for (const row of rows.slice(0, limitOf(query))) this.touch(ctx, row);
    const names = await this.names.of(ctx, { accounts: [...new Set(rows.map((row) => row.accountId))], patients: [] });
    return this.cursors.page(
      ctx,
      LIST,
      query,
      rows,
      ({ id }) => [id],
      (row) => this.view(ctx, row, names.get(row.accountId)!),
    );
  }

  async get(ctx: SignedIn, id: string): Promise<SavedQueryView> {
    const row = await this.seen(ctx, id);
    this.touch(ctx, row);
    return this.named(ctx, row);
  }

  async create(ctx: SignedIn, input: KeepQuery): Promise<SavedQueryView> {
    const row = { ...this.taken(input), id: newId(), accountId: ctx.actor.id, version: 1, createdAt: ctx.now };
    authorize(ctx, 'create', 'AuditQuery', row);
    await this.queries.keep(ctx, row, null);
    this.touch(ctx, row);
    return this.named(ctx, { ...row, updatedAt: ctx.now });
  }

  async update(ctx: SignedIn, id: string, version: number, input: KeepQuery): Promise<SavedQueryView> {
    const before = await this.seen(ctx, id);
    authorize(ctx, 'update', 'AuditQuery', before);
    const row = { ...before, ...this.taken(input), version: version + 1, updatedAt: ctx.now };
    if (before.version !== version || !(await this.queries.keep(ctx, row, version))) throw staleVersion();
    this.touch(ctx, row, version);
    return this.named(ctx, row);
  }

  async remove(ctx: SignedIn, id: string): Promise<void> {
    const row = await this.seen(ctx, id);
    authorize(ctx, 'delete', 'AuditQuery', row);
    if (!(await this.queries.drop(ctx, id))) throw notFound();
    this.touch(ctx, row);
  }

  /** Its events, as the search gives them; the event of this names the query beside whom it looked up. */
  async run(ctx: SignedIn, id: string, query: RunQuery): Promise<Page<EventView>> {
    const row = await this.seen(ctx, id);
    this.touch(ctx, row);
    const { days, ...filter } = row.filter;
    const sought = days === undefined ? filter : { ...filter, from: after(ctx.now, -days * DAY).toISOString() };
    // A page goes on in the query as it was when the first one was read.
    return this.events.list(ctx, query, `audit.query ${id} ${row.version}`, sought);
  }

  private taken({ name, shared = false, filter }: KeepQuery): Pick<SavedQuery, 'name' | 'isShared' | 'filter'> {
    checkPeriod(filter);
    return { name, isShared: shared, filter: present(filter) };
  }

  private async seen(ctx: SignedIn, id: string): Promise<SavedQuery> {
    const row = await this.queries.find(id);
    if (!row) throw notFound();
    authorize(ctx, 'read', 'AuditQuery', row);
    return row;
  }

  private touch(ctx: SignedIn, { id, version }: Pick<SavedQuery, 'id' | 'version'>, previousVersion?: number): void {
    ctx.touch({ patientId: null, type: 'AuditQuery', id, version, previousVersion });
  }

  private async named(ctx: SignedIn, row: SavedQuery): Promise<SavedQueryView> {
    const names = await this.names.of(ctx, { accounts: [row.accountId], patients: [] });
    return this.view(ctx, row, names.get(row.accountId)!);
  }

  private view(ctx: SignedIn, row: SavedQuery, owner: SavedQueryView['owner']): SavedQueryView {
    const { id, accountId, name, isShared: shared, filter, version } = row;
    return {
      ...{ id, name, shared, owner, filter, version },
      mine: accountId === ctx.actor.id,
      events: `/v1/audit/queries/${id}/events`,
      createdAt: row.createdAt.toISOString(),
      updatedAt: row.updatedAt.toISOString(),
    };
  }
}
