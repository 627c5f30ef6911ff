import { NoteError, parseNote } from '../../../../tlog/index.js';
import type { SignedRow } from '../checkpoints.repository.js';
import { AnchorFailure } from './target.js';

/** What is kept there under this size says what we say; who signed it besides does not matter. */
export function requireSameCheckpoint(checkpoint: SignedRow, kept: string): void {
  const body = bodyOf(kept);
  // Half a file of a crash cannot be mended where nothing is written twice; the next checkpoint has a name of its own.
  if (body === null)
    throw new AnchorFailure('audit.anchor-failed', `what is kept of ${checkpoint.size} entries is no checkpoint`);
  if (body !== bodyOf(checkpoint.note))
    throw new AnchorFailure('audit.anchor-conflict', `another checkpoint of ${checkpoint.size} entries is kept there`);
}

function bodyOf(text: string): string | null {
  try {
    return parseNote(text).body;
  } catch (error) {
    if (error instanceof NoteError) return null;
    throw error;
  }
}
