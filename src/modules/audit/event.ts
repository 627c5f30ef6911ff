import { newId } from '../../platform/ids.js';
import type { Outcome, SystemFact, WorkFact } from '../../platform/access/audit-sink.js';
import { eventCode } from '../../platform/access/endpoint.js';
import type { Touch, Trail } from '../../platform/access/trail.js';
import type { Action, Role } from '../../platform/access/vocabulary.js';

/** One row for the inbox: the event's exact canonical bytes, and what lists filter by. */
export interface AuditRow {
  eventId: string;
  event: string;
  occurred: Date;
  actor: string;
  /** The patient whose data it is about. */
  subject: string | null;
  action: string;
  outcome: number;
  requestId: string;
  sessionId: string | null;
}

/** Longest list of things in one event; a page has 200 at most, an import more. */
const MAX_THINGS = 400;
/** Of its bytes, where things bring roles of before and after along: an event has 60,000 at most. */
const MAX_BYTES = 48_000;
/** So many fit, whatever they bring along. */
const SURE_TO_FIT = 100;

/** FHIR AuditEvent.action (C, R, U, D, E) of each action; a search is E, as BALP has it. */
const ACT: Record<Action, 'C' | 'R' | 'U' | 'D' | 'E'> = {
  read: 'R',
  list: 'E',
  search: 'E',
  check: 'E',
  create: 'C',
  import: 'C',
  invite: 'C',
  enrol: 'C',
  activate: 'C',
  update: 'U',
  end: 'U',
  'end-all': 'U',
  disable: 'U',
  enable: 'U',
  grant: 'U',
  revoke: 'U',
  delete: 'D',
  login: 'E',
  logout: 'E',
  'logout-all': 'E',
  'logout-others': 'E',
  refresh: 'E',
  expire: 'U',
  challenge: 'E',
  verify: 'E',
  confirm: 'U',
  'step-up': 'E',
  forgot: 'E',
  reset: 'U',
  'report-lost': 'E',
  unlock: 'U',
  'reset-factors': 'U',
  'reset-password': 'U',
  'change-email': 'U',
  approve: 'U',
  decline: 'U',
  download: 'R',
  review: 'U',
  retract: 'U',
  accept: 'U',
  release: 'U',
};

/** Purpose of use (HL7 v3 ActReason) that a role implies; a more particular one is said by the handler (break-glass). */
const PURPOSE: readonly [Role, string][] = [
  ['clinician', 'TREAT'],
  ['integration', 'TREAT'],
  ['directory', 'HSYSADMIN'],
  ['compliance_officer', 'HCOMPL'],
  ['admin', 'HSYSADMIN'],
  ['records_officer', 'HOPERAT'],
  ['staff', 'HOPERAT'],
  ['proxy', 'FAMRQT'],
  ['patient', 'PATRQT'],
];

/** FHIR AuditEvent.outcome: 0 success, 4 refused, 8 failed here. A browser that is sent elsewhere with an error was refused. */
function outcomeOf({ status, code }: Outcome): 0 | 4 | 8 {
  if (status >= 500) return 8;
  return status >= 400 || (status >= 300 && code !== null) ? 4 : 0;
}

const purposeOf = (trail: Trail): string | undefined => PURPOSE.find(([role]) => trail.actor?.roles.has(role))?.[1];

function byPatient(touches: readonly Touch[]): Map<string | null, Touch[]> {
  const groups = new Map<string | null, Touch[]>();
  for (const touch of touches) {
    const group = groups.get(touch.patientId);
    if (group) group.push(touch);
    else groups.set(touch.patientId, [touch]);
  }
  return groups.size > 0 ? groups : new Map([[null, []]]);
}

// Here and below, members stand in the order of RFC 8785 (by name), and members that are undefined are left out: what
// JSON.stringify makes of them is the canonical form, at a fraction of the cost of sorting each time. A test compares.
const thing = ({ type, id, version, previousVersion, before, after }: Touch): object => ({
  a: after,
  b: before,
  i: id,
  p: previousVersion,
  t: type,
  v: version,
});

/** As many as an event has room for. */
function listed(touches: readonly Touch[]): object[] {
  const things = touches.slice(0, MAX_THINGS).map(thing);
  if (things.length <= SURE_TO_FIT) return things;
  let room = MAX_BYTES;
  const end = things.findIndex((one) => (room -= JSON.stringify(one).length + 1) < 0);
  return end === -1 ? things : things.slice(0, end);
}

const sorted = <T>(values: Readonly<Record<string, T>>): Record<string, T> | undefined => {
  const entries = Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1));
  return entries.length > 0 ? Object.fromEntries(entries) : undefined;
};

