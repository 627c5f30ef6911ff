import { randomBytes } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { inBase64 } from './base64.js';
import { CHUNK_BYTES, ContentSealer, ContentTampered, openContent, sealContent, type SealedChunk } from './content.js';

const loader =
  (chunks: readonly SealedChunk[]) =>
  (ordinal: number): Promise<string | undefined> =>
    Promise.resolve(chunks.find((one) => one.ordinal === ordinal)?.body);

const SIZES = [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES, 3 * CHUNK_BYTES + 77];
const bytesOf = new Map(SIZES.map((size) => [size, randomBytes(size)]));

describe('a content', () => {
  it.each(SIZES)('of %d bytes opens as what it was, in chunks of one size', async (size) => {
    const { content, chunks } = sealContent(bytesOf.get(size)!);
    expect(content.bytes).toBe(size);
    expect(chunks).toHaveLength(Math.max(1, Math.ceil(size / CHUNK_BYTES)));
    expect(await buffer(openContent(content, loader(chunks)))).toEqual(bytesOf.get(size));
  });

  it('is the same however it came, and holds no more than a chunk back', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 300_000 }), { maxLength: 8 }), (pieces) => {
        const sealer = new ContentSealer();
        let sealed = 0;
        let given = 0;
        for (const piece of pieces) {
          sealed += sealer.add(Buffer.alloc(piece)).length;
          given += piece;
          expect(given - sealed * CHUNK_BYTES).toBeLessThanOrEqual(CHUNK_BYTES);
        }
        const { content, last } = sealer.finish();
        expect([content.bytes, last.ordinal]).toEqual([given, sealed]);
      }),
      { numRuns: 50 },
    );
  });

  it('gives each range as a buffer would', async () => {
    const bytes = bytesOf.get(3 * CHUNK_BYTES + 77)!;
    const { content, chunks } = sealContent(bytes);
    const edge = fc
      .tuple(fc.integer({ min: 0, max: 4 }), fc.integer({ min: -3, max: 3 }))
      .map(([chunk, off]) => Math.min(Math.max(0, chunk * CHUNK_BYTES + off), bytes.length - 1));
    const place = fc.oneof(edge, fc.integer({ min: 0, max: bytes.length - 1 }));
    await fc.assert(
      fc.asyncProperty(place, place, async (a, b) => {
        const [start, end] = [Math.min(a, b), Math.max(a, b)];
        const found = await buffer(openContent(content, loader(chunks), { start, end }));
        expect(found.equals(bytes.subarray(start, end + 1))).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it('does not open when a chunk is missing, moved, doubled, of another content, cut off, or changed in any byte', async () => {
    const bytes = bytesOf.get(3 * CHUNK_BYTES)!;
    const { content, chunks } = sealContent(bytes);
    const other = sealContent(bytes);
    const [a, b, c] = chunks as [SealedChunk, SealedChunk, SealedChunk];
    const flipped = (chunk: SealedChunk, at: number): SealedChunk => {
      const sealed = Buffer.from(chunk.body, 'base64');
      sealed[at % sealed.length]! ^= 1;
      return { ...chunk, body: sealed.toString('base64') };
    };
    const attacks: SealedChunk[][] = [
      [a, b],
      [b, c],
      [{ ...a, ordinal: 1 }, { ...b, ordinal: 0 }, c],
      [a, a, { ...c, ordinal: 1 }],
      [a, { ...a, ordinal: 1 }, c],
      [a, { ...b, body: other.chunks[1]!.body }, c],
      [a, b, { ...b, ordinal: 2 }],
      [a, b, { ...c, body: '' }],
      [a, b, { ...c, body: c.body.slice(0, 400) }],
      ...[0, 1, 16, 17, 29, 5_000, -1 + Buffer.from(b.body, 'base64').length].map((at) => [a, flipped(b, at), c]),
    ];
    for (const attack of attacks) {
      const load = loader([...attack].reverse());
      await expect(buffer(openContent(content, load))).rejects.toThrow(ContentTampered);
    }
    // Shortened with its own knowledge of how long it is: the chunk that would be the last was not sealed as one.
    const shorter = { ...content, bytes: 2 * CHUNK_BYTES };
    await expect(buffer(openContent(shorter, loader(chunks)))).rejects.toThrow(ContentTampered);
    await expect(buffer(openContent({ ...content, bytes: content.bytes - 1 }, loader(chunks)))).rejects.toThrow();
  });

  it('is base64 in pieces as it is in one', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 50 })), async (pieces) => {
        const parts = pieces.map((piece) => Buffer.from(piece));
        const source = (async function* () {
          for (const part of parts) yield await Promise.resolve(part);
        })();
        expect((await buffer(inBase64(source))).toString()).toBe(Buffer.concat(parts).toString('base64'));
      }),
    );
  });
});
