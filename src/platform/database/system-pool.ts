import pg from 'pg';
import type { Db } from './db.js';
import type { Pulse } from './pulse.js';

export interface PoolUsage {
  busy: number;
  idle: number;
  /** Who waits for a connection. */
  waiting: number;
}

export const usageOf = ({ totalCount, idleCount, waitingCount }: pg.Pool): PoolUsage => ({
  busy: totalCount - idleCount,
  idle: idleCount,
  waiting: waitingCount,
});

/**
 * A few connections apart from those of requests, for what must go on when requests have taken all of theirs: audit events
 * and the look at the live session. They never say who acts, so row policies show them no patient.
 */
export class SystemPool implements Pick<Db, 'query'> {
  private readonly pool: pg.Pool;

  constructor(url: string, options: { max: number; name: string; statementTimeoutMs?: number; pulse?: Pulse }) {
    this.pool = new pg.Pool({
      connectionString: url,
      max: options.max,
      application_name: options.name,
      connectionTimeoutMillis: 1_500,
      statement_timeout: options.statementTimeoutMs ?? 1_500,
      query_timeout: (options.statementTimeoutMs ?? 1_500) + 500,
      lock_timeout: 1_500,
      keepAlive: true,
    });
    // An idle connection that breaks is replaced at the next use; without a listener it would end the process.
    this.pool.on('error', () => undefined);
    options.pulse?.watchPool(this.pool);
  }

  async query<Row extends object>(text: string, values: readonly unknown[] = [], name?: string): Promise<Row[]> {
    const result = await this.pool.query<Row>({ text, values: values as unknown[], name } as pg.QueryConfig);
    return result.rows;
  }

  /** Statements on one connection, committed together or not at all. */
  async transaction<T>(work: (db: Pick<Db, 'query'>) => Promise<T>): Promise<T> {
    const client = await this.pool.connect();
    let broken: Error | undefined;
    // The pool listens only to those that it has back; a server that ends while nothing is under way would end the process.
    const note = (error: Error): void => void (broken = error);
    client.on('error', note);
    try {
      await client.query('BEGIN');
      const result = await work({
        query: async <Row extends object>(text: string, values: readonly unknown[] = [], name?: string) =>
          (await client.query<Row>({ text, values: values as unknown[], name } as pg.QueryConfig)).rows,
      });
      await client.query('COMMIT');
      return result;
    } catch (error) {
      await client.query('ROLLBACK').catch(note);
      throw error;
    } finally {
      client.off('error', note);
      client.release(broken);
    }
  }

  get usage(): PoolUsage {
    return usageOf(this.pool);
  }

  close(): Promise<void> {
    return this.pool.end();
  }
}
