import type { EventView, NamedView } from './audit.dto.js';
import type { EntryRow } from './events.repository.js';

interface Leaf {
  i: number;
  e: {
    act: string;
    id: string;
    t: string;
    te?: string;
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
    res?: { t: string; i: string; v?: number; p?: number; a?: string[]; b?: string[] }[];
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

/** Accounts and patients of these events, once each. */
export function peopleIn(rows: readonly EntryRow[]): { accounts: string[]; patients: string[] } {
  const events = rows.map((row) => (JSON.parse(row.leaf) as Leaf).e);
  const once = (ids: (string | undefined)[]): string[] => [...new Set(ids)].filter((id) => id !== undefined);
  return { accounts: once(events.map(({ actor }) => actor.id)), patients: once(events.map(({ pat }) => pat)) };
}

export function eventView(row: EntryRow, names: ReadonlyMap<string, NamedView>): EventView {
  const { e, i } = JSON.parse(row.leaf) as Leaf;
  const net = netOf(row.disclosure);
  return {
    seq: i,
    eventId: e.id,
    at: e.t,
    effectiveAt: e.te ?? null,
    action: e.sub,
    operation: e.act,
    outcome: OUTCOME[e.out]!,
    status: e.http?.st ?? null,
    code: e.err ?? null,
    actorId: e.actor.id ?? null,
    actor: names.get(e.actor.id ?? '') ?? null,
    roles: e.actor.roles ?? [],
    patientId: e.pat ?? null,
    patient: names.get(e.pat ?? '') ?? null,
    categories: e.cat ?? [],
    touched: (e.res ?? []).map(({ t, i: id, v, p, a, b }) => ({
      ...{ type: t, id, version: v, previousVersion: p, before: b, after: a },
    })),
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
