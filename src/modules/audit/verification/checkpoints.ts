import {
  cosignatureTime,
  NoteError,
  parseCheckpoint,
  parseNote,
  signaturesBy,
  type Checkpoint,
  type Note,
  type VerifierKey,
} from '../../../tlog/index.js';
import { finding, Refusal, type Tampering } from './findings.js';

export interface OpenedCheckpoint extends Checkpoint {
  /** When each of the witnesses that were asked for says to have seen it, in seconds since 1970. */
  witnessed: { name: string; time: number }[];
}

export interface Trusted {
  /** Keys of the log: one of them has to have signed. A witness's signature never stands in for the log's own. */
  keys: readonly VerifierKey[];
  /** Witnesses: each of them has to have signed as well. */
  witnesses: readonly VerifierKey[];
}

/** Runs a step whose complaint about a note is a finding. */
function refused<T>(kind: Tampering, where: string, step: () => T): T {
  try {
    return step();
  } catch (error) {
    if (error instanceof NoteError) throw new Refusal(finding(kind, where, error.message));
    throw error;
  }
}

/** Signed by the log itself, with one of the keys; each signature of a known key is right. Throws {@link Refusal}. */
export function openCheckpoint(text: string, { keys, witnesses }: Trusted, where: string): OpenedCheckpoint {
  const note: Note = refused('edit', where, () => parseNote(text));
  const checkpoint = refused('edit', where, () => parseCheckpoint(note.body));
  const own = refused('signature', where, () =>
    keys.filter((key) => key.type === 1 && key.name === checkpoint.origin && signaturesBy(note, key).length > 0),
  );
  if (own.length === 0) {
    const names = keys.map((key) => `${key.name} (${key.keyId.toString('hex')})`).join(', ');
    throw new Refusal(finding('signature', where, `${checkpoint.origin} is not signed by the key of ${names}`));
  }
  const witnessed = witnesses.map((key) => {
    const times = refused('signature', where, () => signaturesBy(note, key)).map(cosignatureTime);
    if (times.length === 0)
      throw new Refusal(finding('signature', where, `the witness ${key.name} has not signed the checkpoint`));
    return { name: key.name, time: Math.max(...times) };
  });
  return { ...checkpoint, witnessed };
}

/** What two checkpoints say of each other without any proof: throws {@link Refusal} for another origin, a rollback or a fork. */
export function requireSuccession(older: Checkpoint, newer: Checkpoint, where: string): void {
  if (older.origin !== newer.origin)
    throw new Refusal(finding('fork', where, `the log is ${newer.origin}, and was ${older.origin}`));
  if (older.size > newer.size)
    throw new Refusal(
      finding('rollback', where, `the log has ${newer.size} entries, and had ${older.size}`, { index: newer.size }),
    );
  if (older.size === newer.size && !older.root.equals(newer.root))
    throw new Refusal(finding('fork', where, `two checkpoints of ${newer.size} entries have different roots`));
}
