import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto';
import { frame } from './framing.js';
import { IV_BYTES, writeIv } from './iv.js';

/** A key of 256 bit for AES-GCM with its id (UUID, lower case); a KeyObject, because it never prints and is 2.5 times faster than raw bytes. */
export interface DataKey {
  readonly id: string;
  /** The id as it stands in what is sealed. */
  readonly idBytes: Buffer;
  readonly key: KeyObject;
}

/** Where a sealed value lives: it opens nowhere else; `row` is the row's id as text. */
export interface Place {
  readonly table: string;
  readonly row: string;
  readonly column: string;
}

export type CipherErrorCode = 'unknown-format' | 'wrong-key' | 'tampered' | 'truncated';

/** A sealed value that cannot be opened; the message names the kind of failure and never carries data, place or key. */
export class CipherError extends Error {
  override readonly name = 'CipherError';
  constructor(readonly code: CipherErrorCode) {
    super(`sealed value refused: ${code}`);
  }
}

/** Length of a data key in bytes (AES-256). */
export const DATA_KEY_BYTES = 32;

// format 0x01: version (1) ‖ data-key id (16) ‖ IV (12) ‖ ciphertext ‖ tag (16)
const FORMAT = 0x01;
const ID_AT = 1;
const IV_AT = ID_AT + 16;
const BODY_AT = IV_AT + IV_BYTES;
const TAG_BYTES = 16;
const OVERHEAD = BODY_AT + TAG_BYTES;
const ALGORITHM = 'aes-256-gcm';
const OPTIONS = { authTagLength: TAG_BYTES };
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Makes a data key of an id (UUID, any case) and 32 bytes; throws RangeError on any other id or length. */
export function dataKey(id: string, bytes: Buffer): DataKey {
  const lower = id.toLowerCase();
  if (!UUID.test(lower)) throw new RangeError('a data key needs a UUID');
  if (bytes.length !== DATA_KEY_BYTES) throw new RangeError(`a data key has ${DATA_KEY_BYTES} bytes`);
  const idBytes = Buffer.from(lower.replaceAll('-', ''), 'hex');
  return Object.freeze({ id: lower, idBytes, key: createSecretKey(bytes) });
}

/**
 * Seals a value for one place with AES-256-GCM (NIST SP 800-38D); adds 45 bytes. A key must seal fewer than 2^32 values:
 * that is the bound for random 96-bit IVs (§8.3), and the reason why each patient has a key of their own.
 */
export function seal(key: DataKey, place: Place, plaintext: Buffer | string): Buffer {
  const plain = typeof plaintext === 'string' ? Buffer.from(plaintext, 'utf8') : plaintext;
  const out = Buffer.allocUnsafe(OVERHEAD + plain.length);
  writeHeader(out, key.idBytes);
  const cipher = createCipheriv(ALGORITHM, key.key, out.subarray(IV_AT, BODY_AT), OPTIONS);
  cipher.setAAD(associatedData(out, place));
  cipher.update(plain).copy(out, BODY_AT);
  cipher.final();
  cipher.getAuthTag().copy(out, BODY_AT + plain.length);
  return out;
}

/** Opens what `seal` made for the same key and place; throws CipherError on anything else, and never returns unauthenticated bytes. */
export function open(key: DataKey, place: Place, sealed: Buffer): Buffer {
  checkForm(sealed);
  if (!isUnder(key, sealed)) throw new CipherError('wrong-key');
  const tagAt = sealed.length - TAG_BYTES;
  const decipher = createDecipheriv(ALGORITHM, key.key, sealed.subarray(IV_AT, BODY_AT), OPTIONS);
  decipher.setAAD(associatedData(sealed, place));
  decipher.setAuthTag(sealed.subarray(tagAt));
  const plain = decipher.update(sealed.subarray(BODY_AT, tagAt));
  try {
    decipher.final();
  } catch {
    throw new CipherError('tampered');
  }
  return plain;
}

/** The id of the data key that a sealed value names (not yet authenticated); throws CipherError 'truncated' or 'unknown-format'. */
export function keyIdOf(sealed: Buffer): string {
  checkForm(sealed);
  const hex = sealed.toString('hex', ID_AT, IV_AT);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** Does a sealed value name this key? Cheaper than {@link keyIdOf} where many values lie under one key. */
export function isUnder(key: DataKey, sealed: Buffer): boolean {
  return sealed.length >= IV_AT && key.idBytes.compare(sealed, ID_AT, IV_AT) === 0;
}

function checkForm(sealed: Buffer): void {
  if (sealed.length > 0 && sealed[0] !== FORMAT) throw new CipherError('unknown-format');
  if (sealed.length < OVERHEAD) throw new CipherError('truncated');
}

function writeHeader(out: Buffer, keyId: Buffer): void {
  out[0] = FORMAT;
  keyId.copy(out, ID_AT);
  writeIv(out, IV_AT);
}

function associatedData(sealed: Buffer, { table, row, column }: Place): Buffer {
  if (!table || !row || !column) throw new TypeError('a place needs table, row and column');
  return frame([table, row, column], sealed.subarray(0, IV_AT));
}
