import { Global, Module } from '@nestjs/common';
import { AuditSink } from '../../platform/access/audit-sink.js';
import { ActivityController } from './activity/activity.controller.js';
import { ActivityRepository } from './activity/activity.repository.js';
import { ActivityService } from './activity/activity.service.js';
import { AuditController } from './audit.controller.js';
import { ErasureController } from './erasure/erasure.controller.js';
import { Erasures } from './erasure/erasure.service.js';
import { EventsRepository } from './events.repository.js';
import { EventsService } from './events.service.js';
import { ExportController } from './exports/export.controller.js';
import { ExportEntries } from './exports/export-entries.js';
import { ExportFiles } from './exports/export-files.js';
import { ExportJobs } from './exports/export-jobs.js';
import { ExportPreparation } from './exports/export-preparation.js';
import { ExportRepository } from './exports/export.repository.js';
import { ExportService } from './exports/export.service.js';
import { ExportZip } from './exports/export-zip.js';
import { AuditHealthController } from './faults/audit-health.controller.js';
import { faultProviders } from './faults/fault-providers.js';
import { Ledger } from './ledger.service.js';
import { ProofsController } from './proofs/proofs.controller.js';
import { OpenProofs, ProofsService } from './proofs/proofs.service.js';
import { Anchoring } from './sealing/anchors/anchoring.js';
import { AnchorsRepository } from './sealing/anchors/anchors.repository.js';
import { CheckpointsRepository, SealingPool } from './sealing/checkpoints.repository.js';
import { History } from './sealing/history.js';
import { LogKeys } from './sealing/log-keys.js';
import { ReplicaMemory } from './sealing/replica-memory.js';
import { Sealer } from './sealing/sealer.js';
import { SealingJob } from './sealing/sealing.job.js';
import { SealingState } from './sealing/sealing-state.js';
import { ArchivedLeaves } from './retention/archived-leaves.js';
import { Archiver } from './retention/archiver.js';
import { BlockController } from './retention/block.controller.js';
import { Blocks } from './retention/block.service.js';
import { HoldController } from './retention/hold.controller.js';
import { HoldRepository } from './retention/hold.repository.js';
import { Holds } from './retention/hold.service.js';
import { Retention } from './retention/retention.js';
import { RetentionJob } from './retention/retention.job.js';
import { RetentionPool, RetentionRepository } from './retention/retention.repository.js';
import { reportControllers, reportProviders } from './reports/report-providers.js';
import { Sequencer } from './sequencer.js';
import { VerificationController } from './verification/verification.controller.js';
import { VerificationJob } from './verification/verification.job.js';
import { VerificationPool, VerificationRepository } from './verification/verification.repository.js';
import { VerificationService } from './verification/verification.service.js';
import { Verifier } from './verification/verifier.js';
import { AuditorPool, OpenPool } from './tree/auditor-pool.js';
import { TreeRepository } from './tree/tree.repository.js';

/** Global because every module's events end here; they reach it only through the platform's port. */
@Global()
@Module({
  controllers: [
    ActivityController,
    AuditController,
    BlockController,
    HoldController,
    AuditHealthController,
    ErasureController,
    ExportController,
    ProofsController,
    VerificationController,
    ...reportControllers,
  ],
  providers: [
    Ledger,
    { provide: AuditSink, useExisting: Ledger },
    ...faultProviders,
    ...reportProviders,
    Sequencer,
    SealingPool,
    CheckpointsRepository,
    History,
    LogKeys,
    ReplicaMemory,
    SealingState,
    Sealer,
    AnchorsRepository,
    Anchoring,
    SealingJob,
    AuditorPool,
    TreeRepository,
    ArchivedLeaves,
    RetentionPool,
    RetentionRepository,
    Archiver,
    Retention,
    RetentionJob,
    Blocks,
    HoldRepository,
    Holds,
    OpenPool,
    ActivityRepository,
    ActivityService,
    ProofsService,
    OpenProofs,
    EventsService,
    EventsRepository,
    Erasures,
    ExportRepository,
    ExportEntries,
    ExportFiles,
    ExportPreparation,
    ExportJobs,
    ExportZip,
    ExportService,
    VerificationPool,
    VerificationRepository,
    Verifier,
    VerificationJob,
    VerificationService,
  ],
  exports: [AuditSink],
})
export class AuditModule {}
