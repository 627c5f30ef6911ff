import { Injectable } from '@nestjs/common';
import { AuditSink } from '../../../platform/access/audit-sink.js';
import { workOfNobody } from '../../../platform/access/operator.js';
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
  sweep(now: Date, limit: number): Promise<number> {
    const { database, events } = this;
    return workOfNobody({ database, events, now }, async (ctx) => {
      const boundaries = await this.roles.noteBoundaries(ctx.db, now, limit);
      for (const accountId of new Set(boundaries.map((one) => one.accountId))) {
        await ctx.emit(new RolesChanged(accountId));
      }
      for (const boundary of boundaries) await this.tell(ctx.db, boundary);
      return boundaries.length;
    });
  }

  private tell(db: Db, { accountId, role, kind, at }: RoleBoundary): Promise<void> {
    return this.sink.system(db, {
      code: 'Account.role-period',
      act: 'U',
      accountId,
      sessionId: null,
      reason: `users.role-${kind}:${role}`,
      at,
      detail: { before: kind === 'began' ? [] : [role], after: kind === 'began' ? [role] : [] },
    });
  }
}
