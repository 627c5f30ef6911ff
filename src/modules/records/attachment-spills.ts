import { buffer } from 'node:stream/consumers';
import { openContent, type Content, type SealedChunk } from '../../platform/content/index.js';
import type { Found } from './attachment-check.js';

/** A content with what was found of it; `chunks` are those that are not stored yet. */
export type SpilledContent =
  | { isTooLarge: true }
  | { isTooLarge: false; found: Found; content: Content; literal: Content | null; chunks: SealedChunk[] };

/**
 * What stands in a text for a content that was stored while the text was read: base64, so that it passes for what it stands for, and the
 * same for the same content, so that a record that comes again is the same one.
 */
const PREFIX = 'portico0';
const DIGEST = 64;
const LENGTH = PREFIX.length + DIGEST;
const STAND_IN = new RegExp(`"${PREFIX}[0-9a-f]{${DIGEST}}"`, 'g');

/** Contents too large to be in memory with the record that they came in: stored ahead. What is no stand-in of this import's own means itself. */
export class Spills {
  /** Equal ones each by themselves: what two records carry goes with each of them. */
  private readonly contents = new Map<string, SpilledContent[]>();

  constructor(private readonly load: (contentId: string, ordinal: number) => Promise<string | undefined>) {}

  /** Resolves with what to write in its place; `sha256` of the content, hexadecimal. */
  add(sha256: string, content: SpilledContent): string {
    const standIn = `${PREFIX}${sha256}`;
    const equal = this.contents.get(standIn);
    if (equal) equal.push(content);
    else this.contents.set(standIn, [content]);
    return standIn;
  }

  /** Takes what the text between the quotes of `data` stands for. */
  of(data: Buffer): SpilledContent | undefined {
    const equal = data.length === LENGTH ? this.contents.get(data.toString('latin1')) : undefined;
    return equal && equal.length > 1 ? equal.shift() : equal?.[0];
  }

  areIn(text: string): boolean {
    return this.contents.size > 0 && this.standInsOf(text).length > 0;
  }

  /** A text with the contents in it, for what is stored as one piece; null: it would be longer than that, or one was not kept. */
  async restored(text: string, maxBytes: number): Promise<string | null> {
    const parts: string[] = [];
    let room = maxBytes - text.length;
    let at = 0;
    for (const { 0: all, index = 0 } of this.contents.size === 0 ? [] : this.standInsOf(text)) {
      const [spilled] = this.contents.get(all.slice(1, -1)) as [SpilledContent];
      if (spilled.isTooLarge) return null;
      room -= (spilled.content.bytes * 4) / 3;
      if (room < 0) return null;
      parts.push(text.slice(at, index + 1), (await this.bytesOf(spilled.content)).toString('base64'), '"');
      at = index + all.length;
    }
    return at === 0 ? text : parts.join('') + text.slice(at);
  }

  private standInsOf(text: string): RegExpMatchArray[] {
    return [...text.matchAll(STAND_IN)].filter(([all]) => this.contents.has(all.slice(1, -1)));
  }

  private bytesOf(content: Content): Promise<Buffer> {
    return buffer(openContent(content, (ordinal) => this.load(content.id, ordinal)));
  }
}