function categoriesOf(touches: readonly Touch[]): string[] | undefined {
  const categories = new Set<string>();
  for (const { category } of touches) if (category !== undefined) categories.add(category);
  return categories.size > 0 ? [...categories].sort() : undefined;
}

/**
 * The events of one request: one for each patient whose data was touched (BALP), one without a patient when none was.
 * `netDigest` commits to address and user agent; their values lie in an erasable table. Shapes: README of this module.
 */
export function eventsOf(trail: Trail, outcome: Outcome, replica: string, netDigest: string): AuditRow[] {
  const action = trail.endpoint
    ? eventCode(trail.endpoint)
    : outcome.status < 400
      ? 'Request.preflight'
      : 'Request.refuse';
  const actorId = trail.actor?.id ?? trail.accountId;
  const sessionId = trail.actor?.sessionId ?? trail.sessionId;
  const purpose = purposeOf(trail);
  const succeeded = outcomeOf(outcome) === 0;
  const text = {
    actor: actorId === null ? {} : { id: actorId, roles: trail.actor ? [...trail.actor.roles].sort() : undefined },
    // What was asked for when it was refused: nothing was touched, but the attempt was on something.
    ask: succeeded ? undefined : sorted(trail.params),
    http: {
      // The end of a streamed answer; its beginning has an event of its own.
      bytes: outcome.bytes,
      m: trail.method.slice(0, 16),
      ms: Math.round(performance.now() - trail.startedMs),
      route: trail.route,
      st: outcome.status,
    },
    out: outcomeOf(outcome),
    t: trail.receivedAt.toISOString(),
  };
  return [...byPatient(succeeded ? trail.touches : [])].map(([patientId, touches]) => {
    const eventId = newId();
    const things = listed(touches);
    // Codes and ids only: whatever is not one of these shapes never gets into a leaf, which nobody can erase.
    const event = JSON.stringify({
      act: trail.endpoint ? ACT[trail.endpoint.action] : 'E',
      actor: text.actor,
      ask: text.ask,
      cat: categoriesOf(touches),
      err: outcome.code ?? undefined,
      http: text.http,
      id: eventId,
      more: touches.length > things.length ? touches.length - things.length : undefined,
      net: { _sd: [netDigest] },
      out: text.out,
      pat: patientId ?? undefined,
      purp: purpose,
      req: trail.requestId,
      res: things.length > 0 ? things : undefined,
      ses: sessionId ?? undefined,
      src: replica,
      sub: action,
      t: text.t,
      v: 1,
    });
    return {
      eventId,
      event,
      occurred: trail.receivedAt,
      actor: actorId ?? '',
      subject: patientId,
      action,
      outcome: text.out,
      requestId: trail.requestId,
      sessionId,
    };
  });
}

/** The event of something that no request caused, such as an automatic logout. */
export function systemEvent(fact: SystemFact, replica: string): AuditRow {
  const eventId = newId();
  const event = JSON.stringify({
    act: fact.act,
    actor: fact.accountId === '' ? {} : { id: fact.accountId },
    det: fact.detail && sorted(fact.detail),
    err: fact.reason,
    id: eventId,
    out: fact.outcome ?? 0,
    req: eventId,
    ses: fact.sessionId ?? undefined,
    src: replica,
    sub: fact.code,
    t: fact.at.toISOString(),
    te: fact.effectiveAt?.toISOString(),
    v: 1,
  });
  return {
    eventId,
    event,
    occurred: fact.at,
    actor: fact.accountId,
    subject: null,
    action: fact.code,
    outcome: fact.outcome ?? 0,
    requestId: eventId,
    sessionId: fact.sessionId,
  };
}

/** The events of a job's work: one for each patient whose data it touched, under the request that asked for it. */
export function workEvents(fact: WorkFact, replica: string): AuditRow[] {
  return [...byPatient(fact.touches)].map(([patientId, touches]) => {
    const eventId = newId();
    const event = JSON.stringify({
      act: fact.act,
      actor: { id: fact.accountId },
      cat: categoriesOf(touches),
      id: eventId,
      more: touches.length > MAX_THINGS ? touches.length - MAX_THINGS : undefined,
      out: 0,
      pat: patientId ?? undefined,
      req: fact.requestId,
      res: touches.slice(0, MAX_THINGS).map(thing),
      ses: fact.sessionId ?? undefined,
      src: replica,
      sub: fact.code,
      t: fact.at.toISOString(),
      v: 1,
    });
    return {
      eventId,
      event,
      occurred: fact.at,
      actor: fact.accountId,
      subject: patientId,
      action: fact.code,
      outcome: 0,
      requestId: fact.requestId,
      sessionId: fact.sessionId,
    };
  });
}
