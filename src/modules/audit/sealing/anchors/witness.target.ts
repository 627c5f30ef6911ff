import type { Clock } from '../../../../platform/clock.js';
import {
  consistencyProof,
  cosignatureTime,
  formatSignature,
  isSignedBy,
  NoteError,
  parseNote,
  parseSignature,
  type NoteSignature,
  type SubtreeHashes,
  type VerifierKey,
} from '../../../../tlog/index.js';
import type { SignedRow } from '../checkpoints.repository.js';
import { AnchorFailure, textOf, type AnchorTarget, type Cosignature } from './target.js';

/** A clock that is further ahead than this signs for a time that nobody has seen yet. */
const CLOCKS_APART_SECONDS = 300;

interface Answer {
  status: number;
  text: string;
}

/**
 * A witness (C2SP tlog-witness): shown that each checkpoint continues the one before, it countersigns it. What it signs is
 * verified with the key that was configured for it, and by no other key.
 */
export class WitnessTarget implements AnchorTarget {
  readonly name: string;

  constructor(
    private readonly url: string,
    private readonly key: VerifierKey,
    private readonly hashes: SubtreeHashes,
    private readonly clock: Clock,
  ) {
    this.name = `witness ${key.name}`;
  }

  async push(checkpoint: SignedRow, lastSize: number, signal: AbortSignal): Promise<Cosignature[]> {
    let from = Math.min(lastSize, checkpoint.size);
    let answer = await this.submit(checkpoint, from, signal);
    if (answer.status === 409) {
      from = sizeAt(answer, checkpoint, from);
      answer = await this.submit(checkpoint, from, signal);
    }
    // Our proof is right for our log: what it does not lead on from is another one.
    if (answer.status === 422) throw conflict(from);
    if (answer.status === 409) sizeAt(answer, checkpoint, from);
    if (answer.status !== 200) throw new AnchorFailure('audit.anchor-failed', `the witness answered ${answer.status}`);
    return [this.cosignatureOf(checkpoint, answer.text)];
  }

  private async submit({ size, note }: SignedRow, old: number, signal: AbortSignal): Promise<Answer> {
    const proof = old === 0 || old === size ? [] : await consistencyProof(old, size, this.hashes);
    const lines = [`old ${old}`, ...proof.map((hash) => hash.toString('base64'))];
    const answer = await fetch(`${this.url}/add-checkpoint`, {
      method: 'POST',
      headers: { 'content-type': 'text/plain; charset=utf-8' },
      body: `${lines.join('\n')}\n\n${note}`,
      redirect: 'error',
      signal,
    });
    return { status: answer.status, text: await textOf(answer) };
  }

  private cosignatureOf({ note }: SignedRow, text: string): Cosignature {
    const { key } = this;
    const own = linesOf(text).find(({ name, keyId }) => name === key.name && keyId.equals(key.keyId));
    if (!own || !isValid({ body: parseNote(note).body, signatures: [own] }, key))
      throw new AnchorFailure('audit.witness-forged', 'the witness gave no signature of its key');
    const seconds = cosignatureTime(own);
    if (seconds > this.clock.now().getTime() / 1000 + CLOCKS_APART_SECONDS)
      throw new AnchorFailure('audit.witness-forged', "the witness's clock is ahead of ours");
    return { witness: key.name, at: new Date(seconds * 1000), line: formatSignature(own) };
  }
}

/** How far the witness says it is. Ahead of us, or at the same size with another root: it has seen a log that is gone. */
function sizeAt({ text }: Answer, { size }: SignedRow, sent: number): number {
  const theirs = /^(0|[1-9]\d{0,15})\n?$/.exec(text)?.[1];
  if (theirs === undefined) throw new AnchorFailure('audit.anchor-failed', 'the witness does not say how far it is');
  if (Number(theirs) > size)
    throw new AnchorFailure('audit.witness-ahead', `the witness has signed ${theirs} entries, the log is at ${size}`);
  if (Number(theirs) === sent) throw conflict(sent);
  return Number(theirs);
}

const conflict = (size: number): AnchorFailure =>
  new AnchorFailure('audit.witness-conflict', `the witness has signed another log of ${size} entries`);

function linesOf(text: string): NoteSignature[] {
  try {
    return text.split('\n').filter(Boolean).map(parseSignature);
  } catch (error) {
    if (error instanceof NoteError) throw new AnchorFailure('audit.witness-forged', error.message);
    throw error;
  }
}

function isValid(note: { body: string; signatures: NoteSignature[] }, key: VerifierKey): boolean {
  try {
    return isSignedBy(note, key);
  } catch (error) {
    if (error instanceof NoteError) return false;
    throw error;
  }
}
