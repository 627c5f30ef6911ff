import { Global, Module } from '@nestjs/common';
import { AuditSink } from '../../platform/access/audit-sink.js';
import { AuditController } from './audit.controller.js';
import { EventsRepository } from './events.repository.js';
import { EventsService } from './events.service.js';
import { Ledger } from './ledger.service.js';
import { Sequencer } from './sequencer.js';

/** Global because every module's events end here; they reach it only through the platform's port. */
@Global()
@Module({
  controllers: [AuditController],
  providers: [{ provide: AuditSink, useClass: Ledger }, Sequencer, EventsService, EventsRepository],
  exports: [AuditSink],
})
export class AuditModule {}
