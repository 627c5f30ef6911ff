import type { SignedRow } from '../checkpoints.repository.js';

/** A witness's line, verified. */
export interface Cosignature {
  witness: string;
  at: Date;
  /** `— name base64`, without newline. */
  line: string;
}

export type AnchorFailureCode =
  /** Somebody holds another checkpoint of this size, or a later one: the log was forked or rolled back. */
  | 'audit.anchor-conflict'
  | 'audit.witness-ahead'
  | 'audit.witness-conflict'
  | 'audit.witness-forged'
  /** Tried again. */
  | 'audit.anchor-failed';

/** A checkpoint was not taken; the message says what was answered, in at most 200 characters and without secrets. */
export class AnchorFailure extends Error {
  override readonly name = 'AnchorFailure';

  constructor(
    readonly code: AnchorFailureCode,
    message: string,
  ) {
    super(message.slice(0, 200));
  }
}

/** A place out of reach of whoever could change the log, which gets every checkpoint. */
export interface AnchorTarget {
  /** Stable: under it the last success is kept. */
  readonly name: string;
  /** Resolves when the target has the checkpoint, also where it had it before; rejects with {@link AnchorFailure} or an error of the network. */
  push(checkpoint: SignedRow, lastSize: number, signal: AbortSignal): Promise<Cosignature[]>;
}

const SIZE_DIGITS = 16;

/** Where a checkpoint is kept: one folder for each name of the log, one file for each size, in the order of their names. */
export const anchorPath = ({ origin, size }: Pick<SignedRow, 'origin' | 'size'>): { folder: string; file: string } => ({
  folder: encodeURIComponent(origin),
  file: `checkpoint-${String(size).padStart(SIZE_DIGITS, '0')}.txt`,
});

/** The beginning of an answer: nobody is believed about how long it is. */
export async function textOf(answer: Response, most = 16_384): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of (answer.body ?? []) as AsyncIterable<Uint8Array>) {
    length += chunk.length;
    if (length > most) throw new AnchorFailure('audit.anchor-failed', `the answer is longer than ${most} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
