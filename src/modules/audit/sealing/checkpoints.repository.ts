import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import type { Db } from '../../../platform/database/db.js';
import { SystemPool } from '../../../platform/database/system-pool.js';
import type { Checkpoint } from '../../../tlog/index.js';

type Queries = Pick<Db, 'query'>;

export interface SignedRow extends Checkpoint {
  note: string;
  signedAt: Date;
}

/** The log as the database has it now. */
export interface LogNow {
  head: { size: number; peaks: (Buffer | null)[] };
  /** Counts the names of the log. */
  generation: number;
  /** The present name; null before the first checkpoint. */
  origin: string | null;
  /** Of the present name. */
  latest: SignedRow | null;
}

interface LogRow {
  head_size: string;
  peaks: (Buffer | null)[];
  generation: number;
  present: string | null;
  size: string | null;
  origin: string;
  root: Buffer;
  note: string;
  signed_at: Date;
}

const LOG_NOW = `SELECT h.size AS head_size, h.peaks, g.generation, o.origin AS present, c.size, c.origin, c.root, c.note, c.signed_at
  FROM audit.head h CROSS JOIN (SELECT audit.generation() AS generation) g
  LEFT JOIN audit.origin o ON o.generation = g.generation
  LEFT JOIN LATERAL (SELECT * FROM audit.checkpoint k WHERE k.generation = g.generation ORDER BY k.size DESC LIMIT 1) c ON true
  WHERE h.log_id = 1`;

const checkpointOf = (row: Pick<LogRow, 'size' | 'origin' | 'root' | 'note' | 'signed_at'>): SignedRow => ({
  origin: row.origin,
  size: Number(row.size),
  root: row.root,
  note: row.note,
  signedAt: row.signed_at,
});

/** Whoever seals holds it; the function that adds a checkpoint takes the same one. */
const TURN = "hashtext('portico audit sealing')";
const ANCHORING = "hashtext('portico audit anchoring')";

/** Connections of the sealer, as the sequencer's role: one for its turn, one for handing checkpoints over. */
@Injectable()
export class SealingPool extends SystemPool implements OnApplicationShutdown {
  constructor(@Inject(CONFIG) config: Config) {
    super(config.database.sequencerUrl, { max: 3, name: 'portico-sealer', statementTimeoutMs: 10_000 });
  }

  onApplicationShutdown(): Promise<void> {
    return this.close();
  }
}

@Injectable()
export class CheckpointsRepository {
  constructor(private readonly pool: SealingPool) {}

  /** Runs while no other replica seals; null where another one does, unless told to wait for it. */
  async inTurn<T>(work: (db: Queries) => Promise<T>, waits: boolean): Promise<T | null> {
    return this.pool.transaction(async (db) => {
      if (waits) await db.query(`SELECT pg_advisory_xact_lock(${TURN})`);
      else if (!(await this.taken(db, TURN))) return null;
      return work(db);
    });
  }

  /** Runs while no other replica hands checkpoints over; null where another one does. */
  async inAnchoringTurn<T>(work: (db: Queries) => Promise<T>, waits: boolean): Promise<T | null> {
    return this.pool.transaction(async (db) => {
      if (waits) await db.query(`SELECT pg_advisory_xact_lock(${ANCHORING})`);
      else if (!(await this.taken(db, ANCHORING))) return null;
      return work(db);
    });
  }

  async now(db: Queries = this.pool): Promise<LogNow> {
    const [row] = await db.query<LogRow>(LOG_NOW, [], 'sealing_now');
    const { head_size, peaks, generation, present } = row!;
    return {
      head: { size: Number(head_size), peaks },
      generation,
      origin: present,
      latest: row!.size === null ? null : checkpointOf(row!),
    };
  }

  /** The first size after this one, and up to that one, at which somebody needs a checkpoint. */
  async wantedSize(db: Queries, after: number, most: number): Promise<number | null> {
    const [row] = await db.query<{ size: string | null }>('SELECT audit.wanted_checkpoint($1) AS size', [after]);
    const size = Number(row!.size ?? Infinity);
    return size <= most ? size : null;
  }

  /** Names that were closed, oldest first. */
  async closedOrigins(db: Queries): Promise<string[]> {
    const rows = await db.query<{ origin: string }>(
      'SELECT origin FROM audit.origin WHERE generation < audit.generation() ORDER BY generation',
    );
    return rows.map(({ origin }) => origin);
  }

  /** The newest checkpoint of the names before this one that is not larger than the log is now. */
  async newestBefore(db: Queries, generation: number, most: number): Promise<SignedRow | null> {
    const [row] = await db.query<LogRow>(
      `SELECT size, origin, root, note, signed_at FROM audit.checkpoint
        WHERE generation < $1 AND size <= $2 ORDER BY size DESC, generation DESC LIMIT 1`,
      [generation, most],
    );
    return row ? checkpointOf(row) : null;
  }

  /** True: it is the newest one now. False: another was added since `after`, or another name opened. */
  async add(db: Queries, { generation, after, ...row }: SignedRow & { generation: number; after: number }) {
    const [answer] = await db.query<{ seal: boolean }>('SELECT audit.seal($1, $2, $3, $4, $5, $6, $7)', [
      ...[generation, after, row.origin, row.size],
      ...[row.root, row.note, row.signedAt],
    ]);
    return answer!.seal;
  }

  /** Closes the present name with an event in the log, and opens the next; resolves with the event's place. */
  async open(
    db: Queries,
    next: { generation: number; origin: string; closedNote: string; at: Date },
    event: { eventId: string; event: string; action: string },
    reason: { digest: string; disclosure: string },
  ): Promise<number> {
    const [row] = await db.query<{ place: string }>(
      'SELECT audit.open_origin($1, $2, $3, $4, $5, $6, $7, $8, $9) AS place',
      [
        ...[next.generation, next.origin, next.closedNote, next.at],
        ...[event.eventId, event.event, event.action],
        ...[reason.digest, reason.disclosure],
      ],
    );
    return Number(row!.place);
  }

  /** Adds public keys to those that stay published; gives the ones that are new beside others of that name. */
  async publishKeys(db: Queries, origin: string, vkeys: readonly string[], now: Date): Promise<string[]> {
    const rows = await db.query<{ vkey: string; is_first: boolean }>(
      `WITH known AS (SELECT count(*) AS n FROM audit.verifier_key WHERE origin = $2)
       INSERT INTO audit.verifier_key (vkey, origin, added_at) SELECT unnest($1::text[]), $2, $3 FROM known
       ON CONFLICT (vkey) DO NOTHING RETURNING vkey, (SELECT n FROM known) = 0 AS is_first`,
      [vkeys, origin, now],
    );
    return rows.filter((row) => !row.is_first).map(({ vkey }) => vkey);
  }

  private async taken(db: Queries, lock: string): Promise<boolean> {
    const [row] = await db.query<{ taken: boolean }>(`SELECT pg_try_advisory_xact_lock(${lock}) AS taken`);
    return row!.taken;
  }
}
