import { Injectable } from '@nestjs/common';
import type { SignedIn } from '../../../platform/access/context.js';
import { AuditorPool } from '../tree/auditor-pool.js';
import type { ExportFilter } from './export-plan.js';

export type ExportState = 'queued' | 'waiting-for-checkpoint' | 'preparing' | 'ready' | 'failed' | 'ended';

export interface FileDigest {
  name: string;
  bytes: number;
  /** Hexadecimal. */
  sha256: string;
}

/** What the preparation found; what a download gives must be the same. */
export interface ExportResult {
  firstSeq: number | null;
  lastSeq: number | null;
  lines: number;
  files: FileDigest[];
  /** Of a range: how many, and the SHA-256 of all of them one behind the other, in their order in the bundle. */
  tiles: { count: number; sha256: string } | null;
  /** Patients of whom every event is in it: first and last of their counters. */
  patients: { id: string; firstN: number; lastN: number }[];
  /** First line whose bytes are not what the tree holds, or whose counter does not follow. */
  mismatch: number | null;
  /** The ZIP, and what its bytes depend on besides the files in it. */
  bundle: { bytes: number; sha256: string; zlib: string };
  /** Of the forms that the files have ({@link FORMS}). */
  forms: number;
}

/** Lines of an export between two places: what a download that goes on begins with, and what proves it. */
export interface Segment {
  /** Place before its first line; null: it begins each file. */
  after: number | null;
  /** Where it begins in each file with lines, and the SHA-256 of its bytes there (hexadecimal). */
  files: Record<string, { offset: number; sha256: string }>;
}

/** An export as it was asked for. */
export interface AskedExport {
  id: string;
  accountId: string;
  requestId: string;
  filter: ExportFilter;
  formats: string[];
  reason: string;
  isDisclosing: boolean;
  baseUrl: string;
  ownEvents: number;
  createdAt: Date;
}

export interface ExportRow extends AskedExport {
  state: ExportState;
  failure: string | null;
  ownIdx: number | null;
  treeSize: number | null;
  checkpoint: string | null;
  previousSize: number | null;
  previousCheckpoint: string | null;
  position: number;
  lines: number;
  result: ExportResult | null;
  finishedAt: Date | null;
  turn: number;
}

/** An export that has its place and its checkpoint. */
export type FixedExport = ExportRow & { ownIdx: number; treeSize: number; checkpoint: string };
export type ReadyExport = FixedExport & { result: ExportResult; finishedAt: Date; segments: Segment[] };

const COLUMNS = `export_id AS id, account_id AS "accountId", request_id AS "requestId", filter, formats, reason,
  is_disclosing AS "isDisclosing", base_url AS "baseUrl", own_events AS "ownEvents", created_at AS "createdAt", state, failure,
  own_idx::float8 AS "ownIdx", tree_size::float8 AS "treeSize", checkpoint, previous_size::float8 AS "previousSize",
  previous_checkpoint AS "previousCheckpoint", position::float8 AS position, lines::float8 AS lines, result, finished_at AS "finishedAt", turn`;

/** Somebody else has taken the work up, or its end was decided elsewhere. */
export class Superseded extends Error {}

export interface StoredCheckpoint {
  size: number;
  /** With the signatures of the witnesses that have it by now. */
  note: string;
  signedAt: Date;
  witnesses: number;
}

@Injectable()
export class ExportRepository {
  constructor(private readonly pool: AuditorPool) {}

  /** Within the request's transaction, which leaves the export's own event as well. */
  async ask(ctx: SignedIn, asked: AskedExport): Promise<void> {
    const { id, accountId, requestId, filter, formats, reason, isDisclosing, baseUrl, ownEvents, createdAt } = asked;
    await ctx.db.query('SELECT audit.ask_for_export($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)', [
      ...[id, accountId, requestId, JSON.stringify(filter), formats],
      ...[reason, isDisclosing, baseUrl, ownEvents, createdAt],
    ]);
  }

  async find(id: string): Promise<ExportRow | null> {
    return (
      (await this.pool.query<ExportRow>(`SELECT ${COLUMNS} FROM audit.export WHERE export_id = $1`, [id]))[0] ?? null
    );
  }

  /** Of a ready export. Many: only downloads need them. */
  async segments(id: string): Promise<Segment[]> {
    const [row] = await this.pool.query<{ segments: Segment[] | null }>(
      'SELECT segments FROM audit.export WHERE export_id = $1',
      [id],
    );
    return row?.segments ?? [];
  }

  /** How many are still worked on, whoever asked for them. */
  async unfinished(): Promise<number> {
    const [row] = await this.pool.query<{ n: number }>(
      'SELECT count(*)::int AS n FROM audit.export WHERE finished_at IS NULL',
    );
    return row!.n;
  }

  /** Within the request's transaction. False: it was over before. Null: there is none. */
  async end(ctx: SignedIn, id: string): Promise<boolean | null> {
    const [row] = await ctx.db.query<{ ended: boolean | null }>('SELECT audit.end_export($1, $2) AS ended', [
      id,
      ctx.now,
    ]);
    return row!.ended;
  }

