import { Piscina } from 'piscina';
import { workerFile } from '../../platform/workers/worker-file.js';
import { unreadable, type Inspection } from '../inspection.js';

export interface InspectorOptions {
  maxThreads?: number;
  /** A thread with nothing to do stops after this; the next one loads the definitions again, about a quarter of a second. */
  idleTimeoutMs?: number;
  /** The longest that a batch, and then each of its records alone, may take: an invariant can be made to run very long. */
  maxMsPerBatch?: number;
}

// Large enough that messages cost little beside the work, small enough that a slow record delays few others.
const BATCH_TEXTS = 64;
const BATCH_CHARACTERS = 1_000_000;
const DEFAULT_IDLE_MS = 30_000;
const DEFAULT_MS_PER_BATCH = 10_000;

type Pool = Piscina<string[], Inspection[]>;

/** Inspects records in worker threads, so that a large import does not hold up requests. Threads start at first use. */
export class ResourceInspector {
  private readonly options: InspectorOptions;
  private readonly maxThreads: number;
  private pool: Pool | undefined;
  private isClosed = false;
  private busyLanes = 0;
  private readonly waiting: (() => void)[] = [];

  constructor(options: InspectorOptions = {}) {
    this.options = options;
    this.maxThreads = options.maxThreads ?? 1;
  }

  /** In the order of the texts. A text that takes too long is found in error and the others are not. */
  async inspectMany(texts: readonly string[]): Promise<Inspection[]> {
    const inspected = await Promise.all(batchesOf(texts).map((batch) => this.inspectBatch(batch)));
    return inspected.flat();
  }

  async close(): Promise<void> {
    this.isClosed = true;
    const pool = this.pool;
    this.pool = undefined;
    await pool?.destroy();
  }

  private async inspectBatch(texts: string[]): Promise<Inspection[]> {
    const inspections = await this.run(texts);
    if (inspections) return inspections;
    if (texts.length === 1) return [timedOut()];
    const single: Inspection[] = [];
    for (const text of texts) single.push((await this.run([text]))?.[0] ?? timedOut());
    return single;
  }

  /** Undefined when the time ran out. */
  private async run(texts: string[]): Promise<Inspection[] | undefined> {
    await this.takeLane();
    try {
      // Answered when a thread is there: to start one, and to load the definitions, is not the records' time.
      await this.started().run([]);
      return await this.runInTime(texts);
    } finally {
      this.releaseLane();
    }
  }

  /** Undefined when the time ran out; the thread that was stuck is gone then. */
  private async runInTime(texts: string[]): Promise<Inspection[] | undefined> {
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), this.options.maxMsPerBatch ?? DEFAULT_MS_PER_BATCH);
    try {
      return await this.started().run(texts, { signal: abort.signal });
    } catch (error) {
      if (abort.signal.aborted) return undefined;
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  // The pool would queue by itself, but its clock would run while a batch only waits.
  private async takeLane(): Promise<void> {
    if (this.busyLanes < this.maxThreads) this.busyLanes++;
    else await new Promise<void>((resolve) => this.waiting.push(resolve));
  }

  private releaseLane(): void {
    const next = this.waiting.shift();
    if (next) next();
    else this.busyLanes--;
  }

  private started(): Pool {
    if (this.isClosed) throw new Error('The resource inspector is closed.');
    this.pool ??= new Piscina<string[], Inspection[]>({
      ...workerFile(import.meta.url, 'inspection.worker'),
      // nothing here needs the environment, and it holds secrets
      env: {},
      minThreads: 0,
      maxThreads: this.maxThreads,
      idleTimeout: this.options.idleTimeoutMs ?? DEFAULT_IDLE_MS,
    });
    return this.pool;
  }
}

function batchesOf(texts: readonly string[]): string[][] {
  const batches: string[][] = [];
  let batch: string[] = [];
  let characters = 0;
  for (const text of texts) {
    if (batch.length >= BATCH_TEXTS || (batch.length > 0 && characters + text.length > BATCH_CHARACTERS)) {
      batches.push(batch);
      batch = [];
      characters = 0;
    }
    batch.push(text);
    characters += text.length;
  }
  return batch.length > 0 ? [...batches, batch] : batches;
}

function timedOut(): Inspection {
  const detail = 'The record took too long to be checked.';
  return unreadable({ severity: 'error', code: 'inspection-timeout', path: '', detail });
}
