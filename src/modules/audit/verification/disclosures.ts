import { hash } from 'node:crypto';
import { finding, Refusal, type Finding } from './findings.js';
import type { Leaf } from './leaf.js';
import { membersOf, type Line } from './lines.js';

interface Disclosure {
  line: number;
  leafIndex: number;
  disclosure: string;
  value: unknown;
}

/** What disclosures have opened of a leaf. */
export interface Opened {
  values: readonly unknown[];
  finding: Finding | null;
}

export const NOTHING: Opened = { values: [], finding: null };

/** Every digest of RFC 9901 in an event, at whatever depth. */
function digestsIn(value: unknown, found = new Set<string>()): Set<string> {
  if (typeof value !== 'object' || value === null) return found;
  const { _sd } = value as { _sd?: unknown };
  if (Array.isArray(_sd)) for (const digest of _sd) if (typeof digest === 'string') found.add(digest);
  for (const inner of Object.values(value)) digestsIn(inner, found);
  return found;
}

/** RFC 9901 §4.2.3: over the disclosure's own text. */
const digestOf = (disclosure: string): string => hash('sha256', Buffer.from(disclosure, 'utf8'), 'base64url');

/** Salt, name and value, or salt and value (RFC 9901 §4.2.1, §4.2.2); null for what is neither. */
function partsOf(text: unknown): unknown[] | null {
  if (typeof text !== 'string' || !/^[A-Za-z0-9_-]+$/.test(text)) return null;
  const parts = Object.values(membersOf(Buffer.from(text, 'base64url')));
  return (parts.length === 3 || parts.length === 2) && typeof parts[0] === 'string' ? parts : null;
}

function disclosureOf({ number, bytes, isWhole }: Line, where: string): Disclosure {
  if (!isWhole) throw new Refusal(finding('truncation', where, 'the last line is cut off', { line: number }));
  const { leafIndex, disclosure } = membersOf(bytes);
  const parts = partsOf(disclosure);
  if (!Number.isSafeInteger(leafIndex) || !parts)
    throw new Refusal(finding('edit', where, 'the line is no disclosure', { line: number }));
  return { line: number, leafIndex: leafIndex as number, disclosure: disclosure as string, value: parts.at(-1) };
}

/**
 * Disclosures beside the leaves, both in the order of the log: each has to open a digest of its own leaf, or somebody made
 * it up. Read in step, so that neither is held in memory.
 */
export class Disclosures {
  private waiting: Disclosure | null = null;
  private before = -1;
  private count = 0;

  constructor(
    private readonly lines: AsyncGenerator<Line, void>,
    private readonly where: string,
  ) {}

  get opened(): number {
    return this.count;
  }

  /** Opens what belongs to this leaf: gives the values, or what is wrong. */
  async check({ index, event }: Leaf): Promise<Opened> {
    const values: unknown[] = [];
    let digests: Set<string> | null = null;
    for (let next = await this.peek(); next && next.leafIndex <= index!; next = await this.peek()) {
      this.waiting = null;
      if (next.leafIndex < index!) return { values, finding: this.invented(next) };
      digests ??= digestsIn(event);
      if (!digests.has(digestOf(next.disclosure))) return { values, finding: this.invented(next) };
      values.push(next.value);
      this.count++;
    }
    return { values, finding: null };
  }

  /** What is left after the last leaf belongs to none. */
  async end(): Promise<Finding | null> {
    const next = await this.peek();
    return next ? this.invented(next) : null;
  }

  private async peek(): Promise<Disclosure | null> {
    if (this.waiting) return this.waiting;
    const line = await this.lines.next();
    if (line.done) return null;
    const next = disclosureOf(line.value, this.where);
    if (next.leafIndex < this.before) {
      const place = { line: next.line, index: next.leafIndex };
      throw new Refusal(finding('reorder', this.where, `it comes after a disclosure of leaf ${this.before}`, place));
    }
    this.before = next.leafIndex;
    return (this.waiting = next);
  }

  private invented({ line, leafIndex }: Disclosure): Finding {
    return finding('insertion', this.where, 'the disclosure opens nothing that stands in its leaf', {
      line,
      index: leafIndex,
    });
  }
}
