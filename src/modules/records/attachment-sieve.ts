import { ContentSealer, inBase64, openContent, type Content, type SealedChunk } from '../../platform/content/index.js';
import { ContentFacts } from './attachment-check.js';
import type { SpilledContent } from './attachment-spills.js';

/** Where contents go that are too large to be read with their record. */
export interface SpillTarget {
  maxBytes: number;
  /** Durable when it resolves: what memory holds does not grow with the content. */
  put(chunks: readonly SealedChunk[]): Promise<void>;
  load(contentId: string, ordinal: number): Promise<string | undefined>;
  /** Answers what to write in its place. */
  add(sha256: string, content: SpilledContent): string;
}

/** Base64 of this length and more is stored ahead; what is shorter is in memory with its record. */
const SPILL_CHARACTERS = 1024 * 1024;
/** Chunks of one transaction. */
const AT_ONCE = 8;
/** White space around the colon that is looked at. */
const GAP = 64;
const KEY = Buffer.from('"data"');
const OPENING = /^"data"[\t\n\r ]*:[\t\n\r ]*"/;

const IS_BASE64 = new Uint8Array(256);
for (const letter of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=')
  IS_BASE64[letter.charCodeAt(0)] = 1;

/** The first byte that is no base64; the length where there is none. */
function endOfBase64(bytes: Buffer, from: number): number {
  let at = from;
  while (at < bytes.length && IS_BASE64[bytes[at]!] === 1) at++;
  return at;
}

/**
 * Lets JSON pass as it comes and stores the base64 of large `data` members ahead, so that what is read as a whole stays small. Looks for
 * the one way in which programs write that member; written otherwise, or no base64 to its end, a value goes on as it was sent. Without a
 * target contents are dropped, for who only looks at the form.
 */
export class AttachmentSieve {
  /** Bytes that came and did not go on, up to what was handed on last. */
  removed = 0;

  constructor(
    private readonly target: SpillTarget | null,
    private readonly minCharacters = SPILL_CHARACTERS,
  ) {}

  async *through(body: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer, void, undefined> {
    let rest: Buffer = Buffer.alloc(0);
    /** Of a value of `data` that may become large; null: outside of one. */
    let value: Value | null = null;
    for await (const chunk of body) {
      const bytes: Buffer = rest.length > 0 ? Buffer.concat([rest, chunk]) : asBuffer(chunk);
      let at = 0;
      rest = Buffer.alloc(0);
      while (at < bytes.length) {
        if (value) {
          const end = endOfBase64(bytes, at);
          await value.add(bytes.subarray(at, end));
          at = end;
          if (end === bytes.length && !value.isOdd) continue;
          yield* this.closed(value, bytes[end]);
          value = null;
        } else {
          const found = openingIn(bytes, at);
          if (found.end > at) yield bytes.subarray(at, found.end);
          at = found.end;
          if (found.isOpen) value = new Value(this.target, this.minCharacters);
          else {
            // A copy: a view would keep the whole chunk.
            rest = Buffer.from(bytes.subarray(at));
            at = bytes.length;
          }
        }
      }
    }
    if (value) yield* value.given();
    if (rest.length > 0) yield rest;
  }

  private async *closed(value: Value, next: number | undefined): AsyncGenerator<Buffer, void, undefined> {
    const standIn = next === 0x22 ? await value.stored() : null;
    if (standIn === null) return yield* value.given();
    this.removed += value.characters - standIn.length;
    yield Buffer.from(standIn, 'latin1');
  }
}

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Up to where these bytes can go on: behind the quote that opens a value of `data`, or before what may turn out to be one. */
function openingIn(bytes: Buffer, from: number): { end: number; isOpen: boolean } {
  for (let at = bytes.indexOf(KEY, from); at >= 0; at = bytes.indexOf(KEY, at + 1)) {
    const opening = OPENING.exec(bytes.toString('latin1', at, at + KEY.length + GAP));
    if (opening) return { end: at + opening[0].length, isOpen: true };
    if (at + KEY.length + GAP > bytes.length && /^"data"[\t\n\r :]*$/.test(bytes.toString('latin1', at)))
      return { end: at, isOpen: false };
  }
  // The beginning of a key may be at the end.
  const last = bytes.lastIndexOf(KEY[0]!);
  const isBegun =
    last >= from &&
    bytes.length - last < KEY.length &&
    KEY.subarray(0, bytes.length - last).equals(bytes.subarray(last));
  return { end: isBegun ? last : bytes.length, isOpen: false };
}

/** A value of `data` as it comes: in memory while it is short, then on its way into the store. */
class Value {
  characters = 0;
  /** Cannot be stored ahead: it is not base64 in the one way in which bytes are written. */
  isOdd = false;
  private held: Buffer[] = [];
  private isPadded = false;
  private spilled: Spilled | null = null;

  constructor(
    private readonly target: SpillTarget | null,
    private readonly minCharacters: number,
  ) {}

  async add(piece: Buffer): Promise<void> {
    this.characters += piece.length;
    // A copy: a view would keep the chunk that it came in.
    this.held.push(Buffer.from(piece));
    if (this.characters < this.minCharacters) return;
    this.spilled ??= new Spilled(this.target);
    const all = Buffer.concat(this.held);
    const whole = all.length - (all.length % 4);
    const text = all.toString('latin1', 0, whole);
    const decoded = Buffer.from(text, 'base64');
    // What is given back later must be what was sent: nothing comes behind the padding.
    this.isOdd = this.isPadded || decoded.toString('base64') !== text;
    if (this.isOdd) return;
    this.isPadded = text.endsWith('=');
    this.held = whole < all.length ? [all.subarray(whole)] : [];
    await this.spilled.add(decoded);
  }

  /** What to write in its place; null: it goes on as it was sent. */
  async stored(): Promise<string | null> {
    if (!this.spilled || this.isOdd || this.held.length > 0) return null;
    return this.spilled.named();
  }

  /** As it was sent: what was stored already comes back from there. */
  async *given(): AsyncGenerator<Buffer, void, undefined> {
    if (this.spilled) yield* this.spilled.asBase64();
    yield* this.held;
  }
}

/** A content on its way into the store. What turns out to be too large is in it as well, of nobody, until that is swept. */
class Spilled {
  private readonly facts = new ContentFacts();
  private readonly sealer = new ContentSealer();
  private chunks: SealedChunk[] = [];

  constructor(private readonly target: SpillTarget | null) {}

  async add(bytes: Buffer): Promise<void> {
    if (!this.target) return;
    this.facts.add(bytes);
    this.chunks.push(...this.sealer.add(bytes));
    if (this.chunks.length < AT_ONCE) return;
    await this.target.put(this.chunks);
    this.chunks = [];
  }

  async named(): Promise<string> {
    if (!this.target) return '';
    const found = await this.facts.found();
    const content = await this.finish(this.target);
    const isTooLarge = content.bytes > this.target.maxBytes;
    return this.target.add(
      found.sha256,
      isTooLarge ? { isTooLarge } : { isTooLarge, found, content, literal: null, chunks: [] },
    );
  }

  async *asBase64(): AsyncGenerator<Buffer, void, undefined> {
    const { target } = this;
    if (!target) return;
    const content = await this.finish(target);
    yield* inBase64(openContent(content, (ordinal) => target.load(content.id, ordinal)));
  }

  private async finish(target: SpillTarget): Promise<Content> {
    const { last, content } = this.sealer.finish();
    await target.put([...this.chunks, last]);
    return content;
  }
}
