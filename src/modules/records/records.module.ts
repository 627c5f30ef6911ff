import { Module } from '@nestjs/common';
import { UsersModule } from '../users/index.js';
import { FeedRepository } from './feed.repository.js';
import { ImportController } from './import.controller.js';
import { ImportRepository } from './import.repository.js';
import { ImportService } from './import.service.js';
import { RecordController } from './record.controller.js';
import { RecordRepository } from './record.repository.js';
import { RecordService } from './record.service.js';

@Module({
  imports: [UsersModule],
  controllers: [ImportController, RecordController],
  providers: [ImportService, ImportRepository, FeedRepository, RecordService, RecordRepository],
})
export class RecordsModule {}
