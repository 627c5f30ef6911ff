import { Decimal, Instant, Nested, OneOf, SomeOf, Text, Whole } from '../../../platform/http/fields.js';
import { EventsFilter, NamedView } from '../audit.dto.js';
import { EVENT_KINDS } from '../event-kinds.js';
import { COMPARABLE, DIMENSIONS, type Comparable, type Dimension } from './dimensions.js';

const MOST = 1_000;
const link = (what: string) => `Query of the ${what}: GET it to read them.`;

export class PeriodQuery extends EventsFilter {
  @Instant({ description: 'Not before.' })
  from: string;

  @Instant({ description: 'Before; what happens while it is counted is not in it.' })
  to: string;

  @SomeOf(DIMENSIONS, {
    optional: true,
    min: 1,
    repeatable: true,
    description: 'What is counted by; may be repeated. Default: all but `hour`, which is for 31 days at most.',
  })
  by?: Dimension[];

  @Whole({ optional: true, min: 1, max: 200, default: 20, description: 'How many of the most frequent people.' })
  top?: number;
}

export class ComparisonQuery extends EventsFilter {
  @Instant({ description: 'Period that is looked at: not before.' })
  from: string;

  @Instant({ description: 'Period that is looked at: before.' })
  to: string;

  @Instant({ description: 'Period that it is compared with: not before.' })
  withFrom: string;

  @Instant({ description: 'Period that it is compared with: before.' })
  withTo: string;

  @OneOf(COMPARABLE, { optional: true, description: 'What is counted by; `action` by default.' })
  by?: Comparable;

  @Whole({ optional: true, min: 1, max: 200, default: 50, description: 'How many of the largest changes.' })
  top?: number;
}

export class CountView {
  @Text({ nullable: true, description: 'What was counted; null: events that say nothing of it.' })
  value: string | null;

  @Nested(() => NamedView, { nullable: true, description: 'Who that is, where it is a person.' })
  who: NamedView | null;

  @Whole({ description: 'How many events.' })
  count: number;

  @Text({ nullable: true, max: 8_000, description: link('events behind the number') })
  events: string | null;
}

export class GroupView {
  @OneOf(DIMENSIONS, { description: 'What is counted by.' })
  by: string;

  @Whole({
    description: 'How many different values there are; more than are listed, where only the most frequent are.',
  })
  values: number;

  @Nested(() => CountView, { many: MOST, description: 'Most frequent first; hours and days in their order.' })
  counts: CountView[];
}

export class KindView {
  @OneOf(EVENT_KINDS, { description: 'What compliance officers look for.' })
  kind: string;

  @Whole({ description: 'How many events.' })
  count: number;

  @Text({ max: 8_000, description: link('events behind the number') })
  events: string;
}

export class PeriodReportView {
  @Instant({ description: 'Not before.' })
  from: string;

  @Instant({ description: 'Before.' })
  to: string;

  @Whole({ description: 'Events up to this place in the log (and without it) were counted.' })
  logSize: number;

  @Text({
    optional: true,
    max: 500,
    description: 'Where it lies in the archive in part or as a whole: what was not counted.',
  })
  notice?: string;

  @Whole({ description: 'How many events.' })
  total: number;

  @Text({ max: 8_000, description: link('events') })
  events: string;

  @Nested(() => KindView, { many: 50, description: 'Sign-ins, privilege changes, exports and the like.' })
  kinds: KindView[];

  @Nested(() => GroupView, { many: 20, description: 'The same events, counted by each thing that was asked for.' })
  groups: GroupView[];
}

export class ChangeView {
  @Text({ nullable: true, description: 'What was counted; null: events that say nothing of it.' })
  value: string | null;

  @Nested(() => NamedView, { nullable: true, description: 'Who that is, where it is a person.' })
  who: NamedView | null;

  @Whole({ description: 'How many events in the period that is looked at.' })
  count: number;

  @Whole({ description: 'How many in the period that it is compared with.' })
  withCount: number;

  @Whole({ min: -Number.MAX_SAFE_INTEGER, description: 'The difference.' })
  difference: number;

  @Decimal({ nullable: true, description: 'How many times as many; null where there were none to compare with.' })
  ratio: number | null;

  @Text({ nullable: true, max: 8_000, description: link('events of the period that is looked at') })
  events: string | null;

  @Text({ nullable: true, max: 8_000, description: link('events of the period that it is compared with') })
  withEvents: string | null;
}

export class PairView {
  @Whole({ description: 'In the period that is looked at.' })
  count: number;

  @Whole({ description: 'In the period that it is compared with.' })
  withCount: number;

  @Decimal({ description: 'What the period that it is compared with leads to expect, by their lengths.' })
  expected: number;
}

export class UnusualView {
  @Nested(() => NamedView, { description: 'Whose events they are.' })
  actor: NamedView;

  @Nested(() => PairView, { description: 'Events.' })
  events: PairView;

  @Nested(() => PairView, { description: 'Different patients.' })
  patients: PairView;

  @Decimal({
    description:
      'By how many standard deviations more than expected (of a count, as Poisson has it); the larger of both.',
  })
  score: number;

  @Text({ max: 8_000, description: link('events of the period that is looked at') })
  link: string;
}

export class ComparisonView {
  @Whole({ description: 'Events up to this place in the log (and without it) were counted.' })
  logSize: number;

  @OneOf(COMPARABLE, { description: 'What is counted by.' })
  by: string;

  @Text({
    optional: true,
    max: 500,
    description: 'Where a period lies in the archive in part or as a whole: what was not counted.',
  })
  notice?: string;

  @Nested(() => ChangeView, { description: 'All events.' })
  total: ChangeView;

  @Nested(() => ChangeView, { many: 200, description: 'Largest difference first.' })
  changes: ChangeView[];

  @Nested(() => UnusualView, {
    many: 50,
    description:
      'People with unusually many events or patients: ten or more, at least twice as many as expected, and four standard deviations above it. A reason to look, and no proof.',
  })
  unusual: UnusualView[];
}
