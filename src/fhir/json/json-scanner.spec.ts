import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { checkJson } from './check-json.js';
import { FhirReadError } from './fhir-read-error.js';

const LIMITS = { maxDepth: 50, maxBytes: 100_000 };

function codeOf(document: Uint8Array | string): string {
  try {
    checkJson(document, LIMITS);
    return 'ok';
  } catch (error) {
    if (error instanceof FhirReadError) return error.code;
    throw error;
  }
}

describe('checkJson', () => {
  it.each([
    ['{"a":1.50e-3,"b":[-0,0.0,1E+2,true,false,null],"c":"\\u00e9\\n\\/"}', 'ok'],
    ['\ufeff{}', 'ok'],
    ['"\\ud83d\\ude00 😀"', 'ok'],
    [' 12 ', 'ok'],
    ['', 'truncated'],
    ['{"a":', 'truncated'],
    ['"abc', 'truncated'],
    ['tru', 'truncated'],
    ['-', 'truncated'],
    ['1.', 'truncated'],
    ['{} {}', 'malformed-json'],
    ['{}x', 'malformed-json'],
    ['[NaN]', 'malformed-json'],
    ['[Infinity]', 'malformed-json'],
    ['[01]', 'malformed-json'],
    ['[+1]', 'malformed-json'],
    ['[.5]', 'malformed-json'],
    ['[1.e5]', 'malformed-json'],
    ['[1e]', 'malformed-json'],
    ['[1,]', 'malformed-json'],
    ['{"a":1,}', 'malformed-json'],
    ['{a:1}', 'malformed-json'],
    ["{'a':1}", 'malformed-json'],
    ['{"a" 1}', 'malformed-json'],
    ['[1 2]', 'malformed-json'],
    ['[}', 'malformed-json'],
    ['// no\n{}', 'malformed-json'],
    ['"\\x41"', 'malformed-json'],
    ['"\\u12g4"', 'malformed-json'],
    ['"a\tb"', 'malformed-json'],
    ['{}\ufeff', 'malformed-json'],
    ['{"a":1,"b":2,"a":3}', 'duplicate-key'],
    ['{"id":1,"\\u0069d":2}', 'duplicate-key'],
    ['[{"a":1},{"a":1}]', 'ok'],
    ['"\\u0000"', 'forbidden-character'],
    ['"\\ud800"', 'forbidden-character'],
    ['"\\ud800x"', 'forbidden-character'],
    ['"\\ud800\\n"', 'forbidden-character'],
    ['"\\udc00"', 'forbidden-character'],
    ['"\\ud800\\ud800"', 'forbidden-character'],
    ['{"\\ud800":1}', 'forbidden-character'],
    ['1e1000', 'number-out-of-range'],
    ['1e-99999999999999999999', 'number-out-of-range'],
    [`[${'1'.repeat(1_001)}]`, 'number-out-of-range'],
    ['['.repeat(50) + ']'.repeat(50), 'ok'],
    ['['.repeat(51), 'too-deep'],
    [`{"${'k'.repeat(257)}":1}`, 'too-large'],
    [`{"${'k'.repeat(256)}":1}`, 'ok'],
    [`[${'1,'.repeat(60_000)}1]`, 'too-large'],
  ])('%#: %.40s is %s', (text, code) => expect(codeOf(text)).toBe(code));

  it.each([
    [[0x22, 0xff, 0x22]],
    [[0x22, 0xc0, 0x80, 0x22]],
    [[0x22, 0xc3, 0x22]],
    [[0x22, 0xed, 0xa0, 0x80, 0x22]],
    [[0x22, 0xf4, 0x90, 0x80, 0x80, 0x22]],
    [[0x22, 0xe0, 0x80, 0x80, 0x22]],
  ])('refuses bytes that are not UTF-8: %j', (bytes) => expect(codeOf(Uint8Array.from(bytes))).toBe('invalid-utf8'));

  it('accepts what JSON.parse accepts and refuses what it refuses', () => {
    const edited = fc
      .tuple(fc.json(), fc.nat(), fc.constantFrom('', '"', ',', '}', ']', '\\', '0', 'e', ' ', ':', '-'), fc.nat(2))
      .map(
        ([json, at, insert, drop]) => json.slice(0, at % json.length) + insert + json.slice((at % json.length) + drop),
      );
    fc.assert(
      fc.property(edited, (text) => {
        const code = codeOf(text);
        if (code === 'ok') expect(() => JSON.parse(text) as unknown).not.toThrow();
        if (code === 'malformed-json' || code === 'truncated') expect(() => JSON.parse(text) as unknown).toThrow();
      }),
      { numRuns: 2_000 },
    );
  });
});
