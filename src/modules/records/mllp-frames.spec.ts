import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { framed, framesOf, FramingFault, type FrameLimits } from './mllp-frames.js';

const limits = (over: Partial<FrameLimits> = {}): FrameLimits => ({
  maxBytes: 1_000,
  reserve: () => true,
  begun: () => undefined,
  ...over,
});

/** The bytes in pieces, cut at these places. */
function* cut(bytes: Buffer, at: readonly number[]): Generator<Buffer> {
  let from = 0;
  for (const to of [...new Set(at)].sort((a, b) => a - b).filter((place) => place < bytes.length)) {
    yield bytes.subarray(from, to);
    from = to;
  }
  yield bytes.subarray(from);
}

async function read(chunks: Iterable<Buffer>, over?: Partial<FrameLimits>): Promise<Buffer[]> {
  const found: Buffer[] = [];
  const stream = (async function* () {
    for (const chunk of chunks) yield await Promise.resolve(chunk);
  })();
  for await (const frame of framesOf(stream, limits(over))) found.push(frame);
  return found;
}

const fault = (chunks: Iterable<Buffer>, over?: Partial<FrameLimits>): Promise<string> =>
  read(chunks, over).then(
    () => 'none',
    (error: unknown) => (error instanceof FramingFault ? error.code : String(error)),
  );

describe('frames of MLLP', () => {
  const content = fc
    .uint8Array({ maxLength: 60 })
    .filter((bytes) => !Buffer.from(bytes).includes(Buffer.of(0x1c, 0x0d)) && bytes.at(-1) !== 0x1c);

  it('are what was sent, wherever the network cuts them', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(content, { maxLength: 5 }),
        fc.array(fc.nat(330)),
        fc.boolean(),
        async (messages, at, isSpaced) => {
          const bytes = Buffer.concat(
            messages.flatMap((one) => [framed(Buffer.from(one)), Buffer.from(isSpaced ? '\r\n' : '')]),
          );
          let [held, begun] = [0, 0];
          const found = await read(cut(bytes, at), { reserve: (size) => ((held += size), true), begun: () => begun++ });
          expect(found.map((one) => [...one])).toEqual(messages.map((one) => [...one]));
          expect([held, begun]).toEqual([0, messages.length]);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('are refused when they are none, too large, or too much together', async () => {
    expect(await fault([Buffer.from('GET /')])).toBe('no-frame');
    expect(await fault([Buffer.concat([framed(Buffer.from('a')), Buffer.from('x')])])).toBe('no-frame');
    expect(await fault([Buffer.of(0x0b), ...Array.from({ length: 50 }, () => Buffer.alloc(100, 'x'))])).toBe(
      'frame-too-large',
    );
    expect(await fault([framed(Buffer.alloc(1_000))])).toBe('none');
    expect(await fault([framed(Buffer.alloc(1_001))])).toBe('frame-too-large');
    expect(await fault([framed(Buffer.from('a'))], { reserve: (size) => size <= 0 })).toBe('too-much-at-once');
  });

  it('keep no list of letters when they come letter by letter', async () => {
    const bytes = framed(Buffer.alloc(5_000, 'x'));
    const [frame] = await read(
      cut(
        bytes,
        Array.from({ length: bytes.length }, (_, at) => at),
      ),
      { maxBytes: 10_000 },
    );
    expect(frame).toHaveLength(5_000);
  });
});
