import { Injectable } from '@nestjs/common';
import type { SignedIn } from '../../platform/access/context.js';
import { Cursors, limitOf } from '../../platform/http/cursors.js';
import type { Page } from '../../platform/http/presenter.js';
import { notFound } from '../../platform/http/problem.js';
import { PeopleNames } from '../../platform/access/people-names.js';
import type { AroundQuery, AroundView, EventsFilter, EventsQuery, EventView } from './audit.dto.js';
import type { EntryFilter } from './entry-filter.js';
import type { Place } from './entry-order.js';
import { eventView, peopleIn } from './event-view.js';
import { EventsRepository, type EntryRow } from './events.repository.js';
import { ArchivedLeaves } from './retention/archived-leaves.js';

const placeOf = ({ key, idx }: EntryRow): Place => [key, Number(idx)];

const lower = (ids: readonly string[] | undefined): string[] | undefined => ids?.map((id) => id.toLowerCase());

export function filterOf({ actorId, patientId, ip, ...rest }: EventsFilter & { ip?: string }): EntryFilter {
  return { ...rest, actorIds: lower(actorId), patientIds: lower(patientId), ip: ip?.toLowerCase() };
}

/** Whom and what somebody looked up in the trail stands in the trail. */
export function lookedFor(ctx: SignedIn, { patientIds = [], actorIds = [], sessionId, requestId }: EntryFilter): void {
  const note = (type: string, ids: readonly string[]) =>
    ids.forEach((id) => ctx.touch({ patientId: null, type, id: id.toLowerCase() }));
  note('Patient', patientIds);
  note('Account', actorIds);
  note('Session', sessionId === undefined ? [] : [sessionId]);
  note('Request', requestId === undefined ? [] : [requestId]);
}

function besides(middle: EventView, view: EventView): AroundView {
  const common: [AroundView['same'][number], keyof EventView][] = [
    ['request', 'requestId'],
    ['session', 'sessionId'],
    ['actor', 'actorId'],
    ['patient', 'patientId'],
    ['address', 'address'],
  ];
  const same = common.filter(([, field]) => middle[field] !== null && middle[field] === view[field]);
  return { ...view, same: same.map(([name]) => name) };
}

/** The audit trail as the compliance officer reads it. Reading it is an event as well. */
@Injectable()
export class EventsService {
  constructor(
    private readonly events: EventsRepository,
    private readonly archive: ArchivedLeaves,
    private readonly cursors: Cursors,
    private readonly names: PeopleNames,
  ) {}

  /** `list` names the list that cursors are of; `sought`, what is searched, where that is not the query's own. */
  async list(ctx: SignedIn, query: EventsQuery, list = 'audit.events', sought = query): Promise<Page<EventView>> {
    const filter = filterOf(sought);
    lookedFor(ctx, filter);
    const after = this.cursors.open<Place>(ctx, list, query);
    const rows = await this.events.list({ filter, order: sought.sort ?? '-at', after, limit: limitOf(query) + 1 });
    const names = await this.namesIn(ctx, rows);
    const page = this.cursors.page(ctx, list, query, rows, placeOf, (row) => eventView(row, names));
    return { ...page, notice: await this.archive.notice(filter) };
  }

  /** Everything that happened around an event, in the order of time, and what it has in common with it. */
  async around(ctx: SignedIn, seq: number, query: AroundQuery): Promise<Page<AroundView>> {
    const middle = await this.get(ctx, seq);
    const at = (minutes: number, ms = 0) => new Date(Date.parse(middle.at) + minutes * 60_000 + ms).toISOString();
    const minutes = query.minutes ?? 5;
    const filter = { from: at(-minutes), to: at(minutes, 1), ...(query.related ? { relatedTo: middle } : {}) };
    const list = `audit.around ${seq}`;
    const after = this.cursors.open<Place>(ctx, list, query);
    const rows = await this.events.list({ filter, order: 'at', after, limit: limitOf(query) + 1 });
    const names = await this.namesIn(ctx, rows);
    const page = this.cursors.page(ctx, list, query, rows, placeOf, (row) => besides(middle, eventView(row, names)));
    return { ...page, notice: await this.archive.notice(filter) };
  }

  async get(ctx: SignedIn, seq: number): Promise<EventView> {
    const row = await this.events.find(seq);
    if (!row) throw notFound();
    ctx.touch({ patientId: null, type: 'AuditEvent', id: String(seq) });
    return eventView(row, await this.namesIn(ctx, [row]));
  }

  private namesIn(ctx: SignedIn, rows: readonly EntryRow[]) {
    return this.names.of(ctx, peopleIn(rows));
  }
}
