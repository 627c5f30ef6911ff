import { Injectable } from '@nestjs/common';
import { Params } from '../../../platform/database/accessible.js';
import { entryConditions, type EntryFilter } from '../entry-filter.js';
import { kindCondition, type EventKind } from '../event-kinds.js';
import { VALUE, type Comparable, type Counted, type Dimension } from './dimensions.js';
import { ReportPool } from './report-pool.js';

export interface Grouped {
  values: number;
  counts: Counted[];
}

export interface Changed {
  value: string;
  count: number;
  withCount: number;
}

export interface Unusual {
  actor: string;
  events: number;
  withEvents: number;
  patients: number;
  withPatients: number;
  score: number;
}

export interface Between {
  from: string;
  to: string;
}

/** Of these only the most frequent are wanted; of the others all, which the vocabulary or the period limits. */
const PEOPLE: readonly Dimension[] = ['actor', 'patient'];
/** A clerk who opens three charts instead of one has done nothing unusual. */
const LEAST_UNUSUAL = 10;
const LEAST_RATIO = 2;
const LEAST_SCORE = 4;
const MOST_UNUSUAL = 50;

/**
 * Counts over the log, made by the database in one pass over the rows that the filter leaves; nothing of them comes here but sums.
 * Only entries below `size` are counted, so that statements one after the other count the same.
 */
@Injectable()
export class ReportsRepository {
  constructor(private readonly pool: ReportPool) {}

  async size(): Promise<number> {
    const [row] = await this.pool.count<{ size: string }>('SELECT size FROM audit.head', []);
    return Number(row!.size);
  }

  /** How many in all, and how many of each value of each dimension. */
  async groups(
    filter: EntryFilter,
    size: number,
    dimensions: readonly Dimension[],
    top: number,
  ): Promise<{ total: number; groups: Map<Dimension, Grouped> }> {
    const params = new Params();
    const where = this.where(filter, size, params);
    const names = dimensions.map((_, index) => `d${index}`);
    const every = 2 ** names.length - 1;
    const bits = names.map((_, index) => every - 2 ** (names.length - 1 - index));
    const people = bits.filter((_, index) => PEOPLE.includes(dimensions[index]!));
    const rows = await this.pool.count<{ g: number; value: string | null; n: string; distinct_values: string }>(
      `WITH picked AS (SELECT ${dimensions.map((one, index) => `${VALUE[one]} AS d${index}`).join(', ')} FROM audit.entry e WHERE ${where}),
        grouped AS (SELECT GROUPING(${names.join(', ')}) AS g, coalesce(${names.join(', ')}) AS value, count(*) AS n
          FROM picked GROUP BY GROUPING SETS (${names.map((name) => `(${name})`).join(', ')}, ())),
        ranked AS (SELECT *, row_number() OVER (PARTITION BY g ORDER BY n DESC, value COLLATE "C") AS place, count(*) OVER (PARTITION BY g) AS distinct_values FROM grouped)
       SELECT g, value, n, distinct_values FROM ranked WHERE place <= ${params.add(top)} OR g <> ALL (${params.add(people)}::int[]) ORDER BY g, place`,
      params.values,
    );
    const groups = new Map(
      dimensions.map((dimension, index) => {
        const own = rows.filter((row) => row.g === bits[index]);
        const counts = own.map((row) => ({ value: row.value!, count: Number(row.n) }));
        return [dimension, { values: Number(own[0]?.distinct_values ?? 0), counts }] as const;
      }),
    );
    return { total: Number(rows.find((row) => row.g === every)!.n), groups };
  }

  async kinds(filter: EntryFilter, size: number, kinds: readonly EventKind[]): Promise<number[]> {
    const params = new Params();
    const where = this.where(filter, size, params);
    const columns = kinds.map((kind, index) => `count(*) FILTER (WHERE ${kindCondition(kind)}) AS k${index}`);
    const [row] = await this.pool.count<Record<string, string>>(
      `SELECT ${columns.join(', ')} FROM audit.entry e WHERE ${where}`,
      params.values,
    );
    return kinds.map((_, index) => Number(row![`k${index}`]));
  }

