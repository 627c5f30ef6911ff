import { Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { newId } from '../ids.js';
import type { Ctx } from '../access/context.js';
import { after, Clock } from '../clock.js';
import { Database } from '../database/database.js';
import type { Db } from '../database/db.js';
import { Vault } from '../database/vault.js';
import { Delivery, type Mail, type Sms } from '../delivery/delivery.js';
import { Logger } from '../logging/logger.js';
import { Outage } from '../logging/outage.js';
import { Recurring } from '../recurring.js';

/** `decoy`: the work of a mail that nobody gets. */
type Kind = 'mail' | 'sms' | 'decoy';

type Work = Pick<Ctx, 'db' | 'now' | 'afterCommit'>;

interface Job {
  outbox_id: string;
  kind: Kind;
  payload: Buffer;
  attempts: number;
}

const MAX_ATTEMPTS = 10;
const IDLE_MS = 2_000;

/** Waits between tries, in seconds: 10, 20, 40 … at most an hour. */
const backOff = (attempts: number): number => Math.min(10 * 2 ** attempts, 3_600);

/**
 * Notices that leave only after their transaction committed, at least once. A job lies sealed in the database; any replica
 * takes it (SKIP LOCKED). A crash between sending and noting it sends it twice, never not at all.
 */
@Injectable()
export class Outbox implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly turns: Recurring;

  constructor(
    private readonly database: Database,
    private readonly vault: Vault,
    private readonly delivery: Delivery,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {
    const outage = new Outage(logger, 'the outbox could not be worked');
    this.turns = new Recurring(() => this.work(), { everyMs: IDLE_MS, outage });
  }

  /** Puts a mail into the caller's transaction; it is sent soon after the commit. By `id` its sender may ask what became of it. */
  mail(ctx: Work, mail: Mail, id = newId()): Promise<void> {
    return this.put(ctx, 'mail', mail, id);
  }

  /** Which of these mails are still to be sent, and which were given up; all others were handed over to the mail server. */
  async unsent({ db }: Pick<Ctx, 'db'>, ids: readonly string[]): Promise<Map<string, 'waiting' | 'failed'>> {
    const rows = await db.query<{ id: string; failed: boolean }>(
      'SELECT outbox_id AS id, failed_at IS NOT NULL AS failed FROM platform.outbox WHERE outbox_id = ANY ($1::uuid[]) AND done_at IS NULL',
      [ids],
    );
    return new Map(rows.map(({ id, failed }) => [id, failed ? 'failed' : 'waiting']));
  }

  /** The same work as {@link mail}, for nobody: where a stranger must not learn whether there was anybody to write to. */
  decoy(ctx: Work, mail: Mail): Promise<void> {
    return this.put(ctx, 'decoy', mail);
  }

  /** As {@link mail}, for a text message; one that could not be sent before `expiresAt` is thrown away, because its code is dead by then. */
  sms(ctx: Work, sms: Sms, expiresAt: Date): Promise<void> {
    return this.put(ctx, 'sms', { ...sms, expiresAt: expiresAt.toISOString() });
  }

  onApplicationBootstrap(): void {
    this.turns.start(0);
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.turns.stop();
  }

  /** Sends what is due; resolves when nothing is left. */
  drain(): Promise<void> {
    return this.turns.run();
  }

  private async work(): Promise<void> {
    while (!this.turns.isStopped && (await this.sendOne()));
  }

  private async put(ctx: Work, kind: Kind, message: object, id = newId()): Promise<void> {
    const payload = await this.vault.seal(ctx, 'outbox', placeOf(id), JSON.stringify(message));
    await ctx.db.query(
      'INSERT INTO platform.outbox (outbox_id, kind, payload, next_at, created_at) VALUES ($1, $2, $3, $4, $4)',
      [id, kind, payload, ctx.now],
    );
    ctx.afterCommit(() => this.turns.wake());
  }

  /** One job, in its own transaction: the row stays locked while it is sent. */
  private async sendOne(): Promise<boolean> {
    return this.database.write(null, async (db) => {
      const now = this.clock.now();
      const [job] = await db.query<Job>(
        `SELECT outbox_id, kind, payload, attempts FROM platform.outbox
          WHERE next_at <= $1 AND done_at IS NULL AND failed_at IS NULL ORDER BY next_at LIMIT 1 FOR UPDATE SKIP LOCKED`,
        [now],
      );
      if (!job) return false;
      await this.send(db, job, now);
      return true;
    });
  }

  private async send(db: Db, job: Job, now: Date): Promise<void> {
    try {
      const text = await this.vault.open({ db }, placeOf(job.outbox_id), job.payload);
      await this.handOver(job.kind, text.toString(), now);
      await db.query('DELETE FROM platform.outbox WHERE outbox_id = $1', [job.outbox_id]);
    } catch (error) {
      this.logger.error('a notice was not delivered', error, { job: job.outbox_id, attempt: job.attempts + 1 });
      const isLast = job.attempts + 1 >= MAX_ATTEMPTS;
      await db.query(
        'UPDATE platform.outbox SET attempts = attempts + 1, next_at = $2, failed_at = $3 WHERE outbox_id = $1',
        [job.outbox_id, after(now, backOff(job.attempts)), isLast ? now : null],
      );
    }
  }

  private async handOver(kind: Kind, text: string, now: Date): Promise<void> {
    if (kind === 'decoy') return this.delivery.decoy(JSON.parse(text) as Mail);
    if (kind === 'mail') return this.delivery.mail(JSON.parse(text) as Mail);
    const { expiresAt, ...sms } = JSON.parse(text) as Sms & { expiresAt: string };
    if (new Date(expiresAt) > now) await this.delivery.sms(sms);
  }
}

const placeOf = (id: string) => ({ table: 'outbox', row: id, column: 'payload' });
