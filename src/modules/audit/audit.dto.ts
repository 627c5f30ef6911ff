import {
  Flag,
  Instant,
  Json,
  Nested,
  OneOf,
  SomeOf,
  Text,
  Texts,
  Uuid,
  Uuids,
  Whole,
} from '../../platform/http/fields.js';
import { PageCursor, PageLimit, PageQuery } from '../../platform/http/cursors.js';
import { ROLES } from '../../platform/access/vocabulary.js';
import { ORDERS } from './entry-order.js';
import { EVENT_KINDS, type EventKind } from './event-kinds.js';

/** Most people of one kind in one search. */
const MANY = 50;

/** Which events: the same in the search, in saved queries and in reports. */
export class EventsFilter {
  @Uuids({ optional: true, many: MANY, repeatable: true, description: 'Account that acted; may be repeated.' })
  actorId?: string[];

  @Uuids({
    optional: true,
    many: MANY,
    repeatable: true,
    description: 'Patient whose data was touched; may be repeated.',
  })
  patientId?: string[];

  @Text({
    optional: true,
    max: 40,
    pattern: /^[A-Za-z]+$/,
    description: 'First part of the event code.',
    example: 'Record',
  })
  subjectType?: string;

  @Text({
    optional: true,
    max: 60,
    pattern: /^[A-Za-z]+(\.[a-z-]+)?$/,
    description: 'Event code such as `Record.read`; see the list of audit codes.',
  })
  action?: string;

  @OneOf(EVENT_KINDS, { optional: true, description: 'What it was, in the words of the reports.' })
  kind?: EventKind;

  @OneOf(ROLES, { optional: true, description: 'Role that the account had.' })
  role?: string;

  @OneOf(['success', 'refused', 'failed'], { optional: true, description: 'How it ended.' })
  outcome?: string;

  @Text({
    optional: true,
    max: 100,
    pattern: /^[a-z0-9.:_-]+$/,
    description: 'Code of the error or the reason.',
    example: 'auth.session-ended:idle',
  })
  code?: string;

  @Text({
    optional: true,
    max: 60,
    pattern: /^[a-z0-9-]+$/,
    description: 'Category of the data.',
    example: 'laboratory',
  })
  category?: string;

  @Text({
    optional: true,
    max: 20,
    pattern: /^[A-Z0-9]+$/,
    description: 'Purpose of use (HL7 v3 ActReason).',
    example: 'TREAT',
  })
  purpose?: string;

  @Uuid({ optional: true, description: 'Request (`X-Request-Id`).' })
  requestId?: string;

  @Uuid({ optional: true, description: 'Session.' })
  sessionId?: string;
}

/** The same in a period, in an order. */
export class SortedFilter extends EventsFilter {
  @Instant({ optional: true, description: 'Not before.' })
  from?: string;

  @Instant({ optional: true, description: 'Before.' })
  to?: string;

  @OneOf(ORDERS, {
    optional: true,
    description:
      'Element to sort by, downwards behind a minus; `-at` by default. `at` with a session or a patient is its timeline.',
  })
  sort?: string;
}

export class EventsQuery extends SortedFilter implements PageQuery {
  @PageLimit()
  limit?: number;

  @PageCursor()
  cursor?: string;

  @Text({
    optional: true,
    max: 45,
    pattern: /^[0-9A-Fa-f:.]+$/,
    description: 'Address that it came from; erased ones are not found any more.',
  })
  ip?: string;
}

export class AroundQuery extends PageQuery {
  @Whole({ min: 1, max: 1440, default: 5, optional: true, description: 'How many minutes before and after it.' })
  minutes?: number;

  @Flag({ optional: true, description: 'Only what has its person, session or patient.' })
  related?: boolean;
}

export class EventParams {
  @Whole({ description: 'Place of the event in the log, from 0.' })
  seq: number;
}

export class TouchedView {
  @Text({ description: 'Type of the thing.' })
  type: string;

  @Text({ description: 'Id of the thing.' })
  id: string;

