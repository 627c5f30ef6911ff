import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { CONFIG, type Config } from '../../platform/config/config.js';
import { Params } from '../../platform/database/accessible.js';
import { SystemPool } from '../../platform/database/system-pool.js';
import type { EventsQuery } from './audit.dto.js';

export interface EntryRow {
  idx: string;
  leaf: string;
  disclosure: string | null;
}

const OUTCOMES: Record<string, number> = { success: 0, refused: 4, failed: 8 };

/** The exact bytes of the leaf, and what opens its address where that was not erased. */
const SELECT = `SELECT e.idx, e.leaf, d.disclosure FROM audit.entry e
  LEFT JOIN audit.disclosure d ON d.digest = e.leaf::json #>> '{e,net,_sd,0}'`;

function conditions(query: EventsQuery, params: Params): string[] {
  const { add } = { add: (value: unknown) => params.add(value) };
  const found: string[] = [];
  if (query.actorId) found.push(`e.actor = ${add(query.actorId)}`);
  if (query.patientId) found.push(`e.subject = ${add(query.patientId)}`);
  if (query.action)
    found.push(
      query.action.includes('.') ? `e.action = ${add(query.action)}` : `e.action LIKE ${add(`${query.action}.%`)}`,
    );
  if (query.outcome) found.push(`e.outcome = ${add(OUTCOMES[query.outcome])}`);
  if (query.from) found.push(`e.occurred >= ${add(query.from)}`);
  if (query.to) found.push(`e.occurred < ${add(query.to)}`);
  if (query.requestId) found.push(`e.request_id = ${add(query.requestId)}`);
  if (query.sessionId) found.push(`e.session_id = ${add(query.sessionId)}`);
  return found;
}

/** Reads the log, over connections of the auditor's role: the server's own role cannot. */
@Injectable()
export class EventsRepository implements OnApplicationShutdown {
  private readonly pool: SystemPool;

  constructor(@Inject(CONFIG) config: Config) {
    this.pool = new SystemPool(config.database.auditorUrl, {
      max: 3,
      name: 'portico-auditor',
      statementTimeoutMs: 30_000,
    });
  }

  onApplicationShutdown(): Promise<void> {
    return this.pool.close();
  }

  /** Newest first, `limit` at most, below `before`. */
  list(query: EventsQuery, before: number | null, limit: number): Promise<EntryRow[]> {
    const params = new Params();
    const where = conditions(query, params);
    if (before !== null) where.push(`e.idx < ${params.add(before)}`);
    return this.pool.query<EntryRow>(
      `${SELECT} ${where.length > 0 ? `WHERE ${where.join(' AND ')}` : ''} ORDER BY e.idx DESC LIMIT ${params.add(limit)}`,
      params.values,
    );
  }

  async find(seq: number): Promise<EntryRow | null> {
    return (await this.pool.query<EntryRow>(`${SELECT} WHERE e.idx = $1`, [seq]))[0] ?? null;
  }
}
