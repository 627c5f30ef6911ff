import { Instant, Json, Nested, OneOf, Text, Texts, Uuid, Whole } from '../../platform/http/fields.js';
import { PageQuery } from '../../platform/http/cursors.js';

export class EventsQuery extends PageQuery {
  @Uuid({ optional: true, description: 'Account that acted.' })
  actorId?: string;

  @Uuid({ optional: true, description: 'Patient whose data was touched.' })
  patientId?: string;

  @Text({
    optional: true,
    max: 60,
    pattern: /^[A-Za-z]+(\.[a-z-]+)?$/,
    description: 'Event code such as `Record.read`; see the list of audit codes.',
  })
  action?: string;

  @OneOf(['success', 'refused', 'failed'], { optional: true, description: 'How it ended.' })
  outcome?: string;

  @Instant({ optional: true, description: 'Not before.' })
  from?: string;

  @Instant({ optional: true, description: 'Before.' })
  to?: string;

  @Uuid({ optional: true, description: 'Request (`X-Request-Id`).' })
  requestId?: string;

  @Uuid({ optional: true, description: 'Session.' })
  sessionId?: string;
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
}

export class EventView {
  @Whole({ description: 'Place in the log, from 0.' })
  seq: number;

  @Uuid({ description: 'Id of the event.' })
  eventId: string;

  @Instant({ description: 'When the request came in.' })
  at: string;

  @Text({ description: 'Event code.', example: 'Record.read' })
  action: string;

  @OneOf(['success', 'refused', 'failed'], { description: 'How it ended.' })
  outcome: string;

  @Whole({ nullable: true, description: 'HTTP status that was answered; 499: the client was gone.' })
  status: number | null;

  @Text({ nullable: true, description: 'Code of the error or the reason.' })
  code: string | null;

  @Uuid({ nullable: true, description: 'Account that acted.' })
  actorId: string | null;

  @Texts({ description: 'Roles that the account had.' })
  roles: string[];

  @Uuid({ nullable: true, description: 'Patient whose data was touched.' })
  patientId: string | null;

  @Texts({ description: 'Categories of the data.' })
  categories: string[];

  @Nested(() => TouchedView, { many: 400, description: 'What was touched.' })
  touched: TouchedView[];

  @Text({ nullable: true, description: 'Purpose of use (HL7 v3 ActReason).' })
  purpose: string | null;

  @Uuid({ nullable: true, description: 'Session.' })
  sessionId: string | null;

  @Uuid({ description: 'Request.' })
  requestId: string;

  @Text({ nullable: true, description: 'Route template.' })
  route: string | null;

  @Text({ nullable: true, description: 'Address that it came from; null when erased.' })
  address: string | null;

  @Text({ nullable: true, description: 'User agent; null when erased.' })
  userAgent: string | null;

  @Json({ description: 'What was asked for, when it was refused: ids by name of the route parameter.' })
  asked: object;
}
