import type { Db } from '../database/db.js';
import type { Touch, Trail } from './trail.js';

/** How a request ended, for its event. */
export interface Outcome {
  status: number;
  /** Error code of a refusal; null for success. */
  code: string | null;
  /** Of a streamed answer that has come to its end: how many have left. */
  bytes?: number;
}

/** What tells later whether a write's transaction was committed: its events and its number (PostgreSQL's xid8). */
export interface Receipt {
  readonly eventIds: readonly string[];
  readonly transaction: string;
}

/**
 * Port to the audit ledger. Resolves when the event is durable; rejects when it cannot be made so in time (then nothing
 * of the answer may leave).
 */
export abstract class AuditSink {
  /** For a write: the event becomes part of its transaction. */
  abstract within(db: Db, trail: Trail, outcome: Outcome): Promise<Receipt>;
  /**
   * For a write whose COMMIT was not answered: true, it was committed; false, it was not and never will be; null, that cannot be
   * told in time. Never rejects.
   */
  abstract wasCommitted(receipt: Receipt, trail: Trail): Promise<boolean | null>;
  /** For everything else: durable on its own, committed together with other requests' events. */
  abstract record(trail: Trail, outcome: Outcome): Promise<void>;
  /** Something that happened without a request, such as an automatic logout. */
  abstract system(db: Pick<Db, 'query'>, fact: SystemFact): Promise<void>;
  /** What the server did on its own time because somebody asked for it; part of the transaction that does it. */
  abstract work(db: Pick<Db, 'query'>, fact: WorkFact): Promise<void>;
  /** False: so many events wait for their place in the log that no new request is taken on. */
  abstract get takesRequests(): boolean;
}

export interface SystemFact {
  /** Event code, `<Subject>.<action>`. */
  code: string;
  /** BALP action: Create, Read, Update, Delete, Execute. */
  act: 'C' | 'R' | 'U' | 'D' | 'E';
  /** Account that it is about; '' for none. */
  accountId: string;
  sessionId: string | null;
  /** Why, in a code; nothing for what has no reason, such as a heartbeat. */
  reason?: string;
  at: Date;
  /** When it came about, where that was before it was noticed (ASTM E2147 7.1.2), such as the end of an idle session. */
  effectiveAt?: Date;
  /** FHIR AuditEvent.outcome; 0 (success) where nothing is said. */
  outcome?: 0 | 4 | 8;
  /** Codes, numbers and names of things; nothing of a person, because no leaf can be erased. `_sd`: commitments (RFC 9901). */
  detail?: Readonly<Record<string, string | number | readonly string[]>>;
}

/** Work of a job: tells of each patient whose data it touched, under the request that asked for it. */
export interface WorkFact {
  /** Event code, `<Subject>.<action>`. */
  code: string;
  act: 'C' | 'R' | 'U' | 'D' | 'E';
  accountId: string;
  sessionId: string | null;
  requestId: string;
  at: Date;
  touches: readonly Touch[];
}
