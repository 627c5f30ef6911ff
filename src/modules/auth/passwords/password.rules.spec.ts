import { describe, expect, it } from '@jest/globals';
import { faultOf, LEAST_ALONE, LEAST_WITH_SECOND_FACTOR } from './password.rules.js';

describe('faultOf', () => {
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
    ['common', 'password123', LEAST_WITH_SECOND_FACTOR, 'too-common'],
    ['common in another case', 'PassWord123', LEAST_WITH_SECOND_FACTOR, 'too-common'],
    ['common with a space in it', 'correct horse battery staple', LEAST_ALONE, 'too-common'],
    ['a common one inside a longer one', 'password123 and more', LEAST_ALONE, null],
    ['the username', 'Maria.Gonzalez-Ruiz', LEAST_ALONE, 'is-username'],
  ] as const)('%s', (_, password, least, fault) => {
    expect(faultOf(password, least, 'maria.gonzalez-ruiz')).toBe(fault);
  });
});
