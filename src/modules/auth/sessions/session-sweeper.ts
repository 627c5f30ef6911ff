import { Inject, Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { after, Clock } from '../../../platform/clock.js';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import { Database } from '../../../platform/database/database.js';
import { Logger } from '../../../platform/logging/logger.js';
import { Outage } from '../../../platform/logging/outage.js';
import { Recurring } from '../../../platform/recurring.js';
import { UnfinishedSignIns } from '../sign-in/unfinished-sign-ins.js';
import { RoleBoundaries } from './role-boundaries.js';
import { SessionEndings } from './session-endings.js';

const EVERY_MS = 30_000;
const BATCH = 200;
const DAY = 86_400;
/** Failures this old are forgotten, except where the limit of failures in a row was reached. */
const FORGET_ATTEMPTS_DAYS = 90;
/** The history that people see of their accounts: a year, and the month in which they look back at it. */
const FORGET_HISTORY_DAYS = 400;

/**
 * Automatic logout when nobody calls again: every 30 s, on every replica. It also tells of sign-ins that nobody finished, and clears
 * away what can never be used any more. A crash in it leaves work to the next run, nothing half done.
 */
@Injectable()
export class SessionSweeper implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly turns: Recurring;

  constructor(
    private readonly endings: SessionEndings,
    private readonly roles: RoleBoundaries,
    private readonly signIns: UnfinishedSignIns,
    private readonly database: Database,
    private readonly clock: Clock,
    logger: Logger,
    @Inject(CONFIG) private readonly config: Config,
  ) {
    const outage = new Outage(logger, 'sessions could not be swept');
    this.turns = new Recurring(() => this.sweep(), { everyMs: EVERY_MS, outage });
  }

  onApplicationBootstrap(): void {
    this.turns.start();
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.turns.stop();
  }

  async sweep(): Promise<void> {
    const now = this.clock.now();
    while ((await this.roles.sweep(now, BATCH)) >= BATCH);
    while ((await this.endings.sweep(now, BATCH)) === BATCH);
    while ((await this.signIns.sweep(now, BATCH)) === BATCH);
    const { patient, staff } = this.config.sessions;
    const longest = Math.max(patient.absoluteSeconds, staff.absoluteSeconds);
    await this.database.write(null, async (db) => {
      await db.query('DELETE FROM auth.refresh_token WHERE issued_at < $1', [after(now, -longest - DAY)]);
      await db.query('DELETE FROM auth.client_assertion WHERE expires_at < $1', [after(now, -DAY)]);
      await db.query('DELETE FROM auth.sign_in WHERE expires_at < $1', [after(now, -DAY)]);
      await db.query('DELETE FROM auth.security_event WHERE occurred_at < $1', [
        after(now, -FORGET_HISTORY_DAYS * DAY),
      ]);
      await db.query('DELETE FROM auth.challenge WHERE expires_at < $1', [after(now, -DAY)]);
      await db.query('DELETE FROM auth.lost_factor WHERE reported_at < $1', [after(now, -30 * DAY)]);
      await db.query('DELETE FROM auth.quota WHERE last_at < $1', [after(now, -DAY)]);
      for (const table of ['sso_flow', 'sso_code', 'sso_logout', 'password_reset', 'address_check'])
        await db.query(`DELETE FROM auth.${table} WHERE expires_at < $1`, [after(now, -DAY)]);
      await db.query(
        `DELETE FROM auth.attempt WHERE window_seconds IS NOT NULL AND last_at < $1::timestamptz - window_seconds * interval '1 second'`,
        [now],
      );
      await db.query('DELETE FROM auth.device WHERE expires_at <= $1', [now]);
      await db.query('DELETE FROM auth.attempt WHERE last_at < $1 AND failures < 100', [
        after(now, -FORGET_ATTEMPTS_DAYS * DAY),
      ]);
    });
  }
}
