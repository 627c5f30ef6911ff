import { Injectable } from '@nestjs/common';
import type { Ctx, SignedIn } from '../../platform/access/context.js';
import { accessible, Params } from '../../platform/database/accessible.js';
import type { ImportStatus } from './import.dto.js';
import type { Counts, CountsByType, Issue } from './import-report.js';

export interface ImportRow {
  id: string;
  accountId: string;
  source: string;
  bundleType: string;
  status: ImportStatus;
  entries: number;
  counts: Counts;
  byType: CountsByType;
  receivedAt: Date;
  finishedAt: Date;
}

interface StoredImport extends Counts {
  import_id: string;
  account_id: string;
  source: string;
  bundle_type: string;
  status: ImportStatus;
  entries: number;
  by_type: CountsByType;
  received_at: Date;
  finished_at: Date;
}

export interface IssueRow extends Issue {
  ordinal: number;
}

export interface IssuePage {
  severity?: string;
  after: number;
  limit: number;
}

@Injectable()
export class ImportRepository {
  async save({ db }: Pick<Ctx, 'db'>, row: ImportRow, issues: readonly Issue[]): Promise<void> {
    const { created, updated, unchanged, rejected } = row.counts;
    await db.query(
      `INSERT INTO records.import (import_id, account_id, source, bundle_type, status, entries, created, updated, unchanged, rejected, by_type, received_at, finished_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
      [
        row.id,
        row.accountId,
        row.source,
        row.bundleType,
        row.status,
        row.entries,
        created,
        updated,
        unchanged,
        rejected,
        JSON.stringify(row.byType),
        row.receivedAt,
        row.finishedAt,
      ],
    );
    if (issues.length === 0) return;
    await db.query(
      `INSERT INTO records.import_issue (import_id, ordinal, entry, full_url, severity, code, path, detail)
       SELECT $1, x.ordinal, x.entry, x."fullUrl", x.severity, x.code, x.path, x.detail
         FROM json_to_recordset($2::json) AS x(ordinal integer, entry integer, "fullUrl" text, severity text, code text, path text, detail text)`,
      [row.id, JSON.stringify(issues.map((issue, ordinal) => ({ ...issue, ordinal })))],
    );
  }

  async find(ctx: SignedIn, id: string): Promise<ImportRow | null> {
    const params = new Params();
    const [row] = await ctx.db.query<StoredImport>(
      `SELECT * FROM records.import i WHERE i.import_id = ${params.add(id)} AND ${mine(ctx, params)}`,
      params.values,
    );
    if (!row) return null;
    const { created, updated, unchanged, rejected } = row;
    return {
      id: row.import_id,
      accountId: row.account_id,
      source: row.source,
      bundleType: row.bundle_type,
      status: row.status,
      entries: row.entries,
      counts: { created, updated, unchanged, rejected },
      byType: row.by_type,
      receivedAt: row.received_at,
      finishedAt: row.finished_at,
    };
  }

  issues(ctx: SignedIn, id: string, { severity, after, limit }: IssuePage): Promise<IssueRow[]> {
    const params = new Params();
    const bySeverity = severity === undefined ? '' : `AND s.severity = ${params.add(severity)}`;
    return ctx.db.query<IssueRow>(
      `SELECT s.ordinal, s.entry, s.full_url AS "fullUrl", s.severity, s.code, s.path, s.detail
         FROM records.import_issue s JOIN records.import i ON i.import_id = s.import_id
        WHERE s.import_id = ${params.add(id)} AND s.ordinal > ${params.add(after)} ${bySeverity} AND ${mine(ctx, params)}
        ORDER BY s.ordinal LIMIT ${params.add(limit)}`,
      params.values,
    );
  }
}

const mine = (ctx: SignedIn, params: Params): string =>
  accessible(ctx, 'read', 'Import', { columns: { accountId: 'i.account_id' } }, params);
