import { ChartReader } from './chart-reader.js';
import { DownloadController } from './download.controller.js';
import { DownloadFiles } from './download-files.js';
import { DownloadJobs } from './download-jobs.js';
import { DownloadRepository } from './download.repository.js';
import { DownloadService } from './download.service.js';
import { DownloadWorker } from './download-worker.js';
import { PdfThread } from './pdf/pdf-thread.js';
import { TransmissionRepository } from './transmission.repository.js';
import { TransmissionService } from './transmission.service.js';

/** The parts of the module by which people take charts along, and have them sent. */
export const downloadControllers = [DownloadController];
export const downloadProviders = [
  ...[DownloadService, DownloadRepository, DownloadFiles, DownloadJobs, DownloadWorker, ChartReader, PdfThread],
  ...[TransmissionService, TransmissionRepository],
];
