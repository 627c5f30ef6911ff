import { Injectable } from '@nestjs/common';
import type { SignedIn } from '../../platform/access/context.js';
import { accessible, Params } from '../../platform/database/accessible.js';
import { RECORD_COLUMNS, VERSION_COLUMNS, type RecordRow } from './record-line.js';
import { Statements } from './statements.js';
import { versionVisible, visible } from './visibility.js';

/** One version, without its content. Times as PostgreSQL writes them in UTC. */
export interface VersionRow {
  record_id: string;
  patient_id: string;
  type: string;
  category: string[];
  version: number;
  is_current: boolean;
  is_deleted: boolean;
  status: string;
  source: string;
  source_updated_at: string | null;
  received_at: string;
  origin: 'feed' | 'clinician' | 'patient';
  written_by: string | null;
  import_id: string | null;
  import_line: number | null;
  message_id: string | null;
}

const COLUMNS = `r.record_id, r.patient_id, r.type, r.category, v.version, v.is_deleted, v.status, v.source,
  (v.source_updated_at AT TIME ZONE 'UTC')::text AS source_updated_at, (v.received_at AT TIME ZONE 'UTC')::text AS received_at,
  v.origin, v.written_by, v.import_id, v.import_line, v.message_id`;

/** All versions of a record that the actor may see: the current one and those before and beside it. */
@Injectable()
export class HistoryRepository {
  private readonly statements = new Statements('history');

  /** Newest first by their numbers, which count arrivals; below `before`, when that is given. */
  list(ctx: SignedIn, recordId: string, before: number | null, limit: number): Promise<VersionRow[]> {
    const params = new Params();
    const [id, access] = [params.add(recordId), this.access(ctx, params)];
    const below = before === null ? '' : ` AND v.version < ${params.add(before)}`;
    const text = `
      SELECT ${COLUMNS}, true AS is_current FROM records.record r JOIN records.record v USING (record_id) WHERE r.record_id = ${id} AND ${access}${below}
      UNION ALL
      SELECT ${COLUMNS}, false FROM records.record r JOIN records.record_version v ON v.record_id = r.record_id AND v.patient_id = r.patient_id
       WHERE r.record_id = ${id} AND ${access} AND (${versionVisible(ctx, params)})${below}
      ORDER BY version DESC LIMIT ${params.add(limit)}`;
    return this.statements.run<VersionRow>(ctx, { text, values: params.values });
  }

  /** One version with its content, and the status that the record has now. */
  async find(ctx: SignedIn, recordId: string, version: number): Promise<(RecordRow & { status_now: string }) | null> {
    const params = new Params();
    const [id, number, access] = [params.add(recordId), params.add(version), this.access(ctx, params)];
    const text = `
      SELECT ${RECORD_COLUMNS}, r.status AS status_now FROM records.record r WHERE r.record_id = ${id} AND r.version = ${number} AND ${access}
      UNION ALL
      SELECT ${VERSION_COLUMNS}, r.status_now FROM (SELECT v.*, r.type, r.status AS status_now FROM records.record r
          JOIN records.record_version v ON v.record_id = r.record_id AND v.patient_id = r.patient_id
         WHERE r.record_id = ${id} AND v.version = ${number} AND ${access} AND (${versionVisible(ctx, params)})) r`;
    const [row] = await this.statements.run<RecordRow & { status_now: string }>(ctx, { text, values: params.values });
    return row ?? null;
  }

  /** The sender's own Provenance records about this one, after the last one's id. */
  provenances(ctx: SignedIn, recordId: string, after: string | null, limit: number): Promise<RecordRow[]> {
    const params = new Params();
    const text = `SELECT ${RECORD_COLUMNS} FROM records.provenance_target t JOIN records.record r ON r.record_id = t.record_id
       WHERE t.target_id = ${params.add(recordId)} AND ${this.access(ctx, params)} AND r.status <> 'entered-in-error' AND NOT r.is_deleted
         ${after === null ? '' : `AND r.record_id > ${params.add(after)}`} ORDER BY r.record_id LIMIT ${params.add(limit)}`;
    return this.statements.run<RecordRow>(ctx, { text, values: params.values });
  }

  private access(ctx: SignedIn, params: Params): string {
    const columns = { patientId: 'r.patient_id' };
    return `${accessible(ctx, 'list', 'RecordVersion', { columns }, params)} AND ${visible(ctx, params)}`;
  }
}
