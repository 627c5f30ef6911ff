import { Injectable } from '@nestjs/common';
import { newId } from '../../platform/ids.js';
import type { Ctx } from '../../platform/access/context.js';
import type { Role } from '../../platform/access/vocabulary.js';
import type { Db } from '../../platform/database/db.js';
import { AccountRole, type GrantedVia } from './account-role.entity.js';
import { checkApart, type RolePeriod } from './role.rules.js';

type Work = Pick<Ctx, 'db' | 'now'>;

/** By whom or by what a role comes or goes: `by` an account, `from` the single sign-on or the directory's group of that name. */
export interface Hand {
  via: GrantedVia;
  by?: string;
  from?: string;
}

export interface StandingRole {
  id: string;
  role: Role;
  reason: string;
  startsAt: Date | null;
  endsAt: Date | null;
  grantedAt: Date;
  grantedBy: string | null;
  grantedVia: GrantedVia;
  grantedFrom: string | null;
}

/** A period of a role that has begun or ended by itself. */
export interface RoleBoundary {
  accountId: string;
  role: Role;
  kind: 'began' | 'ended';
  at: Date;
}

const OPEN: RolePeriod = { startsAt: null, endsAt: null };

/**
 * The one place that gives and takes roles; its callers have authorized it and emit `RolesChanged`. History is written by the
 * database (`users.role_change`). Throws users.role-already-held, -roles-apart, -not-to-oneself.
 */
@Injectable()
export class RoleGrants {
  /** Resolves with the id of the grant. */
  async grant(
    ctx: Work,
    accountId: string,
    role: Role,
    { hand, reason, period = OPEN }: { hand: Hand; reason: string; period?: RolePeriod },
  ): Promise<string> {
    const standing = await this.standing(ctx.db, accountId, ctx.now);
    checkApart(
      standing.map((one) => ({ ...one, from: one.startsAt ?? one.grantedAt })),
      { role, from: period.startsAt ?? ctx.now, endsAt: period.endsAt },
    );
    const manager = await ctx.db.manager();
    const id = newId();
    await manager.insert(AccountRole, {
      ...{ id, accountId, role, reason, ...period, grantedAt: ctx.now },
      ...{ grantedBy: hand.by ?? null, grantedVia: hand.via, grantedFrom: hand.from ?? null },
    });
    return id;
  }

  /** Takes the role away from now on, and what was planned of it. Resolves with the ids of the grants; none: it was not held. */
  async revoke(
    ctx: Work,
    accountId: string,
    role: Role,
    { hand, reason }: { hand: Hand; reason: string },
  ): Promise<string[]> {
    const rows = await ctx.db.query<{ id: string }>(
      `UPDATE users.account_role SET revoked_at = $3, revoked_by = $4, revoked_via = $5, revoked_from = $6, revoke_reason = $7
        WHERE account_id = $1 AND role = $2 AND revoked_at IS NULL AND (ends_at IS NULL OR ends_at > $3) RETURNING account_role_id AS id`,
      [accountId, role, ctx.now, hand.by ?? null, hand.via, hand.from ?? null, reason],
    );
    return rows.map((row) => row.id);
  }

  /** Roles of this moment, and those of later, by when they begin. */
  standing(db: Pick<Db, 'query'>, accountId: string, now: Date): Promise<StandingRole[]> {
    return db.query<StandingRole>(
      `SELECT account_role_id AS id, role, reason, starts_at AS "startsAt", ends_at AS "endsAt", granted_at AS "grantedAt",
              granted_by AS "grantedBy", granted_via AS "grantedVia", granted_from AS "grantedFrom"
         FROM users.account_role WHERE account_id = $1 AND revoked_at IS NULL AND (ends_at IS NULL OR ends_at > $2)
        ORDER BY coalesce(starts_at, granted_at), account_role_id`,
      [accountId, now],
    );
  }

  /** The entries of the history that these grants' latest change has left: what the audit trail points to. */
  async changesOf(db: Pick<Db, 'query'>, grants: readonly string[]): Promise<string[]> {
    const rows = await db.query<{ id: string }>(
      `SELECT DISTINCT ON (account_role_id) role_change_id AS id FROM users.role_change
        WHERE account_role_id = ANY($1) ORDER BY account_role_id, seq DESC`,
      [grants],
    );
    return rows.map((row) => row.id);
  }

  /**
   * Notes up to `limit` periods that have begun and as many that have ended; each is answered once, on one replica. Access itself
   * changes at the moment (an actor is not remembered beyond it); this is what tells of it.
   */
  noteBoundaries(db: Pick<Db, 'query'>, now: Date, limit: number): Promise<RoleBoundary[]> {
    return db.query<RoleBoundary>(
      'SELECT account_id AS "accountId", role, kind, at FROM users.note_role_periods($1, $2)',
      [now, limit],
    );
  }
}
