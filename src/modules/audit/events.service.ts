import { Injectable } from '@nestjs/common';
import type { SignedIn } from '../../platform/access/context.js';
import { Cursors, limitOf } from '../../platform/http/cursors.js';
import type { Page } from '../../platform/http/presenter.js';
import { notFound } from '../../platform/http/problem.js';
import type { EventsQuery, EventView } from './audit.dto.js';
import { EventsRepository, type EntryRow } from './events.repository.js';

interface Leaf {
  i: number;
  e: {
    id: string;
    t: string;
    sub: string;
    out: number;
    req: string;
    actor: { id?: string; roles?: string[] };
    http?: { st: number; route: string };
    err?: string;
    pat?: string;
    cat?: string[];
    purp?: string;
    ses?: string;
    ask?: object;
    res?: { t: string; i: string; v?: number; p?: number }[];
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
    outcome: OUTCOME[e.out]!,
    status: e.http?.st ?? null,
    code: e.err ?? null,
    actorId: e.actor.id ?? null,
    roles: e.actor.roles ?? [],
    patientId: e.pat ?? null,
    categories: e.cat ?? [],
    touched: (e.res ?? []).map(({ t, i: id, v, p }) => ({ type: t, id, version: v, previousVersion: p })),
    purpose: e.purp ?? null,
    sessionId: e.ses ?? null,
    requestId: e.req,
    route: e.http?.route ?? null,
    address: net.ip,
    userAgent: net.ua,
    asked: e.ask ?? {},
  };
}

/** The audit trail as the compliance officer reads it. Reading it is an event as well. */
@Injectable()
export class EventsService {
  constructor(
    private readonly events: EventsRepository,
    private readonly cursors: Cursors,
  ) {}

  async list(ctx: SignedIn, query: EventsQuery): Promise<Page<EventView>> {
    const from = this.cursors.open<[number]>(ctx, 'audit.events', query);
    const rows = await this.events.list(query, from?.[0] ?? null, limitOf(query) + 1);
    return this.cursors.page(ctx, 'audit.events', query, rows, (row) => [Number(row.idx)], viewOf);
  }

  async get(ctx: SignedIn, seq: number): Promise<EventView> {
    const row = await this.events.find(seq);
    if (!row) throw notFound();
    ctx.touch({ patientId: null, type: 'AuditEvent', id: String(seq) });
    return viewOf(row);
  }
}
