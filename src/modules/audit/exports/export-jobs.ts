import { Inject, Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { after, Clock } from '../../../platform/clock.js';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import { Logger } from '../../../platform/logging/logger.js';
import { Outage } from '../../../platform/logging/outage.js';
import { Recurring } from '../../../platform/recurring.js';
import { EventsDeleted } from '../retention/archive.errors.js';
import { LogGap } from '../tree/tree.repository.js';
import { ExportPreparation } from './export-preparation.js';
import { ExportRepository, Superseded, type ExportRow, type FixedExport } from './export.repository.js';

const IDLE_MS = 1_000;
/** Seconds after which work that nobody reports on is taken up by another replica. */
const LEASE = 60;
const LOOK_AGAIN = { own: 0.25, checkpoint: 1, fault: 15 };
/** How long an export waits for the witnesses of its checkpoint; one that is away does not hold it up for good. */
const WITNESS_SECONDS = 15;

/** The server stops: whoever comes next begins anew. */
class Stopped extends Error {}

/** What PostgreSQL or the network says; anything else is no matter of trying again. */
const isPassing = (error: unknown): boolean => typeof (error as { code?: unknown }).code === 'string';

/**
 * Works exports off, in every replica, one at a time; the row says whose turn it is. A replica that dies loses its turn after a
 * minute, and the next one prepares the export from its beginning: nothing of it is kept but its digests.
 */
@Injectable()
export class ExportJobs implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly turns: Recurring;
  private readonly witnesses: number;

  constructor(
    @Inject(CONFIG) config: Config,
    private readonly exports: ExportRepository,
    private readonly preparation: ExportPreparation,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {
    this.witnesses = config.audit.witnesses.length;
    const outage = new Outage(logger, 'exports of the audit trail could not be worked on');
    this.turns = new Recurring(() => this.work(), { everyMs: IDLE_MS, outage });
  }

  onApplicationBootstrap(): void {
    this.turns.start();
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.turns.stop();
  }

  wake(): void {
    this.turns.wake();
  }

  /** Works off what is due; resolves when nothing is. */
  drain(): Promise<void> {
    return this.turns.run();
  }

  private async work(): Promise<void> {
    while (!this.turns.isStopped && (await this.one()));
  }

  private async one(): Promise<boolean> {
    const now = this.clock.now();
    const row = await this.exports.take(now, after(now, LEASE));
    if (!row) return false;
    try {
      await this.advance(row);
    } catch (error) {
      await this.unfinished(row, error);
    }
    return true;
  }

  private in(seconds: number): Date {
    return after(this.clock.now(), seconds);
  }

  private async advance(row: ExportRow): Promise<void> {
    const fixed = row.treeSize === null ? await this.fix(row) : (row as FixedExport);
    if (!fixed) return;
    const report = async (position: number, lines: number): Promise<void> => {
      if (this.turns.isStopped) throw new Stopped();
      await this.exports.progress(fixed, position, lines, this.in(LEASE));
    };
    const { ready, position } = await this.preparation.prepare(fixed, report);
    const { mismatch } = ready.result;
    if (mismatch !== null)
      this.logger.error('an export holds an event that the tree does not', undefined, {
        job: row.id,
        count: mismatch,
      });
    await this.exports.ready(ready, position);
  }

  /** Settles what it holds, once its own event has a place and a checkpoint covers it; null: not yet. */
  private async fix(row: ExportRow): Promise<FixedExport | null> {
    const ownIdx = await this.exports.ownPlace(row);
    if (ownIdx === null) {
      await this.exports.later(row, this.in(LOOK_AGAIN.own));
      return null;
    }
    const under = await this.exports.covering(ownIdx);
    const isWitnessed =
      !under || under.witnesses >= this.witnesses || this.clock.now() >= after(under.signedAt, WITNESS_SECONDS);
    if (!under || !isWitnessed) {
      await this.exports.wait(row, ownIdx, this.in(LOOK_AGAIN.checkpoint));
      return null;
    }
    const previous = await this.exports.before(under.size);
    await this.exports.fix(row, ownIdx, under, previous);
    return {
      ...row,
      ...{ ownIdx, treeSize: under.size, checkpoint: under.note },
      ...{ previousSize: previous?.size ?? null, previousCheckpoint: previous?.note ?? null },
    };
  }

  private async unfinished(row: ExportRow, error: unknown): Promise<void> {
    if (error instanceof Superseded) return;
    if (error instanceof Stopped) return this.exports.later(row, this.clock.now());
    this.logger.error('an export of the audit trail could not be prepared', error, { job: row.id });
    if (error instanceof EventsDeleted) return this.exports.fail(row, 'events-deleted', this.clock.now());
    if (isPassing(error)) return this.exports.later(row, this.in(LOOK_AGAIN.fault));
    await this.exports.fail(row, error instanceof LogGap ? 'log-gap' : 'internal', this.clock.now());
  }
}
