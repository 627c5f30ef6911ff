interface Waiting<In, Out> {
  item: In;
  resolve: (out: Out) => void;
  reject: (error: unknown) => void;
}

/** Why an item was refused at once: too many wait already. */
export class BatcherFullError extends Error {}

/** An item's batch was not done in time; it may still become so. */
export class BatcherLateError extends Error {}

export interface BatcherOptions {
  maxBatch: number;
  maxInFlight: number;
  maxWaiting: number;
  /** Longest wait of one item, in milliseconds. */
  deadlineMs: number;
}

/**
 * Natural batching: an item goes at once when nothing is under way, otherwise with all others that arrived meanwhile. No
 * timer: a fixed wait only adds latency. One statement and one flush then serve many requests.
 */
export class Batcher<In, Out> {
  private waiting: Waiting<In, Out>[] = [];
  private inFlight = 0;
  private scheduled = false;

  constructor(
    private readonly run: (items: In[]) => Promise<Out[]>,
    private readonly options: BatcherOptions,
  ) {}

  get depth(): number {
    return this.waiting.length;
  }

  /** `deadlineMs`: shorter than the usual wait, for an item whose caller has waited elsewhere already. */
  submit(item: In, deadlineMs = this.options.deadlineMs): Promise<Out> {
    if (this.waiting.length >= this.options.maxWaiting)
      return Promise.reject(new BatcherFullError('too much is waiting'));
    return new Promise<Out>((resolve, reject) => {
      const timer = setTimeout(() => reject(new BatcherLateError('not done in time')), deadlineMs);
      const settle =
        <T>(then: (value: T) => void) =>
        (value: T) => {
          clearTimeout(timer);
          then(value);
        };
      this.waiting.push({ item, resolve: settle(resolve), reject: settle(reject) });
      this.schedule();
    });
  }

  private schedule(): void {
    if (this.scheduled || this.inFlight >= this.options.maxInFlight) return;
    this.scheduled = true;
    // After the current turn of the event loop, so that requests read in one turn share a batch.
    setImmediate(() => {
      this.scheduled = false;
      void this.flush();
    });
  }

  private async flush(): Promise<void> {
    const batch = this.waiting.splice(0, this.options.maxBatch);
    if (batch.length === 0) return;
    this.inFlight++;
    if (this.waiting.length > 0) this.schedule();
    try {
      const results = await this.run(batch.map(({ item }) => item));
      batch.forEach(({ resolve }, at) => resolve(results[at]!));
    } catch (error) {
      for (const { reject } of batch) reject(error);
    } finally {
      this.inFlight--;
      if (this.waiting.length > 0) this.schedule();
    }
  }
}