  /** Newest first: ids are UUIDv7. */
  list(before: string | null, limit: number): Promise<ExportRow[]> {
    return this.pool.query<ExportRow>(
      `SELECT ${COLUMNS} FROM audit.export WHERE $1::uuid IS NULL OR export_id < $1 ORDER BY export_id DESC LIMIT $2`,
      [before, limit],
    );
  }

  /** Of these patients, those of whom the log has an event. */
  async known(patientIds: readonly string[]): Promise<number> {
    const [row] = await this.pool.query<{ n: number }>(
      'SELECT count(*)::int AS n FROM audit.subject_head WHERE subject = ANY($1)',
      [patientIds],
    );
    return row!.n;
  }

  /** Takes up the work that is due for longest. Another process that comes at the same time gets another one (SKIP LOCKED). */
  async take(now: Date, until: Date): Promise<ExportRow | null> {
    const [row] = await this.pool.query<ExportRow>(
      `UPDATE audit.export SET turn = turn + 1, next_at = $2 WHERE export_id = (
         SELECT export_id FROM audit.export WHERE finished_at IS NULL AND next_at <= $1 ORDER BY next_at, export_id
          LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING ${COLUMNS}`,
      [now, until],
    );
    return row ?? null;
  }

  /** Puts it back until then. */
  async later(row: ExportRow, until: Date): Promise<void> {
    await this.change(row, 'next_at = $3', [until]);
  }

  async wait(row: ExportRow, ownIdx: number, until: Date): Promise<void> {
    await this.change(row, `state = 'waiting-for-checkpoint', own_idx = $3, next_at = $4`, [ownIdx, until]);
  }

  /** From here on it is settled what the export holds. */
  async fix(row: ExportRow, ownIdx: number, under: StoredCheckpoint, previous: StoredCheckpoint | null): Promise<void> {
    await this.change(
      row,
      `state = 'preparing', own_idx = $3, tree_size = $4, checkpoint = $5, previous_size = $6, previous_checkpoint = $7`,
      [ownIdx, under.size, under.note, previous?.size ?? null, previous?.note ?? null],
    );
  }

  async progress(row: ExportRow, position: number, lines: number, until: Date): Promise<void> {
    await this.change(row, 'position = $3, lines = $4, next_at = $5', [position, lines, until]);
  }

  async ready({ result, segments, finishedAt, ...row }: ReadyExport, position: number): Promise<void> {
    await this.change(row, `state = 'ready', result = $3, segments = $4, position = $5, lines = $6, finished_at = $7`, [
      JSON.stringify(result),
      JSON.stringify(segments),
      position,
      result.lines,
      finishedAt,
    ]);
  }

  async fail(row: ExportRow, failure: string, now: Date): Promise<void> {
    await this.change(row, `state = 'failed', failure = $3, finished_at = $4`, [failure, now]);
  }

  /** Place of the last of the export's own events; null until all of them have theirs. */
  async ownPlace({ id }: AskedExport): Promise<number | null> {
    const [row] = await this.pool.query<{ idx: number | null }>(
      'SELECT audit.place_of_export(x)::float8 AS idx FROM audit.export x WHERE export_id = $1',
      [id],
    );
    return row?.idx ?? null;
  }

  /** The first checkpoint that has this place in it. */
  async covering(idx: number): Promise<StoredCheckpoint | null> {
    return this.checkpoint('size > $1 ORDER BY size LIMIT 1', [idx]);
  }

  /** That of the export before, by which its holder can see that the log has only grown; else the newest older one. */
  async before(size: number): Promise<StoredCheckpoint | null> {
    const isExported = `EXISTS (SELECT 1 FROM audit.export x WHERE x.tree_size = c.size AND x.state = 'ready')`;
    return this.checkpoint(`size < $1 ORDER BY ${isExported} DESC, size DESC LIMIT 1`, [size]);
  }

  private async checkpoint(rest: string, values: unknown[]): Promise<StoredCheckpoint | null> {
    const sql = `SELECT size::float8 AS size, note, signed_at AS "signedAt", (SELECT count(DISTINCT witness)::int
      FROM audit.cosignature k WHERE k.generation = audit.generation() AND k.size = c.size) AS witnesses
      FROM audit.published c WHERE ${rest}`;
    return (await this.pool.query<StoredCheckpoint>(sql, values))[0] ?? null;
  }

  /** Only as long as it is still this one's turn: throws {@link Superseded}. */
  private async change({ id, turn }: Pick<ExportRow, 'id' | 'turn'>, set: string, values: unknown[]): Promise<void> {
    const sql = `UPDATE audit.export SET ${set} WHERE export_id = $1 AND turn = $2 AND finished_at IS NULL RETURNING 1`;
    if ((await this.pool.query(sql, [id, turn, ...values])).length === 0) throw new Superseded(id);
  }
}
