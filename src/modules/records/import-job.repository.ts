import { Injectable } from '@nestjs/common';
import type { Ctx } from '../../platform/access/context.js';
import { Database } from '../../platform/database/database.js';
import type { ImportStatus } from './import.dto.js';
import { Superseded, type ImportFile, type ImportJob, type Turn } from './import-job.js';
import type { Counts, CountsByType, Issue } from './import-report.js';

type Work = Pick<Ctx, 'db' | 'now'>;

/** Contents that are cleared away at once. */
const SWEPT = 500;

interface JobRow extends Counts {
  import_id: string;
  source: string;
  bundle_type: string;
  request_id: string;
  session_id: string | null;
  transaction_time: Date | null;
  retry_of: string | null;
  entries: number;
  by_type: CountsByType;
  flagged: number;
  released: number;
  issues: number;
  bytes_done: string;
  at_file: number;
  at_byte: string;
  at_line: number;
}

/** The work at imports: whose turn it is, and how far it is. */
@Injectable()
export class ImportJobRepository {
  constructor(private readonly database: Database) {}

  /** The turn at the job that is due for longest, until somebody keeps it; null: nothing is due. */
  async take(now: Date, until: Date): Promise<Turn | null> {
    const [row] = await this.database.write(null, (db) =>
      db.query<{ import_id: string; account_id: string; turn: number }>('SELECT * FROM records.take_import($1, $2)', [
        now,
        until,
      ]),
    );
    return row ? { id: row.import_id, accountId: row.account_id, turn: row.turn } : null;
  }

  /** Says that the work goes on; false: it is somebody else's, or over. */
  async keep({ id, turn }: Turn, until: Date): Promise<boolean> {
    const [row] = await this.database.write(null, (db) =>
      db.query<{ kept: boolean }>('SELECT records.keep_import($1, $2, $3) AS kept', [id, turn, until]),
    );
    return row!.kept;
  }

  /** The job as it stands; marks it as running. Throws {@link Superseded}. */
  async begin({ db, now }: Work, turn: Turn): Promise<ImportJob> {
    const [row] = await db.query<JobRow>(
      `UPDATE records.import SET status = 'running', attempts = attempts + 1, started_at = coalesce(started_at, $3)
        WHERE import_id = $1 AND turn = $2 AND finished_at IS NULL RETURNING *`,
      [turn.id, turn.turn, now],
    );
    if (!row) throw new Superseded(turn.id);
    const files = await db.query<ImportFile & { bytes: number }>(
      'SELECT file_id AS id, media, bytes::float8 AS bytes FROM records.import_file WHERE import_id = $1 ORDER BY rank, file_id',
      [turn.id],
    );
    const { created, updated, unchanged, deleted, quarantined, rejected } = row;
    return {
      ...turn,
      source: row.source,
      bundleType: row.bundle_type,
      requestId: row.request_id,
      sessionId: row.session_id,
      transactionTime: row.transaction_time,
      retryOf: row.retry_of,
      files,
      at: { file: row.at_file, byte: Number(row.at_byte), line: row.at_line },
      entries: row.entries,
      counts: { created, updated, unchanged, deleted, quarantined, rejected },
      byType: row.by_type,
      flagged: row.flagged,
      released: row.released,
      issues: row.issues,
      bytesDone: Number(row.bytes_done),
    };
  }

  /** Notes how far the work is, in the transaction that did it. Throws {@link Superseded}. */
  async progress({ db }: Work, job: ImportJob): Promise<void> {
    const { id, turn, counts, at } = job;
    const rows = await db.query(
      `UPDATE records.import SET entries = $3, created = $4, updated = $5, unchanged = $6, deleted = $7, quarantined = $8, rejected = $9,
              by_type = $10, flagged = $11, released = $12, issues = $13, bytes_done = $14, at_file = $15, at_byte = $16, at_line = $17, attempts = 1
        WHERE import_id = $1 AND turn = $2 AND finished_at IS NULL RETURNING 1`,
      [
        ...[
          id,
          turn,
          job.entries,
          counts.created,
          counts.updated,
          counts.unchanged,
          counts.deleted,
          counts.quarantined,
        ],
        ...[counts.rejected, JSON.stringify(job.byType), job.flagged, job.released, job.issues, job.bytesDone],
        ...[at.file, at.byte, at.line],
      ],
    );
    if (rows.length === 0) throw new Superseded(id);
  }

  async issues(
    { db }: Pick<Work, 'db'>,
    job: Pick<ImportJob, 'id' | 'issues'>,
    issues: readonly Issue[],
    fileId: string | null,
  ): Promise<void> {
    if (issues.length === 0) return;
    await db.query(
      `INSERT INTO records.import_issue (import_id, ordinal, file, entry, line, full_url, severity, code, path, detail)
       SELECT $1, x.ordinal, $3, x.entry, x.line, x."fullUrl", x.severity, x.code, x.path, x.detail
         FROM json_to_recordset($2::json) AS x(ordinal integer, entry integer, line integer, "fullUrl" text, severity text, code text, path text, detail text)`,
      [job.id, JSON.stringify(issues.map((issue, n) => ({ ...issue, ordinal: job.issues + n }))), fileId],
    );
    job.issues += issues.length;
  }

  /** The end. The bodies go with it: what could not be taken lies in quarantine, and the rest in charts. */
  async finish({ db, now }: Work, turn: Turn, status: ImportStatus, failure: string | null): Promise<void> {
    const rows = await db.query(
      `UPDATE records.import SET status = $3, failure = $4, finished_at = $5
        WHERE import_id = $1 AND turn = $2 AND finished_at IS NULL RETURNING 1`,
      [turn.id, turn.turn, status, failure, now],
    );
    if (rows.length === 0) throw new Superseded(turn.id);
    await this.forgetBodies({ db }, turn.id);
  }

  async forgetBodies({ db }: Pick<Work, 'db'>, importId: string): Promise<void> {
    await db.query(
      'DELETE FROM records.import_chunk c USING records.import_file f WHERE f.file_id = c.file_id AND f.import_id = $1',
      [importId],
    );
  }

  /** Puts it back until then, for another try; resolves with how many there were. */
  async later({ db }: Pick<Work, 'db'>, { id, turn }: Turn, until: Date): Promise<number> {
    const [row] = await db.query<{ attempts: number }>(
      'UPDATE records.import SET next_at = $3 WHERE import_id = $1 AND turn = $2 AND finished_at IS NULL RETURNING attempts',
      [id, turn, until],
    );
    return row?.attempts ?? 0;
  }

  /** May this account still speak for the feed? Row policies would only refuse it row by row. */
  async speaksFor({ db }: Pick<Work, 'db'>, source: string): Promise<boolean> {
    return (await db.query('SELECT 1 FROM users.own_feed WHERE source = $1', [source])).length > 0;
  }

  /** Bodies of uploads that broke off before then and that nobody cleared away; imports that nobody completed. */
  async sweep(before: Date, now: Date): Promise<void> {
    await this.database.write(null, (db) => db.query('SELECT records.sweep_chunks($1, $2)', [before, now]));
    // A content may be stored long before its record, but not longer than an import's body is kept.
    await this.database.write(null, (db) =>
      db.query('SELECT records.sweep_attachment_chunks($1, $2)', [before, SWEPT]),
    );
  }
}
