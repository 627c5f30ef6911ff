import { createHmac, type KeyObject } from 'node:crypto';

export type StoredPasswordErrorCode = 'malformed' | 'unknown-pepper';

/** A stored password hash that cannot be checked: damaged, or its pepper is no longer in the key file; the message carries no part of it. */
export class StoredPasswordError extends Error {
  override readonly name = 'StoredPasswordError';
  constructor(readonly code: StoredPasswordErrorCode) {
    super(`stored password hash refused: ${code}`);
  }
}

export const MIN_COST = 4;
/** 2^16 rounds take about 4 s: more in a stored hash is an attempt to occupy the workers. */
export const MAX_COST = 16;

export interface StoredPassword {
  readonly pepperId: string;
  readonly cost: number;
  readonly bcrypt: string;
}

// p1 $ pepper id $ bcrypt string, which begins with a dollar sign of its own
const STORED = /^p1\$([A-Za-z0-9._-]{1,64})\$(\$2b\$(\d\d)\$[./A-Za-z0-9]{53})$/;

export function formatStored(pepperId: string, bcrypt: string): string {
  return `p1$${pepperId}$${bcrypt}`;
}

/** Takes a stored hash apart; throws StoredPasswordError 'malformed'. */
export function parseStored(stored: string): StoredPassword {
  const match = STORED.exec(stored);
  const cost = Number(match?.[3]);
  if (!match || cost < MIN_COST || cost > MAX_COST) throw new StoredPasswordError('malformed');
  return { pepperId: match[1]!, cost, bcrypt: match[2]! };
}

/**
 * base64(HMAC-SHA-384(pepper, NFC(password))): 64 characters without NUL, under bcrypt's silent limit of 72 bytes, and useless for
 * password shucking without the pepper (OWASP Password Storage Cheat Sheet); NFC by NIST SP 800-63B-4 §3.1.1.2.
 */
export function prehash(password: string, pepper: KeyObject): string {
  return createHmac('sha384', pepper).update(password.normalize('NFC'), 'utf8').digest('base64');
}

/** A well-formed hash of nothing at a cost: checking against it does the full work of that cost. */
export function decoyBcrypt(cost: number): string {
  return `$2b$${String(cost).padStart(2, '0')}$PorticoDecoySaltNoName.PorticoDecoyDigestNobodyKnows.`;
}
