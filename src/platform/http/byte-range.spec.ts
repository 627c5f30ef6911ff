import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { part, rangeOf } from './byte-range.js';
import { Problem } from './problem.js';

const known = { etag: '"a"', size: 100 };
const asked = (range: string, ifRange?: string) => rangeOf({ range, ifRange }, known);

describe('a range of bytes', () => {
  it.each([
    ['bytes=0-0', 0, 0],
    ['bytes=0-', 0, 99],
    ['bytes=99-', 99, 99],
    ['bytes=10-19', 10, 19],
    ['bytes=10-1000', 10, 99],
    ['bytes=-1', 99, 99],
    ['bytes=-1000', 0, 99],
  ])('%s is from %i to %i', (range, start, end) => {
    expect(asked(range)).toEqual({ start, end });
    expect(asked(range, '"a"')).toEqual({ start, end });
  });

  it.each([
    'bytes=-',
    'bytes=5-4',
    'bytes=0-1,3-4',
    'bytes=a-b',
    'bytes 0-1',
    'lines=0-1',
    '',
    'bytes=0-9999999999999999',
  ])('%j is none: all is given', (range) => {
    expect(asked(range)).toBeNull();
  });

  it.each(['"b"', 'W/"a"', 'a', 'Sun, 22 Nov 2026 10:00:00 GMT'])('is not of what If-Range %j names', (ifRange) => {
    expect(asked('bytes=5-', ifRange)).toBeNull();
  });

  it.each(['bytes=100-', 'bytes=100-200', 'bytes=-0'])('%s is not there', (range) => {
    expect(() => asked(range)).toThrow(Problem);
    expect(() => rangeOf({ range, ifRange: undefined }, { ...known, size: 0 })).toThrow(Problem);
  });

  it('of a stream is that of its bytes, however they come', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 9 }), { minLength: 1 }),
        fc.nat(),
        fc.nat(),
        async (chunks, a, b) => {
          const all = Buffer.concat(chunks);
          const [start, end] = [a % all.length, b % all.length].sort((x, y) => x - y) as [number, number];
          const source = Readable.from(
            chunks.map((chunk) => Buffer.from(chunk)),
            { objectMode: false },
          );
          expect(await buffer(part(source, { start, end }))).toEqual(all.subarray(start, end + 1));
          expect(source.destroyed).toBe(true);
        },
      ),
      { seed: 7, numRuns: 200 },
    );
  });
});
