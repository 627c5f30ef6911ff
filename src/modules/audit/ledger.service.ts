import { Injectable } from '@nestjs/common';
import {
  AuditSink,
  type Outcome,
  type Receipt,
  type SystemFact,
  type WorkFact,
} from '../../platform/access/audit-sink.js';
import type { Trail } from '../../platform/access/trail.js';
import { Batcher } from '../../platform/batcher.js';
import { isConnectionCut } from '../../platform/database/database-errors.js';
import type { Db } from '../../platform/database/db.js';
import { SystemPool } from '../../platform/database/system-pool.js';
import { unavailable } from '../../platform/http/problem.js';
import { Logger } from '../../platform/logging/logger.js';
import { NetCommitments, type Commitment } from './commitment.js';
import { eventsOf, systemEvent, workEvents, type AuditRow } from './event.js';
import { Intake } from './faults/intake.js';
import { LostCommits } from './faults/lost-commits.js';
import { replicaName } from './replica.js';

interface Submission {
  rows: AuditRow[];
  net: Commitment | null;
}

export interface LedgerCounts {
  queued: number;
  stored: number;
  refused: number;
}

/** Within this time a caller learns that nothing can be answered, where it is the audit trail that cannot be written. */
const ANSWER_BY_MS = 2_000;
/** From then on it was work that took the time, and no waiting. */
const SLOW_MS = 8_000;

/**
 * How long an event may take, in milliseconds: the less, the longer its request has waited for other things already. A write
 * that is overdue gets the least. An event alone gets the most: it was the client who was slow to send, or long work (an
 * import), and whoever waits for that waits anyway.
 */
const WAIT_MS = {
  within: { least: 500, most: 1_500, overdue: 500 },
  alone: { least: 600, most: 2_000, overdue: 2_000 },
};

function waitOf(trail: Trail, { least, most, overdue }: (typeof WAIT_MS)['within']): number {
  const elapsed = performance.now() - trail.startedMs;
  if (elapsed > SLOW_MS) return most;
  return elapsed > ANSWER_BY_MS ? overdue : Math.min(most, Math.max(least, Math.round(ANSWER_BY_MS - elapsed)));
}

const HURRY = "SELECT set_config('statement_timeout', $1, true), set_config('lock_timeout', $1, true)";

/** A transaction that failed before: that its event is refused as well is not the audit trail's fault. */
const ABORTED = '25P02';

// An event is one line by its table's own check: lines in one text need no escaping, which an array of JSON texts needs twice.
const EVENTS = "($1, string_to_array($2, E'\\n'), $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
const SUBMIT = `SELECT audit.submit${EVENTS}`;
const SUBMIT_WITHIN = `${SUBMIT}, pg_current_xact_id()::text AS transaction`;
const RESUBMIT = `SELECT audit.resubmit${EVENTS}`;

/** Least time for asking back, in milliseconds: a write that took long so far is worth a moment more. */
const ASK_BACK_MS = 600;

function parametersOf(rows: AuditRow[], nets: Commitment[]): unknown[] {
  return [
    rows.map((row) => row.eventId),
    rows.map((row) => row.event).join('\n'),
    rows.map((row) => row.occurred),
    rows.map((row) => row.actor),
    rows.map((row) => row.subject),
    rows.map((row) => row.action),
    rows.map((row) => row.outcome),
    rows.map((row) => row.requestId),
    rows.map((row) => row.sessionId),
    nets.map((net) => net.digest),
    nets.map((net) => net.disclosure),
    nets.map((net) => net.actor),
  ];
}

/**
 * Makes events durable. A write's event goes into the write's own transaction; all others in natural batches, so that one
 * commit serves many requests. What cannot be stored in time is refused: the caller then answers 503 and nothing else.
 */
@Injectable()
export class Ledger extends AuditSink {
  private readonly replica = replicaName();
  private readonly nets = new NetCommitments();
  private readonly batcher: Batcher<Submission, void>;
  private stored = 0;
  private refused = 0;

