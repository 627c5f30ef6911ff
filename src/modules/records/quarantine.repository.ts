import { Injectable } from '@nestjs/common';
import type { SignedIn } from '../../platform/access/context.js';
import { accessible, Params } from '../../platform/database/accessible.js';
import type { Broken } from './import-candidates.js';
import type { QuarantineState } from './quarantine.dto.js';

export interface QuarantineRow {
  id: string;
  accountId: string;
  state: QuarantineState;
  source: string;
  importId: string;
  line: number;
  type: string;
  sourceId: string;
  findings: Broken['findings'];
  version: number;
  receivedAt: Date;
  changedAt: Date;
  changedBy: string | null;
  reason: string | null;
}

export interface SealedQuarantine extends QuarantineRow {
  /** Base64 of the sealed texts. */
  resource: string;
  corrected: string | null;
}

const COLUMNS = `q.quarantine_id AS id, q.account_id AS "accountId", q.state, q.source, q.import_id AS "importId", q.import_line AS line, q.type,
  q.source_id AS "sourceId", q.findings, q.version, q.received_at AS "receivedAt", q.changed_at AS "changedAt", q.changed_by AS "changedBy", q.reason`;

/** Quarantine as the people who work it off see it. */
@Injectable()
export class QuarantineRepository {
  /** Oldest first: a work list. */
  list(
    ctx: SignedIn,
    { state, source, after, limit }: { state: QuarantineState; source?: string; after: string | null; limit: number },
  ): Promise<QuarantineRow[]> {
    const params = new Params();
    const where = [`q.state = ${params.add(state)}`, seen(ctx, 'list', params)];
    if (source !== undefined) where.push(`q.source = ${params.add(source)}`);
    if (after !== null) where.push(`q.quarantine_id > ${params.add(after)}`);
    return ctx.db.query<QuarantineRow>(
      `SELECT ${COLUMNS} FROM records.quarantine q WHERE ${where.join(' AND ')} ORDER BY q.quarantine_id LIMIT ${params.add(limit)}`,
      params.values,
    );
  }

  async find(ctx: SignedIn, id: string): Promise<SealedQuarantine | null> {
    const params = new Params();
    const [row] = await ctx.db.query<SealedQuarantine>(
      `SELECT ${COLUMNS}, q.resource, q.corrected FROM records.quarantine q WHERE q.quarantine_id = ${params.add(id)} AND ${seen(ctx, 'read', params)}`,
      params.values,
    );
    return row ?? null;
  }

  /** False: it was changed meanwhile, or does not lie open. */
  async correct(
    { db, now, actor }: SignedIn,
    { id, version }: Pick<QuarantineRow, 'id' | 'version'>,
    corrected: string,
    findings: Broken['findings'],
  ): Promise<boolean> {
    const changed = await db.query(
      `UPDATE records.quarantine SET corrected = $3, findings = $4, version = version + 1, changed_at = $5, changed_by = $6
        WHERE quarantine_id = $1 AND version = $2 AND state = 'open' RETURNING 1`,
      [id, version, corrected, JSON.stringify(findings), now, actor.id],
    );
    return changed.length > 0;
  }

  async discard({ db, now, actor }: SignedIn, id: string, reason: string): Promise<boolean> {
    const changed = await db.query(
      `UPDATE records.quarantine SET state = 'discarded', reason = $2, version = version + 1, changed_at = $3, changed_by = $4
        WHERE quarantine_id = $1 AND state = 'open' RETURNING 1`,
      [id, reason, now, actor.id],
    );
    return changed.length > 0;
  }

  /** An import of the feed that sent it, with this one record. */
  async retry({ db, now, actor, requestId }: SignedIn, id: string, importId: string): Promise<boolean> {
    const [row] = await db.query<{ asked: boolean }>('SELECT records.retry_quarantine($1, $2, $3, $4, $5) AS asked', [
      ...[id, importId, requestId, actor.sessionId, now],
    ]);
    return row!.asked;
  }
}

const seen = (ctx: SignedIn, action: 'read' | 'list', params: Params): string =>
  accessible(ctx, action, 'Quarantine', { columns: { accountId: 'q.account_id' } }, params);
