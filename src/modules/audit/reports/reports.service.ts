import { Injectable } from '@nestjs/common';
import type { SignedIn } from '../../../platform/access/context.js';
import { PeopleNames } from '../../../platform/access/people-names.js';
import type { EventsFilter, NamedView } from '../audit.dto.js';
import { EVENT_KINDS } from '../event-kinds.js';
import { filterOf, lookedFor } from '../events.service.js';
import { ArchivedLeaves } from '../retention/archived-leaves.js';
import {
  BUCKET_MS,
  byEachRole,
  DIMENSIONS,
  named,
  narrowing,
  type Comparable,
  type Counted,
  type Dimension,
} from './dimensions.js';
import { eventsLink } from './links.js';
import type {
  ChangeView,
  ComparisonQuery,
  ComparisonView,
  CountView,
  GroupView,
  PeriodQuery,
  PeriodReportView,
  UnusualView,
} from './report.dto.js';
import { periodBackwards, periodTooLong } from './reports.errors.js';
import { ReportsRepository, type Between, type Changed, type Grouped, type Unusual } from './reports.repository.js';

const DAY_MS = 86_400_000;
const LONGEST_DAYS = 366;
const LONGEST_DAYS_BY_HOUR = 31;
const TOP = 20;
const TOP_CHANGES = 50;

const lengthOf = ({ from, to }: Between): number => Date.parse(to) - Date.parse(from);
const utc = ({ from, to }: Between): Between => ({
  from: new Date(from).toISOString(),
  to: new Date(to).toISOString(),
});

function checkPeriod(period: Between, days: number): void {
  if (lengthOf(period) <= 0) throw periodBackwards();
  if (lengthOf(period) > days * DAY_MS) throw periodTooLong(`${days} days${days < LONGEST_DAYS ? ' by hours' : ''}`);
}

type Names = ReadonlyMap<string, NamedView>;
const isPerson = (by: Dimension): boolean => by === 'actor' || by === 'patient';

/** Where only one value was asked for, its events say more of the same kind that was not: an account with two roles, for instance. */
const askedFor = (filter: EventsFilter, by: Dimension, { value }: Counted): boolean =>
  by !== 'role' || filter.role === undefined || value === filter.role;

/** Counts for compliance officers (45 CFR 170.315(d)(3)), each with the search that finds the events behind it. */
@Injectable()
export class Reports {
  constructor(
    private readonly reports: ReportsRepository,
    private readonly archive: ArchivedLeaves,
    private readonly names: PeopleNames,
  ) {}

  async period(ctx: SignedIn, query: PeriodQuery): Promise<PeriodReportView> {
    const { from, to, by = DIMENSIONS.filter((one) => one !== 'hour'), top = TOP, ...asked } = query;
    const period = utc({ from, to });
    checkPeriod(period, by.includes('hour') ? LONGEST_DAYS_BY_HOUR : LONGEST_DAYS);
    const filter = { ...filterOf(asked), ...period };
    this.touch(ctx, filter);
    const size = await this.reports.size();
    const kinds = asked.kind === undefined ? EVENT_KINDS : [asked.kind];
    const [{ total, groups }, counts] = await Promise.all([
      this.reports.groups(filter, size, by, top),
      this.reports.kinds(filter, size, kinds),
    ]);
    const names = await this.namesOf(ctx, groups);
    return {
      ...period,
      logSize: size,
      notice: (await this.archive.notice(period)) ?? undefined,
      total,
      events: eventsLink(asked, period),
      kinds: kinds.map((kind, index) => ({
        kind,
        count: counts[index]!,
        events: eventsLink(asked, period, { kind }),
      })),
      groups: by.map((one) => this.group(asked, period, one, groups.get(one)!, names)),
    };
  }

  async comparison(ctx: SignedIn, query: ComparisonQuery): Promise<ComparisonView> {
    const { from, to, withFrom, withTo, by = 'action', top = TOP_CHANGES, ...asked } = query;
    const periods: [Between, Between] = [utc({ from, to }), utc({ from: withFrom, to: withTo })];
    for (const period of periods) checkPeriod(period, LONGEST_DAYS);
    const filter = filterOf(asked);
    this.touch(ctx, filter);
    const size = await this.reports.size();
    const scale = lengthOf(periods[0]) / lengthOf(periods[1]);
    const total = await this.reports.totals(filter, size, periods);
    const changes = this.eachRole(asked, by, await this.reports.changes(filter, size, periods, by, top)).slice(0, top);
    const unusual = await this.reports.unusual(filter, size, periods, scale);
    const accounts = [
      ...unusual.map(({ actor }) => actor),
      ...(by === 'actor' ? changes.map(({ value }) => value) : []),
    ];
    const names = await this.known(ctx, accounts, by === 'patient' ? changes.map(({ value }) => value) : []);
    return {
      logSize: size,
      by,
      notice: (await this.archive.notice({ from: periods.map((one) => one.from).sort()[0] })) ?? undefined,
      total: this.change(asked, periods, null, { value: '', ...total }, names),
      changes: changes.map((one) => this.change(asked, periods, by, one, names)),
      unusual: unusual.map((one) => this.unusual(asked, periods[0], one, scale, names)),
    };
  }

