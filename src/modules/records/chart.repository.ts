import { Injectable } from '@nestjs/common';
import type { SignedIn } from '../../platform/access/context.js';
import type { SubjectName } from '../../platform/access/vocabulary.js';
import { accessible, Params } from '../../platform/database/accessible.js';
import { LINE_COLUMNS, LISTED, type LineRow } from './record-line.js';
import { conditionsOf, type ChartFilter } from './record.repository.js';
import { Statements } from './statements.js';
import { visible } from './visibility.js';

export interface DayFilter {
  type?: string;
  category?: string;
  from?: string;
  to?: string;
}

export interface DayRow {
  /** YYYY-MM-DD. */
  day: string;
  count: number;
}

export interface Section {
  types: readonly string[];
  statuses: readonly string[];
  limit: number;
}

/** A chart as timeline and summary need it: lines only, the resources stay where they are. */
@Injectable()
export class ChartRepository {
  private readonly statements = new Statements('chart');

  /** Days of which there is something, latest first. */
  days(ctx: SignedIn, patientId: string, filter: DayFilter, after: string | null, limit: number): Promise<DayRow[]> {
    const params = new Params();
    const where = this.where(ctx, 'Timeline', patientId, params);
    where.push(...daysAsked(filter, params));
    if (after !== null) where.push(`r.day < ${params.add(after)}::date`);
    const text = `SELECT r.day::text AS day, count(*)::integer AS count FROM records.record r WHERE ${where.join(' AND ')}
      GROUP BY r.day ORDER BY r.day DESC LIMIT ${params.add(limit)}`;
    return this.statements.run<DayRow>(ctx, { text, values: params.values });
  }

  /** The latest of each day from the first to the last of a page. */
  ofDays(
    ctx: SignedIn,
    patientId: string,
    filter: DayFilter,
    { first, last, most }: { first: string; last: string; most: number },
  ): Promise<(LineRow & { day: string })[]> {
    const params = new Params();
    const where = this.where(ctx, 'Timeline', patientId, params);
    where.push(
      ...daysAsked(filter, params),
      `r.day <= ${params.add(first)}::date`,
      `r.day >= ${params.add(last)}::date`,
    );
    // In the order of its index, so that nothing is sorted and no other day is looked at.
    const text = `SELECT r.day::text AS day, ${LINE_COLUMNS} FROM (
        SELECT r.*, row_number() OVER (PARTITION BY r.day ORDER BY r.sort_at DESC, r.record_id DESC) AS n
          FROM records.record r WHERE ${where.join(' AND ')}) r
      WHERE r.n <= ${params.add(most)} ORDER BY r.day DESC, r.n`;
    return this.statements.run<LineRow & { day: string }>(ctx, { text, values: params.values });
  }

  section(
    ctx: SignedIn,
    patientId: string,
    { types, statuses, limit }: Section,
    part: ChartFilter = {},
  ): Promise<LineRow[]> {
    const params = new Params();
    const where = [...this.where(ctx, 'Summary', patientId, params), ...conditionsOf(part, params)];
    where.push(
      `r.type = ANY (${params.add(types)}::text[])`,
      `r.status = ANY (${params.add(statuses)}::text[])`,
      `r.acceptance IN ('', 'accepted')`,
    );
    const text = `SELECT ${LINE_COLUMNS} FROM records.record r WHERE ${where.join(' AND ')} ORDER BY r.sort_at DESC, r.record_id DESC LIMIT ${params.add(limit)}`;
    return this.statements.run<LineRow>(ctx, { text, values: params.values });
  }

  /** Of everything that was measured in these categories the latest results; by code, each code's latest first. */
  series(
    ctx: SignedIn,
    patientId: string,
    categories: readonly string[],
    { most, limit }: { most: number; limit: number },
    part: ChartFilter = {},
  ): Promise<LineRow[]> {
    const params = new Params();
    const where = [...this.where(ctx, 'Summary', patientId, params), ...conditionsOf(part, params)];
    where.push(
      `r.type = 'Observation'`,
      `r.category && ${params.add(categories)}::text[]`,
      `r.acceptance IN ('', 'accepted')`,
    );
    const text = `SELECT ${LINE_COLUMNS} FROM (
        SELECT r.*, row_number() OVER (PARTITION BY r.code_system, r.code ORDER BY r.sort_at DESC, r.record_id DESC) AS n
          FROM records.record r WHERE ${where.join(' AND ')}) r
      WHERE r.n <= ${params.add(most)} ORDER BY r.code_system, r.code, r.n LIMIT ${params.add(limit)}`;
    return this.statements.run<LineRow>(ctx, { text, values: params.values });
  }

  async lastVisit(ctx: SignedIn, patientId: string): Promise<LineRow | null> {
    const params = new Params();
    const where = this.where(ctx, 'Summary', patientId, params);
    where.push(
      `r.type = 'Encounter'`,
      `r.status IN ('finished', 'in-progress', 'arrived', 'onleave')`,
      `r.sort_at <= ${params.add(ctx.now)}`,
    );
    const text = `SELECT ${LINE_COLUMNS} FROM records.record r WHERE ${where.join(' AND ')} ORDER BY r.sort_at DESC, r.record_id DESC LIMIT 1`;
    return (await this.statements.run<LineRow>(ctx, { text, values: params.values }))[0] ?? null;
  }

  since(ctx: SignedIn, visit: LineRow, limit: number): Promise<LineRow[]> {
    const params = new Params();
    const where = this.where(ctx, 'Summary', visit.patient_id, params);
    where.push(
      'r.effective_at IS NOT NULL',
      `r.sort_at >= ${params.add(visit.sort_at)}`,
      `r.sort_at <= ${params.add(ctx.now)}`,
      `r.record_id <> ${params.add(visit.record_id)}`,
    );
    const text = `SELECT ${LINE_COLUMNS} FROM records.record r WHERE ${where.join(' AND ')} ORDER BY r.sort_at DESC, r.record_id DESC LIMIT ${params.add(limit)}`;
    return this.statements.run<LineRow>(ctx, { text, values: params.values });
  }

  counts(ctx: SignedIn, patientId: string): Promise<{ type: string; count: number }[]> {
    const params = new Params();
    const where = this.where(ctx, 'Summary', patientId, params);
    const text = `SELECT r.type, count(*)::integer AS count FROM records.record r WHERE ${where.join(' AND ')} GROUP BY r.type ORDER BY r.type`;
    return this.statements.run(ctx, { text, values: params.values });
  }

  /** What stands in every statement about a chart. */
  private where(ctx: SignedIn, subject: 'Timeline' | 'Summary', patientId: string, params: Params): string[] {
    const on = { columns: { patientId: 'r.patient_id' }, known: { patientId } };
    const action = subject === 'Timeline' ? 'list' : 'read';
    const access = accessible(ctx, action, subject satisfies SubjectName, on, params);
    return [`r.patient_id = ${params.add(patientId)}`, access, visible(ctx, params, patientId), LISTED];
  }
}

function daysAsked({ type, category, from, to }: DayFilter, params: Params): string[] {
  // A day on which something only came would be told as one on which it was so.
  const where = ['r.effective_at IS NOT NULL'];
  if (type !== undefined) where.push(`r.type = ${params.add(type)}`);
  if (category !== undefined) where.push(`${params.add(category)} = ANY(r.category)`);
  if (from !== undefined) where.push(`r.day >= ${params.add(from)}::date`);
  if (to !== undefined) where.push(`r.day <= ${params.add(to)}::date`);
  return where;
}
