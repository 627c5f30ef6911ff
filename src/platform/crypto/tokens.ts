import { createSecretKey, randomBytes, timingSafeEqual, type KeyObject } from 'node:crypto';
import { hmac } from './mac.js';

/** A fresh bearer secret, base64url; `bytes` (default 32 = 256 bit) may not be under 16 (128 bit). */
export function randomToken(bytes = 32): string {
  if (!Number.isInteger(bytes) || bytes < 16 || bytes > 1024) throw new RangeError('a token has 16 to 1024 bytes');
  return randomBytes(bytes).toString('base64url');
}

/** What is stored instead of a token or code: HMAC-SHA-256 (32 bytes), so that a copy of the database neither signs in nor tests guesses. */
export function hashToken(token: string, subkey: KeyObject): Buffer {
  return hmac(subkey, 'portico/token-hash/1\0', token);
}

/**
 * The one successor (256 bit, base64url) of a refresh token, so that a second tab within 10 s gets the same answer and no plaintext
 * is stored; without the sub-key nobody computes it, not even the holder of the token. Rotating the mac key changes it.
 */
export function successorOf(token: string, subkey: KeyObject): string {
  return hmac(subkey, 'portico/token-successor/1\0', token).toString('base64url');
}

const comparisonKey = createSecretKey(randomBytes(32));

/** Compares two secrets in a time that depends neither on where they differ nor, beyond hashing, on their lengths. */
export function equalSecret(a: string | Buffer, b: string | Buffer): boolean {
  return timingSafeEqual(hmac(comparisonKey, '', a), hmac(comparisonKey, '', b));
}
