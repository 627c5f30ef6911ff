import { Injectable } from '@nestjs/common';
import { Database } from '../../platform/database/database.js';
import type { Delivery, ImportCtx } from './import-job.js';
import type { ImportReport } from './import-report.js';

/** What a message is known by within its feed. */
export interface MessageKey {
  /** MSH-3 and MSH-4. */
  sender: string;
  /** MSH-10. */
  controlId: string;
  /** MACs of the whole text, the current key's first. */
  macs: readonly Buffer[];
}

/** Who asked for the work at a message: a request, or a connection that is none. */
export interface Asking {
  requestId: string;
  sessionId: string | null;
}

/** Messages as their feeds send them: each is an import of its own. */
@Injectable()
export class Hl7Repository {
  constructor(private readonly database: Database) {}

  /** The account that speaks for a feed; null while nobody may. */
  async accountOf(source: string): Promise<string | null> {
    const [row] = await this.database.write(null, (db) =>
      db.query<{ id: string | null }>('SELECT users.feed_account($1) AS id', [source]),
    );
    return row!.id;
  }

  /** The import with which this very message was taken before. */
  async taken({ db }: ImportCtx, source: string, { sender, controlId, macs }: MessageKey): Promise<string | null> {
    const [row] = await db.query<{ id: string }>(
      `SELECT import_id AS id FROM records.hl7_message WHERE source = $1 AND control_id = $2 AND sender = $3 AND content_mac = ANY($4::bytea[])`,
      [source, controlId, sender, macs],
    );
    return row?.id ?? null;
  }

  async open(
    { db, now }: ImportCtx,
    { importId, accountId, source }: Delivery,
    bytes: number,
    asking: Asking,
  ): Promise<void> {
    await db.query(
      `INSERT INTO records.import (import_id, account_id, source, bundle_type, status, entries, created, updated, unchanged, rejected, by_type,
         received_at, queued_at, started_at, bytes_total, bytes_done, request_id, session_id)
       VALUES ($1, $2, $3, 'hl7-v2', 'running', 0, 0, 0, 0, 0, '{}', $4, $4, $4, $5, $5, $6, $7)`,
      [importId, accountId, source, now, bytes, asking.requestId, asking.sessionId],
    );
  }

  async take(
    { db, now }: ImportCtx,
    { importId, source }: Delivery,
    kind: string,
    { sender, controlId, macs }: MessageKey,
  ): Promise<void> {
    await db.query(
      `INSERT INTO records.hl7_message (import_id, source, sender, control_id, kind, content_mac, received_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
       ON CONFLICT DO NOTHING`,
      [importId, source, sender, controlId, kind, macs[0], now],
    );
  }

  /** How it ended. `isQueued`: others that waited for what came are still to be let go, which the import's job does. */
  async close(
    { db, now }: ImportCtx,
    importId: string,
    report: ImportReport,
    released: number,
    isQueued: boolean,
  ): Promise<void> {
    const { counts } = report;
    const over = counts.quarantined + counts.rejected > 0 ? 'completed-with-issues' : 'completed';
    await db.query(
      `UPDATE records.import SET status = $2, finished_at = $3, next_at = $4, entries = $5, created = $6, updated = $7, unchanged = $8, deleted = $9, quarantined = $10,
              rejected = $11, by_type = $12, flagged = $13, released = $14, issues = $15 WHERE import_id = $1`,
      [
        ...[importId, isQueued ? 'queued' : over, isQueued ? null : now, isQueued ? now : null],
        ...[
          report.entries,
          counts.created,
          counts.updated,
          counts.unchanged,
          counts.deleted,
          counts.quarantined,
          counts.rejected,
        ],
        ...[JSON.stringify(report.byType), report.flagged, released, report.issues.length],
      ],
    );
  }
}
