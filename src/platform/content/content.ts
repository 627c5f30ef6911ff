import { randomBytes } from 'node:crypto';
import { CipherError, DATA_KEY_BYTES, dataKey, open, seal, type DataKey, type Place } from '../crypto/index.js';
import type { ByteRange } from '../http/byte-range.js';
import { newId } from '../ids.js';

/** Bytes of a chunk in the clear; all but the last one have exactly so many, so that a byte's chunk is found by division. */
export const CHUNK_BYTES = 256 * 1024;

/** What opens a content, and how much it is. Kept sealed under the key of whoever it belongs to: without that it is noise. */
export interface Content {
  readonly id: string;
  /** Base64. */
  readonly key: string;
  readonly bytes: number;
}

/** A chunk as its row holds it: `body` is base64 of the sealed bytes. */
export interface SealedChunk {
  readonly contentId: string;
  readonly ordinal: number;
  readonly body: string;
}

/** A content that is not what was stored: a chunk is missing, or does not open at its place. Names the row, never data. */
export class ContentTampered extends Error {
  override readonly name = 'ContentTampered';
  constructor(
    readonly contentId: string,
    readonly ordinal: number,
  ) {
    super(`a chunk of a content is not there, or not what was stored: ${contentId}/${ordinal}`);
  }
}

/**
 * Where a chunk belongs: content, position, and of the last one the whole content's size. A chunk of another place or content, one
 * that became the last because those behind it were cut off, and a last one with more behind it do not open.
 */
const placeOf = (contentId: string, ordinal: number, total: number | null): Place => ({
  table: 'content',
  row: `${contentId}/${ordinal}`,
  column: total === null ? 'chunk' : `last of ${total}`,
});

const keyOf = ({ id, key }: Pick<Content, 'id' | 'key'>): DataKey => dataKey(id, Buffer.from(key, 'base64'));

const chunksOf = (bytes: number): number => Math.max(1, Math.ceil(bytes / CHUNK_BYTES));

/**
 * Seals one content as it comes (AES-256-GCM, NIST SP 800-38D), under a key of its own: whose it is may be known only at its end, or
 * change later, and then the key alone is sealed anew. Holds one chunk back, because only the last one says how long all are.
 */
export class ContentSealer {
  readonly id = newId();
  private readonly bytes = randomBytes(DATA_KEY_BYTES);
  private readonly key = dataKey(this.id, this.bytes);
  private ordinal = 0;
  private total = 0;
  private rest: Buffer[] = [];
  private restBytes = 0;

  /** The chunks that are full and have something behind them. */
  add(bytes: Buffer): SealedChunk[] {
    this.total += bytes.length;
    this.rest.push(bytes);
    this.restBytes += bytes.length;
    if (this.restBytes <= CHUNK_BYTES) return [];
    const all = Buffer.concat(this.rest);
    const sealed: SealedChunk[] = [];
    let at = 0;
    for (; all.length - at > CHUNK_BYTES; at += CHUNK_BYTES)
      sealed.push(this.sealed(all.subarray(at, at + CHUNK_BYTES), null));
    // A copy: a view would keep all of it.
    this.rest = [Buffer.from(all.subarray(at))];
    this.restBytes = all.length - at;
    return sealed;
  }

  finish(): { last: SealedChunk; content: Content } {
    const last = this.sealed(Buffer.concat(this.rest), this.total);
    return { last, content: { id: this.id, key: this.bytes.toString('base64'), bytes: this.total } };
  }

  private sealed(plain: Buffer, total: number | null): SealedChunk {
    const ordinal = this.ordinal++;
    const body = seal(this.key, placeOf(this.id, ordinal, total), plain).toString('base64');
    return { contentId: this.id, ordinal, body };
  }
}

/** A whole content that is in memory. */
export function sealContent(bytes: Buffer): { chunks: SealedChunk[]; content: Content } {
  const sealer = new ContentSealer();
  const chunks = sealer.add(bytes);
  const { last, content } = sealer.finish();
  return { chunks: [...chunks, last], content };
}

/**
 * The bytes of a content, or those of a range; chunk by chunk, each authenticated before any of it is handed on. `load` gives the body
 * of a chunk's row. Throws ContentTampered.
 */
export async function* openContent(
  content: Content,
  load: (ordinal: number) => Promise<string | undefined>,
  range: ByteRange | null = null,
): AsyncGenerator<Buffer, void, undefined> {
  const key = keyOf(content);
  const { start, end } = range ?? { start: 0, end: content.bytes - 1 };
  const first = Math.floor(start / CHUNK_BYTES);
  const last = Math.max(first, Math.floor(end / CHUNK_BYTES));
  for (let ordinal = first; ordinal <= last; ordinal++) {
    const plain = opened(content, key, ordinal, await load(ordinal));
    const at = ordinal * CHUNK_BYTES;
    const piece = plain.subarray(Math.max(0, start - at), Math.max(0, end + 1 - at));
    if (piece.length > 0) yield piece;
  }
}

function opened({ id, bytes }: Content, key: DataKey, ordinal: number, body: string | undefined): Buffer {
  const final = chunksOf(bytes) - 1;
  const expected = ordinal === final ? bytes - final * CHUNK_BYTES : CHUNK_BYTES;
  try {
    const plain = open(key, placeOf(id, ordinal, ordinal === final ? bytes : null), Buffer.from(body ?? '', 'base64'));
    if (plain.length === expected) return plain;
  } catch (error) {
    // Which of its columns was changed, nobody can tell.
    if (!(error instanceof CipherError)) throw error;
  }
  throw new ContentTampered(id, ordinal);
}
