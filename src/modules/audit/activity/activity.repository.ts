import { Injectable } from '@nestjs/common';
import { Params } from '../../../platform/database/accessible.js';
import { ACTION, entryConditions } from '../entry-filter.js';
import { OpenPool } from '../tree/auditor-pool.js';

interface Asked {
  patientId: string;
  codes: readonly string[];
  from?: string;
  to?: string;
  /** Place before which the page begins. */
  before: number | null;
  limit: number;
}

/** Of one chart, over connections of its own: however many patients ask, officers keep theirs. */
@Injectable()
export class ActivityRepository {
  constructor(private readonly pool: OpenPool) {}

  /** Newest first, by the index of subjects. What succeeded; a streamed answer counts by its beginning, and not by its end too. */
  list({ patientId, codes, from, to, before, limit }: Asked): Promise<{ idx: string; leaf: string }[]> {
    const params = new Params();
    const where = entryConditions({ patientIds: [patientId], outcome: 'success', from, to }, params);
    where.push(`${ACTION} = ANY (${params.add(codes)})`, `strpos(e.leaf, '"http":{"bytes":') = 0`);
    if (before !== null) where.push(`e.idx < ${params.add(before)}`);
    return this.pool.query(
      `SELECT e.idx, e.leaf FROM audit.entry e WHERE ${where.join(' AND ')} ORDER BY e.idx DESC LIMIT ${params.add(limit)}`,
      params.values,
    );
  }
}
