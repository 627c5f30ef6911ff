import { timingSafeEqual, type KeyObject } from 'node:crypto';
import { frame } from './framing.js';
import { hmac } from './mac.js';

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

export type CursorErrorCode = 'too-long' | 'malformed' | 'forged';

/** A cursor that is not one of ours for this scope; the message never repeats the text. */
export class CursorError extends Error {
  override readonly name = 'CursorError';
  constructor(readonly code: CursorErrorCode) {
    super(`cursor refused: ${code}`);
  }
}

/** The longest cursor in characters: it travels in a query string. */
export const MAX_CURSOR_LENGTH = 2048;

const MAC_BYTES = 16;

/** A scope of its parts (route, filters, actor id …): different lists give different scopes, whatever the parts contain. */
export function cursorScope(...parts: readonly string[]): string {
  return JSON.stringify(parts);
}

/**
 * Signs a page position for one scope: base64url of HMAC-SHA-256 truncated to 128 bit (RFC 2104 §5) ‖ JSON. Signed, not encrypted:
 * put sort keys and ids into it, nothing clinical. Throws RangeError when it would exceed MAX_CURSOR_LENGTH.
 */
export function sealCursor(value: Json, scope: string, subkey: KeyObject): string {
  const payload = Buffer.from(JSON.stringify(value), 'utf8');
  const text = Buffer.concat([macOf(payload, scope, subkey), payload]).toString('base64url');
  if (text.length > MAX_CURSOR_LENGTH) throw new RangeError('cursor too long');
  return text;
}

/** The value that `sealCursor` signed for the same scope under any of the sub-keys; throws CursorError, and parses nothing before the signature holds. */
export function openCursor(text: string, scope: string, subkeys: readonly KeyObject[]): Json {
  const bytes = decode(text);
  const mac = bytes.subarray(0, MAC_BYTES);
  const payload = bytes.subarray(MAC_BYTES);
  if (!subkeys.some((subkey) => timingSafeEqual(macOf(payload, scope, subkey), mac))) throw new CursorError('forged');
  return JSON.parse(payload.toString('utf8')) as Json;
}

function decode(text: string): Buffer {
  if (typeof text !== 'string') throw new CursorError('malformed');
  if (text.length > MAX_CURSOR_LENGTH) throw new CursorError('too-long');
  const bytes = Buffer.from(text, 'base64url');
  // only one spelling: the decoder ignores foreign characters and unused last bits
  if (bytes.length <= MAC_BYTES || bytes.toString('base64url') !== text) throw new CursorError('malformed');
  return bytes;
}

function macOf(payload: Buffer, scope: string, subkey: KeyObject): Buffer {
  return hmac(subkey, frame(['portico/cursor/1', scope]), payload).subarray(0, MAC_BYTES);
}
