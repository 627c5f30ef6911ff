import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import type { Db } from '../../../platform/database/db.js';
import { SystemPool } from '../../../platform/database/system-pool.js';
import type { AuditRow } from '../event.js';
import type { Span } from './block-files.js';
import { ARCHIVED, type ArchivedBlock } from './blocks.repository.js';

type Queries = Pick<Db, 'query'>;

const TURN = "hashtext('portico audit retention')";
const LOCKED = '55P03';

/** A block of the database that is full. */
export interface HotBlock extends Span {
  firstAt: Date;
  lastAt: Date;
}

/** Connections of retention, as the sequencer's role, which alone takes blocks out of the log: one for its turn, others to work. */
@Injectable()
export class RetentionPool extends SystemPool implements OnApplicationShutdown {
  constructor(@Inject(CONFIG) config: Config) {
    super(config.database.sequencerUrl, { max: 3, name: 'portico-retention', statementTimeoutMs: 60_000 });
  }

  onApplicationShutdown(): Promise<void> {
    return this.close();
  }
}

@Injectable()
export class RetentionRepository {
  constructor(readonly pool: RetentionPool) {}

  /** Runs while no other replica does; null where another one does. A connection that breaks gives the turn up. */
  async inTurn<T>(work: (turn: Queries) => Promise<T>): Promise<T | null> {
    return this.pool.transaction(async (db) => {
      const [row] = await db.query<{ taken: boolean }>(`SELECT pg_try_advisory_xact_lock(${TURN}) AS taken`);
      return row!.taken ? work(db) : null;
    });
  }

  /** The same day so many months or years before, by the calendar. */
  async before(time: Date, { months = 0, years = 0 }: { months?: number; years?: number }): Promise<Date> {
    const [row] = await this.pool.query<{ at: Date }>(
      'SELECT $1::timestamptz - make_interval(months => $2::int, years => $3::int) AS at',
      [time, months, years],
    );
    return row!.at;
  }

  /** The first block that is in the database, if it is full and under a published checkpoint. */
  async nextBlock(): Promise<HotBlock | null> {
    const [row] = await this.pool.query<HotBlock & { isSealed: boolean }>(
      `SELECT n::float8 AS block, (n * span)::float8 AS first, ((n + 1) * span)::float8 AS "end", t."firstAt", t."lastAt",
         (n + 1) * span <= coalesce((SELECT max(size) FROM audit.published), 0) AS "isSealed"
         FROM (SELECT count(*) AS n, (SELECT size FROM audit.block_rule) AS span FROM audit.archived_block WHERE detached_at IS NOT NULL) b,
         LATERAL (SELECT (SELECT min(occurred) FROM audit.entry WHERE idx >= n * span AND idx < (n + 1) * span) AS "firstAt",
           (SELECT max(occurred) FROM audit.entry WHERE idx >= n * span AND idx < (n + 1) * span) AS "lastAt") t`,
    );
    return row?.isSealed ? row : null;
  }

  /** A block whose files are written already. */
  async recorded(block: number): Promise<ArchivedBlock | null> {
    const rows = await this.pool.query<ArchivedBlock>(`SELECT ${ARCHIVED} FROM audit.archived_block WHERE block = $1`, [
      block,
    ]);
    return rows[0] ?? null;
  }

  async record(hot: HotBlock, files: { digest: Buffer; digests: Buffer; bytes: number }, at: Date): Promise<void> {
    await this.pool.query('SELECT audit.record_block($1, $2, $3, $4, $5, $6, $7)', [
      ...[hot.block, hot.firstAt, hot.lastAt],
      ...[files.digest, files.digests, files.bytes, at],
    ]);
  }

  /** False: others read the log all the time; try again. */
  async detach(block: number, at: Date, { eventId, event, action }: AuditRow): Promise<boolean> {
    try {
      await this.pool.query('SELECT audit.detach_block($1, $2, $3, $4, $5)', [block, at, eventId, event, action]);
      return true;
    } catch (error) {
      if ((error as { code?: unknown }).code === LOCKED) return false;
      throw error;
    }
  }

  /** Has its event placed in the log, for verification looks for it; a sequencer may be faster. */
  async place({ eventId }: AuditRow): Promise<void> {
    for (let isPlaced = false; !isPlaced;) {
      await this.pool.query('SELECT audit.sequence(2000)');
      const rows = await this.pool.query('SELECT 1 FROM audit.entry WHERE event_id = $1', [eventId]);
      isPlaced = rows.length > 0;
    }
  }

  /** Blocks older than that whose files are kept. */
  async expired(before: Date): Promise<ArchivedBlock[]> {
    return this.pool.query<ArchivedBlock>(
      `SELECT ${ARCHIVED} FROM audit.archived_block WHERE detached_at IS NOT NULL AND deleted_at IS NULL AND last_at < $1 ORDER BY block`,
      [before],
    );
  }

  /** False: a legal hold keeps it. */
  async delete(block: number, before: Date, at: Date, { eventId, event, action }: AuditRow): Promise<boolean> {
    const [row] = await this.pool.query<{ deleted: boolean }>(
      'SELECT audit.delete_block($1, $2, $3, $4, $5, $6) AS deleted',
      [block, before, at, eventId, event, action],
    );
    return row!.deleted;
  }

  /** Of these blocks, those that were deleted. */
  async deletedOf(blocks: readonly number[]): Promise<number[]> {
    const rows = await this.pool.query<{ block: number }>(
      'SELECT block::float8 AS block FROM audit.archived_block WHERE block = ANY($1) AND deleted_at IS NOT NULL',
      [blocks],
    );
    return rows.map(({ block }) => block);
  }
}
