import { Module } from '@nestjs/common';
import { UsersModule } from '../users/index.js';
import { AttachmentStore } from './attachment.store.js';
import { AwaitedRepository } from './awaited.repository.js';
import { ChartMergeController } from './chart-merge.controller.js';
import { ChartMergeService } from './chart-merge.service.js';
import { ChartMerges } from './chart-merges.js';
import { downloadControllers, downloadProviders } from './downloads/downloads.js';
import { FeedRepository } from './feed.repository.js';
import { Hl7Controller } from './hl7.controller.js';
import { Hl7Messages } from './hl7-messages.js';
import { Hl7Repository } from './hl7.repository.js';
import { Hl7Service } from './hl7.service.js';
import { ImportBodies } from './import-bodies.js';
import { ImportJobRepository } from './import-job.repository.js';
import { ImportJobs } from './import-jobs.js';
import { ImportWorker } from './import-worker.js';
import { ImportController } from './import.controller.js';
import { ImportRepository } from './import.repository.js';
import { ImportService } from './import.service.js';
import { MllpServer } from './mllp-server.js';
import { QuarantineController } from './quarantine.controller.js';
import { QuarantineRepository } from './quarantine.repository.js';
import { QuarantineService } from './quarantine.service.js';
import { QuarantineStore } from './quarantine.store.js';
import { readingControllers, readingProviders } from './reading.js';

@Module({
  imports: [UsersModule],
  controllers: [
    Hl7Controller,
    ImportController,
    QuarantineController,
    ChartMergeController,
    ...readingControllers,
    ...downloadControllers,
  ],
  providers: [
    ImportService,
    ImportRepository,
    ImportBodies,
    ImportJobRepository,
    ImportJobs,
    ImportWorker,
    Hl7Messages,
    Hl7Repository,
    Hl7Service,
    MllpServer,
    FeedRepository,
    AwaitedRepository,
    AttachmentStore,
    ChartMerges,
    ChartMergeService,
    QuarantineStore,
    QuarantineRepository,
    QuarantineService,
    ...readingProviders,
    ...downloadProviders,
  ],
})
export class RecordsModule {}
