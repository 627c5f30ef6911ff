import type { EventsFilter } from '../audit.dto.js';
import type { Between } from './reports.repository.js';

const EVENTS = '/v1/audit/events';

/** The search that finds exactly the events of a number: what the report was asked for, and what narrows it to this one. */
export function eventsLink(filter: EventsFilter, { from, to }: Between, narrower: Partial<EventsFilter> = {}): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries({ ...filter, ...narrower, from, to, sort: 'at' }))
    for (const one of [value].flat()) if (one !== undefined) parameters.append(name, String(one));
  // Colons may stand in a query as they are (RFC 3986 section 3.4), and are easier to read.
  return `${EVENTS}?${parameters.toString().replaceAll('%3A', ':')}`;
}
