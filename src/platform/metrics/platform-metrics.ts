import { Inject, Injectable } from '@nestjs/common';
import type pg from 'pg';
import { DataSource } from 'typeorm';
import { ReadLanes } from '../database/read-lanes.js';
import { SystemPool, usageOf, type PoolUsage } from '../database/system-pool.js';
import { Metrics, type Reading } from './metrics.js';

/** Notices by state; a job that is done is deleted. */
const OUTBOX = `SELECT count(*) FILTER (WHERE failed_at IS NULL)::int AS waiting, count(*) FILTER (WHERE failed_at IS NOT NULL)::int AS dead
  FROM platform.outbox`;

/** What the platform tells of itself: connections to the database and notices on their way. */
@Injectable()
export class PlatformMetrics {
  constructor(
    metrics: Metrics,
    private readonly system: SystemPool,
    private readonly lanes: ReadLanes,
    @Inject(DataSource) private readonly source: DataSource,
  ) {
    metrics.gauge('portico_db_connections', 'Connections to the database, by pool', () => this.connections(), [
      'pool',
      'state',
    ]);
    metrics.gauge('portico_db_waiting', 'Statements and requests that wait for a connection', () => this.waiting(), [
      'pool',
    ]);
    metrics.gauge('portico_outbox', 'Notices that wait to be sent, and that were given up', () => this.outbox(), [
      'state',
    ]);
  }

  private pools(): [string, PoolUsage][] {
    const { master } = this.source.driver as unknown as { master: pg.Pool };
    return [
      ['requests', usageOf(master)],
      ['system', this.system.usage],
    ];
  }

  private connections(): Reading[] {
    return this.pools().flatMap(([pool, { busy, idle }]) => [
      { labels: { pool, state: 'busy' }, value: busy },
      { labels: { pool, state: 'idle' }, value: idle },
    ]);
  }

  private waiting(): Reading[] {
    const waiting: [string, number][] = this.pools().map(([pool, usage]) => [pool, usage.waiting]);
    return [...waiting, ['reads', this.lanes.waiting] as const].map(([pool, value]) => ({ labels: { pool }, value }));
  }

  private async outbox(): Promise<Reading[]> {
    const [row] = await this.system.query<{ waiting: number; dead: number }>(OUTBOX);
    return [
      { labels: { state: 'waiting' }, value: row!.waiting },
      { labels: { state: 'dead' }, value: row!.dead },
    ];
  }
}
