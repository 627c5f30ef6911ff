import { Readable, Writable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { metered, type Ending } from './metered.js';

const chunks = (...texts: string[]): Readable =>
  Readable.from(
    texts.map((text) => Buffer.from(text)),
    { objectMode: false },
  );

describe('a metered stream', () => {
  it('passes the bytes on and tells their number before its end', async () => {
    const order: string[] = [];
    const stream = metered(chunks('ab', 'cde'), async (ending) => {
      await turn();
      order.push(JSON.stringify(ending));
    }).on('end', () => order.push('end'));
    expect((await buffer(stream)).toString()).toBe('abcde');
    expect(order).toEqual(['{"bytes":5,"isWhole":true}', 'end']);
  });

  it('does not end where its end cannot be told', async () => {
    const stream = metered(chunks('ab'), () => Promise.reject(new Error('away')));
    await expect(buffer(stream)).rejects.toThrow('away');
  });

  it('tells once, and of what it was, when its reader goes away, and ends its source', async () => {
    const told: Ending[] = [];
    const source = new Readable({ read: () => undefined });
    const stream = metered(source, (ending) => (told.push(ending), Promise.resolve()));
    source.push('abc');
    source.push('de');
    await new Promise<void>((read) => stream.once('data', () => read()));
    stream.destroy();
    await new Promise((closed) => source.once('close', closed));
    expect(told).toEqual([{ bytes: 3, isWhole: false }]);
  });

  it('gives its last bytes only when its end was told', async () => {
    let tell = (): void => undefined;
    const told = new Promise<void>((done) => (tell = done));
    const stream = metered(chunks('ab', 'cde'), () => told);
    const given: string[] = [];
    stream.on('data', (chunk: Buffer) => given.push(chunk.toString()));
    for (let n = 0; n < 20; n++) await turn();
    expect(given).toEqual(['ab']);
    tell();
    await new Promise((ended) => stream.once('end', ended));
    expect(given).toEqual(['ab', 'cde']);
  });

  it('is broken off, and not ended, by a source that fails', async () => {
    const told: Ending[] = [];
    const source = Readable.from(
      (function* () {
        yield Buffer.from('abc');
        yield Buffer.from('de');
        throw new Error('torn');
      })(),
      { objectMode: false },
    );
    const stream = metered(source, (ending) => (told.push(ending), Promise.resolve()));
    await expect(buffer(stream)).rejects.toThrow('torn');
    expect(told).toEqual([{ bytes: 3, isWhole: false, error: expect.any(Error) as unknown }]);
  });

  it('reads no faster than it is read', async () => {
    let given = 0;
    const source = new Readable({
      read() {
        given++;
        this.push(Buffer.alloc(64 * 1024));
      },
    });
    const slow = new Writable({ write: () => undefined });
    metered(source, () => Promise.resolve()).pipe(slow);
    for (let n = 0; n < 50; n++) await turn();
    expect(given).toBeLessThan(12);
    source.destroy();
  });
});
