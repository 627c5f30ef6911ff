import { Module } from '@nestjs/common';
import { UsersModule } from '../users/index.js';
import { AwaitedRepository } from './awaited.repository.js';
import { FeedRepository } from './feed.repository.js';
import { ImportBodies } from './import-bodies.js';
import { ImportJobRepository } from './import-job.repository.js';
import { ImportJobs } from './import-jobs.js';
import { ImportWorker } from './import-worker.js';
import { ImportController } from './import.controller.js';
import { ImportRepository } from './import.repository.js';
import { ImportService } from './import.service.js';
import { QuarantineStore } from './quarantine.store.js';
import { RecordController } from './record.controller.js';
import { RecordRepository } from './record.repository.js';
import { RecordService } from './record.service.js';
import { RecordWords } from './record-words.js';

@Module({
  imports: [UsersModule],
  controllers: [ImportController, RecordController],
  providers: [
    ImportService,
    ImportRepository,
    ImportBodies,
    ImportJobRepository,
    ImportJobs,
    ImportWorker,
    FeedRepository,
    AwaitedRepository,
    QuarantineStore,
    RecordService, RecordRepository, RecordWords],
})
export class RecordsModule {}
