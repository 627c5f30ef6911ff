import { createHmac, createSecretKey, randomBytes } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { normaliseCode, randomCode, randomDigits } from './codes.js';
import { equalSecret, hashToken, randomToken, successorOf } from './tokens.js';

const newSubkey = () => createSecretKey(randomBytes(32));
const subkey = newSubkey();

describe('tokens', () => {
  it('are random, base64url, 256 bit by default', () => {
    const tokens = Array.from({ length: 1000 }, () => randomToken());
    expect(new Set(tokens).size).toBe(1000);
    for (const token of tokens) expect(token).toMatch(/^[\w-]{43}$/);
    expect(() => randomToken(8)).toThrow(RangeError);
  });

  it('are hashed and succeeded under a key and separate labels', () => {
    const token = randomToken();
    const expected = createHmac('sha256', subkey.export()).update(`portico/token-hash/1\0${token}`).digest();
    expect(hashToken(token, subkey)).toEqual(expected);
    expect(hashToken(token, subkey)).not.toEqual(hashToken(token, newSubkey()));
    expect(successorOf(token, subkey)).toBe(successorOf(token, subkey));
    expect(successorOf(token, subkey)).toMatch(/^[\w-]{43}$/);
    expect(successorOf(token, subkey)).not.toBe(successorOf(token, newSubkey()));
    expect(successorOf(token, subkey)).not.toBe(hashToken(token, subkey).toString('base64url'));
    expect(() => hashToken(token, createSecretKey(randomBytes(8)))).toThrow(RangeError);
    const chain = new Set<string>();
    for (let next = token, i = 0; i < 1000; i++) chain.add((next = successorOf(next, subkey)));
    expect(chain.size).toBe(1000);
  });

  it('compare like ===', () => {
    fc.assert(fc.property(fc.string(), fc.string(), (a, b) => equalSecret(a, b) === (a === b)));
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (a) => equalSecret(a, Buffer.from(a))));
  });
});

describe('what is drawn', () => {
  const MANY = 100_000;
  /** Pearson's statistic of how often each of `size` values was drawn. */
  const unevenness = (drawn: Iterable<string>, size: number): number => {
    const counts = new Map<string, number>();
    let all = 0;
    for (const value of drawn) {
      counts.set(value, (counts.get(value) ?? 0) + 1);
      all++;
    }
    const expected = all / size;
    const seen = [...counts.values()].reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    return seen + (size - counts.size) * expected;
  };
  /** Six standard deviations: once in 500 million runs by chance, and at once where a value is drawn twice as often. */
  const bound = (size: number): number => size - 1 + 6 * Math.sqrt(2 * (size - 1));

  it.each([
    ['tokens of 256 bits', () => randomToken(), 64, 42],
    ['activation codes of 80 bits', () => randomCode(), 32, 16],
    ['recovery codes of 120 bits', () => randomCode(6), 32, 24],
  ])('%s never repeat, and each character is as likely at each place', (_, draw, alphabet, length) => {
    const values = Array.from({ length: MANY }, draw).map((value) =>
      length === 42 ? value : value.replaceAll('-', ''),
    );
    expect(new Set(values).size).toBe(MANY);
    for (let at = 0; at < length; at++)
      expect(
        unevenness(
          values.map((value) => value[at]!),
          alphabet,
        ),
      ).toBeLessThan(bound(alphabet));
  });

  it('as six digits has a million values, each as likely', () => {
    const values = Array.from({ length: MANY }, () => randomDigits(6));
    expect(values.every((value) => /^\d{6}$/.test(value))).toBe(true);
    expect(Math.log2(10 ** 6)).toBeGreaterThan(19.9);
    for (let at = 0; at < 6; at++)
      expect(
        unevenness(
          values.map((value) => value[at]!),
          10,
        ),
      ).toBeLessThan(bound(10));
  });

  it('comes of the operating system, nowhere of a generator that can be predicted', () => {
    const sources = globSync('src/**/*.ts').filter((file) => !file.endsWith('.spec.ts'));
    expect(sources.length).toBeGreaterThan(200);
    const predictable = sources.filter((file) => /\bMath\s*\.\s*random\b|\bMath\[/.test(readFileSync(file, 'utf8')));
    expect(predictable).toEqual([]);
    expect(readFileSync('src/platform/crypto/codes.ts', 'utf8')).toContain("from 'node:crypto'");
    expect(readFileSync('src/platform/crypto/tokens.ts', 'utf8')).toContain("from 'node:crypto'");
  });
});

describe('codes', () => {
  it('have 80 bit in groups of unmistakable characters', () => {
    const codes = Array.from({ length: 2000 }, () => randomCode());
    expect(new Set(codes).size).toBe(2000);
    for (const code of codes) expect(code).toMatch(/^([0-9A-HJKMNP-TV-Z]{4}-){3}[0-9A-HJKMNP-TV-Z]{4}$/);
    expect(new Set(codes.join('').replaceAll('-', '')).size).toBe(32);
    expect(randomCode(6)).toHaveLength(29);
    for (const groups of [3, 9, 4.5]) expect(() => randomCode(groups)).toThrow(RangeError);
  });

  it('survive how people type them', () => {
    fc.assert(
      fc.property(fc.integer({ min: 4, max: 8 }), fc.array(fc.constantFrom(...'-– ‑\t')), (groups, noise) => {
        const code = randomCode(groups);
        const plain = code.replaceAll('-', '');
        expect(normaliseCode(code)).toBe(plain);
        expect(normaliseCode(code.toLowerCase().replaceAll('0', 'o').replaceAll('1', 'l'))).toBe(plain);
        expect(normaliseCode(noise.join('') + plain.replaceAll('1', 'I').split('').join(' '))).toBe(plain);
      }),
    );
    expect(normaliseCode('k7qf 2m9d il0o abcd')).toBe('K7QF2M9D1100ABCD');
  });

  it('are null when they cannot be one', () => {
    const code = randomCode();
    for (const bad of [
      '',
      code.slice(1),
      `${code}A`,
      code.replace(/^./, 'U'),
      code + '-'.repeat(200),
      'é'.repeat(16),
    ]) {
      expect(normaliseCode(bad)).toBeNull();
    }
  });
});
