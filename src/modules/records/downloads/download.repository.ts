import { Injectable } from '@nestjs/common';
import type { Ctx, SignedIn } from '../../../platform/access/context.js';
import { accessible, Params } from '../../../platform/database/accessible.js';
import { Database } from '../../../platform/database/database.js';
import { Superseded, type DownloadFile, type DownloadJob, type DownloadRow, type Turn } from './download-job.js';

const COLUMNS = `d.download_id AS id, d.patient_id AS "patientId", d.account_id AS "accountId", d.request_id AS "requestId",
  d.session_id AS "sessionId", d.filter, d.formats, d.status, d.failure, d.records, d.records_total AS "recordsTotal",
  d.created_at AS "createdAt", d.finished_at AS "finishedAt", d.expires_at AS "expiresAt"`;

type Work = Pick<Ctx, 'db' | 'now'>;

/** Downloads in rows of whoever asked for them: row policies show them to nobody else, and only while the chart is open to them. */
@Injectable()
export class DownloadRepository {
  constructor(private readonly database: Database) {}

  async insert(ctx: SignedIn, row: DownloadRow, openLabels: readonly string[] | null): Promise<void> {
    await ctx.db.query(
      `INSERT INTO records.download (download_id, patient_id, account_id, request_id, session_id, filter, formats, open_labels, rules_version, created_at, expires_at, next_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, records.rules_version(), $9, $10, $9)`,
      [
        ...[row.id, row.patientId, row.accountId, row.requestId, row.sessionId, JSON.stringify(row.filter)],
        ...[row.formats, openLabels, row.createdAt, row.expiresAt],
      ],
    );
  }

  async madeSince({ db, actor }: SignedIn, since: Date): Promise<number> {
    const [row] = await db.query<{ n: number }>(
      'SELECT count(*)::int AS n FROM records.download WHERE account_id = $1 AND created_at > $2',
      [actor.id, since],
    );
    return row!.n;
  }

  async find(ctx: SignedIn, id: string): Promise<DownloadRow | null> {
    const params = new Params();
    const seen = accessible(ctx, 'read', 'ChartDownload', { columns: { patientId: 'd.patient_id' } }, params);
    const [row] = await ctx.db.query<DownloadRow>(
      `SELECT ${COLUMNS} FROM records.download d WHERE d.download_id = ${params.add(id)} AND d.account_id = ${params.add(ctx.actor.id)} AND ${seen}`,
      params.values,
    );
    return row ?? null;
  }

  /** Newest first: ids are UUIDv7. */
  list(ctx: SignedIn, patientId: string, before: string | null, limit: number): Promise<DownloadRow[]> {
    const params = new Params();
    const on = { columns: { patientId: 'd.patient_id' }, known: { patientId } };
    const where = [
      `d.patient_id = ${params.add(patientId)}`,
      `d.account_id = ${params.add(ctx.actor.id)}`,
      accessible(ctx, 'list', 'ChartDownload', on, params),
    ];
    if (before !== null) where.push(`d.download_id < ${params.add(before)}`);
    return ctx.db.query<DownloadRow>(
      `SELECT ${COLUMNS} FROM records.download d WHERE ${where.join(' AND ')} ORDER BY d.download_id DESC LIMIT ${params.add(limit)}`,
      params.values,
    );
  }

  /** Of these downloads, by download. */
  async files({ db }: Pick<Ctx, 'db'>, ids: readonly string[]): Promise<Map<string, DownloadFile[]>> {
    const rows = await db.query<DownloadFile & { id: string }>(
      `SELECT download_id AS id, name, media_type AS "mediaType", bytes::float8 AS bytes, sha256 FROM records.download_file
        WHERE download_id = ANY ($1::uuid[]) ORDER BY name COLLATE "C" DESC`,
      [ids],
    );
    return Map.groupBy(rows, ({ id }) => id);
  }

  /** Given up by whoever asked: nobody goes on with it, and its files are gone. False: it was over before. */
  async end({ db, now }: SignedIn, id: string): Promise<boolean> {
    const rows = await db.query(
      `UPDATE records.download SET status = 'ended', finished_at = coalesce(finished_at, $2)
        WHERE download_id = $1 AND status IN ('queued', 'running', 'ready') RETURNING 1`,
      [id, now],
    );
    if (rows.length === 0) return false;
    await db.query('DELETE FROM records.download_chunk WHERE download_id = $1', [id]);
    await db.query('DELETE FROM records.download_file WHERE download_id = $1', [id]);
    return true;
  }

  /** The turn at the job that is due for longest, until somebody keeps it; null: nothing is due. */
  async take(now: Date, until: Date): Promise<Turn | null> {
    const [row] = await this.database.write(null, (db) =>
      db.query<{ download_id: string; account_id: string; turn: number }>(
        'SELECT * FROM records.take_download($1, $2)',
        [now, until],
      ),
    );
    return row ? { id: row.download_id, accountId: row.account_id, turn: row.turn } : null;
  }

  async keep({ id, turn }: Turn, until: Date): Promise<void> {
    await this.database.write(null, (db) => db.query('SELECT records.keep_download($1, $2, $3)', [id, turn, until]));
  }

  /** Resolves with how often it was begun. */
  async later({ id, turn }: Turn, until: Date): Promise<number> {
    const [row] = await this.database.write(null, (db) =>
      db.query<{ n: number | null }>('SELECT records.postpone_download($1, $2, $3) AS n', [id, turn, until]),
    );
    return row?.n ?? 0;
  }

  async fail({ id, turn }: Turn, failure: string, now: Date): Promise<void> {
    await this.database.write(null, (db) =>
      db.query('SELECT records.fail_download($1, $2, $3, $4)', [id, turn, failure, now]),
    );
  }

  /** Deletes the files of downloads whose days are over; of an account's, all. */
  async expire({ db, now }: Work, accountId: string | null): Promise<void> {
    await db.query('SELECT records.expire_downloads($1, $2)', [now, accountId]);
  }

  async sweep(now: Date): Promise<void> {
    await this.database.write(null, (db) => this.expire({ db, now }, null));
  }

  /** Marks it as running. Null: its account may not see the chart any more, or it is not its turn. */
  async begin({ db }: Pick<Ctx, 'db'>, turn: Turn): Promise<DownloadJob | null> {
    const [row] = await db.query<DownloadRow>(
      `UPDATE records.download d SET status = 'running', attempts = attempts + 1
        WHERE d.download_id = $1 AND d.turn = $2 AND d.finished_at IS NULL RETURNING ${COLUMNS}`,
      [turn.id, turn.turn],
    );
    return row ? { ...row, ...turn } : null;
  }

  /** Notes how far the work is, in the transaction that did it. Throws {@link Superseded}. */
  async progress({ db }: Pick<Ctx, 'db'>, { id, turn, records, recordsTotal }: DownloadJob): Promise<void> {
    const rows = await db.query(
      `UPDATE records.download SET records = $3, records_total = $4, attempts = 1
        WHERE download_id = $1 AND turn = $2 AND finished_at IS NULL RETURNING 1`,
      [id, turn, records, recordsTotal],
    );
    if (rows.length === 0) throw new Superseded(id);
  }

  async ready({ db, now }: Work, { id, turn }: DownloadJob): Promise<void> {
    const rows = await db.query(
      `UPDATE records.download SET status = 'ready', finished_at = $3 WHERE download_id = $1 AND turn = $2 AND finished_at IS NULL RETURNING 1`,
      [id, turn, now],
    );
    if (rows.length === 0) throw new Superseded(id);
  }
}
