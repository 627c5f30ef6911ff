import { createPublicKey, hash, verify, type KeyObject } from 'node:crypto';

/** A note, key or checkpoint that is not of the form that C2SP asks for, or signed wrongly; the message names what. */
export class NoteError extends Error {
  override readonly name = 'NoteError';
}

/** Ed25519 of a log (1) and of a witness (4, with the time inside). */
export type SignatureType = 1 | 4;

export interface NoteSignature {
  name: string;
  /** Four bytes. */
  keyId: Buffer;
  /** What stands behind the key's id. */
  blob: Buffer;
}

/** C2SP signed-note: `body` ends with the newline before the empty line, and is what is signed. */
export interface Note {
  body: string;
  signatures: NoteSignature[];
}

export interface VerifierKey {
  name: string;
  type: SignatureType;
  keyId: Buffer;
  publicKey: KeyObject;
}

/** Whoever can sign with the key of `key`; where that is (a file, an HSM) is not seen. */
export interface NoteSigner {
  readonly key: VerifierKey;
  sign(message: Buffer): Promise<Buffer> | Buffer;
}

const MOST_BYTES = 1_000_000;
const MOST_SIGNATURES = 100;
const NAME = /^[^\s+]+$/u;
const CONTROL = /[\u0000-\u0009\u000b-\u001f]/;
const SIGNATURE_LINE = /^\u2014 ([^\s+]+) ([A-Za-z0-9+/]+={0,2})$/u;
const VERIFIER_KEY = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})$/u;
/** What stands before the 32 bytes of an Ed25519 key in its SubjectPublicKeyInfo (RFC 8410 §4). */
const SPKI_HEAD = Buffer.from('302a300506032b6570032100', 'hex');
const ID_BYTES = 4;
const SIGNATURE_BYTES = 64;
const TIME_BYTES = 8;

/** Standard base64 with padding, in its one right spelling; throws NoteError. */
export function fromBase64(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.toString('base64') !== text) throw new NoteError('not standard base64');
  return bytes;
}

/** Reads a note without looking at who signed it; throws NoteError. */
export function parseNote(text: string): Note {
  if (Buffer.byteLength(text) > MOST_BYTES) throw new NoteError('the note is too long');
  if (CONTROL.test(text) || text.includes('\ufffd')) throw new NoteError('the note has characters that no note has');
  const split = text.lastIndexOf('\n\n');
  if (split <= 0 || !text.endsWith('\n')) throw new NoteError('the note has no signatures');
  const lines = text.slice(split + 2, -1).split('\n');
  if (lines.length > MOST_SIGNATURES) throw new NoteError('the note has too many signatures');
  return { body: text.slice(0, split + 1), signatures: lines.map(parseSignature) };
}

/** One line `— name base64`, without its newline; throws NoteError. */
export function parseSignature(line: string): NoteSignature {
  const [, name, text] = SIGNATURE_LINE.exec(line) ?? [];
  if (!name || !text) throw new NoteError('a signature line is malformed');
  const bytes = fromBase64(text);
  if (bytes.length <= ID_BYTES) throw new NoteError('a signature is too short');
  return { name, keyId: bytes.subarray(0, ID_BYTES), blob: bytes.subarray(ID_BYTES) };
}

/** One line `— name base64`, without its newline. */
export const formatSignature = ({ name, keyId, blob }: NoteSignature): string =>
  `\u2014 ${name} ${Buffer.concat([keyId, blob]).toString('base64')}`;

export const formatNote = ({ body, signatures }: Note): string =>
  `${body}\n${signatures.map((one) => `${formatSignature(one)}\n`).join('')}`;

const rawKey = (publicKey: KeyObject): Buffer => {
  if (publicKey.asymmetricKeyType !== 'ed25519') throw new NoteError('the key is no Ed25519 key');
  return publicKey.export({ format: 'der', type: 'spki' }).subarray(SPKI_HEAD.length);
};

function keyIdOf(name: string, typed: Buffer): Buffer {
  return hash('sha256', Buffer.concat([Buffer.from(`${name}\n`, 'utf8'), typed]), 'buffer').subarray(0, ID_BYTES);
}

