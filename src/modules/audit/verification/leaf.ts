import { isUtf8 } from 'node:buffer';

/** A leaf as verification reads it: the bytes decide, these only say where they claim to belong. */
export interface Leaf {
  /** `/i`: its place in the log; null when it is no leaf. */
  index: number | null;
  /** `/n`: which event of its patient it is, from 1. */
  count: number | null;
  /** `/e`. */
  event: Record<string, unknown>;
  /** `/e/pat`. */
  subject: string | null;
  /** What no leaf may be, by audit-log rules: CR, BOM, no UTF-8, too long, no JSON object. */
  fault: string | null;
}

const LONGEST = 65_535;
const CR = 13;
const BOM = Buffer.from('\ufeff');

const none = (fault: string): Leaf => ({ index: null, count: null, event: {}, subject: null, fault });

const whole = (value: unknown): number | null =>
  Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : null;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function faultOf(line: Buffer): string | null {
  if (line.length === 0) return 'the line is empty';
  if (line.length > LONGEST) return `the line is longer than ${LONGEST} bytes`;
  if (line.includes(CR)) return 'the line has a carriage return';
  if (line.subarray(0, BOM.length).equals(BOM)) return 'the line begins with a byte order mark';
  if (!isUtf8(line)) return 'the line is not UTF-8';
  return null;
}

export function readLeaf(line: Buffer): Leaf {
  const fault = faultOf(line);
  let value: unknown;
  try {
    value = JSON.parse(line.toString('utf8'));
  } catch {
    return none(fault ?? 'the line is not JSON');
  }
  if (!isObject(value) || !isObject(value.e)) return none(fault ?? 'the line is no leaf');
  const { pat } = value.e;
  return {
    index: whole(value.i),
    count: whole(value.n),
    event: value.e,
    subject: typeof pat === 'string' ? pat : null,
    fault: fault ?? (whole(value.i) === null ? 'the line has no place in the log' : null),
  };
}

/** RFC 8785 for what leaves hold (strings, whole numbers, booleans, null): the one spelling that the log gives them. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const members = Object.keys(value)
    .sort()
    .map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`);
  return `{${members.join(',')}}`;
}
