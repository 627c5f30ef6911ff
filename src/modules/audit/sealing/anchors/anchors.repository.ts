import { Injectable } from '@nestjs/common';
import type { Db } from '../../../../platform/database/db.js';
import { SealingPool, type SignedRow } from '../checkpoints.repository.js';
import type { Cosignature } from './target.js';

type Queries = Pick<Db, 'query'>;

/** How the handing over to one target stands. */
export interface AnchorState {
  target: string;
  /** Of the last checkpoint that the target took; null: none so far. */
  generation: number | null;
  size: number | null;
  anchoredAt: Date | null;
  /** Since then. */
  failures: number;
  failedAt: Date | null;
  failure: string | null;
}

@Injectable()
export class AnchorsRepository {
  constructor(private readonly pool: SealingPool) {}

  async states(db: Queries = this.pool): Promise<Map<string, AnchorState>> {
    const rows = await db.query<Omit<AnchorState, 'size'> & { size: string | null }>(
      `SELECT target, generation, size, anchored_at AS "anchoredAt", failures, failed_at AS "failedAt", failure FROM audit.anchor`,
      [],
      'anchor_states',
    );
    return new Map(
      rows.map((row) => [row.target, { ...row, size: row.size === null ? null : Number(row.size) }] as const),
    );
  }

  async succeeded(
    db: Queries,
    target: string,
    { generation, size }: { generation: number; size: number },
    now: Date,
  ): Promise<void> {
    await db.query(
      `INSERT INTO audit.anchor (target, generation, size, anchored_at) VALUES ($1, $2, $3, $4)
       ON CONFLICT (target) DO UPDATE SET generation = $2, size = $3, anchored_at = $4, failures = 0, failed_at = NULL, failure = NULL`,
      [target, generation, size, now],
    );
  }

  async failed(db: Queries, target: string, failure: string, now: Date): Promise<void> {
    await db.query(
      `INSERT INTO audit.anchor (target, failures, failed_at, failure) VALUES ($1, 1, $2, $3)
       ON CONFLICT (target) DO UPDATE SET failures = anchor.failures + 1, failed_at = $2, failure = $3`,
      [target, now, failure],
    );
  }

  /** The same line twice is one. */
  async cosigned(db: Queries, generation: number, { size }: SignedRow, lines: readonly Cosignature[]): Promise<void> {
    for (const { witness, at, line } of lines)
      await db.query(
        `INSERT INTO audit.cosignature (generation, size, witness, cosigned_at, line) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
        [generation, size, witness, at, line],
      );
  }
}
