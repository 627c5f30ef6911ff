import type { OnApplicationBootstrap } from '@nestjs/common';
import pg from 'pg';
import type { Logger } from '../logging/logger.js';

const EVERY_MS = 250;
/** After so many beats without an answer, two seconds, the server counts as gone. */
const SILENT_BEATS = 8;

type Wire = { connection: { stream: { destroy(): void } } };

interface Line {
  client: pg.Client;
  open: Promise<unknown>;
}

/**
 * Notices a server that hangs: frozen, or behind a network that swallows packets. It ends no statement by itself, and how
 * long a statement may take says nothing of it, because work may be long. So it is asked, all the time, on a connection of
 * its own, for something that takes no time; when no answer comes, every connection to it is cut. What was under way fails
 * at once, is answered with 503, and is not tried again on another of its connections.
 *
 * Beats are counted, not time: a process that was itself held up reads the answer that has come before its next beat.
 */
export class Pulse implements OnApplicationBootstrap {
  private readonly watched = new Set<pg.ClientBase>();
  private timer: NodeJS.Timeout | null = null;
  private line: Line | null = null;
  /** Beats since it was asked what it has not answered yet; null when nothing is asked. */
  private unanswered: number | null = null;
  private isSilent = false;

  constructor(
    private readonly url: string,
    private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => this.beat(), EVERY_MS);
    this.timer.unref();
  }

  /** Connections of this pool are cut with the others, from their first use on. */
  watchPool(pool: pg.Pool): void {
    pool.on('acquire', (client) => this.watched.add(client));
    pool.on('remove', (client) => this.watched.delete(client));
  }

  watch(client: pg.Client): void {
    this.watched.add(client);
    client.on('end', () => this.watched.delete(client));
  }

  async close(): Promise<void> {
    if (this.timer) clearInterval(this.timer);
    const { line } = this;
    this.line = null;
    await line?.client.end().catch(() => undefined);
  }

  private beat(): void {
    if (this.unanswered === null) {
      this.unanswered = 0;
      void this.ask();
    } else if (++this.unanswered >= SILENT_BEATS) this.cut();
  }

  private async ask(): Promise<void> {
    const line = (this.line ??= this.connect());
    try {
      await line.open;
      await line.client.query('SELECT 1');
    } catch {
      // Not reachable at all: everybody is told so at once, and nothing has to be cut.
      if (this.line === line) this.forget();
      return;
    }
    if (this.line !== line) return;
    this.unanswered = null;
    if (this.isSilent) this.logger.info('the database answers again', { component: 'pulse' });
    this.isSilent = false;
  }

  private cut(): void {
    if (!this.isSilent)
      this.logger.error('the database answers nothing any more: its connections are cut', undefined, {
        component: 'pulse',
        count: this.watched.size,
      });
    this.isSilent = true;
    const own = this.line ? [this.line.client] : [];
    this.forget();
    for (const one of [...this.watched, ...own]) (one as unknown as Wire).connection.stream.destroy();
    this.watched.clear();
  }

  private forget(): void {
    this.line = null;
    this.unanswered = null;
  }

  private connect(): Line {
    const client = new pg.Client({ connectionString: this.url, application_name: 'portico-pulse', keepAlive: true });
    // What becomes of it shows at the next question.
    client.on('error', () => undefined);
    return { client, open: client.connect() };
  }
}
