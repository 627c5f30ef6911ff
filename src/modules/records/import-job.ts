import type { Ctx } from '../../platform/access/context.js';
import type { Counts, CountsByType } from './import-report.js';

/** What the storing of an import needs of its unit of work: a transaction of the feed's account. */
export type ImportCtx = Pick<Ctx, 'db' | 'now' | 'touch' | 'afterCommit'>;

/** What all rows that come of one piece of work share: where each version came from. */
export interface Delivery {
  importId: string;
  /** The feed, and the account that speaks for it. */
  source: string;
  accountId: string;
  /** The file in which the lines are; null: an import with one body. */
  fileId: string | null;
  /** MSH-10 of the message that brought it. */
  messageId: string | null;
}

/** The turn at an import's work. Who lost it can change nothing any more. */
export interface Turn {
  id: string;
  accountId: string;
  turn: number;
}

export interface ImportFile {
  id: string;
  media: 'bundle' | 'ndjson';
  bytes: number;
}

/** How far the work is: files done, then byte and line of the next one. */
export interface Position {
  file: number;
  byte: number;
  line: number;
}

/** An import as its worker holds it. */
export interface ImportJob extends Turn {
  source: string;
  bundleType: string;
  requestId: string;
  sessionId: string | null;
  /** Instant of which the export is the state. */
  transactionTime: Date | null;
  /** The quarantined record that is tried again; null: an import of files. */
  retryOf: string | null;
  files: readonly ImportFile[];
  at: Position;
  entries: number;
  counts: Counts;
  byType: CountsByType;
  flagged: number;
  released: number;
  issues: number;
  bytesDone: number;
}

/** Somebody else has taken the work up, or it was cancelled. */
export class Superseded extends Error {}

/** The work cannot be done, and trying again would change nothing. */
export class ImportFailure extends Error {
  constructor(readonly code: string) {
    super(code);
  }
}
