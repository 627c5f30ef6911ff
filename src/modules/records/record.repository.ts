import { Injectable } from '@nestjs/common';
import type { SignedIn } from '../../platform/access/context.js';
import { accessible, Params } from '../../platform/database/accessible.js';

export interface RecordRow {
  record_id: string;
  patient_id: string;
  type: string;
  category: string[];
  code_system: string;
  code: string;
  status: string;
  /** In UTC, as PostgreSQL writes it: making Dates of it with pg is what a page would wait for. */
  effective_at: string | null;
  /** As PostgreSQL writes and reads it. */
  sort_at: string;
  version: number;
  source: string;
  /** Base64 of the sealed bytes. */
  resource: string;
}

export interface RecordFilter {
  type?: string;
  category?: string;
  code?: { system?: string; code: string };
  /** ISO instants: at or after, before. */
  from?: string;
  before?: string;
  oldestFirst: boolean;
  /** `sort_at` and id of the last row of the page before. */
  after: readonly [string, string] | null;
  limit: number;
}

interface Statement {
  text: string;
  values: unknown[];
}

const COLUMNS = `r.record_id, r.patient_id, r.type, r.category, r.code_system, r.code, r.status, (r.effective_at AT TIME ZONE 'UTC')::text AS effective_at, r.sort_at::text, r.version, r.source, r.resource`;

/** `access` is the condition of the first wall; who leaves it out meets the second, row-level security. */
export function listStatement(patientId: string, filter: RecordFilter, params: Params, access: string): Statement {
  const { type, category, code, from, before, oldestFirst, after, limit } = filter;
  const where = [`r.patient_id = ${params.add(patientId)}`, access, "r.status <> 'entered-in-error'"];
  if (type !== undefined) where.push(`r.type = ${params.add(type)}`);
  if (category !== undefined) where.push(`${params.add(category)} = ANY(r.category)`);
  // Plain equality, which PostgreSQL may test before the row policy: hundreds of rows are then passed over for nothing.
  if (code?.system !== undefined) where.push(`r.code_system = ${params.add(code.system)}`);
  if (code) where.push(`r.code = ${params.add(code.code)}`);
  if (from !== undefined) where.push(`r.sort_at >= ${params.add(from)}`);
  if (before !== undefined) where.push(`r.sort_at < ${params.add(before)}`);
  if (after)
    where.push(
      `(r.sort_at, r.record_id) ${oldestFirst ? '>' : '<'} (${params.add(after[0])}, ${params.add(after[1])})`,
    );
  const order = oldestFirst ? 'r.sort_at, r.record_id' : 'r.sort_at DESC, r.record_id DESC';
  const text = `SELECT ${COLUMNS} FROM records.record r WHERE ${where.join(' AND ')} ORDER BY ${order} LIMIT ${params.add(limit)}`;
  return { text, values: params.values };
}

export function findStatement(id: string, params: Params, access: string): Statement {
  const text = `SELECT ${COLUMNS} FROM records.record r WHERE r.record_id = ${params.add(id)} AND ${access}`;
  return { text, values: params.values };
}

/** The hot path: prepared, one statement a request, raw rows. */
@Injectable()
export class RecordRepository {
  /** Texts come from the templates above and the shapes of policies: a few dozen, whatever callers send. */
  private readonly names = new Map<string, string>();

  async find(ctx: SignedIn, id: string): Promise<RecordRow | null> {
    const params = new Params();
    const access = accessible(ctx, 'read', 'Record', { columns: { patientId: 'r.patient_id' } }, params);
    const [row] = await this.run(ctx, findStatement(id, params, access));
    return row ?? null;
  }

  list(ctx: SignedIn, patientId: string, filter: RecordFilter): Promise<RecordRow[]> {
    const params = new Params();
    const access = accessible(
      ctx,
      'list',
      'Record',
      { columns: { patientId: 'r.patient_id' }, known: { patientId } },
      params,
    );
    return this.run(ctx, listStatement(patientId, filter, params, access));
  }

  private run(ctx: SignedIn, { text, values }: Statement): Promise<RecordRow[]> {
    let name = this.names.get(text);
    if (!name) this.names.set(text, (name = `records_${this.names.size}`));
    return ctx.db.query<RecordRow>(text, values, name);
  }
}
