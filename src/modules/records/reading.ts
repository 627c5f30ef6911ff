import { ChartController } from './chart.controller.js';
import { ChartRepository } from './chart.repository.js';
import { ChartService } from './chart.service.js';
import { HistoryController } from './history.controller.js';
import { HistoryRepository } from './history.repository.js';
import { HistoryService } from './history.service.js';
import { RecordController } from './record.controller.js';
import { RecordRepository } from './record.repository.js';
import { RecordService } from './record.service.js';
import { RecordWords } from './record-words.js';

/** The parts of the module that people read charts by. */
export const readingControllers = [RecordController, ChartController, HistoryController];
export const readingProviders = [
  ...[RecordService, RecordRepository, RecordWords],
  ...[ChartService, ChartRepository],
  ...[HistoryService, HistoryRepository],
];
