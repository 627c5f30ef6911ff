import { Injectable } from '@nestjs/common';
import type { SignedIn } from '../../platform/access/context.js';
import { accessible, Params } from '../../platform/database/accessible.js';
import type { HeldItemView, HoldReportQuery, HoldState } from './release.dto.js';

export interface HoldRow {
  id: string;
  recordId: string;
  patientId: string;
  heldBy: string;
  reason: string;
  explanation: string;
  heldAt: Date;
  until: Date;
  liftedAt: Date | null;
}

type Filters = Pick<HoldReportQuery, 'heldBy' | 'patientId' | 'reason' | 'state'>;

/** At the time that the statement names. */
const STATES: Record<HoldState, (now: string) => string> = {
  'in-force': (now) => `h.lifted_at IS NULL AND h.until > ${now}`,
  ended: (now) => `h.lifted_at IS NULL AND h.until <= ${now}`,
  lifted: () => 'h.lifted_at IS NOT NULL',
};

/** Holds, reviews and wishes. What changes a record goes through functions of the database that ask for care of this moment. */
@Injectable()
export class ReleaseRepository {
  async holdBack(
    { db, now }: SignedIn,
    hold: { id: string; recordId: string; reason: string; explanation: string; until: string },
  ): Promise<boolean> {
    const [row] = await db.query<{ held: boolean }>('SELECT records.hold_back($1, $2, $3, $4, $5, $6) AS held', [
      ...[hold.id, hold.recordId, hold.reason, hold.explanation],
      ...[now, hold.until],
    ]);
    return row!.held;
  }

  async lift({ db, now }: SignedIn, recordId: string): Promise<boolean> {
    const [row] = await db.query<{ lifted: boolean }>('SELECT records.lift_hold($1, $2) AS lifted', [recordId, now]);
    return row!.lifted;
  }

  async lookAt({ db, now }: SignedIn, recordId: string, version: number): Promise<boolean> {
    const [row] = await db.query<{ seen: boolean }>('SELECT records.look_at($1, $2, $3) AS seen', [
      recordId,
      version,
      now,
    ]);
    return row!.seen;
  }

  /** Holds of a record, the latest first, from below the one given. */
  holds({ db }: SignedIn, recordId: string, before: string | null, limit: number): Promise<HoldRow[]> {
    return db.query<HoldRow>(
      `SELECT h.hold_id AS id, h.record_id AS "recordId", r.patient_id AS "patientId", h.account_id AS "heldBy", h.reason, h.explanation,
              h.held_at AS "heldAt", h.until, h.lifted_at AS "liftedAt"
         FROM records.hold h JOIN records.record r USING (record_id) WHERE h.record_id = $1 AND ($2::uuid IS NULL OR h.hold_id < $2) ORDER BY h.hold_id DESC LIMIT $3`,
      [recordId, before, limit],
    );
  }

  /** Holds of all records in reach, the latest first (ids are UUIDv7), from below the one given; nothing that is sealed. */
  report(ctx: SignedIn, filters: Filters, before: string | null, limit: number): Promise<HeldItemView[]> {
    const params = new Params();
    const now = `${params.add(ctx.now)}::timestamptz`;
    const { heldBy, patientId, reason, state } = filters;
    const where = [accessible(ctx, 'list', 'HoldReport', { columns: { patientId: 'h.patient_id' } }, params)];
    if (heldBy !== undefined) where.push(`h.account_id = ${params.add(heldBy)}`);
    if (patientId !== undefined) where.push(`h.patient_id = ${params.add(patientId)}`);
    if (reason !== undefined) where.push(`h.reason = ${params.add(reason)}`);
    if (state !== undefined) where.push(STATES[state](now));
    if (before !== null) where.push(`h.hold_id < ${params.add(before)}`);
    return ctx.db.query<HeldItemView>(
      `SELECT h.hold_id AS id, h.record_id AS "recordId", h.type AS "recordType", h.patient_id AS "patientId", h.account_id AS "heldBy", h.reason,
              h.held_at AS "heldAt", h.until,
              CASE WHEN ${STATES.lifted(now)} THEN 'lifted' WHEN ${STATES.ended(now)} THEN 'ended' ELSE 'in-force' END AS state,
              CASE WHEN h.until <= ${now} THEN COALESCE(h.lifted_at, h.until) ELSE h.lifted_at END AS "releasedAt", h.lifted_by AS "releasedBy"
         FROM records.hold_report h WHERE ${where.join(' AND ')} ORDER BY h.hold_id DESC LIMIT ${params.add(limit)}`,
      params.values,
    );
  }

  async hasWish({ db }: SignedIn, patientId: string): Promise<boolean> {
    return (await db.query('SELECT 1 FROM records.chart_wish WHERE patient_id = $1', [patientId])).length > 0;
  }

  async wish({ db, now, actor }: SignedIn, patientId: string): Promise<void> {
    await db.query(
      'INSERT INTO records.chart_wish (patient_id, account_id, since) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING',
      [patientId, actor.id, now],
    );
  }

  async wishNoMore({ db }: SignedIn, patientId: string): Promise<void> {
    await db.query('DELETE FROM records.chart_wish WHERE patient_id = $1', [patientId]);
  }
}
