import {
  conceptOf,
  entityIdentifier,
  entityNumber,
  notesOf,
  personOf,
  placeOf,
  some,
  tableConcept,
  wordOf,
} from './datatypes.js';
import { sourceIdOf } from './ids.js';
import type { Mapping } from './mapping.js';
import type { Mapped } from './results.js';
import type { Segment } from './segment.js';
import { dateTimeOf } from './times.js';

/** Table 0278, and what senders write in its place. */
const STATUS: Readonly<Record<string, string>> = {
  PENDING: 'pending',
  WAITLIST: 'waitlist',
  BOOKED: 'booked',
  STARTED: 'arrived',
  COMPLETE: 'fulfilled',
  CANCELLED: 'cancelled',
  CANCELED: 'cancelled',
  DELETED: 'entered-in-error',
  NOSHOW: 'noshow',
};
/** The event says it where SCH-25 does not: cancelled, discontinued, deleted, not come. */
const BY_EVENT: Readonly<Record<string, string>> = {
  S15: 'cancelled',
  S16: 'cancelled',
  S17: 'entered-in-error',
  S26: 'noshow',
};

/** SCH with what is behind it. */
export function appointmentOf(
  sch: Segment,
  segments: readonly Segment[],
  event: string,
  patientId: string,
  mapping: Mapping,
): Mapped {
  const { sender, zone, meta } = mapping;
  const named = (name: string): Segment[] => segments.filter((segment) => segment.name === name);
  const number = sch.first(2) ?? sch.first(1);
  if (number?.get(1) === undefined) throw sch.fault('missing-field', '101', 2, 'An appointment needs its number.');
  const [tq1] = named('TQ1');
  const start = tq1?.time(7, zone) ?? spanOf(sch, 4, mapping);
  const end = tq1?.time(8, zone) ?? spanOf(sch, 5, mapping);
  const isTimed = start?.includes('T') === true && end?.includes('T') === true;
  const resource = {
    resourceType: 'Appointment',
    id: sourceIdOf('Appointment', ...entityNumber(number)),
    meta,
    identifier: some([entityIdentifier(sch.first(2), sender), entityIdentifier(sch.first(1), sender)]),
    status: BY_EVENT[event] ?? wordOf(STATUS, sch.get(25)?.toUpperCase()) ?? 'proposed',
    serviceType: some(named('AIS').map((ais) => conceptOf(ais.first(3), sender))),
    appointmentType: tableConcept(sch.first(8), '0277', sender),
    reasonCode: some([conceptOf(sch.first(7), sender)]),
    // R4 knows an appointment's time with hour and minute, and both ends, or not at all.
    start: isTimed ? start : undefined,
    end: isTimed ? end : undefined,
    comment: notesOf(named('NTE')),
    participant: [
      { actor: { reference: `Patient/${patientId}` }, status: 'accepted' },
      ...named('AIP').flatMap((aip) => participant(personOf(aip.first(3), sender))),
      ...named('AIL').flatMap((ail) => participant(placed(placeOf(ail.first(3))))),
    ],
  };
  return { line: sch.line, resource };
}

/** SCH-11, components 4 and 5, of versions before TQ1. */
const spanOf = (sch: Segment, component: 4 | 5, { zone }: Mapping): string | undefined =>
  sch.get(11, component) === undefined ? undefined : dateTimeOf(sch.get(11, component)!, zone);

const participant = (actor: object | undefined): object[] =>
  actor === undefined ? [] : [{ actor, status: 'accepted' }];
const placed = (display: string | undefined): object | undefined => (display === undefined ? undefined : { display });
