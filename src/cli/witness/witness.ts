import {
  cosign,
  EMPTY_ROOT,
  formatNote,
  formatSignature,
  fromBase64,
  isSignedBy,
  NoteError,
  parseCheckpoint,
  parseNote,
  verifyConsistency,
  type Checkpoint,
  type Note,
  type NoteSigner,
  type VerifierKey,
} from '../../tlog/index.js';
import type { WitnessState } from './witness-state.js';

/** C2SP tlog-witness, add-checkpoint: what is answered. */
export interface Answer {
  status: 200 | 400 | 403 | 404 | 409 | 422;
  text: string;
}

interface Submission {
  old: number;
  proof: Buffer[];
  note: Note;
  checkpoint: Checkpoint;
}

const MOST_PROOF_LINES = 63;
const HASH_BYTES = 32;

/** Throws NoteError unless it is `old <size>`, proof lines, an empty line and a checkpoint, each line ended. */
export function parseSubmission(body: string): Submission {
  const end = body.indexOf('\n\n');
  if (end < 0) throw new NoteError('an empty line is missing');
  const [first = '', ...lines] = body.slice(0, end).split('\n');
  const old = Number(/^old (0|[1-9]\d{0,15})$/.exec(first)?.[1] ?? NaN);
  if (!Number.isSafeInteger(old)) throw new NoteError('the old size is missing');
  if (lines.length > MOST_PROOF_LINES) throw new NoteError('the proof is too long');
  const proof = lines.map(fromBase64);
  if (proof.some(({ length }) => length !== HASH_BYTES)) throw new NoteError('a hash has 32 bytes');
  const note = parseNote(body.slice(end + 2));
  return { old, proof, note, checkpoint: parseCheckpoint(note.body) };
}

/**
 * Signs that a log continues what it showed before, and keeps what it has signed (C2SP tlog-witness). It never signs two
 * checkpoints of a log that do not continue each other, whatever it is asked, and however often it was killed.
 */
export class Witness {
  private readonly turns = new Map<string, Promise<unknown>>();

  constructor(
    private readonly logs: readonly VerifierKey[],
    private readonly signer: NoteSigner,
    private readonly state: WitnessState,
    private readonly now: () => Date,
    private readonly warn: (line: string) => void,
  ) {}

  async addCheckpoint(body: string): Promise<Answer> {
    let submission: Submission;
    try {
      submission = parseSubmission(body);
    } catch (error) {
      if (error instanceof NoteError) return { status: 400, text: `${error.message}\n` };
      throw error;
    }
    const { note, checkpoint, old } = submission;
    const keys = this.logs.filter(({ name }) => name === checkpoint.origin);
    if (keys.length === 0) return { status: 404, text: 'unknown log\n' };
    if (!keys.some((key) => hasSigned(note, key))) return { status: 403, text: 'not signed by the log\n' };
    if (old > checkpoint.size) return { status: 400, text: 'the old size is larger than the new one\n' };
    return this.inTurn(checkpoint.origin, () => this.decide(submission));
  }

  /** Check, set and sign in one, one after the other for each log: else a later checkpoint could be overtaken by an earlier one. */
  private async decide({ old, proof, note, checkpoint }: Submission): Promise<Answer> {
    const { origin, size, root } = checkpoint;
    const last = (await this.state.latest(origin)) ?? { size: 0, root: EMPTY_ROOT };
    if (old !== last.size) return { status: 409, text: `${last.size}\n` };
    if (size === last.size && !root.equals(last.root)) {
      await this.disputed(origin, note);
      return { status: 409, text: `${last.size}\n` };
    }
    if (!verifyConsistency({ from: old, to: size, fromRoot: last.root, toRoot: root, proof })) {
      await this.disputed(origin, note);
      return { status: 422, text: 'the proof does not lead from the last checkpoint to this one\n' };
    }
    const signature = await cosign(note.body, Math.floor(this.now().getTime() / 1000), this.signer);
    const ofLog = note.signatures.filter(({ name }) => name === origin);
    await this.state.keep(origin, formatNote({ body: note.body, signatures: [...ofLog, signature] }));
    return { status: 200, text: `${formatSignature(signature)}\n` };
  }

  private async disputed(origin: string, note: Note): Promise<void> {
    this.warn(`${origin} has signed a checkpoint that does not continue the last one: kept as evidence`);
    await this.state.keepEvidence(origin, formatNote(note));
  }

  private inTurn<T>(origin: string, work: () => Promise<T>): Promise<T> {
    const turn = (this.turns.get(origin) ?? Promise.resolve()).then(work);
    this.turns.set(
      origin,
      turn.catch(() => undefined),
    );
    return turn;
  }
}

/** A signature of its name that is wrong is none. */
function hasSigned(note: Note, key: VerifierKey): boolean {
  try {
    return isSignedBy(note, key);
  } catch (error) {
    if (error instanceof NoteError) return false;
    throw error;
  }
}
