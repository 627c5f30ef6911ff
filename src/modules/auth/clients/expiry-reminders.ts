import { Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { workOfNobody } from '../../../platform/access/operator.js';
import type { Ctx } from '../../../platform/access/context.js';
import { Clock } from '../../../platform/clock.js';
import { Database } from '../../../platform/database/database.js';
import { Events } from '../../../platform/events/events.js';
import { Logger } from '../../../platform/logging/logger.js';
import { Outage } from '../../../platform/logging/outage.js';
import { Recurring } from '../../../platform/recurring.js';
import { MachineNotices, type MachineCredential } from './machine-notices.js';

/** So many days before the end. */
export const REMINDER_DAYS: readonly number[] = [30, 7, 1];
/** More often than the days that it is about, so that no restart and no outage of some hours loses one. */
const EVERY_MS = 600_000;

/**
 * What stands, is of an active account, and ends within so many days; of several days only the nearest, and none that had passed
 * already when it was made. The primary key decides who reminds: each day of each credential once, whichever replica.
 */
const TAKE_DUE = `
  WITH standing AS (
      SELECT client_key_id AS id, account_id, kind, kid AS name, created_at, expires_at FROM auth.client_key WHERE revoked_at IS NULL
       UNION ALL
      SELECT scim_token_id, account_id, 'bearer-secret', name, created_at, expires_at FROM auth.scim_token WHERE revoked_at IS NULL),
    due AS (
      SELECT s.*, (SELECT min(d) FROM unnest($2::integer[]) AS d WHERE s.expires_at <= $1::timestamptz + d * interval '24 hours') AS days
        FROM standing s JOIN users.account a ON a.account_id = s.account_id AND a.status = 'active' WHERE s.expires_at > $1),
    taken AS (
      INSERT INTO auth.expiry_reminder (credential_id, days, reminded_at)
      SELECT id, days, $1 FROM due WHERE days IS NOT NULL AND created_at < expires_at - days * interval '24 hours'
      ON CONFLICT DO NOTHING RETURNING credential_id)
  SELECT due.account_id AS "accountId", due.kind, due.name, due.expires_at AS "expiresAt"
    FROM due JOIN taken ON taken.credential_id = due.id ORDER BY due.expires_at, due.id`;

/** Administrators are reminded in time of what machines come in with and runs out (ASVS 6.4.5). What people sign in with never does. */
@Injectable()
export class ExpiryReminders implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly turns: Recurring;

  constructor(
    private readonly database: Database,
    private readonly events: Events,
    private readonly clock: Clock,
    logger: Logger,
    private readonly notices: MachineNotices,
  ) {
    const outage = new Outage(logger, 'nobody could be reminded');
    this.turns = new Recurring(() => this.sweep(), { everyMs: EVERY_MS, outage });
  }

  onApplicationBootstrap(): void {
    this.turns.start();
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.turns.stop();
  }

  /** Resolves with how many credentials it was about. What it notes and what it mails is one transaction: neither is lost alone. */
  sweep(): Promise<number> {
    const { database, events } = this;
    return workOfNobody({ database, events, now: this.clock.now() }, async (ctx) => {
      const due = await this.take(ctx);
      if (due.length > 0) await this.notices.runOut(ctx, due);
      return due.length;
    });
  }

  private async take(ctx: Ctx): Promise<MachineCredential[]> {
    // One replica at a time: the others would wait for its rows, only to find them there.
    const [lock] = await ctx.db.query<{ isOurs: boolean }>(
      `SELECT pg_try_advisory_xact_lock(hashtextextended('auth.expiry_reminder', 0)) AS "isOurs"`,
    );
    return lock!.isOurs ? ctx.db.query<MachineCredential>(TAKE_DUE, [ctx.now, REMINDER_DAYS]) : [];
  }
}