  /** How many of each value in both periods, those that differ most first; all of them where they are roles, to be taken apart. */
  changes(filter: EntryFilter, size: number, [now, before]: [Between, Between], by: Comparable, top: number) {
    const params = new Params();
    const rows = this.pool.count<Changed>(
      `WITH picked AS (SELECT ${VALUE[by]} AS value, ${this.flags(now, before, params)} FROM audit.entry e
          WHERE ${this.where(filter, size, params)} AND ${this.either(now, before, params)}),
        counted AS (SELECT value, count(*) FILTER (WHERE is_now) AS n, count(*) FILTER (WHERE is_before) AS b FROM picked GROUP BY value)
       SELECT value, n::float8 AS count, b::float8 AS "withCount" FROM counted
        ORDER BY abs(n - b) DESC, value COLLATE "C" ${by === 'role' ? '' : `LIMIT ${params.add(top)}`}`,
      params.values,
    );
    return rows;
  }

  async totals(filter: EntryFilter, size: number, [now, before]: [Between, Between]): Promise<Omit<Changed, 'value'>> {
    const params = new Params();
    const [row] = await this.pool.count<Changed>(
      `SELECT (count(*) FILTER (WHERE is_now))::float8 AS count, (count(*) FILTER (WHERE is_before))::float8 AS "withCount"
         FROM (SELECT ${this.flags(now, before, params)} FROM audit.entry e
                WHERE ${this.where(filter, size, params)} AND ${this.either(now, before, params)}) picked`,
      params.values,
    );
    return row!;
  }

  /** People with many more events, or patients, than their own past leads to expect: counts as Poisson has them. */
  unusual(filter: EntryFilter, size: number, [now, before]: [Between, Between], scale: number): Promise<Unusual[]> {
    const params = new Params();
    const factor = `${params.add(scale)}::float8`;
    const score = (n: string, b: string): string =>
      `CASE WHEN ${n} >= ${LEAST_UNUSUAL} AND ${n} >= ${LEAST_RATIO} * ${b} * ${factor}
            THEN (${n} - ${b} * ${factor}) / sqrt(greatest(${b} * ${factor}, 1)) ELSE 0 END`;
    return this.pool.count<Unusual>(
      `WITH picked AS (SELECT e.actor, e.subject, ${this.flags(now, before, params)} FROM audit.entry e
          WHERE ${this.where(filter, size, params)} AND e.actor <> '' AND ${this.either(now, before, params)}),
        counted AS (SELECT actor, count(*) FILTER (WHERE is_now) AS n, count(*) FILTER (WHERE is_before) AS b,
            count(DISTINCT subject) FILTER (WHERE is_now) AS np, count(DISTINCT subject) FILTER (WHERE is_before) AS bp FROM picked GROUP BY actor),
        scored AS (SELECT *, greatest(${score('n', 'b')}, ${score('np', 'bp')}) AS score FROM counted)
       SELECT actor, n::float8 AS events, b::float8 AS "withEvents", np::float8 AS patients, bp::float8 AS "withPatients", score
         FROM scored WHERE score >= ${LEAST_SCORE} ORDER BY score DESC, actor LIMIT ${MOST_UNUSUAL}`,
      params.values,
    );
  }

  private flags(now: Between, before: Between, params: Params): string {
    return `${this.within(now, params)} AS is_now, ${this.within(before, params)} AS is_before`;
  }

  private either(now: Between, before: Between, params: Params): string {
    return `(${this.within(now, params)} OR ${this.within(before, params)})`;
  }

  private within({ from, to }: Between, params: Params): string {
    return `(e.occurred >= ${params.add(from)}::timestamptz AND e.occurred < ${params.add(to)}::timestamptz)`;
  }

  private where(filter: EntryFilter, size: number, params: Params): string {
    return [...entryConditions(filter, params), `e.idx < ${params.add(size)}`].join(' AND ');
  }
}
