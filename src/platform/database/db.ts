import type { EntityManager } from 'typeorm';

/** The database as one request sees it: one connection, told who acts, so that row policies hold for every statement. */
export interface Db {
  /** Runs one parameterised statement. A `name` makes it a prepared statement on a connection that reads share: for short, hot ones; one name per text. */
  query<Row extends object>(text: string, values?: readonly unknown[], name?: string): Promise<Row[]>;
  /** TypeORM on the same connection and transaction. */
  manager(): Promise<EntityManager>;
}
