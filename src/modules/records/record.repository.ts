import { Injectable } from '@nestjs/common';
import type { SignedIn } from '../../platform/access/context.js';
import { accessible, Params } from '../../platform/database/accessible.js';
import { LISTED, RECORD_COLUMNS, type RecordRow } from './record-line.js';
import { Statements, type Statement } from './statements.js';
import { visible } from './visibility.js';

export interface RecordFilter {
  type?: string;
  types?: readonly string[];
  category?: string;
  code?: { system?: string; code: string };
  status?: string;
  /** For each word asked for its possible codes. */
  words?: readonly (readonly number[])[];
  /** ISO instants: at or after, before. */
  from?: string;
  before?: string;
  oldestFirst: boolean;
  /** `sort_at` and id of the last row of the page before. */
  after: readonly [string, string] | null;
  limit: number;
}

/** What part of a chart is meant. */
export type ChartFilter = Pick<RecordFilter, 'types' | 'from' | 'before'>;

/** What a list is narrowed to, the same for records and for days. */
export function conditionsOf(filter: Omit<RecordFilter, 'oldestFirst' | 'after' | 'limit'>, params: Params): string[] {
  const { type, types, category, code, status, words, from, before } = filter;
  const where: string[] = [];
  if (type !== undefined) where.push(`r.type = ${params.add(type)}`);
  if (types !== undefined) where.push(`r.type = ANY (${params.add(types)}::text[])`);
  if (category !== undefined) where.push(`${params.add(category)} = ANY(r.category)`);
  if (code) where.push(codeCondition(code, params));
  if (status !== undefined) where.push(`r.status = ${params.add(status)}`);
  for (const codes of words ?? []) where.push(`r.words && ${params.add(codes)}::bigint[]`);
  if (from !== undefined) where.push(`r.sort_at >= ${params.add(from)}`);
  if (before !== undefined) where.push(`r.sort_at < ${params.add(before)}`);
  return where;
}

/** Any of its codings: a laboratory's own code often comes first. */
const codeCondition = ({ system, code }: { system?: string; code: string }, params: Params): string =>
  `r.codes @> ARRAY[${params.add(system === undefined ? code : `${system}|${code}`)}]::text[]`;

/** `access` is the condition of the first wall; who leaves it out meets the second, row-level security. */
export function listStatement(patientId: string, filter: RecordFilter, params: Params, access: string): Statement {
  const { oldestFirst, after, limit } = filter;
  const where = [`r.patient_id = ${params.add(patientId)}`, access, LISTED];
  where.push(...conditionsOf(filter, params));
  if (after)
    where.push(
      `(r.sort_at, r.record_id) ${oldestFirst ? '>' : '<'} (${params.add(after[0])}, ${params.add(after[1])})`,
    );
  const order = oldestFirst ? 'r.sort_at, r.record_id' : 'r.sort_at DESC, r.record_id DESC';
  const text = `SELECT ${RECORD_COLUMNS} FROM records.record r WHERE ${where.join(' AND ')} ORDER BY ${order} LIMIT ${params.add(limit)}`;
  return { text, values: params.values };
}

export function findStatement(id: string, params: Params, access: string): Statement {
  const text = `SELECT ${RECORD_COLUMNS} FROM records.record r WHERE r.record_id = ${params.add(id)} AND ${access}`;
  return { text, values: params.values };
}

/** The hot path: prepared, one statement a request, raw rows. */
@Injectable()
export class RecordRepository {
  private readonly statements = new Statements('records');

  async find(ctx: SignedIn, id: string): Promise<RecordRow | null> {
    const params = new Params();
    const access = accessible(ctx, 'read', 'Record', { columns: { patientId: 'r.patient_id' } }, params);
    const [row] = await this.run(ctx, findStatement(id, params, `${access} AND ${visible(ctx, params)}`));
    return row ?? null;
  }

  list(ctx: SignedIn, patientId: string, filter: RecordFilter): Promise<RecordRow[]> {
    const params = new Params();
    const on = { columns: { patientId: 'r.patient_id' }, known: { patientId } };
    const access = `${accessible(ctx, 'list', 'Record', on, params)} AND ${visible(ctx, params, patientId)}`;
    return this.run(ctx, listStatement(patientId, filter, params, access));
  }

  /** How many records a list without pages would have. */
  async count(ctx: SignedIn, patientId: string, filter: ChartFilter): Promise<number> {
    const params = new Params();
    const on = { columns: { patientId: 'r.patient_id' }, known: { patientId } };
    const access = [accessible(ctx, 'list', 'Record', on, params), visible(ctx, params, patientId)];
    const where = [`r.patient_id = ${params.add(patientId)}`, ...access, LISTED, ...conditionsOf(filter, params)];
    const text = `SELECT count(*)::integer AS n FROM records.record r WHERE ${where.join(' AND ')}`;
    return (await this.statements.run<{ n: number }>(ctx, { text, values: params.values }))[0]!.n;
  }

  private run(ctx: SignedIn, statement: Statement): Promise<RecordRow[]> {
    return this.statements.run<RecordRow>(ctx, statement);
  }
}
