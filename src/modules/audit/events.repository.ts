import { Injectable } from '@nestjs/common';
import { Params } from '../../platform/database/accessible.js';
import { Problem } from '../../platform/http/problem.js';
import { entryConditions, PLACE, type EntryFilter } from './entry-filter.js';
import { orderOf, type Place } from './entry-order.js';
import { ArchivedLeaves } from './retention/archived-leaves.js';
import { archivedRows } from './retention/archived-rows.js';
import { AuditorPool } from './tree/auditor-pool.js';

export interface EntryRow {
  idx: string;
  /** Value of the element that it is sorted by. */
  key: string;
  leaf: string;
  disclosure: string | null;
}

export interface Search {
  filter: EntryFilter;
  order: string;
  after: Place | null;
  limit: number;
}

const CANCELED = '57014';

const tooWide = (): Problem =>
  new Problem(
    422,
    'audit.search-too-wide',
    'This takes too long: name a shorter period, or more of what you look for.',
  );

/** Reads the log, over connections of the auditor's role: the server's own role cannot. */
@Injectable()
export class EventsRepository {
  constructor(
    private readonly pool: AuditorPool,
    private readonly archive: ArchivedLeaves,
  ) {}

  /** The exact bytes of the leaves, and what opens their addresses where that was not erased. */
  async list({ filter, order, after, limit }: Search): Promise<EntryRow[]> {
    const params = new Params();
    const { key, by, byOuter, after: isAfter } = orderOf(order);
    const where = entryConditions(filter, params);
    if (after) where.push(isAfter(after, params));
    // The page is cut before anything is joined to it: whatever it is sorted by, few rows go further.
    return this.read(
      `SELECT p.idx, p.key::text AS key, p.leaf, d.disclosure
         FROM (SELECT e.idx, ${key} AS key, ${PLACE} AS place, e.leaf FROM audit.entry e ${where.length > 0 ? `WHERE ${where.join(' AND ')}` : ''}
                ORDER BY ${by} LIMIT ${params.add(limit)}) p
         LEFT JOIN audit.disclosure d ON d.digest = p.place
        ORDER BY ${byOuter}`,
      params.values,
    );
  }

  async find(seq: number): Promise<EntryRow | null> {
    const one = (from: string) => `SELECT e.idx, e.idx::text AS key, e.leaf, d.disclosure FROM ${from} e
       LEFT JOIN audit.disclosure d ON d.digest = ${PLACE}`;
    const rows = await this.read(`${one('audit.entry')} WHERE e.idx = $1`, [seq]);
    if (rows[0]) return rows[0];
    const archived = await archivedRows(this.archive, seq, seq + 1);
    if (!archived) return null;
    const params = new Params();
    return (await this.read(one(archived.from(params)), params.values))[0] ?? null;
  }

  private async read(sql: string, values: unknown[]): Promise<EntryRow[]> {
    try {
      return await this.pool.query<EntryRow>(sql, values);
    } catch (error) {
      throw (error as { code?: unknown }).code === CANCELED ? tooWide() : error;
    }
  }
}
