import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { AbilityFactory } from '../../../platform/access/ability-factory.js';
import type { Ability } from '../../../platform/access/ability.js';
import type { Actor, Assurance } from '../../../platform/access/actor.js';
import { Batcher } from '../../../platform/batcher.js';
import { Clock } from '../../../platform/clock.js';
import { SystemPool } from '../../../platform/database/system-pool.js';
import type { Transport } from '../../../platform/http/cookies.js';
import { unavailable } from '../../../platform/http/problem.js';
import { Logger } from '../../../platform/logging/logger.js';
import { People, type LoadedPerson } from '../../users/index.js';
import type { AccessClaims } from './access-tokens.js';
import { verdictOf, type SessionState } from './session.rules.js';
import { SessionEndings } from './session-endings.js';

interface LiveRow extends SessionState {
  sessionId: string;
  accountId: string;
  acr: Assurance['acr'];
  amr: string[];
  authTime: Date;
  transport: Transport;
  generation: number;
  isActive: boolean;
  accessVersion: string;
}

type Remembered = LoadedPerson & { ability: Ability };

/** Activity is noted at most this often: a busy person costs one small write a second. */
const NOTE_ACTIVITY_MS = 1_000;
const REMEMBERED_PEOPLE = 5_000;

// Several requests share a statement; each waits for at most one second, then nothing is answered.
const LOOKS = { maxBatch: 128, maxInFlight: 1, maxWaiting: 4_096, deadlineMs: 1_000 };

const LOOK = `SELECT s.session_id AS "sessionId", s.account_id AS "accountId", s.acr, s.amr, s.auth_time AS "authTime",
    s.created_at AS "createdAt", s.last_active_at AS "lastActiveAt", s.idle_seconds AS "idleSeconds", s.expires_at AS "expiresAt",
    s.ended_at AS "endedAt", s.transport, s.generation, a.status = 'active' AS "isActive", a.access_version AS "accessVersion"
  FROM auth.session s JOIN users.account a ON a.account_id = s.account_id WHERE s.session_id = ANY($1::uuid[])`;

// What somebody else is changing at this moment is left alone: no waiting, no deadlock between replicas. Losing the last
// second of activity in a crash is nobody's loss, so the commit does not wait for the disk.
const NOTE = `WITH quick AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true)),
    due AS (SELECT session_id FROM auth.session WHERE session_id = ANY($1::uuid[]) AND ended_at IS NULL AND last_active_at < $2
             FOR NO KEY UPDATE SKIP LOCKED)
  UPDATE auth.session s SET last_active_at = $2 FROM due, quick WHERE s.session_id = due.session_id`;

/**
 * The live session behind every request, asked in PostgreSQL each time: ended, idle or disabled counts from the next request
 * on, on every replica. Who the account stands for is remembered only under the access version that the same look answers.
 */
@Injectable()
export class LiveSessions {
  private readonly people = new LRUCache<string, Remembered>({ max: REMEMBERED_PEOPLE });
  private readonly looks: Batcher<string, LiveRow | undefined>;
  private readonly activity: Batcher<string, void>;

  constructor(
    private readonly pool: SystemPool,
    private readonly directory: People,
    private readonly abilities: AbilityFactory,
    private readonly endings: SessionEndings,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {
    this.looks = new Batcher((ids) => this.look(ids), LOOKS);
    this.activity = new Batcher((ids) => this.note(ids), { ...LOOKS, maxInFlight: 1 });
  }

  /**
   * Who acts in the session, or null when it is over, or when its token came by another way than it was given out;
   * `superseded` when somebody was recognised anew since the token was made (ASVS 7.2.4). Throws 503 when that cannot be found out.
   */
  async actorOf(claims: AccessClaims, carrier: Transport, isBackground: boolean): Promise<Actor | 'superseded' | null> {
    try {
      const session = await this.looks.submit(claims.sid);
      if (!session || session.accountId !== claims.sub || !session.isActive) return null;
      if (session.transport !== carrier) return null;
      const now = this.clock.now();
      const verdict = verdictOf(session, now);
      if (verdict === 'ended') return null;
      if (verdict !== 'live') {
        await this.endings.runOut(session.sessionId, now);
        return null;
      }
      if (session.generation !== claims.generation) return 'superseded';
      if (!isBackground && now.getTime() - session.lastActiveAt.getTime() >= NOTE_ACTIVITY_MS) {
        await this.activity.submit(session.sessionId);
      }
      const { person, ability } = await this.personOf(session, now);
      const { sessionId, acr, amr, authTime } = session;
      return { ...person, sessionId, assurance: { acr, amr, authTime }, ability };
    } catch (error) {
      this.logger.error('a live session could not be checked', error);
      throw unavailable();
    }
  }

  private async personOf(session: LiveRow, now: Date): Promise<Remembered> {
    const remembered = this.people.get(session.accountId);
    const isValid =
      remembered?.accessVersion === Number(session.accessVersion) &&
      !(remembered.changesAt && remembered.changesAt <= now);
    if (remembered && isValid) return remembered;
    const loaded = await this.directory.loadPerson(this.pool, session.accountId, now);
    const fresh = { ...loaded, ability: this.abilities.for(loaded.person) };
    this.people.set(session.accountId, fresh);
    return fresh;
  }

  private async look(ids: string[]): Promise<(LiveRow | undefined)[]> {
    const rows = await this.pool.query<LiveRow>(LOOK, [[...new Set(ids)]], 'auth_session_look');
    const found = new Map(rows.map((row) => [row.sessionId, row]));
    return ids.map((id) => found.get(id));
  }

  private async note(ids: string[]): Promise<void[]> {
    await this.pool.query(NOTE, [[...new Set(ids)], this.clock.now()], 'auth_session_note');
    return ids.map(() => undefined);
  }
}
