import { fromBase64, NoteError } from './note.js';

/** What a log says of itself (C2SP tlog-checkpoint): that its first `size` leaves have this root. */
export interface Checkpoint {
  origin: string;
  size: number;
  root: Buffer;
}

/** Three lines; extension lines are refused, because nobody could monitor what they say. Throws NoteError. */
export function parseCheckpoint(body: string): Checkpoint {
  const [origin, size, root, ...rest] = body.split('\n');
  if (!origin || !size || !root || rest.length !== 1 || rest[0] !== '')
    throw new NoteError('a checkpoint has three lines');
  if (!/^(0|[1-9]\d{0,15})$/.test(size) || !Number.isSafeInteger(Number(size)))
    throw new NoteError('the size of a checkpoint is a number without leading zeros');
  const bytes = fromBase64(root);
  if (bytes.length !== 32) throw new NoteError('the root of a checkpoint has 32 bytes');
  return { origin, size: Number(size), root: bytes };
}

export const formatCheckpoint = ({ origin, size, root }: Checkpoint): string =>
  `${origin}\n${size}\n${root.toString('base64')}\n`;
