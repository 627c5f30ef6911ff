import { once } from 'node:events';
import { MessageChannel } from 'node:worker_threads';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Piscina } from 'piscina';
import { workerFile } from '../../../../platform/workers/worker-file.js';
import type { PdfHead, PdfSource } from './document.js';
import type { PdfTask, Question } from './pdf.worker.js';

/** A thread with nothing to do stops after this. */
const IDLE_MS = 30_000;

/** Sets documents in a thread of its own: shaping and packing thousands of rows would hold up every request. */
@Injectable()
export class PdfThread implements OnApplicationShutdown {
  private pool: Piscina<PdfTask, void> | null = null;

  async onApplicationShutdown(): Promise<void> {
    const { pool } = this;
    this.pool = null;
    await pool?.destroy();
  }

  /** The source is read here, where the database is, as the document needs it; one page and one piece are between the threads at a time. */
  async *write(head: PdfHead, source: PdfSource): AsyncGenerator<Uint8Array, void, undefined> {
    const { port1: port, port2 } = new MessageChannel();
    const pages = source.pages()[Symbol.asyncIterator]();
    const given = new AbortController();
    const next = (): Promise<Question> => once(port, 'message').then(([question]) => question as Question);
    let question = next();
    const written = this.started().run({ head, port: port2 }, { transferList: [port2], signal: given.signal });
    const over = written.then(() => null);
    try {
      for (let asked: Question | null; (asked = await Promise.race([question, over])) !== null;) {
        question = next();
        if (asked === 'glance') port.postMessage(await source.glance());
        else if (asked === 'page') {
          const page = await pages.next();
          port.postMessage(page.done ? null : page.value);
        } else {
          yield asked;
          port.postMessage(null);
        }
      }
    } finally {
      // Whoever stops taking it ends the work.
      over.catch(() => undefined);
      given.abort();
      port.close();
      await pages.return?.();
    }
  }

  private started(): Piscina<PdfTask, void> {
    this.pool ??= new Piscina<PdfTask, void>({
      ...workerFile(import.meta.url, 'pdf.worker'),
      // nothing there needs the environment, and it holds secrets
      ...{ env: {}, minThreads: 0, maxThreads: 1, idleTimeout: IDLE_MS },
    });
    return this.pool;
  }
}
