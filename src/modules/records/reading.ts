import { AttachmentController } from './attachment.controller.js';
import { AttachmentRepository } from './attachment.repository.js';
import { AttachmentService } from './attachment.service.js';
import { ChartController } from './chart.controller.js';
import { ChartRepository } from './chart.repository.js';
import { ChartService } from './chart.service.js';
import { HistoryController } from './history.controller.js';
import { HistoryRepository } from './history.repository.js';
import { HistoryService } from './history.service.js';
import { Relabelling } from './relabelling.js';
import { RecordController } from './record.controller.js';
import { RecordRepository } from './record.repository.js';
import { RecordService } from './record.service.js';
import { RecordWords } from './record-words.js';
import { ReleaseController } from './release.controller.js';
import { ReleaseRepository } from './release.repository.js';
import { ReleaseService } from './release.service.js';
import { SensitivityController } from './sensitivity.controller.js';
import { SensitivityRepository } from './sensitivity.repository.js';
import { SensitivityService } from './sensitivity.service.js';
import { WritingController } from './writing.controller.js';
import { WritingRepository } from './writing.repository.js';
import { WritingService } from './writing.service.js';

/** The parts of the module by which people read charts, limit what is read, and write. */
export const readingControllers = [
  RecordController,
  AttachmentController,
  ChartController,
  HistoryController,
  ReleaseController,
  SensitivityController,
  WritingController,
];
export const readingProviders = [
  ...[RecordService, RecordRepository, RecordWords],
  ...[AttachmentService, AttachmentRepository],
  ...[ChartService, ChartRepository],
  ...[HistoryService, HistoryRepository],
  ...[ReleaseService, ReleaseRepository],
  ...[SensitivityService, SensitivityRepository, Relabelling],
  ...[WritingService, WritingRepository],
];
