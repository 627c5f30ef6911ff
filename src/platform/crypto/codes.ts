import { randomBytes, randomInt } from 'node:crypto';

// Crockford base32: no I, L, O (read as 1, 1, 0) and no U; https://www.crockford.com/base32.html
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const GROUP = 4;
const MIN_GROUPS = 4;
const MAX_GROUPS = 8;
const DASHES_AND_SPACES = /[\p{Pd}\s]/gu;
const CODE = new RegExp(`^(?:[${ALPHABET}]{${GROUP}}){${MIN_GROUPS},${MAX_GROUPS}}$`);
const MAX_TYPED = 100;

/**
 * A code that a person can type: groups of four Crockford characters, 20 bit each; four groups (80 bit) meet the 64 bit of
 * NIST SP 800-63B-4 §4.2.1.1 for saved recovery codes, six (120 bit) also its 112 bit beyond which no slow hash is asked for.
 */
export function randomCode(groups = MIN_GROUPS): string {
  if (!Number.isInteger(groups) || groups < MIN_GROUPS || groups > MAX_GROUPS) {
    throw new RangeError(`a code has ${MIN_GROUPS} to ${MAX_GROUPS} groups`);
  }
  // 256 is a multiple of 32: the low five bits of a random byte are evenly spread
  const text = Array.from(randomBytes(groups * GROUP), (byte) => ALPHABET[byte & 31]).join('');
  return text.match(/.{4}/g)!.join('-');
}

/** So many decimal digits, each value equally likely: for codes that live minutes and are throttled. */
export function randomDigits(digits: number): string {
  return String(randomInt(10 ** digits)).padStart(digits, '0');
}

/** The form to hash and look up (`hashToken(normaliseCode(…))`): upper case, I and L as 1, O as 0, no dashes or spaces; null when it cannot be a code. */
export function normaliseCode(typed: string): string | null {
  if (typed.length > MAX_TYPED) return null;
  const upper = typed.replace(DASHES_AND_SPACES, '').toUpperCase();
  const code = upper.replace(/[IL]/g, '1').replaceAll('O', '0');
  return CODE.test(code) ? code : null;
}
