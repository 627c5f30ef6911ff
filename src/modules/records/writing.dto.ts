import { Instant, Nested, OneOf, Text } from '../../platform/http/fields.js';

export const KINDS = ['note', 'measurement', 'history', 'questionnaire'] as const;
export const MEASURES = [
  'body-weight',
  'body-height',
  'body-temperature',
  'heart-rate',
  'respiratory-rate',
  'oxygen-saturation',
  'blood-glucose',
  'blood-pressure',
] as const;
export type Measure = (typeof MEASURES)[number];

/** A decimal as FHIR writes it; its digits are kept. */
const DECIMAL = /^-?(0|[1-9]\d{0,9})(\.\d{1,9})?$/;

export class Answer {
  @Text({ max: 1000, description: 'The question as it was asked.' })
  question: string;

  @Text({ max: 4000, description: 'The answer.' })
  answer: string;
}

export class WriteRecord {
  @OneOf(KINDS, {
    description: 'Clinicians write a `note`; patients supply a `measurement`, a `history` or a `questionnaire`.',
  })
  kind: (typeof KINDS)[number];

  @Text({ optional: true, max: 200, description: 'Title of a note, a history or a questionnaire.' })
  title?: string;

  @Text({ optional: true, max: 50_000, description: 'Text of a note or a history.' })
  text?: string;

  @OneOf(MEASURES, { optional: true, description: 'What was measured.' })
  measure?: Measure;

  @Text({ optional: true, max: 20, pattern: DECIMAL, description: 'The number, as text: its digits are kept.' })
  value?: string;

  @Text({
    optional: true,
    max: 20,
    pattern: DECIMAL,
    description: 'Of a blood pressure the diastolic; `value` is the systolic.',
  })
  second?: string;

  @Instant({ optional: true, description: 'When it was measured; now by default.' })
  at?: string;

  @Nested(() => Answer, { optional: true, many: 200, description: 'Questions and answers of a questionnaire.' })
  answers?: Answer[];
}

export class CorrectNote {
  @Text({ max: 200, description: 'Title.' })
  title: string;

  @Text({ max: 50_000, description: 'Text.' })
  text: string;
}

export class Retract {
  @Text({ max: 500, description: 'Why. Kept sealed with the record, for those who treat the patient.' })
  reason: string;
}
