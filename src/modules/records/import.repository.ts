import { Injectable } from '@nestjs/common';
import type { SignedIn } from '../../platform/access/context.js';
import { accessible, Params } from '../../platform/database/accessible.js';
import type { ImportStatus } from './import.dto.js';
import type { Counts, CountsByType, Issue } from './import-report.js';

export interface NewImport {
  id: string;
  source: string;
  bundleType: string;
  transactionTime: string | null;
}

export interface NewFile {
  id: string;
  media: 'bundle' | 'ndjson';
  name: string | null;
  rank: number;
  bytes: number;
}

export interface ImportRow {
  id: string;
  accountId: string;
  source: string;
  bundleType: string;
  status: ImportStatus;
  failure: string | null;
  entries: number;
  counts: Counts;
  flagged: number;
  released: number;
  byType: CountsByType;
  bytesTotal: number;
  bytesDone: number;
  receivedAt: Date;
  startedAt: Date | null;
  finishedAt: Date | null;
}

interface StoredImport extends Counts {
  import_id: string;
  account_id: string;
  source: string;
  bundle_type: string;
  status: ImportStatus;
  failure: string | null;
  entries: number;
  flagged: number;
  released: number;
  by_type: CountsByType;
  bytes_total: string;
  bytes_done: string;
  received_at: Date;
  started_at: Date | null;
  finished_at: Date | null;
}

export interface IssueRow extends Issue {
  ordinal: number;
  file: string | null;
}

export interface IssuePage {
  severity?: string;
  after: number;
  limit: number;
}

function rowOf(row: StoredImport): ImportRow {
  const { created, updated, unchanged, deleted, quarantined, rejected } = row;
  return {
    id: row.import_id,
    accountId: row.account_id,
    source: row.source,
    bundleType: row.bundle_type,
    status: row.status,
    failure: row.failure,
    entries: row.entries,
    counts: { created, updated, unchanged, deleted, quarantined, rejected },
    flagged: row.flagged,
    released: row.released,
    byType: row.by_type,
    bytesTotal: Number(row.bytes_total),
    bytesDone: Number(row.bytes_done),
    receivedAt: row.received_at,
    startedAt: row.started_at,
    finishedAt: row.finished_at,
  };
}

@Injectable()
export class ImportRepository {
  async open(
    { db, actor, now, requestId }: SignedIn,
    { id, source, bundleType, transactionTime }: NewImport,
  ): Promise<void> {
    await db.query(
      `INSERT INTO records.import (import_id, account_id, source, bundle_type, status, entries, created, updated, unchanged, rejected, by_type,
         received_at, request_id, session_id, transaction_time)
       VALUES ($1, $2, $3, $4, 'open', 0, 0, 0, 0, 0, '{}', $5, $6, $7, $8)`,
      [id, actor.id, source, bundleType, now, requestId, actor.sessionId, transactionTime],
    );
  }

  async addFile({ db, now }: SignedIn, importId: string, { id, media, name, rank, bytes }: NewFile): Promise<void> {
    await db.query(
      'INSERT INTO records.import_file (file_id, import_id, media, name, rank, bytes, received_at) VALUES ($1, $2, $3, $4, $5, $6, $7)',
      [id, importId, media, name, rank, bytes, now],
    );
    await db.query('UPDATE records.import SET bytes_total = bytes_total + $2 WHERE import_id = $1', [importId, bytes]);
  }

  /** Holds it as it is until the end of the transaction; false: it is not open any more. */
  async lockOpen({ db }: SignedIn, id: string): Promise<boolean> {
    const sql = "SELECT 1 FROM records.import WHERE import_id = $1 AND status = 'open' FOR UPDATE";
    return (await db.query(sql, [id])).length > 0;
  }

  async queue({ db, now }: SignedIn, id: string): Promise<void> {
    await db.query("UPDATE records.import SET status = 'queued', queued_at = $2, next_at = $2 WHERE import_id = $1", [
      id,
      now,
    ]);
  }

  /** False: it is over already. Whoever works at it finds its turn gone, and rolls back what it had not committed. */
  async cancel({ db, now }: SignedIn, id: string): Promise<boolean> {
    const cancelled = await db.query(
      "UPDATE records.import SET status = 'cancelled', finished_at = $2 WHERE import_id = $1 AND finished_at IS NULL RETURNING 1",
      [id, now],
    );
    await db.query(
      'DELETE FROM records.import_chunk c USING records.import_file f WHERE f.file_id = c.file_id AND f.import_id = $1',
      [id],
    );
    return cancelled.length > 0;
  }

  async find(ctx: SignedIn, id: string): Promise<ImportRow | null> {
    const params = new Params();
    const [row] = await ctx.db.query<StoredImport>(
      `SELECT * FROM records.import i WHERE i.import_id = ${params.add(id)} AND ${mine(ctx, 'read', params)}`,
      params.values,
    );
    return row ? rowOf(row) : null;
  }

  /** Newest first: ids are UUIDv7. */
  async list(
    ctx: SignedIn,
    { status, before, limit }: { status?: string; before: string | null; limit: number },
  ): Promise<ImportRow[]> {
    const params = new Params();
    const where = [mine(ctx, 'list', params)];
    if (status !== undefined) where.push(`i.status = ${params.add(status)}`);
    if (before !== null) where.push(`i.import_id < ${params.add(before)}`);
    const rows = await ctx.db.query<StoredImport>(
      `SELECT * FROM records.import i WHERE ${where.join(' AND ')} ORDER BY i.import_id DESC LIMIT ${params.add(limit)}`,
      params.values,
    );
    return rows.map(rowOf);
  }

  issues(ctx: SignedIn, id: string, { severity, after, limit }: IssuePage): Promise<IssueRow[]> {
    const params = new Params();
    const bySeverity = severity === undefined ? '' : `AND s.severity = ${params.add(severity)}`;
    return ctx.db.query<IssueRow>(
      `SELECT s.ordinal, s.file, s.entry, s.line, s.full_url AS "fullUrl", s.severity, s.code, s.path, s.detail
         FROM records.import_issue s JOIN records.import i ON i.import_id = s.import_id
        WHERE s.import_id = ${params.add(id)} AND s.ordinal > ${params.add(after)} ${bySeverity} AND ${mine(ctx, 'read', params)}
        ORDER BY s.ordinal LIMIT ${params.add(limit)}`,
      params.values,
    );
  }
}

const mine = (ctx: SignedIn, action: 'read' | 'list', params: Params): string =>
  accessible(ctx, action, 'Import', { columns: { accountId: 'i.account_id' } }, params);
