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

/**
 * Port to the audit ledger. Resolves when the event is durable; rejects when it cannot be made so in time (then nothing
 * of the answer may leave).
 */
export abstract class AuditSink {
  /** For a write: the event becomes part of its transaction. */
  abstract within(db: Db, trail: Trail, outcome: Outcome): Promise<void>;
  /** For everything else: durable on its own, committed together with other requests' events. */
  abstract record(trail: Trail, outcome: Outcome): Promise<void>;
  /** Something that happened without a request, such as an automatic logout. */
  abstract system(db: Pick<Db, 'query'>, fact: SystemFact): Promise<void>;
  /** What the server did on its own time because somebody asked for it; part of the transaction that does it. */
  abstract work(db: Pick<Db, 'query'>, fact: WorkFact): Promise<void>;
}

export interface SystemFact {
  /** Event code, `<Subject>.<action>`. */
  code: string;
  /** BALP action: Create, Read, Update, Delete, Execute. */
  act: 'C' | 'R' | 'U' | 'D' | 'E';
  /** Account that it is about; '' for none. */
  accountId: string;
  sessionId: string | null;
  reason: string;
  at: Date;
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
