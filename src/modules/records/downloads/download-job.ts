import type { ChartFilter } from '../record.repository.js';
import type { DownloadStatus, Format } from './download.dto.js';

/** The turn at a download's work. Who lost it can change nothing any more. */
export interface Turn {
  id: string;
  accountId: string;
  turn: number;
}

/** What was asked for: days as they were typed, and what they mean for the list. */
export interface DownloadFilter {
  from: string | null;
  to: string | null;
  types: string[];
  part: ChartFilter;
}

export interface DownloadRow {
  id: string;
  patientId: string;
  accountId: string;
  requestId: string;
  sessionId: string;
  filter: DownloadFilter;
  formats: Format[];
  status: DownloadStatus;
  failure: string | null;
  records: number;
  recordsTotal: number | null;
  createdAt: Date;
  finishedAt: Date | null;
  expiresAt: Date;
}

export interface DownloadFile {
  name: string;
  mediaType: string;
  bytes: number;
  sha256: string;
}

/** A download as its worker holds it. */
export interface DownloadJob extends DownloadRow, Turn {}

/** Somebody else has taken the work up, or it was given up. */
export class Superseded extends Error {}

/** The work cannot be done, and trying again would change nothing. */
export class DownloadFailure extends Error {
  constructor(readonly code: 'access-ended' | 'internal') {
    super(code);
  }
}
