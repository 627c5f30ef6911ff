import { Injectable } from '@nestjs/common';
import { Params } from '../../../platform/database/accessible.js';
import { entryConditions, PLACE } from '../entry-filter.js';
import { BY_ITSELF, kindCondition } from '../event-kinds.js';
import type { EntryRow } from '../events.repository.js';
import { MOST_CHARTS } from './sessions.dto.js';
import { ReportPool } from './report-pool.js';

export interface SignIn extends EntryRow {
  sessionId: string;
}

/** What the trail holds of a session besides its beginning. */
export interface SessionFacts {
  sessionId: string;
  actor: string;
  events: number;
  refused: number;
  charts: number;
  lastAt: Date | null;
  end: string | null;
}

export interface ChartFacts {
  patientId: string;
  events: number;
  firstAt: Date;
  lastAt: Date;
}

interface Sought {
  actorIds: readonly string[] | undefined;
  from: string | undefined;
  to: string | undefined;
  after: readonly [string, number] | null;
  limit: number;
}

const SIGN_INS = `SELECT e.idx, e.session_id AS "sessionId", e.occurred::text AS key, e.leaf, d.disclosure FROM audit.entry e
  LEFT JOIN audit.disclosure d ON d.digest = ${PLACE} WHERE e.session_id IS NOT NULL AND ${kindCondition('sign-in')}`;

/** Sessions as the trail holds them: each begins with a sign-in, and ends with one `Session.end`. */
@Injectable()
export class SessionsRepository {
  constructor(private readonly pool: ReportPool) {}

  /** Those that opened a session, newest first. */
  signIns({ actorIds, from, to, after, limit }: Sought): Promise<SignIn[]> {
    const params = new Params();
    const where = entryConditions({ actorIds, from, to }, params);
    if (after) where.push(`(e.occurred, e.idx) < (${params.add(after[0])}::timestamptz, ${params.add(after[1])})`);
    return this.pool.count<SignIn>(
      `${[SIGN_INS, ...where].join(' AND ')} ORDER BY e.occurred DESC, e.idx DESC LIMIT ${params.add(limit)}`,
      params.values,
    );
  }

  async signIn(sessionId: string): Promise<SignIn | null> {
    const rows = await this.pool.count<SignIn>(`${SIGN_INS} AND e.session_id = $1 ORDER BY e.idx LIMIT 1`, [sessionId]);
    return rows[0] ?? null;
  }

  /** Sums of each session; its end is no event of its person. */
  facts(sessionIds: readonly string[]): Promise<SessionFacts[]> {
    return this.pool.count<SessionFacts>(
      `SELECT e.session_id AS "sessionId", max(e.actor) AS actor, count(*)::int AS events, (count(*) FILTER (WHERE e.outcome <> 0))::int AS refused,
              count(DISTINCT e.subject)::int AS charts, max(e.occurred) FILTER (WHERE NOT ${BY_ITSELF}) AS "lastAt",
              min(e.leaf) FILTER (WHERE e.action = 'Session.end' AND ${BY_ITSELF}) AS end
         FROM audit.entry e WHERE e.session_id = ANY ($1) GROUP BY e.session_id`,
      [sessionIds],
    );
  }

  charts(sessionId: string): Promise<ChartFacts[]> {
    return this.pool.count<ChartFacts>(
      `SELECT e.subject AS "patientId", count(*)::int AS events, min(e.occurred) AS "firstAt", max(e.occurred) AS "lastAt"
         FROM audit.entry e WHERE e.session_id = $1 AND e.subject IS NOT NULL GROUP BY e.subject ORDER BY count(*) DESC, e.subject LIMIT ${MOST_CHARTS}`,
      [sessionId],
    );
  }
}
