import { PageQuery } from '../../../platform/http/cursors.js';
import { Instant, Nested, OneOf, Text, Texts, Uuid, Whole } from '../../../platform/http/fields.js';
import { NamedView } from '../audit.dto.js';
import { ACTIVITIES, type Activity } from './activities.js';

export class ActivityParams {
  @Uuid({ description: 'The patient.' })
  id: string;
}

export class ActivityQuery extends PageQuery {
  @OneOf(ACTIVITIES, { optional: true, description: 'Only these.' })
  kind?: Activity;

  @Instant({ optional: true, description: 'Not before.' })
  from?: string;

  @Instant({ optional: true, description: 'Before.' })
  to?: string;
}

export class ActivityView {
  @Whole({ description: 'Place of the event in the audit trail; its proof is at `/v1/audit/events/:seq/receipt`.' })
  seq: number;

  @Instant({ description: 'When.' })
  at: string;

  @OneOf(ACTIVITIES, { description: 'Viewed, downloaded, or sent to somebody.' })
  kind: Activity;

  @Text({ description: 'What was done, as a code.', example: 'Summary.read' })
  action: string;

  @Nested(() => NamedView, { nullable: true, description: 'Who; `erased` when nobody of this id is known any more.' })
  who: NamedView | null;

  @Texts({ description: 'Roles that they had.' })
  roles: string[];

  @Text({ nullable: true, description: 'Purpose of use (HL7 v3 ActReason).' })
  purpose: string | null;

  @Texts({
    many: 400,
    description:
      'Kinds of things and categories of data, such as `Observation` or `laboratory`; told to the patient alone.',
  })
  what: string[];

  @Uuid({ nullable: true, description: 'The download or transmission.' })
  thingId: string | null;
}
