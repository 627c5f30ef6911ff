import { finding, Refusal } from './findings.js';

export interface Line {
  /** From 1. */
  number: number;
  bytes: Buffer;
  /** False for a last line without its newline. */
  isWhole: boolean;
}

const NEWLINE = 10;

/** The members of a JSON object; none for what is no such thing. */
export function membersOf(json: Buffer | string): Record<string, unknown> {
  try {
    const value = JSON.parse(json.toString()) as unknown;
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** Lines as they come, without their newline; no line longer than `longest` is ever gathered. */
export async function* linesOf(
  chunks: AsyncIterable<Buffer>,
  where: string,
  longest: number,
): AsyncGenerator<Line, void> {
  let rest: Buffer = Buffer.alloc(0);
  let number = 0;
  for await (const chunk of chunks) {
    const data = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    let at = 0;
    for (let end = data.indexOf(NEWLINE); end >= 0; end = data.indexOf(NEWLINE, at)) {
      yield { number: ++number, bytes: data.subarray(at, end), isWhole: true };
      at = end + 1;
    }
    rest = data.subarray(at);
    if (rest.length > longest)
      throw new Refusal(finding('edit', where, `the line is longer than ${longest} bytes`, { line: number + 1 }));
  }
  if (rest.length > 0) yield { number: ++number, bytes: rest, isWhole: false };
}
