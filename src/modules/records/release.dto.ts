import { PageQuery } from '../../platform/http/cursors.js';
import { Flag, Instant, OneOf, Text, Uuid } from '../../platform/http/fields.js';

/** Exceptions to information blocking under which one record may be held back: 45 CFR 171.201, 171.202, and State law. */
export const HOLD_REASONS = ['preventing-harm', 'privacy', 'state-law'] as const;

export class HoldBack {
  @OneOf(HOLD_REASONS, { description: 'Under which exception (45 CFR 171.201, 171.202, State law).' })
  reason: (typeof HOLD_REASONS)[number];

  @Text({ max: 2000, description: 'Why, in the words of the clinician. Kept sealed with the record.' })
  explanation: string;

  @Instant({ description: 'When it ends by itself: within 30 days.' })
  until: string;
}

export class HoldsQuery extends PageQuery {}

export class HoldView {
  @Uuid({ description: 'The hold.' })
  id: string;

  @Uuid({ description: 'The record.' })
  recordId: string;

  @Uuid({ description: 'Whose record it is.' })
  patientId: string;

  @Uuid({ description: 'Account of the clinician who holds it back.' })
  heldBy: string;

  @OneOf(HOLD_REASONS, { description: 'Under which exception.' })
  reason: string;

  @Text({ max: 2000, description: 'Why.' })
  explanation: string;

  @Instant({ description: 'Since when.' })
  heldAt: Date;

  @Instant({ description: 'When it ends by itself.' })
  until: Date;

  @Instant({ nullable: true, description: 'When it was lifted before that.' })
  liftedAt: Date | null;
}

/** How a hold stands: it holds, ended by itself, or was lifted by a clinician before that. */
const HOLD_STATES = ['in-force', 'ended', 'lifted'] as const;
export type HoldState = (typeof HOLD_STATES)[number];

export class HoldReportQuery extends PageQuery {
  @Uuid({ optional: true, description: 'Of this clinician (account).' })
  heldBy?: string;

  @Uuid({ optional: true, description: "Of this patient's records." })
  patientId?: string;

  @OneOf(HOLD_REASONS, { optional: true, description: 'Under this exception.' })
  reason?: (typeof HOLD_REASONS)[number];

  @OneOf(HOLD_STATES, {
    optional: true,
    description: '`in-force`; `ended`: by itself, when its time was over; `lifted`: by a clinician before that.',
  })
  state?: HoldState;
}

export class HeldItemView {
  @Uuid({ description: 'The hold.' })
  id: string;

  @Uuid({ description: 'The record.' })
  recordId: string;

  @Text({ description: 'What kind of record (FHIR): `Observation`.' })
  recordType: string;

  @Uuid({ description: 'Whose record it is.' })
  patientId: string;

  @Uuid({ description: 'Account of the clinician who held it back.' })
  heldBy: string;

  @OneOf(HOLD_REASONS, { description: 'Under which exception.' })
  reason: string;

  @Instant({ description: 'Since when.' })
  heldAt: Date;

  @Instant({ description: 'When it ends, or would have ended, by itself.' })
  until: Date;

  @OneOf(HOLD_STATES, { description: 'How it stands.' })
  state: HoldState;

  @Instant({ nullable: true, description: 'Since when the record is released; null: it is held.' })
  releasedAt: Date | null;

  @Uuid({
    nullable: true,
    description: 'Account of the clinician who released it; null: nobody, or its time was over.',
  })
  releasedBy: string | null;
}

export class ChartSettingsView {
  @Uuid({ description: 'Patient.' })
  patientId: string;

  @Flag({
    description:
      "The patient's own wish: new results are shown once a clinician has looked at them, and 14 days after they came at the latest.",
  })
  resultsAfterReview: boolean;
}

export class UpdateChartSettings {
  @Flag({ description: 'Show new results only once a clinician has looked at them.' })
  resultsAfterReview: boolean;
}
