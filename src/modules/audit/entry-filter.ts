import type { Params } from '../../platform/database/accessible.js';
import { kindCondition, type EventKind } from './event-kinds.js';

/** Which events of the log are meant; what is left out does not narrow it. Ids in lower case, as leaves have them. */
export interface EntryFilter {
  actorIds?: readonly string[];
  patientIds?: readonly string[];
  /** Code such as `Record.read`, or all of a subject: `Record`. */
  action?: string;
  /** First part of the code. */
  subjectType?: string;
  outcome?: string;
  /** What officers look for, such as `automatic-logout`. */
  kind?: EventKind;
  /** Role that the account had. */
  role?: string;
  /** Code of the error or the reason. */
  code?: string;
  /** Category of the data. */
  category?: string;
  /** HL7 v3 ActReason. */
  purpose?: string;
  /** Where it came from; found as long as it was not erased. */
  ip?: string;
  /** RFC 3339; `to` is not in it any more. */
  from?: string;
  to?: string;
  requestId?: string;
  sessionId?: string;
  /** Of this person, in this session or about this patient: any of them. */
  relatedTo?: { actorId: string | null; sessionId: string | null; patientId: string | null };
}

// As the indexes have them. In canonical JSON a member stands behind its own bytes alone: quotes in texts are escaped.
const member = (before: string): string => `split_part(split_part(e.leaf, '${before}', 2), '"', 1)`;
export const ACTION = 'e.action COLLATE "C"';
export const PURPOSE = member(',"purp":"');
/** Roles as `"clinician","staff"`; only the leaf's own head is looked at, and not what events say of roles. */
export const ROLES_TEXT = `coalesce(substring(left(e.leaf, 600) FROM '^\\{"e":\\{"act":"[A-Z]","actor":\\{"id":"[^"]*","roles":\\[([^]]*)\\]'), '')`;
/** The commitment to address and user agent (RFC 9901). */
export const PLACE = member('"net":{"_sd":["');

const OUTCOMES: Record<string, number> = { success: 0, refused: 4, failed: 8 };

/** The filter in SQL, over `audit.entry AS e`. */
export function entryConditions(filter: EntryFilter, params: Params): string[] {
  const found: string[] = [];
  const when = (value: unknown, condition: (place: string) => string): void => {
    if (value !== undefined) found.push(condition(params.add(value)));
  };
  // One id and one array of one id are the same rows, but only for the first does the index give them in their order.
  const among = (ids: readonly string[] | undefined, column: string): void => {
    if (ids?.length === 1) when(ids[0], (id) => `${column} = ${id}`);
    else when(ids, (list) => `${column} = ANY(${list})`);
  };
  among(filter.actorIds, 'e.actor');
  among(filter.patientIds, 'e.subject');
  const subject = filter.action?.includes('.') ? undefined : filter.action;
  if (!subject) when(filter.action, (code) => `${ACTION} = ${code}`);
  for (const type of [subject, filter.subjectType]) when(type && `${type}.%`, (pattern) => `${ACTION} LIKE ${pattern}`);
  when(filter.outcome && OUTCOMES[filter.outcome], (outcome) => `e.outcome = ${outcome}`);
  when(filter.from, (from) => `e.occurred >= ${from}`);
  when(filter.to, (to) => `e.occurred < ${to}`);
  when(filter.requestId, (id) => `e.request_id = ${id}`);
  when(filter.sessionId, (id) => `e.session_id = ${id}`);
  if (filter.kind) found.push(kindCondition(filter.kind));
  when(filter.role, (role) => `strpos(${ROLES_TEXT}, '"' || ${role} || '"') > 0`);
  when(filter.code, (code) => `e.leaf::json #>> '{e,err}' = ${code}`);
  when(
    filter.category,
    (category) => `strpos(coalesce(e.leaf::json #>> '{e,cat}', ''), '"' || ${category} || '"') > 0`,
  );
  when(filter.purpose, (purpose) => `${PURPOSE} = ${purpose}`);
  when(
    filter.ip,
    (ip) =>
      `${PLACE} = ANY(ARRAY(SELECT digest FROM audit.disclosure WHERE audit.disclosed(disclosure, 'ip') = ${ip}))`,
  );
  if (filter.relatedTo) found.push(relation(filter.relatedTo, params));
  return found;
}

function relation({ actorId, sessionId, patientId }: NonNullable<EntryFilter['relatedTo']>, params: Params): string {
  const known: [string, string | null][] = [
    ['e.actor', actorId],
    ['e.session_id', sessionId],
    ['e.subject', patientId],
  ];
  const same = known.flatMap(([column, id]) => (id === null ? [] : [`${column} = ${params.add(id)}`]));
  return same.length > 0 ? `(${same.join(' OR ')})` : 'false';
}
