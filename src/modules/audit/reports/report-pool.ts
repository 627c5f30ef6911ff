import { Inject, Injectable, Optional, type OnApplicationShutdown } from '@nestjs/common';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import { Pulse } from '../../../platform/database/pulse.js';
import { SystemPool } from '../../../platform/database/system-pool.js';
import { reportTooWide } from './reports.errors.js';

/** What PostgreSQL says of a statement that took longer than it may. */
const CANCELED = '57014';
const LONGEST_MS = 30_000;

/** Two connections of the auditor's role: however much is counted, searches, exports and verification keep theirs. */
@Injectable()
export class ReportPool extends SystemPool implements OnApplicationShutdown {
  constructor(@Inject(CONFIG) config: Config, @Optional() pulse?: Pulse) {
    super(config.database.auditorUrl, { max: 2, name: 'portico-reports', statementTimeoutMs: LONGEST_MS, pulse });
  }

  /** Counts in bounded time. Throws audit.report-too-wide (422). */
  async count<Row extends object>(sql: string, values: readonly unknown[]): Promise<Row[]> {
    try {
      return await this.query<Row>(sql, values);
    } catch (error) {
      throw (error as { code?: unknown }).code === CANCELED ? reportTooWide() : error;
    }
  }

  onApplicationShutdown(): Promise<void> {
    return this.close();
  }
}
