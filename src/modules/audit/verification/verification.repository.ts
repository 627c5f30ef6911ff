import { Inject, Injectable, Optional, type OnApplicationShutdown } from '@nestjs/common';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import type { Db } from '../../../platform/database/db.js';
import { Pulse } from '../../../platform/database/pulse.js';
import { SystemPool } from '../../../platform/database/system-pool.js';
import type { Finding, Tampering } from './findings.js';

export type Scope = 'whole' | 'increment';

/** What a verification has come to. */
export interface Verification {
  id: number;
  scope: Scope;
  accountId: string | null;
  replica: string;
  startedAt: Date;
  finishedAt: Date;
  verdict: 'verified' | 'refused' | 'failed';
  from: number;
  size: number;
  root: Buffer | null;
  sealedSize: number | null;
  finding: Pick<Finding, 'kind' | 'where' | 'index' | 'through' | 'what'> | null;
}

interface Row {
  verification_id: string;
  scope: Scope;
  account_id: string | null;
  replica: string;
  started_at: Date;
  finished_at: Date;
  verdict: Verification['verdict'];
  from_idx: string;
  size: string;
  root: Buffer | null;
  sealed_size: string | null;
  kind: Tampering | null;
  place: string | null;
  bad_idx: string | null;
  bad_through: string | null;
  what: string | null;
}

const whole = (value: string | null): number | null => (value === null ? null : Number(value));

const resultOf = (row: Row): Verification => ({
  id: Number(row.verification_id),
  scope: row.scope,
  accountId: row.account_id,
  replica: row.replica,
  startedAt: row.started_at,
  finishedAt: row.finished_at,
  verdict: row.verdict,
  from: Number(row.from_idx),
  size: Number(row.size),
  root: row.root,
  sealedSize: whole(row.sealed_size),
  finding:
    row.kind === null
      ? null
      : {
          kind: row.kind,
          where: row.place!,
          index: whole(row.bad_idx),
          through: whole(row.bad_through),
          what: row.what!,
        },
});

const LOCK = "hashtext('portico audit verification')";
const COLUMNS = `verification_id, scope, account_id, replica, started_at, finished_at, verdict, from_idx, size, root, sealed_size,
  kind, place, bad_idx, bad_through, what`;

/** Connections of a verification, as the auditor: one holds its turn, the others read. Apart from those of officers' requests. */
@Injectable()
export class VerificationPool extends SystemPool implements OnApplicationShutdown {
  constructor(@Inject(CONFIG) config: Config, @Optional() pulse?: Pulse) {
    super(config.database.auditorUrl, { max: 4, name: 'portico-verifier', statementTimeoutMs: 30_000, pulse });
  }

  onApplicationShutdown(): Promise<void> {
    return this.close();
  }
}

@Injectable()
export class VerificationRepository {
  constructor(private readonly pool: VerificationPool) {}

  /** Runs while no other replica verifies; null where another one does. A connection that breaks gives the turn up. */
  async inTurn<T>(work: (turn: Pick<Db, 'query'>) => Promise<T>): Promise<T | null> {
    return this.pool.transaction(async (db) => {
      const [row] = await db.query<{ taken: boolean }>(`SELECT pg_try_advisory_xact_lock(${LOCK}) AS taken`);
      return row!.taken ? work(db) : null;
    });
  }

  /** Whether any replica verifies now. */
  async isRunning(): Promise<boolean> {
    const [row] = await this.pool.query<{ running: boolean }>(
      `SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND granted
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
         AND (classid::bigint << 32 | objid::bigint) = ${LOCK}::bigint) AS running`,
    );
    return row!.running;
  }

  /** The newest result; of a scope or a verdict, where one is named. */
  async newest(filter: { scope?: Scope; verdict?: Verification['verdict'] } = {}): Promise<Verification | null> {
    const [row] = await this.pool.query<Row>(
      `SELECT ${COLUMNS} FROM audit.verification WHERE ($1::text IS NULL OR scope = $1) AND ($2::text IS NULL OR verdict = $2)
        ORDER BY verification_id DESC LIMIT 1`,
      [filter.scope ?? null, filter.verdict ?? null],
    );
    return row ? resultOf(row) : null;
  }

  async add(result: Omit<Verification, 'id'>): Promise<Verification> {
    const { scope, accountId, replica, startedAt, finishedAt, verdict, from, size, root, sealedSize, finding } = result;
    const [row] = await this.pool.query<{ verification_id: string }>(
      `INSERT INTO audit.verification (scope, account_id, replica, started_at, finished_at, verdict, from_idx, size, root, sealed_size,
         kind, place, bad_idx, bad_through, what) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) RETURNING verification_id`,
      [
        ...[scope, accountId, replica, startedAt, finishedAt, verdict, from, size, root, sealedSize],
        ...[finding?.kind, finding?.where, finding?.index, finding?.through, finding?.what.slice(0, 500)],
      ],
    );
    return { ...result, id: Number(row!.verification_id) };
  }
}
