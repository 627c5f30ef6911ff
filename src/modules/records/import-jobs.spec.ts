import { PassThrough } from 'node:stream';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { SystemClock } from '../../platform/clock.js';
import { Logger } from '../../platform/logging/logger.js';
import type { ImportJobRepository } from './import-job.repository.js';
import { ImportJobs } from './import-jobs.js';

/** The table, as whoever asks for work meets it; each answer comes when the test says so. */
class SlowTable {
  readonly taken: PromiseWithResolvers<null>[] = [];
  readonly swept: PromiseWithResolvers<void>[] = [];

  take(): Promise<null> {
    return this.asked(this.taken);
  }

  sweep(): Promise<void> {
    return this.asked(this.swept);
  }

  private asked<T>(list: PromiseWithResolvers<T>[]): Promise<T> {
    const answer = Promise.withResolvers<T>();
    list.push(answer);
    return answer.promise;
  }
}

/** Until all that could go on has gone on. */
const settled = () => new Promise((done) => setImmediate(done));

describe('the jobs of imports', () => {
  let table: SlowTable;
  let jobs: ImportJobs;
  let log: string[];
  beforeEach(() => {
    table = new SlowTable();
    log = [];
    const repository = table as unknown as ImportJobRepository;
    const logger = Logger.to('info', new PassThrough());
    jobs = new ImportJobs(repository, undefined as never, undefined as never, new SystemClock(), logger);
  });
  const stop = (): Promise<unknown> => jobs.beforeApplicationShutdown().then(() => log.push('stopped'));

  it('are waited for in every lane when the server stops', async () => {
    const drained = jobs.drain();
    await settled();
    expect(table.taken).toHaveLength(2);
    const stopped = stop();
    table.taken[0]!.resolve(null);
    await settled();
    expect(log).toEqual([]);
    table.taken[1]!.resolve(null);
    await Promise.all([drained, stopped]);
    expect(log).toEqual(['stopped']);
  });

  it('are not left with a sweep under way, whose connection would be closed beneath it', async () => {
    const swept = jobs.sweep().then(() => log.push('swept'));
    await settled();
    const stopped = stop();
    await settled();
    expect(log).toEqual([]);
    table.swept[0]!.resolve();
    await Promise.all([swept, stopped]);
    expect(log).toEqual(['swept', 'stopped']);
  });

  it('take nothing up and sweep nothing once it has stopped', async () => {
    await stop();
    await Promise.all([jobs.drain(), jobs.sweep()]);
    expect([table.taken, table.swept]).toEqual([[], []]);
  });

  it('go on in every lane after a turn that failed', async () => {
    const drained = jobs.drain();
    await settled();
    table.taken[0]!.reject(new Error('the database is away'));
    await expect(drained).rejects.toThrow('away');
    table.taken[1]!.resolve(null);
    const again = jobs.drain();
    await settled();
    expect(table.taken).toHaveLength(4);
    for (const one of table.taken.slice(2)) one.resolve(null);
    await again;
    await stop();
  });
});
