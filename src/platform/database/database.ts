import type { Client } from 'pg';
import { type DataSource, type EntityManager, type QueryRunner } from 'typeorm';
import type { Db } from './db.js';
import type { ReadLanes } from './read-lanes.js';

const IDENTIFY = { name: 'identify', text: "SELECT set_config('app.account_id', $1, false)" };
const IDENTIFY_LOCAL = { name: 'identify_local', text: "SELECT set_config('app.account_id', $1, true)" };

/**
 * Reads of one request. A named statement is a short one and goes by a shared lane; any other takes a connection of its
 * own, which is told who acts before anything else.
 */
class ReadDb implements Db {
  private own: { runner: QueryRunner; ready: Promise<Client> } | null = null;

  constructor(
    private readonly source: DataSource,
    private readonly lanes: ReadLanes,
    private readonly accountId: string | null,
  ) {}

  async query<Row extends object>(text: string, values: readonly unknown[] = [], name?: string): Promise<Row[]> {
    const statement = { text, values: values as unknown[], name };
    if (name !== undefined) return this.lanes.query<Row>(this.accountId, statement);
    return (await (await this.connection().ready).query<Row>(statement)).rows;
  }

  async manager(): Promise<EntityManager> {
    const { runner, ready } = this.connection();
    await ready;
    return runner.manager;
  }

  async release(): Promise<void> {
    await this.own?.runner.release();
  }

  private connection(): { runner: QueryRunner; ready: Promise<Client> } {
    if (!this.own) {
      const runner = this.source.createQueryRunner();
      this.own = { runner, ready: this.identified(runner) };
    }
    return this.own;
  }

  private async identified(runner: QueryRunner): Promise<Client> {
    const client = (await runner.connect()) as Client;
    await client.query({ ...IDENTIFY, values: [this.accountId ?? ''] });
    return client;
  }
}

/** One write: begins at its first statement, so that reading a large body or hashing a password holds no transaction open. */
class WriteDb implements Db {
  private begun: Promise<Client> | null = null;
  private readonly runner: QueryRunner;

  constructor(
    source: DataSource,
    private readonly accountId: string | null,
  ) {
    this.runner = source.createQueryRunner();
  }

  async query<Row extends object>(text: string, values: readonly unknown[] = [], name?: string): Promise<Row[]> {
    const client = await this.begin();
    return (await client.query<Row>({ text, values: values as unknown[], name })).rows;
  }

  async manager(): Promise<EntityManager> {
    await this.begin();
    return this.runner.manager;
  }

  async commit(): Promise<void> {
    if (this.begun) await this.runner.commitTransaction();
  }

  async rollback(): Promise<void> {
    // A rollback that fails means a dead connection: PostgreSQL has rolled back already.
    if (this.begun && this.runner.isTransactionActive) await this.runner.rollbackTransaction().catch(() => undefined);
  }

  async release(): Promise<void> {
    if (this.begun) await this.runner.release();
  }

  private begin(): Promise<Client> {
    this.begun ??= (async () => {
      const client = (await this.runner.connect()) as Client;
      await this.runner.startTransaction();
      await client.query({ ...IDENTIFY_LOCAL, values: [this.accountId ?? ''] });
      return client;
    })();
    return this.begun;
  }
}

/** What is left of a write's transaction when its handler is done: settle it before the answer leaves. */
export interface OpenWrite extends Db {
  commit(): Promise<void>;
  rollback(): Promise<void>;
  release(): Promise<void>;
}

export interface OpenRead extends Db {
  release(): Promise<void>;
}

/** The one place that hands out connections to requests. */
export class Database {
  constructor(
    private readonly source: DataSource,
    private readonly lanes: ReadLanes,
  ) {}

  openRead(accountId: string | null): OpenRead {
    return new ReadDb(this.source, this.lanes, accountId);
  }

  openWrite(accountId: string | null): OpenWrite {
    return new WriteDb(this.source, accountId);
  }

  /** One transaction for work that no request carries (jobs, sign-in bookkeeping that must outlive a refusal). */
  async write<T>(accountId: string | null, work: (db: Db) => Promise<T>): Promise<T> {
    const db = this.openWrite(accountId);
    try {
      const result = await work(db);
      await db.commit();
      return result;
    } catch (error) {
      await db.rollback();
      throw error;
    } finally {
      await db.release();
    }
  }
}
