import { Injectable } from '@nestjs/common';
import type { SignedIn } from '../../../platform/access/context.js';
import { Params } from '../../../platform/database/accessible.js';
import { AuditorPool } from '../tree/auditor-pool.js';
import type { SavedFilter } from './queries.dto.js';

export interface SavedQuery {
  id: string;
  accountId: string;
  name: string;
  isShared: boolean;
  filter: SavedFilter;
  version: number;
  createdAt: Date;
  updatedAt: Date;
}

type Kept = Pick<SavedQuery, 'id' | 'name' | 'isShared' | 'filter'>;

const COLUMNS = `query_id AS id, account_id AS "accountId", name, is_shared AS "isShared", filter, version, created_at AS "createdAt",
  updated_at AS "updatedAt"`;

/** Queries that officers keep: read over the auditor's role, written by functions that ask who acts, with the event of it. */
@Injectable()
export class QueriesRepository {
  constructor(private readonly pool: AuditorPool) {}

  /** Own ones and those that others share, newest first. */
  list(
    ctx: SignedIn,
    { of, before, limit }: { of: 'mine' | 'shared' | undefined; before: string | null; limit: number },
  ): Promise<SavedQuery[]> {
    const params = new Params();
    const me = params.add(ctx.actor.id);
    const where = [of === 'mine' ? `account_id = ${me}` : `(account_id = ${me} OR is_shared)`];
    if (of === 'shared') where.push(`account_id <> ${me}`);
    if (before !== null) where.push(`query_id < ${params.add(before)}`);
    return this.pool.query<SavedQuery>(
      `SELECT ${COLUMNS} FROM audit.saved_query WHERE ${where.join(' AND ')} ORDER BY query_id DESC LIMIT ${params.add(limit)}`,
      params.values,
    );
  }

  async find(id: string): Promise<SavedQuery | null> {
    const rows = await this.pool.query<SavedQuery>(`SELECT ${COLUMNS} FROM audit.saved_query WHERE query_id = $1`, [
      id,
    ]);
    return rows[0] ?? null;
  }

  /** A new one, or the next version of the caller's own; false when it is another version by now. */
  async keep(ctx: SignedIn, { id, name, isShared, filter }: Kept, version: number | null): Promise<boolean> {
    const [row] = await ctx.db.query<{ kept: boolean }>('SELECT audit.keep_query($1, $2, $3, $4, $5, $6) AS kept', [
      id,
      version,
      name,
      isShared,
      JSON.stringify(filter),
      ctx.now,
    ]);
    return row!.kept;
  }

  async drop(ctx: SignedIn, id: string): Promise<boolean> {
    const [row] = await ctx.db.query<{ dropped: boolean }>('SELECT audit.drop_query($1) AS dropped', [id]);
    return row!.dropped;
  }
}
