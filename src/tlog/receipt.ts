import { fromBase64, NoteError } from './note.js';

/** C2SP tlog-proof: everything that shows one leaf to be in the log, in one file. */
export interface Receipt {
  index: number;
  proof: readonly Buffer[];
  /** The signed checkpoint, verbatim. */
  checkpoint: string;
  /** Here: the leaf's bytes, so that the file needs nothing beside it. */
  extra?: Buffer;
}

const FIRST = 'c2sp.org/tlog-proof@v1';
const MOST_HASHES = 63;

export function formatReceipt({ index, proof, checkpoint, extra }: Receipt): string {
  const lines = [
    FIRST,
    ...(extra ? [`extra ${extra.toString('base64')}`] : []),
    `index ${index}`,
    ...proof.map((hash) => hash.toString('base64')),
  ];
  return `${lines.join('\n')}\n\n${checkpoint}`;
}

/** Throws NoteError when the file is not of this form; whether it is true is for the verifier. */
export function parseReceipt(text: string): Receipt {
  const end = text.indexOf('\n\n');
  const [first, ...lines] = (end < 0 ? '' : text.slice(0, end)).split('\n');
  if (first !== FIRST) throw new NoteError(`a receipt begins with ${FIRST}`);
  const extra = lines[0]?.startsWith('extra ') ? fromBase64(lines.shift()!.slice('extra '.length)) : undefined;
  const index = /^index (0|[1-9]\d{0,15})$/.exec(lines.shift() ?? '')?.[1];
  if (index === undefined || lines.length > MOST_HASHES) throw new NoteError('a receipt names its leaf by its index');
  const proof = lines.map(fromBase64);
  if (proof.some(({ length }) => length !== 32)) throw new NoteError('a hash of a receipt has 32 bytes');
  return { index: Number(index), proof, checkpoint: text.slice(end + 2), ...(extra ? { extra } : {}) };
}
