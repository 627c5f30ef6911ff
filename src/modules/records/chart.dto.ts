import { PageQuery } from '../../platform/http/cursors.js';
import { Day, Flag, Instant, Json, Nested, Text, Texts, Uuid, Whole } from '../../platform/http/fields.js';
import { LineView, ValueView, PartView } from './record.dto.js';

export class TimelineQuery extends PageQuery {
  @Text({ optional: true, max: 64, pattern: /^[A-Z][A-Za-z]+$/, description: 'FHIR type.', example: 'Encounter' })
  type?: string;

  @Text({ optional: true, max: 200, description: 'Code of a category.', example: 'laboratory' })
  category?: string;

  @Day({ optional: true, description: 'Not before this day.' })
  from?: string;

  @Day({ optional: true, description: 'Not after this day.' })
  to?: string;
}

export class TimelineGroupView {
  @Text({ description: 'Category, or type where it has none: `laboratory`, `Encounter`.' })
  kind: string;

  @Nested(() => LineView, { many: 100, description: 'Latest first.' })
  items: LineView[];
}

export class TimelineDayView {
  @Day({ description: "The day, as its source's clock had it; a partial date stands under its first." })
  day: string;

  @Whole({ description: 'Records of that day.' })
  count: number;

  @Nested(() => TimelineGroupView, {
    many: 100,
    description: 'What there is of the day, by kind; 100 records at most.',
  })
  groups: TimelineGroupView[];
}

export class TrendPointView {
  @Uuid({ description: 'The record.' })
  id: string;

  @Instant({ nullable: true, description: 'When.' })
  at: string | null;

  @Text({ nullable: true, description: 'The same as sent.' })
  effectiveText: string | null;

  @Text({ nullable: true, description: 'Status of the result.' })
  status: string | null;

  @Nested(() => ValueView, { nullable: true, description: 'Result.' })
  value: ValueView | null;

  @Nested(() => PartView, { many: 50, description: 'Its parts.' })
  parts: PartView[];
}

export class TrendView {
  @Text({ nullable: true, max: 500, description: 'What was measured, as `system|code`.' })
  code: string | null;

  @Text({ min: 0, max: 500, description: 'The same in words.' })
  display: string;

  @Nested(() => LineView, { description: 'The latest.' })
  latest: LineView;

  @Text({
    nullable: true,
    description: 'The unit that all points share; null where they do not: they are not one line then.',
  })
  unit: string | null;

  @Nested(() => TrendPointView, { many: 100, description: 'For plotting: the latest twelve, oldest first.' })
  points: TrendPointView[];
}

export class NewsView {
  @Instant({ description: 'Beginning of the last visit.' })
  since: string;

  @Nested(() => LineView, { description: 'That visit.' })
  visit: LineView;

  @Nested(() => LineView, { many: 200, description: 'What there is of that time and since, latest first; 50 at most.' })
  items: LineView[];

  @Flag({ description: 'There is more: ask the list of records, `from` that time.' })
  isMore: boolean;
}

export class SummaryView {
  @Uuid({ description: 'Patient.' })
  patientId: string;

  @Json({ description: 'Records by type.' })
  counts: Record<string, number>;

  @Nested(() => LineView, { many: 200, description: 'Problems that are active, each once.' })
  problems: LineView[];

  @Nested(() => LineView, { many: 200, description: 'Medicines that are prescribed or taken now, each once.' })
  medications: LineView[];

  @Nested(() => LineView, { many: 200, description: 'Allergies and intolerances.' })
  allergies: LineView[];

  @Nested(() => LineView, { many: 200, description: 'Vaccines that were given, latest first.' })
  immunizations: LineView[];

  @Nested(() => TrendView, { many: 5000, description: 'Vital signs.' })
  vitals: TrendView[];

  @Nested(() => TrendView, { many: 5000, description: 'Laboratory results.' })
  labs: TrendView[];

  @Nested(() => NewsView, {
    nullable: true,
    description: 'What is new since the last visit; null where none is known.',
  })
  news: NewsView | null;

  @Texts({
    description:
      'Sections of which not all is here: of lines the latest hundred, of trends those of the first 5,000 points.',
  })
  shortened: string[];
}