/** `publicKey`: the public half of an Ed25519 key. */
export function verifierKeyOf(name: string, type: SignatureType, publicKey: KeyObject): VerifierKey {
  if (!NAME.test(name)) throw new NoteError('a key name has no spaces and no +');
  const keyId = keyIdOf(name, Buffer.concat([Buffer.of(type), rawKey(publicKey)]));
  return { name, type, keyId, publicKey };
}

/** `<name>+<8 hex>+<base64(type ‖ 32 bytes)>`; throws NoteError when its parts do not belong together. */
export function parseVerifierKey(vkey: string): VerifierKey {
  const [, name, id, text] = VERIFIER_KEY.exec(vkey.trim()) ?? [];
  if (!name || !id || !text) throw new NoteError('a verifier key is name+8 hexadecimal digits+base64');
  const typed = fromBase64(text);
  const type = typed[0];
  if (typed.length !== 33 || (type !== 1 && type !== 4)) throw new NoteError('the verifier key is not Ed25519');
  const publicKey = createPublicKey({
    key: Buffer.concat([SPKI_HEAD, typed.subarray(1)]),
    format: 'der',
    type: 'spki',
  });
  const key = verifierKeyOf(name, type, publicKey);
  if (key.keyId.toString('hex') !== id) throw new NoteError('the verifier key and its id do not belong together');
  return key;
}

export const formatVerifierKey = ({ name, type, keyId, publicKey }: VerifierKey): string =>
  `${name}+${keyId.toString('hex')}+${Buffer.concat([Buffer.of(type), rawKey(publicKey)]).toString('base64')}`;

/** C2SP tlog-cosignature: the time in seconds and the whole body of the note. */
const cosigned = (body: string, time: bigint | number): Buffer =>
  Buffer.from(`cosignature/v1\ntime ${time}\n${body}`, 'utf8');

function requireType({ key }: NoteSigner, type: SignatureType): void {
  if (key.type !== type) throw new NoteError(`the key signs as type ${key.type}, not ${type}`);
}

/** The log's own signature. */
export async function signNote(body: string, signer: NoteSigner): Promise<NoteSignature> {
  requireType(signer, 1);
  const { name, keyId } = signer.key;
  return { name, keyId, blob: await signer.sign(Buffer.from(body, 'utf8')) };
}

/** A witness's signature, which says when it saw the checkpoint. */
export async function cosign(body: string, timeSeconds: number, signer: NoteSigner): Promise<NoteSignature> {
  requireType(signer, 4);
  const { name, keyId } = signer.key;
  const time = Buffer.alloc(TIME_BYTES);
  time.writeBigUInt64BE(BigInt(timeSeconds));
  return { name, keyId, blob: Buffer.concat([time, await signer.sign(cosigned(body, timeSeconds))]) };
}

/** Seconds since 1970 in a witness's signature. */
export const cosignatureTime = ({ blob }: NoteSignature): number => Number(blob.readBigUInt64BE(0));

function isRight(body: string, { blob }: NoteSignature, { type, publicKey }: VerifierKey): boolean {
  if (type === 1) return blob.length === SIGNATURE_BYTES && verify(null, Buffer.from(body, 'utf8'), publicKey, blob);
  if (blob.length !== TIME_BYTES + SIGNATURE_BYTES) return false;
  return verify(null, cosigned(body, blob.readBigUInt64BE(0)), publicKey, blob.subarray(TIME_BYTES));
}

/** This key's signatures on a note; throws NoteError when one of them is wrong. */
export function signaturesBy(note: Note, key: VerifierKey): NoteSignature[] {
  const own = note.signatures.filter(({ name, keyId }) => name === key.name && keyId.equals(key.keyId));
  if (!own.every((one) => isRight(note.body, one, key))) throw new NoteError(`a signature of ${key.name} is wrong`);
  return own;
}

/** False when the key did not sign; throws NoteError when it did and the signature is wrong. */
export const isSignedBy = (note: Note, key: VerifierKey): boolean => signaturesBy(note, key).length > 0;
