import { Injectable } from '@nestjs/common';
import { AuditSink } from '../../../platform/access/audit-sink.js';
import { ctxOfNobody } from '../../../platform/access/operator.js';
import { Database } from '../../../platform/database/database.js';
import type { Db } from '../../../platform/database/db.js';
import { Events } from '../../../platform/events/events.js';
import { RoleGrants, RolesChanged, type RoleBoundary } from '../../users/index.js';

/**
 * Roles whose period has begun or ended by itself. What the account may do has changed at that very moment, at the next request
 * on every replica; this ends its sessions, so that whoever works under it signs in anew, and tells the audit trail.
 */
@Injectable()
export class RoleBoundaries {
  constructor(
    private readonly database: Database,
    private readonly roles: RoleGrants,
    private readonly events: Events,
    private readonly sink: AuditSink,
  ) {}

  /** Up to `limit` that have begun and as many that have ended; resolves with how many. Safe on several replicas at once. */
  async sweep(now: Date, limit: number): Promise<number> {
    const afterCommit: (() => void)[] = [];
    const count = await this.database.write(null, async (db) => {
      const boundaries = await this.roles.noteBoundaries(db, now, limit);
      const ctx = ctxOfNobody(db, now, this.events, afterCommit);
      for (const accountId of new Set(boundaries.map((one) => one.accountId))) {
        await ctx.emit(new RolesChanged(accountId));
      }
      for (const boundary of boundaries) await this.tell(db, boundary);
      return boundaries.length;
    });
    for (const action of afterCommit) action();
    return count;
  }

  private tell(db: Db, { accountId, role, kind, at }: RoleBoundary): Promise<void> {
    return this.sink.system(db, {
      code: 'Account.role-period',
      act: 'U',
      accountId,
      sessionId: null,
      reason: `users.role-${kind}:${role}`,
      at,
    });
  }
}
