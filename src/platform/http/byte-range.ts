import { Readable } from 'node:stream';
import { Problem } from './problem.js';

/** Bytes from `start` up to `end`, both of them in it. */
export interface ByteRange {
  start: number;
  end: number;
}

const unsatisfiable = (size: number): Problem =>
  new Problem(416, 'http.range', 'There are no such bytes: Content-Range says how many there are.', {
    headers: { 'content-range': `bytes */${size}` },
  });

/**
 * The bytes that are asked for of a representation with this strong entity tag and size (RFC 9110 sections 13.1.5 and 14.2);
 * null: all of it. So is what is no range of bytes, several of them at once, and an If-Range of something else.
 */
export function rangeOf(
  { range, ifRange }: { range: string | undefined; ifRange: string | undefined },
  { etag, size }: { etag: string; size: number },
): ByteRange | null {
  const [, first = '', last = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(range?.trim() ?? '') ?? [];
  if ((first === '' && last === '') || (ifRange !== undefined && ifRange.trim() !== etag)) return null;
  if (first !== '' && last !== '' && Number(last) < Number(first)) return null;
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === '' || last === '' ? size - 1 : Math.min(Number(last), size - 1);
  if (start > end) throw unsatisfiable(size);
  return { start, end };
}

/** These bytes of a stream that can only be read from its beginning. Ends it when they have come. */
export function part(source: Readable, { start, end }: ByteRange): Readable {
  async function* wanted(): AsyncGenerator<Buffer, void, undefined> {
    let at = 0;
    for await (const chunk of source as AsyncIterable<Buffer>) {
      const piece = chunk.subarray(Math.max(0, start - at), Math.max(0, end + 1 - at));
      at += chunk.length;
      if (piece.length > 0) yield piece;
      if (at > end) return;
    }
  }
  return Readable.from(wanted(), { objectMode: false });
}
