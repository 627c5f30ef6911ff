import { Injectable } from '@nestjs/common';
import type { Db } from '../../../platform/database/db.js';
import { SealingPool } from '../sealing/checkpoints.repository.js';
import { AuditorPool } from '../tree/auditor-pool.js';
import type { InboxLook } from './intake.js';

export interface DatabaseLook extends InboxLook {
  /** Entries of the log. */
  size: number;
  /** The database's clock, in milliseconds since 1970. */
  nowMs: number;
}

/** A server process as it was heard last, by the database's clock. */
export interface ReplicaRow {
  replica: string;
  version: string;
  startedAt: Date;
  heardAt: Date;
  stoppedAt: Date | null;
  queueDepth: number;
  refused: number;
  clockOffsetMs: number | null;
  /** Since it was heard. */
  silentSeconds: number;
}

/** What a process says of itself. */
export interface Word {
  says: 'start' | 'alive' | 'stop';
  replica: string;
  version: string;
  queueDepth: number;
  refused: number;
  clockOffsetMs: number | null;
}

const LOOK = `SELECT (SELECT count(*) FROM (SELECT 1 FROM audit.inbox LIMIT $1) AS waiting)::int AS rows,
    coalesce(extract(epoch FROM clock_timestamp() - (SELECT placed_at FROM audit.inbox ORDER BY id LIMIT 1)), 0)::float8 AS "oldestSeconds",
    (SELECT size FROM audit.head)::float8 AS size, (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS "nowMs"`;

const REPLICAS = `SELECT replica, version, started_at AS "startedAt", heard_at AS "heardAt", stopped_at AS "stoppedAt", queue_depth AS "queueDepth",
    refused, clock_offset_ms AS "clockOffsetMs", extract(epoch FROM clock_timestamp() - heard_at)::float8 AS "silentSeconds"
  FROM audit.replica ORDER BY heard_at DESC, replica LIMIT $1`;

/** More processes than anybody runs, those of the last week that ended included. */
const MOST_REPLICAS = 500;

@Injectable()
export class FaultsRepository {
  constructor(
    private readonly sealing: SealingPool,
    private readonly auditor: AuditorPool,
  ) {}

  /** How full the inbox is, counted up to so many: one short statement as the sequencer, whom it belongs to. */
  async look(countTo: number): Promise<DatabaseLook> {
    const [row] = await this.sealing.query<DatabaseLook>(LOOK, [countTo], 'faults_look');
    return row!;
  }

  /** Last heard first. */
  replicas(): Promise<ReplicaRow[]> {
    return this.auditor.query<ReplicaRow>(REPLICAS, [MOST_REPLICAS], 'faults_replicas');
  }

  async heard(db: Pick<Db, 'query'>, word: Word): Promise<void> {
    await db.query('SELECT audit.heard($1, $2, $3, $4, $5, $6)', [
      ...[word.replica, word.version, word.says],
      ...[word.queueDepth, word.refused, word.clockOffsetMs],
    ]);
  }
}
