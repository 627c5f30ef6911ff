import type { IncomingMessage } from 'node:http';
import { Readable, type Duplex } from 'node:stream';
import { Inject, Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CONFIG, type Config } from '../config/config.js';
import { Problem } from './problem.js';

interface Limits {
  /** For how long its sender may be waited for at a stretch, and before the rate counts. */
  patienceMs: number;
  leastBytesPerSecond: number;
  /** From its first byte to its last, whoever is waited for. */
  longestMs: number;
}

const tooSlow = (): Problem =>
  new Problem(408, 'http.timeout', 'The request took too long to arrive.', { headers: { connection: 'close' } });

/**
 * A request's body that may take long as long as it comes on. Time counts only while its sender is waited for, not while the
 * database is: each byte earns the time that it takes at the least rate, up to `patienceMs`, so that who was quick at first
 * is not silent for hours afterwards. Who has none left is refused with 408, and the connection ends with the answer.
 */
export class SlowBody extends Readable {
  private readonly chunks: AsyncIterator<Buffer>;
  private leftMs: number;
  private longest: NodeJS.Timeout | null = null;
  private waiting: NodeJS.Timeout | null = null;
  private isAnswered = false;

  constructor(
    private readonly source: IncomingMessage,
    private readonly limits: Limits,
  ) {
    super();
    this.chunks = source.iterator({ destroyOnReturn: false }) as AsyncIterator<Buffer>;
    this.leftMs = limits.patienceMs;
    // It may be over when nobody reads it any more: whoever does hears of it all the same.
    this.on('error', () => undefined);
  }

  /** Somebody has begun to read it, and it goes on. What waits for its turn is no slower than any other request may be. */
  get isUnderWay(): boolean {
    return this.longest !== null && !this.isAnswered && !this.destroyed;
  }

  /** The answer is given: what is still to come is no upload any more, and has the time of any other request. */
  answered(): void {
    this.isAnswered = true;
    this.forget();
    const { source } = this;
    if (source.complete || source.socket.destroyed) return;
    setTimeout(() => source.complete || source.socket.destroy(), this.limits.patienceMs).unref();
  }

  override _read(): void {
    if (!this.isAnswered) this.longest ??= this.giveUpAfter(this.limits.longestMs);
    void this.next();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.forget();
    done(error);
  }

  private async next(): Promise<void> {
    const askedAt = performance.now();
    if (!this.isAnswered) this.waiting = this.giveUpAfter(this.leftMs);
    try {
      const next = await this.chunks.next();
      if (this.waiting) clearTimeout(this.waiting);
      if (next.done) this.forget();
      else this.earn(next.value.length, performance.now() - askedAt);
      this.push(next.done ? null : next.value);
    } catch (error) {
      this.destroy(error as Error);
    }
  }

  private earn(bytes: number, waitedMs: number): void {
    const { patienceMs, leastBytesPerSecond } = this.limits;
    this.leftMs = Math.min(patienceMs, this.leftMs - waitedMs + (bytes / leastBytesPerSecond) * 1_000);
  }

  private giveUpAfter(ms: number): NodeJS.Timeout {
    return setTimeout(() => this.destroy(tooSlow()), ms).unref();
  }

  private forget(): void {
    for (const timer of [this.waiting, this.longest]) if (timer) clearTimeout(timer);
  }
}

/**
 * Lets the bodies of routes that say so (`uploads`) take longer than REQUEST_TIMEOUT_SECONDS. That limit is the server's own
 * and holds for everybody; it is waived for a connection only while somebody who is signed in, and may do what they ask for,
 * has such a body read from it.
 */
@Injectable()
export class Uploads {
  private readonly limits: Limits;
  private readonly bodies = new WeakMap<Duplex, SlowBody>();

  constructor(@Inject(CONFIG) { http }: Config) {
    this.limits = { patienceMs: http.requestTimeoutMs, ...http.uploads };
  }

  /** To be called once it is known who asks. The handler finds the body in the request's place. */
  admit(request: FastifyRequest, reply: FastifyReply): void {
    // What was parsed has come.
    if (request.body !== request.raw) return;
    const body = new SlowBody(request.raw, this.limits);
    this.bodies.set(request.raw.socket, body);
    reply.raw.once('close', () => body.answered());
    request.body = body;
  }

  isUnderWay(socket: Duplex): boolean {
    return this.bodies.get(socket)?.isUnderWay ?? false;
  }
}
