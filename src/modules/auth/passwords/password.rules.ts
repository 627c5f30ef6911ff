import type { PasswordFault } from '../auth.errors.js';

// NIST SP 800-63B-4 §3.1.1.2: 15 where the password stands alone, 8 where a second factor is mandatory.
export const LEAST_ALONE = 15;
export const LEAST_WITH_SECOND_FACTOR = 8;
const MOST = 256;

/** The form in which passwords are compared with words. Never the form that is hashed. */
export const comparable = (text: string): string => text.normalize('NFKC').toLowerCase();

/** Without spaces, punctuation and symbols. */
const bareOf = (text: string): string => text.replace(/[^\p{L}\p{M}\p{N}]/gu, '');

/** What is wrong with its form; null when nothing is. Each code point counts one, after NFC (NIST SP 800-63B-4 §3.1.1.2). */
export function formFaultOf(password: string, least: number): PasswordFault | null {
  if (!password.isWellFormed() || password.includes('\0')) return 'not-text';
  const length = [...password.normalize('NFC')].length;
  if (length < least) return 'too-short';
  return length > MOST ? 'too-long' : null;
}

// What fingers do on keyboards, and what everybody can count; each also backwards.
const FORWARDS = [
  '1234567890'.repeat(3),
  'abcdefghijklmnopqrstuvwxyz'.repeat(2),
  '1234567890qwertyuiopasdfghjklzxcvbnm',
  'qwertzuiopasdfghjklyxcvbnm',
  'azertyuiopqsdfghjklmwxcvbn',
  '1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p',
  'qazwsxedcrfvtgbyhnujmikolp',
  '1q2w3e4r5t6y7u8i9o0p',
  'q1w2e3r4t5y6u7i8o9p0',
  'a1b2c3d4e5f6g7h8i9j0',
  '1a2b3c4d5e6f7g8h9i0j',
  'a1s2d3f4g5h6j7k8l9',
  '112233445566778899',
  '111222333444555666777888999',
];
const WALKS = FORWARDS.flatMap((walk) => [walk, [...walk].reverse().join('')]);
const isWalk = (text: string): boolean => WALKS.some((walk) => walk.includes(text));

/** The shortest text of which the whole is a repetition; the text itself where it is none. */
function unitOf(text: string): string {
  const characters = [...text];
  for (let size = 1; size <= characters.length / 2; size++) {
    const isUnit =
      characters.length % size === 0 && characters.every((character, at) => character === characters[at % size]);
    if (isUnit) return characters.slice(0, size).join('');
  }
  return text;
}

/** Counting on from 1 at the end is the first thing that attackers add to a word. */
const stemOf = (text: string): string => text.replace(/1(2(3(4(5(6(7(8(90?)?)?)?)?)?)?)?)?$/, '');

/** Shorter ones are no words: of a password that is nearly all punctuation they would say nothing. */
const LEAST_BARE = 8;
const LEAST_WORD = 4;

/**
 * The words that the whole password amounts to: itself, itself without punctuation, and the one word that all of it
 * repeats or counts on from. Words that are only a part of it do not count (NIST SP 800-63B-4 §3.1.1.2).
 */
export function wordsOf(password: string): string[] {
  const whole = comparable(password);
  const bare = bareOf(whole);
  const forms = [...bare].length >= LEAST_BARE ? [whole, bare] : [whole];
  const words = forms.flatMap((form) => [form, unitOf(form), stemOf(form), unitOf(stemOf(form))]);
  return [...new Set(words)].filter((word) => [...word].length >= LEAST_WORD);
}

/** A run of one to three characters over and over, or a walk over the keyboard. */
export function isPattern(password: string): boolean {
  const whole = comparable(password);
  return [...unitOf(whole)].length < LEAST_WORD || wordsOf(password).some(isWalk);
}

/** The same forms of words that must not be somebody's password, such as their own name. */
export function isOneOf(password: string, names: readonly string[]): boolean {
  const forbidden = new Set(names.map(comparable).flatMap((name) => [name, bareOf(name)]));
  return wordsOf(password).some((word) => forbidden.has(word));
}
