import { PageQuery } from '../../platform/http/cursors.js';
import { Instant, Json, OneOf, Text, Uuid, Whole } from '../../platform/http/fields.js';

export const QUARANTINE_STATES = ['open', 'retrying', 'released', 'discarded', 'superseded'] as const;
export type QuarantineState = (typeof QUARANTINE_STATES)[number];

export class QuarantineParams {
  @Uuid({ description: 'The record in quarantine.' })
  id: string;
}

export class QuarantineQuery extends PageQuery {
  @OneOf(QUARANTINE_STATES, { optional: true, description: 'Only these; `open` by default.' })
  state?: QuarantineState;

  @Text({ optional: true, max: 2000, description: 'Only those of this feed (a URI).' })
  source?: string;
}

export class DiscardQuarantined {
  @Text({ max: 500, description: 'Why it is not to be had; it stays with the record.' })
  reason: string;
}

export class QuarantineItem {
  @Uuid({ description: 'The record in quarantine.' })
  id: string;

  @OneOf(QUARANTINE_STATES, {
    description:
      'open: to be worked on; retrying; released: it is in its chart; discarded, with a reason; superseded: the sender has sent something good in its place.',
  })
  state: QuarantineState;

  @Text({ max: 2000, description: 'The feed that sent it (a URI).' })
  source: string;

  @Uuid({ description: 'The import that it came with.' })
  importId: string;

  @Whole({ description: 'Entry of its Bundle (from 0) or line of its file (from 1).' })
  line: number;

  @Text({ max: 64, description: 'FHIR type; Hl7Message: an HL7 v2 message as a whole.' })
  type: string;

  @Text({ max: 200, description: "The sender's id; MSH-10 of a message." })
  sourceId: string;

  @Json({ description: 'What is wrong with it, as a FHIR OperationOutcome.' })
  operationOutcome: object;

  @Whole({ description: 'Version of this piece of work: send it in If-Match.' })
  version: number;

  @Instant({ description: 'When it came in.' })
  receivedAt: string;

  @Instant({ description: 'When it was last worked on.' })
  changedAt: string;

  @Uuid({ nullable: true, description: 'Who worked on it.' })
  changedBy: string | null;

  @Text({ nullable: true, max: 500, description: 'Why it was discarded.' })
  reason: string | null;
}

export class QuarantineView extends QuarantineItem {
  @Json({ fhir: true, nullable: true, description: 'The resource as it was sent; null: it is a message.' })
  resource: object | null;

  @Json({ fhir: true, nullable: true, description: 'What stands in its place when it is tried again.' })
  corrected: object | null;

  @Text({ nullable: true, description: 'The message as it was sent (ER7); null: it is a resource.' })
  message: string | null;

  @Text({ nullable: true, description: 'The message that stands in its place when it is tried again.' })
  correctedMessage: string | null;
}

export class RetryAccepted {
  @Uuid({ description: 'The record in quarantine.' })
  id: string;

  @OneOf(QUARANTINE_STATES, { description: 'It is tried again: look at it once more.' })
  state: QuarantineState;
}