  constructor(
    private readonly pool: SystemPool,
    private readonly intake: Intake,
    private readonly lost: LostCommits,
    private readonly logger: Logger,
  ) {
    super();
    // One in flight: what comes meanwhile is the next batch, and the larger it is the fewer commits; 4,096 waiting is the pushback of comparable logs.
    this.batcher = new Batcher((batch) => this.flush(batch), {
      maxBatch: 512,
      maxInFlight: 1,
      maxWaiting: 4_096,
      deadlineMs: WAIT_MS.alone.most,
    });
  }

  get takesRequests(): boolean {
    return this.intake.isOpen;
  }

  /** Events that wait here, and how many were handed over or refused since the process began. */
  get counts(): LedgerCounts {
    return { queued: this.batcher.depth, stored: this.stored, refused: this.refused };
  }

  async within(db: Db, trail: Trail, outcome: Outcome): Promise<Receipt> {
    const net = this.nets.of(trail);
    const rows = eventsOf(trail, outcome, this.replica, net.digest);
    try {
      const [, [row]] = await Promise.all([
        db.query(HURRY, [String(waitOf(trail, WAIT_MS.within))], 'audit_hurry'),
        // Not noted as stored: the transaction may still roll back, and storing it again is harmless.
        db.query<{ transaction: string }>(
          SUBMIT_WITHIN,
          parametersOf(rows, net.stored ? [] : [net]),
          'audit_submit_within',
        ),
      ]);
      this.stored += rows.length;
      return { eventIds: rows.map(({ eventId }) => eventId), transaction: row!.transaction };
    } catch (error) {
      if ((error as { code?: unknown }).code === ABORTED) throw error;
      throw this.away(error, trail);
    }
  }

  wasCommitted(receipt: Receipt, trail: Trail): Promise<boolean | null> {
    const left = ANSWER_BY_MS - (performance.now() - trail.startedMs);
    return this.lost.wasCommitted(receipt, Math.max(ASK_BACK_MS, left));
  }

  async record(trail: Trail, outcome: Outcome): Promise<void> {
    const net = this.nets.of(trail);
    const rows = eventsOf(trail, outcome, this.replica, net.digest);
    try {
      await this.batcher.submit({ rows, net: net.stored ? null : net }, waitOf(trail, WAIT_MS.alone));
    } catch (error) {
      throw this.away(error, trail);
    }
  }

  async system(db: Pick<Db, 'query'>, fact: SystemFact): Promise<void> {
    await db.query(SUBMIT, parametersOf([systemEvent(fact, this.replica)], []), 'audit_submit');
  }

  async work(db: Pick<Db, 'query'>, fact: WorkFact): Promise<void> {
    await db.query(SUBMIT, parametersOf(workEvents(fact, this.replica), []), 'audit_submit');
  }

  private away(error: unknown, trail: Trail): Error {
    this.refused++;
    this.logger.error('an audit event could not be stored', error, { requestId: trail.requestId });
    return unavailable(
      'audit.unavailable',
      'The audit trail cannot be written right now, so nothing is answered. Try again shortly.',
    );
  }

  private async flush(batch: Submission[]): Promise<void[]> {
    // Each digest once and in order: two batches that store the same ones must not wait for each other in a circle.
    const nets = [...new Map(batch.flatMap(({ net }) => (net ? [[net.digest, net] as const] : []))).values()].sort(
      (a, b) => (a.digest < b.digest ? -1 : 1),
    );
    const rows = batch.flatMap((one) => one.rows);
    const parameters = parametersOf(rows, nets);
    try {
      await this.pool.query(SUBMIT, parameters, 'audit_submit');
    } catch (error) {
      if (!isConnectionCut(error)) throw error;
      // They may be there: the same ones again, each of which is stored once.
      await this.pool.query(RESUBMIT, parameters, 'audit_resubmit');
    }
    this.stored += rows.length;
    for (const net of nets) net.stored = true;
    return batch.map(() => undefined);
  }
}
