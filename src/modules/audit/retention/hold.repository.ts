import { Injectable } from '@nestjs/common';
import type { SignedIn } from '../../../platform/access/context.js';
import { AuditorPool } from '../tree/auditor-pool.js';

export interface Hold {
  id: string;
  from: Date | null;
  to: Date | null;
  reason: string;
  placedBy: string;
  placedAt: Date;
  releaseReason: string | null;
  releasedBy: string | null;
  releasedAt: Date | null;
}

const HOLDS = `SELECT h.hold_id AS id, h.from_at AS "from", h.to_at AS "to", h.reason, h.placed_by AS "placedBy", h.placed_at AS "placedAt",
    r.reason AS "releaseReason", r.released_by AS "releasedBy", r.released_at AS "releasedAt"
  FROM audit.hold h LEFT JOIN audit.hold_release r USING (hold_id)`;

/** Legal holds: placed and released within the request's transaction, read as the auditor. */
@Injectable()
export class HoldRepository {
  constructor(private readonly pool: AuditorPool) {}

  async place(ctx: SignedIn, { id, from, to, reason, placedBy, placedAt }: Hold): Promise<void> {
    await ctx.db.query('SELECT audit.place_hold($1, $2, $3, $4, $5, $6)', [id, from, to, reason, placedBy, placedAt]);
  }

  /** False: it was released before. */
  async release(ctx: SignedIn, id: string, reason: string): Promise<boolean> {
    const [row] = await ctx.db.query<{ released: boolean }>('SELECT audit.release_hold($1, $2, $3, $4) AS released', [
      ...[id, reason, ctx.actor.id, ctx.now],
    ]);
    return row!.released;
  }

  async find(id: string): Promise<Hold | null> {
    return (await this.pool.query<Hold>(`${HOLDS} WHERE h.hold_id = $1`, [id]))[0] ?? null;
  }

  /** Newest first: ids are UUIDv7. */
  list(before: string | null, limit: number): Promise<Hold[]> {
    return this.pool.query<Hold>(`${HOLDS} WHERE $1::uuid IS NULL OR h.hold_id < $1 ORDER BY h.hold_id DESC LIMIT $2`, [
      before,
      limit,
    ]);
  }
}
