import { isUtf8 } from 'node:buffer';

/** A line of a file, without its end. */
export interface Line {
  /** From 1. */
  number: number;
  /** Byte of the file at which the next line begins. */
  next: number;
  /** Undefined: the line cannot be read, `fault` says why. */
  text?: string;
  fault?: 'entry-too-large' | 'invalid-utf8';
}

export interface LinesFrom {
  byte: number;
  /** Lines before that byte. */
  line: number;
}

const NEWLINE = 0x0a;
const BOM = Buffer.from([0xef, 0xbb, 0xbf]);
const BLANK = /^[\t\r ]*$/;

/**
 * Lines of NDJSON (https://github.com/ndjson/ndjson-spec) as they arrive; blank ones count and are passed over. Memory is
 * bounded by one line; one that is longer than `maxBytes` is named and not kept. `removed`: bytes of the file that did not come along.
 */
export async function* linesOf(
  body: AsyncIterable<Buffer>,
  { byte, line }: LinesFrom,
  maxBytes: number,
  removed: () => number = () => 0,
): AsyncGenerator<Line> {
  let parts: Buffer[] = [];
  let length = 0;
  let number = line;
  let at = byte;
  const take = (end: number): Line | null => {
    number++;
    // Millions of empty lines must not hold up whoever else is served.
    if (length === 0) {
      parts = [];
      return null;
    }
    const whole = length > maxBytes ? null : Buffer.concat(parts);
    [parts, length] = [[], 0];
    return lineOf(number, end, whole, number === 1);
  };
  for await (const chunk of body) {
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, from)) {
      length += end - from;
      if (length <= maxBytes) parts.push(chunk.subarray(from, end));
      const found = take(at + end + 1 + removed());
      if (found) yield found;
      from = end + 1;
    }
    length += chunk.length - from;
    if (length <= maxBytes) parts.push(chunk.subarray(from));
    else parts = [];
    at += chunk.length;
  }
  const last = length > 0 ? take(at + removed()) : null;
  if (last) yield last;
}

function lineOf(number: number, next: number, bytes: Buffer | null, isFirst: boolean): Line | null {
  if (!bytes) return { number, next, fault: 'entry-too-large' };
  const content = isFirst && bytes.subarray(0, BOM.length).equals(BOM) ? bytes.subarray(BOM.length) : bytes;
  if (!isUtf8(content)) return { number, next, fault: 'invalid-utf8' };
  const text = content.toString('utf8');
  return BLANK.test(text) ? null : { number, next, text };
}
