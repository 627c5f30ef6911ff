import { PageQuery } from '../../platform/http/cursors.js';
import { Flag, Instant, Json, Nested, OneOf, Text, Texts, Uuid, Whole } from '../../platform/http/fields.js';

export class ChartParams {
  @Uuid({ description: 'The patient.' })
  id: string;
}

export class RecordParams {
  @Uuid({ description: 'The record.' })
  id: string;
}

const DAY_OR_INSTANT = /^\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d{1,3})?(Z|[+-]\d\d:\d\d))?$/;

export class RecordsQuery extends PageQuery {
  @Text({ optional: true, max: 64, pattern: /^[A-Z][A-Za-z]+$/, description: 'FHIR type.', example: 'Observation' })
  type?: string;

  @Text({ optional: true, max: 200, description: 'Code of a category.', example: 'laboratory' })
  category?: string;

  @Text({
    optional: true,
    max: 500,
    description: 'Code, or `system|code`: any coding of the record.',
    example: 'http://loinc.org|8480-6',
  })
  code?: string;

  @Text({ optional: true, max: 64, description: 'Status, such as `preliminary`.' })
  status?: string;

  @Text({
    optional: true,
    max: 100,
    description:
      'Words of the display, in any order and case; from three letters on the beginning of a word is enough.',
    example: 'glucose blood',
  })
  text?: string;

  @Text({ optional: true, max: 35, pattern: DAY_OR_INSTANT, description: 'Not before this day (UTC) or instant.' })
  from?: string;

  @Text({
    optional: true,
    max: 35,
    pattern: DAY_OR_INSTANT,
    description: 'Not after this day (UTC, inclusive) or instant.',
  })
  to?: string;

  @OneOf(['newest', 'oldest'], { optional: true, description: 'What comes first; `newest` by default.' })
  sort?: 'newest' | 'oldest';
}

export class ValueFlagView {
  @Text({ min: 0, description: 'Code, such as `H`.' })
  code: string;

  @Text({ max: 500, description: 'In words.' })
  text: string;
}

export class ValueView {
  @Text({ max: 2000, description: 'As a person reads it: `<5 mg/L`. Of a value that is not there, why.' })
  text: string;

  @Text({ optional: true, description: 'The number with the digits of its sender, as text.', example: '1.50' })
  number?: string;

  @Text({ optional: true, description: 'What the number is only a limit of: `<`, `<=`, `>=` or `>`.' })
  comparator?: string;

  @Text({ optional: true, description: 'Unit.' })
  unit?: string;

  @Texts({ optional: true, max: 2000, description: 'Reference ranges in words.' })
  ranges?: string[];

  @Text({ optional: true, description: 'Low end of the range, where there is exactly one.' })
  low?: string;

  @Text({ optional: true, description: 'High end of the range, where there is exactly one.' })
  high?: string;

  @Nested(() => ValueFlagView, { optional: true, many: 20, description: 'What the sender says of the value.' })
  flags?: ValueFlagView[];

  @Flag({ optional: true, description: 'There is no value, and `text` says why.' })
  isAbsent?: boolean;
}

export class PartView {
  @Text({ max: 500, description: 'What part it is.' })
  display: string;

  @Nested(() => ValueView, { description: 'Its value.' })
  value: ValueView;
}

/** A record on one line of a list. */
export class LineView {
  @Uuid({ description: 'The record.' })
  id: string;

  @Text({ description: 'FHIR type.', example: 'Observation' })
  type: string;

  @Texts({ description: 'Codes of its categories.' })
  category: string[];

  @Text({ nullable: true, max: 500, description: 'What it is, as `system|code`.', example: 'http://loinc.org|8480-6' })
  code: string | null;

  @Text({ min: 0, max: 500, description: 'The same in words.' })
  display: string;

  @Instant({ nullable: true, description: 'When it was so, for ordering: a partial date stands for its start.' })
  effectiveAt: string | null;

  @Text({
    nullable: true,
    description: 'The same as the sender wrote it: partial dates stay partial.',
    example: '2021-05',
  })
  effectiveText: string | null;

  @Text({ nullable: true, description: 'Status in the words of its type, such as `final`.' })
  status: string | null;

  @Text({ nullable: true, description: 'The same for a reader: preliminary and corrected results say so.' })
  statusText: string | null;

  @Nested(() => ValueView, { nullable: true, description: 'Result, with unit, range and flags beside it.' })
  value: ValueView | null;

  @Nested(() => PartView, { many: 50, description: 'Parts of the result, such as systolic and diastolic pressure.' })
  parts: PartView[];

  @Json({ description: 'Further words by name, such as `dosage`, `reactions` or `clinicalStatus`.' })
  details: Record<string, string>;

  @Whole({ description: 'Version of the record here, from 1.' })
  version: number;

  @Text({ max: 2000, description: 'The feed that it came from (a URI), or the portal itself.' })
  source: string;

  @Text({ max: 2100, description: 'Where it is from and how old it is, in words.' })
  sourceText: string;

  @Instant({ description: "The source's time of this version; when it came, where the source said none." })
  asOf: string;

  @Instant({ description: 'When this version came.' })
  receivedAt: string;

  @OneOf(['feed', 'clinician', 'patient'], { description: 'Who wrote it: a feed, or a person in the portal.' })
  origin: 'feed' | 'clinician' | 'patient';

  @OneOf(['pending', 'accepted', 'declined'], {
    nullable: true,
    description: 'Of what the patient supplied: whether the care team goes by it.',
  })
  acceptance: 'pending' | 'accepted' | 'declined' | null;

  @Texts({ description: 'What limits who may read it: labels of the sender and of the hospital.' })
  labels: string[];

  @Texts({
    description:
      'Doubts: `profile`, it does not meet a profile that it claims; `same-clock`, its source changed it and not its time; `corrected`, the records office has put it right.',
  })
  flags: string[];

  @Instant({
    nullable: true,
    description: 'A clinician holds it back from the patient until then; told to clinicians.',
  })
  heldUntil: string | null;
}

export class RecordView extends LineView {
  @Uuid({ description: 'Whose record it is.' })
  patientId: string;

  @Json({
    fhir: true,
    description:
      "The FHIR R4 resource with its sender's decimals; references between stored records name their ids here.",
  })
  resource: object;
}
