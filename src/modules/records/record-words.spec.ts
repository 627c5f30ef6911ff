import { expect, it } from '@jest/globals';
import { KeyRing, newKeyFile } from '../../platform/crypto/index.js';
import { RecordWords, wordsIn } from './record-words.js';

const words = new RecordWords(KeyRing.from(newKeyFile()));
const finds = (text: string, display: string): boolean => {
  const stored = new Set(words.of(display));
  return words.asked(text).every((codes) => codes.some((code) => stored.has(code)));
};

it('finds whole words and their beginnings from three letters on, in any order, case and with or without accents', () => {
  const display = 'Glucose [Mass/volume] in Blood — Ménière’s';
  for (const text of ['glucose', 'GLU', 'blood gluc', 'meniere', 'MÉNI', 'in', 'Mass/Volume', ''])
    expect([text, finds(text, display)]).toEqual([text, true]);
  for (const text of ['gl', 'lucose', 'glucosamine', 'blood urea', 'bloods'])
    expect([text, finds(text, display)]).toEqual([text, false]);
});

it('goes by the first letters of long words, and stores few codes for a long text', () => {
  expect(finds('electroencephalography', 'Electroencephalogram')).toBe(true);
  expect(wordsIn(Array.from({ length: 500 }, (_, n) => `w${n}`).join(' '))).toHaveLength(24);
});

it('tells nothing of a word without the key: another ring makes other codes', () => {
  const other = new RecordWords(KeyRing.from(newKeyFile()));
  const codes = new Set(words.of('Glucose'));
  expect(other.of('Glucose').some((code) => codes.has(code))).toBe(false);
  expect([...codes].every((code) => Number.isSafeInteger(code) && code >= 0)).toBe(true);
});