  private group(
    asked: EventsFilter,
    period: Between,
    by: Dimension,
    { values, counts }: Grouped,
    names: Names,
  ): GroupView {
    const own = by === 'role' ? byEachRole(counts).filter((one) => askedFor(asked, by, one)) : counts;
    const isInTime = by === 'hour' || by === 'day';
    const ordered = [...own].sort((a, b) =>
      isInTime || a.count === b.count ? (a.value < b.value ? -1 : 1) : b.count - a.count,
    );
    return {
      by,
      values: by === 'role' ? own.length : values,
      counts: ordered.map((one) => this.count(asked, period, by, one, names)),
    };
  }

  private count(
    asked: EventsFilter,
    period: Between,
    by: Dimension,
    { value, count }: Counted,
    names: Names,
  ): CountView {
    const said = named(by, value);
    const narrower = narrowing(by, said);
    return {
      value: said,
      who: isPerson(by) ? (names.get(value) ?? null) : null,
      count,
      events: narrower && eventsLink(asked, this.part(period, by, value), narrower),
    };
  }

  /** The hour or day, as far as it lies in the period. */
  private part(period: Between, by: Dimension, value: string): Between {
    const length = BUCKET_MS[by];
    if (length === undefined) return period;
    const begins = Date.parse(value);
    const [from, to] = [Math.max(begins, Date.parse(period.from)), Math.min(begins + length, Date.parse(period.to))];
    return { from: new Date(from).toISOString(), to: new Date(to).toISOString() };
  }

  private eachRole(asked: EventsFilter, by: Comparable, changes: readonly Changed[]): Changed[] {
    if (by !== 'role') return [...changes];
    const now = new Map(byEachRole(changes).map(({ value, count }) => [value, count]));
    const before = byEachRole(changes.map(({ value, withCount }) => ({ value, count: withCount })));
    return before
      .map(({ value, count: withCount }) => ({ value, count: now.get(value)!, withCount }))
      .filter((one) => askedFor(asked, by, one))
      .sort(
        (a, b) => Math.abs(b.count - b.withCount) - Math.abs(a.count - a.withCount) || (a.value < b.value ? -1 : 1),
      );
  }

  private change(
    asked: EventsFilter,
    [now, before]: [Between, Between],
    by: Comparable | null,
    { value, count, withCount }: Changed,
    names: Names,
  ): ChangeView {
    const said = by && named(by, value);
    const narrower = by === null ? {} : narrowing(by, said);
    return {
      value: said,
      who: by !== null && isPerson(by) ? (names.get(value) ?? null) : null,
      ...{ count, withCount, difference: count - withCount },
      ratio: withCount === 0 ? null : count / withCount,
      events: narrower && eventsLink(asked, now, narrower),
      withEvents: narrower && eventsLink(asked, before, narrower),
    };
  }

  private unusual(asked: EventsFilter, now: Between, one: Unusual, scale: number, names: Names): UnusualView {
    const pair = (count: number, withCount: number) => ({ count, withCount, expected: withCount * scale });
    return {
      actor: names.get(one.actor)!,
      events: pair(one.events, one.withEvents),
      patients: pair(one.patients, one.withPatients),
      score: one.score,
      link: eventsLink(asked, now, { actorId: [one.actor] }),
    };
  }

  private namesOf(ctx: SignedIn, groups: ReadonlyMap<Dimension, Grouped>): Promise<Names> {
    const ids = (by: Dimension) => groups.get(by)?.counts.map(({ value }) => value) ?? [];
    return this.known(ctx, ids('actor'), ids('patient'));
  }

  private known(ctx: SignedIn, accounts: readonly string[], patients: readonly string[]): Promise<Names> {
    const some = (ids: readonly string[]) => [...new Set(ids)].filter((id) => id !== '');
    return this.names.of(ctx, { accounts: some(accounts), patients: some(patients) });
  }

  /** A report is read as a whole; whom it was narrowed to stands in its event. */
  private touch(ctx: SignedIn, filter: Parameters<typeof lookedFor>[1]): void {
    ctx.touch({ patientId: null, type: 'AuditReport', id: ctx.requestId });
    lookedFor(ctx, filter);
  }
}
