import { Injectable } from '@nestjs/common';
import type { Ctx, SignedIn } from '../../platform/access/context.js';
import { accessible, Params } from '../../platform/database/accessible.js';
import { newId } from '../../platform/ids.js';
import type { Delivery, ImportCtx } from './import-job.js';

/** merged; known already; undone by the records office, which a feed does not overrule; otherwise why it cannot be. */
export type Merged = 'merged' | 'known' | 'undone' | 'unknown-chart' | 'circular' | 'elsewhere';

export const MERGE_STATES = ['review', 'confirmed', 'undone'] as const;
export type MergeState = (typeof MERGE_STATES)[number];

export interface ChartMergeRow {
  id: string;
  fromPatientId: string;
  intoPatientId: string;
  source: string;
  kind: string;
  importId: string;
  mergedAt: Date;
  state: MergeState;
  settledAt: Date | null;
  settledBy: string | null;
  reason: string | null;
}

const COLUMNS = `m.merge_id AS id, m.from_patient_id AS "fromPatientId", m.into_patient_id AS "intoPatientId", m.source, m.kind, m.import_id AS "importId",
  m.merged_at AS "mergedAt", m.state, m.settled_at AS "settledAt", m.settled_by AS "settledBy", m.reason`;

/** Charts that feeds have declared to be one person's, and what people made of it. */
@Injectable()
export class ChartMerges {
  /**
   * Shows the one chart's records in the other from now on, and cuts accounts off from both until somebody has looked at it.
   * For FHIR Patient.link (https://hl7.org/fhir/R4/patient.html#merging) and for HL7 v2 A40; within the feed's transaction.
   */
  async merge(
    ctx: ImportCtx,
    delivery: Delivery,
    { from, into, kind, line }: { from: string; into: string; kind: 'fhir-link' | 'hl7-a40'; line: number },
  ): Promise<Merged> {
    const id = newId();
    const { importId, fileId, messageId } = delivery;
    const [row] = await ctx.db.query<{ merged: Merged }>(
      'SELECT records.merge_charts($1, $2, $3, $4, $5, $6, $7, $8, $9) AS merged',
      [id, from, into, kind, importId, fileId, line, messageId, ctx.now],
    );
    if (row!.merged === 'merged')
      for (const patientId of [from, into]) ctx.touch({ patientId, type: 'ChartMerge', id });
    return row!.merged;
  }

  /** Of these charts, those whose records are shown in another one. */
  async shown({ db }: Pick<Ctx, 'db'>, patientIds: Iterable<string>): Promise<Map<string, string>> {
    const ids = [...new Set(patientIds)];
    if (ids.length === 0) return new Map();
    const rows = await db.query<{ patient_id: string; shown_id: string }>(
      'SELECT * FROM records.surviving_charts($1::uuid[])',
      [ids],
    );
    return new Map(rows.map((row) => [row.patient_id, row.shown_id]));
  }

  /** Oldest first: a work list. */
  list(
    ctx: SignedIn,
    { state, after, limit }: { state: MergeState; after: string | null; limit: number },
  ): Promise<ChartMergeRow[]> {
    const params = new Params();
    const where = [`m.state = ${params.add(state)}`, accessible(ctx, 'list', 'ChartMerge', { columns: {} }, params)];
    if (after !== null) where.push(`m.merge_id > ${params.add(after)}`);
    return ctx.db.query<ChartMergeRow>(
      `SELECT ${COLUMNS} FROM records.chart_merge m WHERE ${where.join(' AND ')} ORDER BY m.merge_id LIMIT ${params.add(limit)}`,
      params.values,
    );
  }

  async find(ctx: SignedIn, id: string): Promise<ChartMergeRow | null> {
    const params = new Params();
    const [row] = await ctx.db.query<ChartMergeRow>(
      `SELECT ${COLUMNS} FROM records.chart_merge m WHERE m.merge_id = ${params.add(id)} AND ${accessible(ctx, 'read', 'ChartMerge', { columns: {} }, params)}`,
      params.values,
    );
    return row ?? null;
  }

  /** False: it was settled so already. */
  async settle(
    { db, now }: SignedIn,
    id: string,
    state: 'confirmed' | 'undone',
    reason: string | null,
  ): Promise<boolean> {
    const [row] = await db.query<{ settled: boolean }>('SELECT records.settle_merge($1, $2, $3, $4) AS settled', [
      ...[id, state, reason, now],
    ]);
    return row!.settled;
  }
}