  @Whole({ optional: true, description: 'Version that was read or made.' })
  version?: number;

  @Whole({ optional: true, description: 'Version before the change.' })
  previousVersion?: number;

  @Texts({ optional: true, many: 20, description: 'Of a change of what somebody may do: what stood before (codes).' })
  before?: string[];

  @Texts({ optional: true, many: 20, description: 'The same afterwards.' })
  after?: string[];
}

/** Somebody as the portal knows them at this moment; the log itself holds ids alone. */
export class NamedView {
  @Uuid({ description: 'Account, or patient.' })
  id: string;

  @Text({ nullable: true, description: 'Name of today; null when the portal knows nobody of this id any more.' })
  name: string | null;

  @OneOf(['person', 'service', 'patient', 'erased'], {
    description: 'What it is; `erased`: nobody of this id is left.',
  })
  kind: string;
}

export class EventView {
  @Whole({ description: 'Place in the log, from 0.' })
  seq: number;

  @Uuid({ description: 'Id of the event.' })
  eventId: string;

  @Instant({ description: 'When the request came in.' })
  at: string;

  @Instant({ nullable: true, description: 'When it came about, where that was before it was noticed.' })
  effectiveAt: string | null;

  @Text({ description: 'Event code.', example: 'Record.read' })
  action: string;

  @OneOf(['C', 'R', 'U', 'D', 'E'], { description: 'Kind of action: create, read, update, delete, execute.' })
  operation: string;

  @OneOf(['success', 'refused', 'failed'], { description: 'How it ended.' })
  outcome: string;

  @Whole({ nullable: true, description: 'HTTP status that was answered; 499: the client was gone.' })
  status: number | null;

  @Text({ nullable: true, description: 'Code of the error or the reason.' })
  code: string | null;

  @Uuid({ nullable: true, description: 'Account that acted.' })
  actorId: string | null;

  @Nested(() => NamedView, {
    nullable: true,
    description: 'Account that acted, by name; null when nobody was recognised.',
  })
  actor: NamedView | null;

  @Texts({ description: 'Roles that the account had.' })
  roles: string[];

  @Uuid({ nullable: true, description: 'Patient whose data was touched.' })
  patientId: string | null;

  @Nested(() => NamedView, { nullable: true, description: 'The patient, by name.' })
  patient: NamedView | null;

  @Texts({ description: 'Categories of the data.' })
  categories: string[];

  @Nested(() => TouchedView, { many: 400, description: 'What was touched.' })
  touched: TouchedView[];

  @Whole({ description: 'How many more were touched than are listed.' })
  moreTouched: number;

  @Text({ nullable: true, description: 'Purpose of use (HL7 v3 ActReason).' })
  purpose: string | null;

  @Uuid({ nullable: true, description: 'Session.' })
  sessionId: string | null;

  @Uuid({ description: 'Request.' })
  requestId: string;

  @Text({ nullable: true, description: 'HTTP method.' })
  method: string | null;

  @Text({ nullable: true, description: 'Route template.' })
  route: string | null;

  @Whole({ nullable: true, description: 'How long it took, in milliseconds.' })
  durationMs: number | null;

  @Whole({ nullable: true, description: 'Of a streamed answer that came to its end: how many bytes left.' })
  bytes: number | null;

  @Text({ description: 'Process of the portal that wrote it.' })
  process: string;

  @Text({ nullable: true, description: 'Address that it came from; null when erased.' })
  address: string | null;

  @Text({ nullable: true, description: 'User agent; null when erased.' })
  userAgent: string | null;

  @Json({ description: 'What was asked for, when it was refused: ids by name of the route parameter.' })
  asked: object;

  @Json({ description: 'What else the event says of itself, such as a setting with its old and new value.' })
  detail: object;
}

const SAME = ['request', 'session', 'actor', 'patient', 'address'] as const;

export class AroundView extends EventView {
  @SomeOf(SAME, { description: 'What it has in common with the event in the middle, which has all of them.' })
  same: (typeof SAME)[number][];
}
