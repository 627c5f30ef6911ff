import pg from 'pg';
import type { Db } from './db.js';

/**
 * A few connections apart from those of requests, for what must go on when requests have taken all of theirs: audit events
 * and the look at the live session. They never say who acts, so row policies show them no patient.
 */
export class SystemPool implements Pick<Db, 'query'> {
  private readonly pool: pg.Pool;

  constructor(url: string, options: { max: number; name: string; statementTimeoutMs?: number }) {
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
  }

  async query<Row extends object>(text: string, values: readonly unknown[] = [], name?: string): Promise<Row[]> {
    const result = await this.pool.query<Row>({ text, values: values as unknown[], name } as pg.QueryConfig);
    return result.rows;
  }

  close(): Promise<void> {
    return this.pool.end();
  }
}
