import { Injectable } from '@nestjs/common';
import type { SignedIn } from '../../platform/access/context.js';
import type { Action } from '../../platform/access/vocabulary.js';
import { accessible, Params } from '../../platform/database/accessible.js';
import type { AttachmentKey } from './attachment-head.js';
import { Statements } from './statements.js';
import { versionVisible, visible } from './visibility.js';

/** An attachment, and what of its record decides who may have it. Times as PostgreSQL writes them in UTC. */
export interface AttachmentRow extends AttachmentKey {
  content_id: string | null;
  literal_id: string | null;
  wants: string | null;
  head: string;
  received_at: string;
  patient_id: string;
  type: string;
  category: string[];
  status: string;
  is_deleted: boolean;
}

const COLUMNS = `a.attachment_id AS id, a.record_id AS "recordId", a.version, a.ordinal, a.content_id, a.literal_id, a.wants, a.head,
  (a.received_at AT TIME ZONE 'UTC')::text AS received_at, r.patient_id, r.type, r.category, r.status, r.is_deleted`;

/** Attachments of records that the actor may see: the rules of the record stand in every statement, and those of the version where it is an earlier one. */
@Injectable()
export class AttachmentRepository {
  private readonly statements = new Statements('attachments');

  /** Those of one version of a record, after the last one's place. */
  list(
    ctx: SignedIn,
    { recordId, version, after, limit }: { recordId: string; version: number; after: number | null; limit: number },
  ): Promise<AttachmentRow[]> {
    const params = new Params();
    const where = [
      `a.record_id = ${params.add(recordId)}`,
      `a.version = ${params.add(version)}`,
      ...this.access(ctx, 'list', params),
    ];
    if (after !== null) where.push(`a.ordinal > ${params.add(after)}`);
    const text = `SELECT ${COLUMNS} FROM records.attachment a JOIN records.record r ON r.record_id = a.record_id
      WHERE ${where.join(' AND ')} ORDER BY a.ordinal LIMIT ${params.add(limit)}`;
    return this.statements.run<AttachmentRow>(ctx, { text, values: params.values });
  }

  async find(ctx: SignedIn, id: string): Promise<AttachmentRow | null> {
    const params = new Params();
    const where = [`a.attachment_id = ${params.add(id)}`, ...this.access(ctx, 'read', params)];
    const text = `SELECT ${COLUMNS} FROM records.attachment a JOIN records.record r ON r.record_id = a.record_id WHERE ${where.join(' AND ')}`;
    return (await this.statements.run<AttachmentRow>(ctx, { text, values: params.values }))[0] ?? null;
  }

  private access(ctx: SignedIn, action: Action, params: Params): string[] {
    return [
      accessible(ctx, action, 'Attachment', { columns: { patientId: 'r.patient_id' } }, params),
      visible(ctx, params),
      `(a.version = r.version OR EXISTS (SELECT 1 FROM records.record_version v WHERE v.record_id = a.record_id AND v.version = a.version
         AND v.patient_id = r.patient_id AND (${versionVisible(ctx, params)})))`,
    ];
  }
}
