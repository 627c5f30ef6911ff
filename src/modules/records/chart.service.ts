import { Injectable } from '@nestjs/common';
import { authorize, type SignedIn } from '../../platform/access/context.js';
import { Vault } from '../../platform/database/vault.js';
import { Cursors, limitOf } from '../../platform/http/cursors.js';
import type { Page } from '../../platform/http/presenter.js';
import type {
  NewsView,
  SummaryView,
  TimelineDayView,
  TimelineGroupView,
  TimelineQuery,
  TrendView,
} from './chart.dto.js';
import { ChartRepository, type DayRow, type Section } from './chart.repository.js';
import { linesOf, type LineRow } from './record-line.js';
import type { LineView } from './record.dto.js';
import type { ChartFilter } from './record.repository.js';
import { trendsOf } from './trends.js';

const MOST_OF_A_DAY = 100;
const MOST_POINTS = 12;
const MOST_NEWS = 50;
const MOST_LINES = 100;
/** Points of all trends of a kind; far more than a person's chart has. */
const MOST_OF_SERIES = 5_000;
const SERIES = { most: MOST_POINTS, limit: MOST_OF_SERIES + 1 };

/** Sections of a summary: types, and the statuses in which a record still says something of now. '' is of records that say none. */
export const SECTIONS = {
  problems: { types: ['Condition'], statuses: ['active', 'recurrence', 'relapse', ''] },
  medications: {
    types: ['MedicationRequest', 'MedicationStatement'],
    statuses: ['active', 'on-hold', 'intended', 'unknown', ''],
  },
  allergies: { types: ['AllergyIntolerance'], statuses: ['active', 'confirmed', 'unconfirmed', ''] },
  immunizations: { types: ['Immunization'], statuses: ['completed'] },
} as const satisfies Record<string, Omit<Section, 'limit'>>;
export type SectionName = keyof typeof SECTIONS;
export const SECTION_NAMES = Object.keys(SECTIONS) as SectionName[];
/** What is named once, by its latest record; each vaccination stays one. */
export const ONCE: ReadonlySet<SectionName> = new Set(['problems', 'medications']);

export interface Glance {
  sections: Record<SectionName, LineView[]>;
  vitals: TrendView[];
  labs: TrendView[];
}

/** A chart day by day, and at a glance. */
@Injectable()
export class ChartService {
  constructor(
    private readonly charts: ChartRepository,
    private readonly vault: Vault,
    private readonly cursors: Cursors,
  ) {}

  async timeline(ctx: SignedIn, patientId: string, query: TimelineQuery): Promise<Page<TimelineDayView>> {
    authorize(ctx, 'list', 'Timeline', { patientId });
    const list = `timeline:${patientId}`;
    const { type, category, from, to } = query;
    const filter = { type, category, from, to };
    const [after = null] = this.cursors.open<[string]>(ctx, list, query) ?? [];
    const rows = await this.charts.days(ctx, patientId, filter, after, limitOf(query) + 1);
    const page = this.cursors.page(
      ctx,
      list,
      query,
      rows,
      ({ day }) => [day],
      (row) => row,
    );
    if (page.items.length === 0) ctx.touch({ patientId, type: 'Patient', id: patientId });
    return { items: await this.daysOf(ctx, patientId, filter, page.items), next: page.next };
  }

