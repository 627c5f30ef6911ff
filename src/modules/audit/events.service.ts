import { Injectable } from '@nestjs/common';
import type { SignedIn } from '../../platform/access/context.js';
import { Cursors, limitOf } from '../../platform/http/cursors.js';
import type { Page } from '../../platform/http/presenter.js';
import { notFound } from '../../platform/http/problem.js';
import type { AroundQuery, AroundView, EventsQuery, EventView } from './audit.dto.js';
import type { EntryFilter } from './entry-filter.js';
import type { Place } from './entry-order.js';
import { EventsRepository, type EntryRow } from './events.repository.js';

interface Leaf {
  i: number;
  e: {
    act: string;
    id: string;
    t: string;
    sub: string;
    src: string;
    out: number;
    req: string;
    actor: { id?: string; roles?: string[] };
    http?: { m: string; ms: number; st: number; route: string; bytes?: number };
    err?: string;
    pat?: string;
    cat?: string[];
    purp?: string;
    ses?: string;
    ask?: object;
    det?: object;
    res?: { t: string; i: string; v?: number; p?: number }[];
    more?: number;
  };
}

const OUTCOME: Record<number, string> = { 0: 'success', 4: 'refused', 8: 'failed' };

function netOf(disclosure: string | null): { ip: string | null; ua: string | null } {
  if (disclosure === null) return { ip: null, ua: null };
  return (
    JSON.parse(Buffer.from(disclosure, 'base64url').toString()) as [string, string, { ip: string; ua: string }]
  )[2];
}

function viewOf(row: EntryRow): EventView {
  const { e, i } = JSON.parse(row.leaf) as Leaf;
  const net = netOf(row.disclosure);
  return {
    seq: i,
    eventId: e.id,
    at: e.t,
    action: e.sub,
    operation: e.act,
    outcome: OUTCOME[e.out]!,
    status: e.http?.st ?? null,
    code: e.err ?? null,
    actorId: e.actor.id ?? null,
    roles: e.actor.roles ?? [],
    patientId: e.pat ?? null,
    categories: e.cat ?? [],
    touched: (e.res ?? []).map(({ t, i: id, v, p }) => ({ type: t, id, version: v, previousVersion: p })),
    moreTouched: e.more ?? 0,
    purpose: e.purp ?? null,
    sessionId: e.ses ?? null,
    requestId: e.req,
    method: e.http?.m ?? null,
    route: e.http?.route ?? null,
    durationMs: e.http?.ms ?? null,
    bytes: e.http?.bytes ?? null,
    process: e.src,
    address: net.ip,
    userAgent: net.ua,
    asked: e.ask ?? {},
    detail: e.det ?? {},
  };
}

const placeOf = ({ key, idx }: EntryRow): Place => [key, Number(idx)];

const lower = (ids: readonly string[] | undefined): string[] | undefined => ids?.map((id) => id.toLowerCase());

function filterOf({ actorId, patientId, ip, ...rest }: EventsQuery): EntryFilter {
  return { ...rest, actorIds: lower(actorId), patientIds: lower(patientId), ip: ip?.toLowerCase() };
}

/** Whom and what somebody looked up in the trail stands in the trail. */
function lookedFor(ctx: SignedIn, { patientIds = [], actorIds = [], sessionId, requestId }: EntryFilter): void {
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
    private readonly cursors: Cursors,
  ) {}

  async list(ctx: SignedIn, query: EventsQuery): Promise<Page<EventView>> {
    const filter = filterOf(query);
    lookedFor(ctx, filter);
    const after = this.cursors.open<Place>(ctx, 'audit.events', query);
    const rows = await this.events.list({ filter, order: query.sort ?? '-at', after, limit: limitOf(query) + 1 });
    return this.cursors.page(ctx, 'audit.events', query, rows, placeOf, viewOf);
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
    return this.cursors.page(ctx, list, query, rows, placeOf, (row) => besides(middle, viewOf(row)));
  }

  async get(ctx: SignedIn, seq: number): Promise<EventView> {
    const row = await this.events.find(seq);
    if (!row) throw notFound();
    ctx.touch({ patientId: null, type: 'AuditEvent', id: String(seq) });
    return viewOf(row);
  }
}
