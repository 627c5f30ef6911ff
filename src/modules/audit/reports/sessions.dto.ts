import { PageQuery } from '../../../platform/http/cursors.js';
import { Instant, Nested, OneOf, Text, Uuid, Uuids, Whole } from '../../../platform/http/fields.js';
import { NamedView } from '../audit.dto.js';

export class SessionsQuery extends PageQuery {
  @Uuids({ optional: true, many: 50, repeatable: true, description: 'Account that signed in; may be repeated.' })
  actorId?: string[];

  @Instant({ optional: true, description: 'Signed in not before.' })
  from?: string;

  @Instant({ optional: true, description: 'Signed in before.' })
  to?: string;
}

export class AuditSessionParams {
  @Uuid({ description: 'Session.' })
  id: string;
}

export class AuditSessionView {
  @Uuid({ description: 'Session.' })
  id: string;

  @Nested(() => NamedView, { nullable: true, description: 'Whose it was.' })
  actor: NamedView | null;

  @Instant({ nullable: true, description: 'Signed in; null when the trail does not hold that (any more).' })
  signedInAt: string | null;

  @Text({ nullable: true, description: 'Event code of the sign-in.', example: 'Session.verify' })
  signInAction: string | null;

  @Whole({ nullable: true, description: 'Place of the event of the sign-in.' })
  signInSeq: number | null;

  @OneOf(['open', 'ended'], {
    description: '`open`: the trail holds no end of it. An idle session is noticed within a minute.',
  })
  state: string;

  @Instant({ nullable: true, description: 'When it ended; an automatic logout at the moment at which it was due.' })
  endedAt: string | null;

  @Text({
    nullable: true,
    description:
      'Why it ended: `logout`; `idle`, `expired` (automatic logouts); `revoked`, `disabled`, `roles-changed` and others.',
  })
  endReason: string | null;

  @Whole({ nullable: true, description: 'Place of the event of its end.' })
  endSeq: number | null;

  @Whole({ nullable: true, description: 'How long it lasted, in seconds; null while it is open.' })
  durationSeconds: number | null;

  @Instant({ nullable: true, description: 'Latest event that its person caused.' })
  lastEventAt: string | null;

  @Text({ nullable: true, description: 'Address that the sign-in came from; null when erased.' })
  address: string | null;

  @Text({ nullable: true, max: 2_000, description: 'User agent of the sign-in; null when erased.' })
  userAgent: string | null;

  @Whole({ description: 'Events of it.' })
  events: number;

  @Whole({ description: 'Events of it that were refused or failed.' })
  refused: number;

  @Whole({ description: 'Different patients whose data was touched.' })
  charts: number;

  @Text({ description: 'Its timeline: GET it.' })
  timeline: string;
}

export class ChartOfSessionView {
  @Nested(() => NamedView, { description: 'Patient.' })
  patient: NamedView;

  @Whole({ description: 'Events of the session that touched their data.' })
  events: number;

  @Instant({ description: 'First of them.' })
  firstAt: string;

  @Instant({ description: 'Last of them.' })
  lastAt: string;

  @Text({ description: 'Their timeline: GET it.' })
  timeline: string;
}

/** Most charts that are listed; there is a count of all. */
export const MOST_CHARTS = 500;

export class AuditSessionDetailView extends AuditSessionView {
  @Nested(() => ChartOfSessionView, { many: MOST_CHARTS, description: 'Charts that were touched, most events first.' })
  touchedCharts: ChartOfSessionView[];
}