  /** The parts are asked for at once; each statement has the actor's rules, counts included. */
  async summary(ctx: SignedIn, patientId: string): Promise<SummaryView> {
    authorize(ctx, 'read', 'Summary', { patientId });
    const { charts } = this;
    const [counts, visit, vitals, labs, ...sections] = await Promise.all([
      charts.counts(ctx, patientId),
      charts.lastVisit(ctx, patientId),
      charts.series(ctx, patientId, ['vital-signs'], SERIES),
      charts.series(ctx, patientId, ['laboratory'], SERIES),
      ...SECTION_NAMES.map((name) => charts.section(ctx, patientId, { ...SECTIONS[name], limit: MOST_LINES + 1 })),
    ]);
    if (counts.length === 0) ctx.touch({ patientId, type: 'Patient', id: patientId });
    const lines = async (name: SectionName): Promise<LineView[]> => {
      const rows = sections[SECTION_NAMES.indexOf(name)]!.slice(0, MOST_LINES);
      return linesOf(ctx, this.vault, ONCE.has(name) ? eachOnce(rows) : rows);
    };
    return {
      patientId,
      counts: Object.fromEntries(counts.map(({ type, count }) => [type, count])),
      problems: await lines('problems'),
      medications: await lines('medications'),
      allergies: await lines('allergies'),
      immunizations: await lines('immunizations'),
      vitals: trendsOf(await linesOf(ctx, this.vault, vitals.slice(0, MOST_OF_SERIES))),
      labs: trendsOf(await linesOf(ctx, this.vault, labs.slice(0, MOST_OF_SERIES))),
      news: visit ? await this.news(ctx, visit) : null,
      shortened: [
        ...SECTION_NAMES.filter((_, at) => sections[at]!.length > MOST_LINES),
        ...(vitals.length > MOST_OF_SERIES ? ['vitals'] : []),
        ...(labs.length > MOST_OF_SERIES ? ['labs'] : []),
      ],
    };
  }

  /** The sections of a summary over a part of the chart, with longer series: for what is printed. */
  async glance(ctx: SignedIn, patientId: string, part: ChartFilter, points: number): Promise<Glance> {
    authorize(ctx, 'read', 'Summary', { patientId });
    const { charts } = this;
    const printed = { most: points, limit: MOST_OF_SERIES };
    const [vitals, labs, ...sections] = await Promise.all([
      charts.series(ctx, patientId, ['vital-signs'], printed, part),
      charts.series(ctx, patientId, ['laboratory'], printed, part),
      ...SECTION_NAMES.map((name) => charts.section(ctx, patientId, { ...SECTIONS[name], limit: MOST_LINES }, part)),
    ]);
    const lines = await Promise.all(
      SECTION_NAMES.map((name, at) =>
        linesOf(ctx, this.vault, ONCE.has(name) ? eachOnce(sections[at]!) : sections[at]!),
      ),
    );
    const named = SECTION_NAMES.map((name, at) => [name, lines[at]!] as const);
    return {
      sections: Object.fromEntries(named) as Record<SectionName, LineView[]>,
      vitals: trendsOf(await linesOf(ctx, this.vault, vitals)),
      labs: trendsOf(await linesOf(ctx, this.vault, labs)),
    };
  }

  private async news(ctx: SignedIn, visit: LineRow): Promise<NewsView> {
    const rows = await this.charts.since(ctx, visit, MOST_NEWS + 1);
    const [visitLine, ...items] = await linesOf(ctx, this.vault, [visit, ...rows.slice(0, MOST_NEWS)]);
    return {
      since: visitLine!.effectiveAt ?? visitLine!.receivedAt,
      visit: visitLine!,
      items,
      isMore: rows.length > MOST_NEWS,
    };
  }

  private async daysOf(
    ctx: SignedIn,
    patientId: string,
    filter: Parameters<ChartRepository['ofDays']>[2],
    days: readonly DayRow[],
  ): Promise<TimelineDayView[]> {
    if (days.length === 0) return [];
    const asked = { first: days[0]!.day, last: days.at(-1)!.day, most: MOST_OF_A_DAY };
    const rows = await this.charts.ofDays(ctx, patientId, filter, asked);
    const lines = await linesOf(ctx, this.vault, rows);
    const byDay = Map.groupBy(lines, (_, at) => rows[at]!.day);
    return days.map(({ day, count }) => ({ day, count, groups: groupsOf(byDay.get(day) ?? []) }));
  }
}

function groupsOf(lines: readonly LineView[]): TimelineGroupView[] {
  return [...Map.groupBy(lines, ({ type, category }) => category[0] ?? type)].map(([kind, items]) => ({ kind, items }));
}

/** Rows come latest first. A record without a code is nobody's double. */
function eachOnce(rows: readonly LineRow[]): LineRow[] {
  const seen = new Set<string>();
  return rows.filter(({ record_id, code_system, code }) => {
    const key = code === '' ? record_id : `${code_system}|${code}`;
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}
