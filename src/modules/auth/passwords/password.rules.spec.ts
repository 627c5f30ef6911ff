import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { formFaultOf, isOneOf, isPattern, LEAST_ALONE, LEAST_WITH_SECOND_FACTOR, wordsOf } from './password.rules.js';

describe('formFaultOf', () => {
  it.each([
    ['fourteen alone', 'abcdefghij klm', LEAST_ALONE, 'too-short'],
    ['fifteen alone', 'abcdefghij klmn', LEAST_ALONE, null],
    ['seven beside a second factor', 'abcdefg', LEAST_WITH_SECOND_FACTOR, 'too-short'],
    ['eight beside a second factor', 'xkcdefgh', LEAST_WITH_SECOND_FACTOR, null],
    ['fifteen code points outside the BMP', '😀'.repeat(15), LEAST_ALONE, null],
    ['fourteen code points in 28 units', '😀'.repeat(14), LEAST_ALONE, 'too-short'],
    ['fifteen units that NFC makes eight', 'e\u0301'.repeat(7) + 'e', LEAST_ALONE, 'too-short'],
    ['256', 'ab '.repeat(85) + 'c', LEAST_ALONE, null],
    ['257', 'ab '.repeat(85) + 'cd', LEAST_ALONE, 'too-long'],
    ['spaces and only letters: no composition is asked for', 'plain words and spaces', LEAST_ALONE, null],
    ['a lone surrogate', 'abcdefghijklmno\ud800', LEAST_ALONE, 'not-text'],
    ['NUL', 'abcdefghijklmno\0', LEAST_ALONE, 'not-text'],
  ] as const)('%s', (_, password, least, fault) => {
    expect(formFaultOf(password, least)).toBe(fault);
  });

  it('takes every text of 15 to 256 characters, of whatever kind', () => {
    const text = fc.string({ unit: 'grapheme', minLength: 60, maxLength: 80 }).filter((one) => !one.includes('\0'));
    fc.assert(
      fc.property(text, (one) => {
        const length = [...one.normalize('NFC')].length;
        fc.pre(length >= LEAST_ALONE && length <= 256);
        expect(formFaultOf(one, LEAST_ALONE)).toBeNull();
      }),
    );
  });
});

describe('the words that a password amounts to', () => {
  it.each([
    ['itself, in whatever case and width', 'ＰassWord', ['password']],
    ['itself without punctuation', 'Correct-Horse Battery', ['correct-horse battery', 'correcthorsebattery']],
    ['the one word that it repeats', 'DragonDragonDragon', ['dragondragondragon', 'dragon']],
    [
      'the same with something between',
      'dragon.dragon.dragon',
      ['dragon.dragon.dragon', 'dragondragondragon', 'dragon'],
    ],
    ['the one word that it counts on from', 'welcome12345678', ['welcome12345678', 'welcome']],
    ['nothing of what it only contains', 'password123 and more', ['password123 and more', 'password123andmore']],
    ['nothing of what is nearly all punctuation', '#!$%&/()=ab*+-~', ['#!$%&/()=ab*+-~']],
  ])('%s', (_, password, words) => {
    expect(wordsOf(password)).toEqual(words);
  });

  it('are names when they are the whole of it', () => {
    const names = ['Portico Hospital', 'maria.gonzalez-ruiz'];
    for (const one of ['portico hospital', 'PorticoHospital123', 'Maria.Gonzalez-Ruiz', 'mariagonzalezruiz12'])
      expect(isOneOf(one, names)).toBe(true);
    for (const one of ['my portico hospital', 'maria.gonzalez', 'maria.gonzalez-ruiz likes tea'])
      expect(isOneOf(one, names)).toBe(false);
  });
});

describe('a pattern', () => {
  it.each([
    'aaaaaaaaaaaaaaa',
    '               ',
    'abcabcabcabcabc',
    '😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀',
    '123456789012345',
    '9876543210987654',
    'abcdefghijklmno',
    'zyxwvutsrqponml',
    'qwertyuiopasdfgh',
    'QWERTZUIOPASDFGH',
    '1qaz2wsx3edc4rfv',
    '1234-5678-9012-345',
    'qwertyuiopasdfgh123',
    '0123456701234567',
  ])('%j', (password) => {
    expect(isPattern(password)).toBe(true);
  });

  it.each(['plain words and spaces', 'a walk: qwertyuiop', '31415926535897932', 'xkcdxkcdabc def'])(
    'not %j',
    (password) => {
      expect(isPattern(password)).toBe(false);
    },
  );
});
