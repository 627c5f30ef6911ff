import { DataSource, type DataSourceOptions } from 'typeorm';
import { PlatformBase1763769600001 } from '../migrations/1763769600001-platform-base.js';
import { UsersPeople1763769600002 } from '../migrations/1763769600002-users-people.js';
import { AuthSignIn1763769600003 } from '../migrations/1763769600003-auth-sign-in.js';
import { RecordsChart1763769600004 } from '../migrations/1763769600004-records-chart.js';
import { AuditLedger1763769600005 } from '../migrations/1763769600005-audit-ledger.js';
import { AuthRecovery1763769600007 } from '../migrations/1763769600007-auth-recovery.js';
import { AuthSessions1763769600009 } from '../migrations/1763769600009-auth-sessions.js';
import { AuthDevices1763769600008 } from '../migrations/1763769600008-auth-devices.js';
import { AuthFactors1763769600006 } from '../migrations/1763769600006-auth-factors.js';
import { AuthSso1763769600010 } from '../migrations/1763769600010-auth-sso.js';
import { UsersScim1763769600011 } from '../migrations/1763769600011-users-scim.js';
import { UsersRoles1763769600012 } from '../migrations/1763769600012-users-roles.js';
import { AuthClients1763769600013 } from '../migrations/1763769600013-auth-clients.js';
import { AuthGenerations1763769600014 } from '../migrations/1763769600014-auth-generations.js';
import { AuthFourEyes1763769600019 } from '../migrations/1763769600019-auth-four-eyes.js';
import { AuditErasure1763769600020 } from '../migrations/1763769600020-audit-erasure.js';
import { AuthSsoPeople1763769600030 } from '../migrations/1763769600030-auth-sso-people.js';
import { RecordsImportJobs1763769600040 } from '../migrations/1763769600040-records-import-jobs.js';
import { RecordsQuarantine1763769600041 } from '../migrations/1763769600041-records-quarantine.js';
import { UsersProxies1763769600045 } from '../migrations/1763769600045-users-proxies.js';
import { RecordsReading1763769600046 } from '../migrations/1763769600046-records-reading.js';
import { RecordsHl71763769600047 } from '../migrations/1763769600047-records-hl7.js';
import { RecordsAttachments1763769600049 } from '../migrations/1763769600049-records-attachments.js';
import { RecordsDownloads1763769600051 } from '../migrations/1763769600051-records-downloads.js';
import { RecordsHoldReport1763769600053 } from '../migrations/1763769600053-records-hold-report.js';
import { RecordsWaitingCharts1763769600054 } from '../migrations/1763769600054-records-waiting-charts.js';
import { AuditActivity1763769600052 } from '../migrations/1763769600052-audit-activity.js';
import { RecordsMerges1763769600042 } from '../migrations/1763769600042-records-merges.js';
import { AuthLines1763769600031 } from '../migrations/1763769600031-auth-lines.js';
import { PlatformSchema1763769600032 } from '../migrations/1763769600032-platform-schema.js';
import { AuditIntake1763769600033 } from '../migrations/1763769600033-audit-intake.js';
import { AuditCheckpoints1763769600015 } from '../migrations/1763769600015-audit-checkpoints.js';
import { AuditFaults1763769600021 } from '../migrations/1763769600021-audit-faults.js';
import { AuditRetention1763769600022 } from '../migrations/1763769600022-audit-retention.js';
import { AuditExportParts1763769600024 } from '../migrations/1763769600024-audit-export-parts.js';
import { AuditReports1763769600023 } from '../migrations/1763769600023-audit-reports.js';
import { AuditSearch1763769600016 } from '../migrations/1763769600016-audit-search.js';
import { AuditVerification1763769600018 } from '../migrations/1763769600018-audit-verification.js';
import { AuditExports1763769600017 } from '../migrations/1763769600017-audit-exports.js';
import { userEntities } from './modules/users/index.js';
import type { Config } from './platform/config/config.js';

export const migrations = [
  PlatformBase1763769600001,
  UsersPeople1763769600002,
  AuthSignIn1763769600003,
  RecordsChart1763769600004,
  AuditLedger1763769600005,
  AuthFactors1763769600006,
  AuthRecovery1763769600007,
  AuthDevices1763769600008,
  AuthSessions1763769600009,
  AuthSso1763769600010,
  UsersScim1763769600011,
  UsersRoles1763769600012,
  AuthClients1763769600013,
  AuthGenerations1763769600014,
  AuditCheckpoints1763769600015,
  AuditSearch1763769600016,
  AuditExports1763769600017,
  AuditVerification1763769600018,
  AuthFourEyes1763769600019,
  AuditErasure1763769600020,
  AuditReports1763769600023,
  AuditFaults1763769600021,
  AuditRetention1763769600022,
  AuditExportParts1763769600024,
  AuthSsoPeople1763769600030,
  RecordsImportJobs1763769600040,
  RecordsQuarantine1763769600041,
  RecordsMerges1763769600042,
  UsersProxies1763769600045,
  RecordsReading1763769600046,
  RecordsHl71763769600047,
  RecordsAttachments1763769600049,
  AuthLines1763769600031,
  PlatformSchema1763769600032,
  AuditIntake1763769600033,
  RecordsDownloads1763769600051,
  AuditActivity1763769600052,
  RecordsHoldReport1763769600053,
  RecordsWaitingCharts1763769600054,
];

export const entities: NonNullable<DataSourceOptions['entities']> = [...userEntities];

/** The server's data source: its own role, bounded waits everywhere, statements pipelined. */
export function appDataSource(database: Config['database']): DataSource {
  return new DataSource({
    type: 'postgres',
    url: database.url,
    applicationName: 'portico',
    entities,
    migrations: [],
    installExtensions: false,
    extra: {
      max: database.poolSize,
      pipeline: true,
      connectionTimeoutMillis: 1_500,
      statement_timeout: 5_000,
      // A server that hangs, or a network that swallows packets, ends no statement by itself.
      query_timeout: 6_000,
      lock_timeout: 2_000,
      idle_in_transaction_session_timeout: 10_000,
      keepAlive: true,
    },
  });
}

/** The owner's data source, for migrations only. */
export function ownerDataSource(database: Config['database']): DataSource {
  return new DataSource({
    type: 'postgres',
    url: database.ownerUrl,
    applicationName: 'portico-migrate',
    entities,
    migrations,
    migrationsTableName: 'migration',
    schema: 'platform',
    // The migrations do, into a schema of their own.
    installExtensions: false,
    extra: { options: '-c role=portico_owner', max: 2 },
  });
}
