import type { EventsFilter } from '../audit.dto.js';
import { ACTION, PURPOSE, ROLES_TEXT } from '../entry-filter.js';

export const DIMENSIONS = [
  'action',
  'subjectType',
  'outcome',
  'role',
  'purpose',
  'actor',
  'patient',
  'hour',
  'day',
] as const;
export type Dimension = (typeof DIMENSIONS)[number];

export const COMPARABLE = DIMENSIONS.filter((one) => one !== 'hour' && one !== 'day');
export type Comparable = Exclude<Dimension, 'hour' | 'day'>;

const bucket = (unit: 'hour' | 'day'): string =>
  `to_char(date_trunc('${unit}', e.occurred, 'UTC') AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')`;

/** Over `audit.entry AS e`, as text that is never null: '' where the event says nothing of it. */
export const VALUE: Record<Dimension, string> = {
  action: ACTION,
  subjectType: `split_part(e.action, '.', 1) COLLATE "C"`,
  outcome: 'e.outcome::text',
  // All roles of the account at once; taken apart when they have been counted.
  role: ROLES_TEXT,
  purpose: PURPOSE,
  actor: 'e.actor',
  patient: `coalesce(e.subject, '')`,
  hour: bucket('hour'),
  day: bucket('day'),
};

const OUTCOMES: Record<string, string> = { '0': 'success', '4': 'refused', '8': 'failed' };

/** As the search and people name it. */
export const named = (by: Dimension, value: string): string | null =>
  value === '' ? null : by === 'outcome' ? OUTCOMES[value]! : value;

export const BUCKET_MS: Partial<Record<Dimension, number>> = { hour: 3_600_000, day: 86_400_000 };

/** What narrows a search to one value; null: nothing does. */
export function narrowing(by: Dimension, value: string | null): Partial<EventsFilter> | null {
  if (value === null) return null;
  if (by === 'actor') return { actorId: [value] };
  if (by === 'patient') return { patientId: [value] };
  if (by === 'hour' || by === 'day') return {};
  return { [by]: value };
}

export interface Counted {
  value: string;
  count: number;
}

/** `"clinician","staff"` counts for each of them. */
export function byEachRole(counts: readonly Counted[]): Counted[] {
  const each = new Map<string, number>();
  for (const { value, count } of counts)
    for (const role of value === '' ? [''] : (JSON.parse(`[${value}]`) as string[]))
      each.set(role, (each.get(role) ?? 0) + count);
  return [...each].map(([value, count]) => ({ value, count }));
}
