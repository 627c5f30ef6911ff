import { ConfigurationChanges } from '../configuration/configuration-changes.js';
import { QueriesController } from './queries.controller.js';
import { QueriesRepository } from './queries.repository.js';
import { Queries } from './queries.service.js';
import { ReportPool } from './report-pool.js';
import { ReportController } from './report.controller.js';
import { ReportsRepository } from './reports.repository.js';
import { Reports } from './reports.service.js';
import { AuditSessionsController } from './sessions.controller.js';
import { SessionsRepository } from './sessions.repository.js';
import { AuditSessions } from './sessions.service.js';

export const reportControllers = [QueriesController, ReportController, AuditSessionsController];

export const reportProviders = [
  ConfigurationChanges,
  Queries,
  QueriesRepository,
  ReportPool,
  Reports,
  ReportsRepository,
  AuditSessions,
  SessionsRepository,
];
