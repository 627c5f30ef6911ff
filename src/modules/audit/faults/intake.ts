import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config } from '../../../platform/config/config.js';

/** How full the inbox is, as the database says. */
export interface InboxLook {
  /** Counted up to a little more than the limit. */
  rows: number;
  /** For how long the oldest event has waited for its place, by the database's clock. */
  oldestSeconds: number;
}

/** Looks in a row that find too much: a sequencer that was away for a moment has caught up by then. */
const LOOKS = 3;
/** Part of the limit that the inbox has to shrink to before requests are taken again: not one in, one out. */
const WELL = 0.9;

/**
 * Whether new requests are taken on. Events that nobody places are in no tree yet, and the inbox is not to fill the disk: beyond a
 * limit the portal answers 503 rather than go on (audit-log design, 4.5).
 */
@Injectable()
export class Intake {
  private isRefusing = false;
  private found = 0;
  private readonly maxRows: number;
  private readonly maxSeconds: number;

  constructor(@Inject(CONFIG) { audit }: Config) {
    this.maxRows = audit.inboxRows;
    this.maxSeconds = audit.inboxSeconds;
  }

  get isOpen(): boolean {
    return !this.isRefusing;
  }

  /** So many rows need to be counted, and no more. */
  get countTo(): number {
    return this.maxRows + 1;
  }

  /** What the last look found. Where nobody could look it stays as it was. */
  looked({ rows, oldestSeconds }: InboxLook): void {
    const isLate = oldestSeconds > this.maxSeconds;
    this.found = rows > this.maxRows || isLate ? this.found + 1 : 0;
    if (this.found >= LOOKS) this.isRefusing = true;
    else if (rows <= this.maxRows * WELL && !isLate) this.isRefusing = false;
  }
}
