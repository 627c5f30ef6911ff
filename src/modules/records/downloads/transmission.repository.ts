import { Injectable } from '@nestjs/common';
import type { SignedIn } from '../../../platform/access/context.js';
import { accessible, Params } from '../../../platform/database/accessible.js';

export interface TransmissionRow {
  id: string;
  downloadId: string;
  patientId: string;
  accountId: string;
  /** Base64 of the sealed address. */
  recipient: string;
  files: string[];
  bytes: number;
  sha256: string;
  sentAt: Date;
}

/** Copies that were mailed: patients see all of their chart's, whoever acts for them those that they sent. Never changed. */
@Injectable()
export class TransmissionRepository {
  async insert({ db }: SignedIn, row: TransmissionRow): Promise<void> {
    await db.query(
      `INSERT INTO records.transmission (transmission_id, download_id, patient_id, account_id, recipient, files, bytes, sha256, sent_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
      [
        ...[row.id, row.downloadId, row.patientId, row.accountId, row.recipient],
        ...[row.files, row.bytes, row.sha256, row.sentAt],
      ],
    );
  }

  async sentSince({ db, actor }: SignedIn, since: Date): Promise<number> {
    const [row] = await db.query<{ n: number }>(
      'SELECT count(*)::int AS n FROM records.transmission WHERE account_id = $1 AND sent_at > $2',
      [actor.id, since],
    );
    return row!.n;
  }

  /** Newest first: ids are UUIDv7. */
  list(ctx: SignedIn, patientId: string, before: string | null, limit: number): Promise<TransmissionRow[]> {
    const params = new Params();
    const on = { columns: { patientId: 't.patient_id' }, known: { patientId } };
    const { roles, patientIds, id } = ctx.actor;
    const isOwn = roles.has('patient') && patientIds.includes(patientId);
    const where = [
      `t.patient_id = ${params.add(patientId)}`,
      accessible(ctx, 'list', 'Transmission', on, params),
      ...(isOwn ? [] : [`t.account_id = ${params.add(id)}`]),
      ...(before === null ? [] : [`t.transmission_id < ${params.add(before)}`]),
    ];
    return ctx.db.query<TransmissionRow>(
      `SELECT t.transmission_id AS id, t.download_id AS "downloadId", t.patient_id AS "patientId", t.account_id AS "accountId", t.recipient, t.files,
              t.bytes::float8 AS bytes, t.sha256, t.sent_at AS "sentAt"
         FROM records.transmission t WHERE ${where.join(' AND ')} ORDER BY t.transmission_id DESC LIMIT ${params.add(limit)}`,
      params.values,
    );
  }
}
