import type { Provider } from '@nestjs/common';
import { Alarms } from './alarms.js';
import { AuditHealth } from './audit-health.service.js';
import { FaultMetrics } from './fault-metrics.js';
import { FaultWatch } from './fault-watch.js';
import { FaultsRepository } from './faults.repository.js';
import { Heartbeat } from './heartbeat.js';
import { Intake } from './intake.js';
import { LedgerAlarms } from './ledger-alarms.js';
import { LostCommits } from './lost-commits.js';

/** What watches over the ledger. */
export const faultProviders: Provider[] = [
  Intake,
  LostCommits,
  FaultsRepository,
  Alarms,
  FaultWatch,
  LedgerAlarms,
  Heartbeat,
  FaultMetrics,
  AuditHealth,
];
