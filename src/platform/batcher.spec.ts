import { describe, expect, it } from '@jest/globals';
import { Batcher, BatcherFullError, BatcherLateError } from './batcher.js';

const options = { maxBatch: 3, maxInFlight: 1, maxWaiting: 10, deadlineMs: 1_000 };

describe('Batcher', () => {
  it('gives each item its own result, and puts what arrived meanwhile into one batch', async () => {
    const batches: number[][] = [];
    let open: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (open = resolve));
    const batcher = new Batcher<number, number>(async (items) => {
      batches.push(items);
      if (batches.length === 1) await gate;
      return items.map((item) => item * 10);
    }, options);
    const first = batcher.submit(1);
    await new Promise(setImmediate);
    const rest = [2, 3, 4, 5].map((item) => batcher.submit(item));
    open();
    expect(await Promise.all([first, ...rest])).toEqual([10, 20, 30, 40, 50]);
    expect(batches).toEqual([[1], [2, 3, 4], [5]]);
  });

  it('rejects every item of a batch that failed, and goes on', async () => {
    let fails = true;
    const batcher = new Batcher<number, number>(
      (items) => (fails ? Promise.reject(new Error('away')) : Promise.resolve(items)),
      options,
    );
    const both = await Promise.allSettled([batcher.submit(1), batcher.submit(2)]);
    expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    fails = false;
    expect(await batcher.submit(3)).toBe(3);
  });

  it('refuses at once when too many wait', async () => {
    const batcher = new Batcher<number, number>(() => new Promise(() => undefined), {
      ...options,
      maxWaiting: 1,
      deadlineMs: 50,
    });
    const waiting = batcher.submit(1).catch((error: unknown) => error);
    await expect(batcher.submit(2)).rejects.toBeInstanceOf(BatcherFullError);
    expect(await waiting).toBeInstanceOf(BatcherLateError);
  });
});
