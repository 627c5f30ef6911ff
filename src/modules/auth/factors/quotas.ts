import { Injectable } from '@nestjs/common';
import type { Db } from '../../../platform/database/db.js';
import { Secrets } from '../secrets.js';

/** At most `most` within any `seconds`. */
export interface Limit {
  most: number;
  seconds: number;
}

/** Seconds until one more is allowed by every limit. */
export function waitOf(taken: readonly Date[], limits: readonly Limit[], now: Date): number {
  const waits = limits.map(({ most, seconds }) => {
    const oldest = [...taken].sort((a, b) => b.getTime() - a.getTime())[most - 1];
    return oldest ? Math.ceil((oldest.getTime() + seconds * 1000 - now.getTime()) / 1000) : 0;
  });
  return Math.max(1, ...waits);
}

/** How often something may be done, whatever comes of it: exact sliding windows in PostgreSQL, the same for all replicas. */
@Injectable()
export class Quotas {
  constructor(private readonly secrets: Secrets) {}

  /** Takes one, in the caller's transaction, by one conditional statement; or resolves with the seconds to wait. */
  async take(db: Pick<Db, 'query'>, name: string, limits: readonly Limit[], now: Date): Promise<number | null> {
    const subject = this.secrets.mac('quota', name);
    const longest = Math.max(...limits.map(({ seconds }) => seconds));
    const within = (most: number, seconds: number) =>
      `(SELECT count(*) FROM unnest(q.taken) AS t WHERE t > $2::timestamptz - ${seconds} * interval '1 second') < ${most}`;
    const rows = await db.query(
      `INSERT INTO auth.quota AS q (subject, taken, last_at) VALUES ($1, ARRAY[$2::timestamptz], $2)
       ON CONFLICT (subject) DO UPDATE SET last_at = $2,
         taken = ARRAY(SELECT t FROM unnest(q.taken) AS t WHERE t > $2::timestamptz - $3 * interval '1 second') || $2::timestamptz
       WHERE ${limits.map(({ most, seconds }) => within(most, seconds)).join(' AND ')} RETURNING 1`,
      [subject, now, longest],
    );
    if (rows.length > 0) return null;
    const [row] = await db.query<{ taken: Date[] }>('SELECT taken FROM auth.quota WHERE subject = $1', [subject]);
    return waitOf(row?.taken ?? [], limits, now);
  }
}
