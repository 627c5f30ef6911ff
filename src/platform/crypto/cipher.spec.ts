import { randomBytes, randomUUID } from 'node:crypto';
import { inspect } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { CipherError, dataKey, keyIdOf, open, seal, type Place } from './cipher.js';

const key = dataKey(randomUUID(), randomBytes(32));
const place: Place = { table: 'messaging.message', row: randomUUID(), column: 'body' };

function codeOf(fn: () => unknown): string {
  try {
    fn();
  } catch (error) {
    if (error instanceof CipherError) return error.code;
    throw error;
  }
  return 'opened';
}

describe('cipher', () => {
  it('opens what it sealed', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 4096 }), (bytes) => {
        const plain = Buffer.from(bytes);
        const sealed = seal(key, place, plain);
        expect(sealed.length).toBe(plain.length + 45);
        expect(keyIdOf(sealed)).toBe(key.id);
        expect(open(key, place, sealed).equals(plain)).toBe(true);
      }),
    );
    expect(open(key, place, seal(key, place, 'Größe 𝄞')).toString('utf8')).toBe('Größe 𝄞');
  });

  it('refuses every single flipped bit', () => {
    const sealed = seal(key, place, 'blood pressure 120/80');
    const outcomes = new Map<string, number>();
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const bad = Buffer.from(sealed);
      bad[bit >> 3]! ^= 1 << (bit & 7);
      const code = codeOf(() => open(key, place, bad));
      outcomes.set(code, (outcomes.get(code) ?? 0) + 1);
    }
    expect(Object.fromEntries(outcomes)).toEqual({
      'unknown-format': 8,
      'wrong-key': 16 * 8,
      tampered: (sealed.length - 17) * 8,
    });
  });

  it('refuses every prefix and anything appended', () => {
    const sealed = seal(key, place, 'text');
    for (let length = 0; length < sealed.length; length++) {
      const code = codeOf(() => open(key, place, sealed.subarray(0, length)));
      expect(code).toBe(length < 45 ? 'truncated' : 'tampered');
    }
    expect(codeOf(() => open(key, place, Buffer.concat([sealed, Buffer.of(0)])))).toBe('tampered');
  });

  it('opens at no other place, however the names are split', () => {
    const names = fc.tuple(fc.string({ minLength: 1 }), fc.string({ minLength: 1 }), fc.string({ minLength: 1 }));
    const at = ([table, row, column]: [string, string, string]): Place => ({ table, row, column });
    fc.assert(
      fc.property(names, names, (here, there) => {
        fc.pre(here.join('\u0000') !== there.join('\u0000'));
        expect(codeOf(() => open(key, at(there), seal(key, at(here), 'x')))).toBe('tampered');
      }),
    );
    const sealed = seal(key, { table: 'ab', row: 'c', column: 'd' }, 'x');
    expect(codeOf(() => open(key, { table: 'a', row: 'bc', column: 'd' }, sealed))).toBe('tampered');
    expect(codeOf(() => open(key, { table: 'ab', row: 'cd', column: 'd' }, sealed))).toBe('tampered');
  });

  it('opens with no other key, not even one of the same id', () => {
    const sealed = seal(key, place, 'x');
    expect(codeOf(() => open(dataKey(randomUUID(), randomBytes(32)), place, sealed))).toBe('wrong-key');
    expect(codeOf(() => open(dataKey(key.id, randomBytes(32)), place, sealed))).toBe('tampered');
  });

  it('binds the key id itself', () => {
    const bytes = randomBytes(32);
    const [one, two] = [dataKey(randomUUID(), bytes), dataKey(randomUUID(), bytes)];
    const sealed = seal(one, place, 'x');
    sealed.write(two.id.replaceAll('-', ''), 1, 'hex');
    expect(codeOf(() => open(two, place, sealed))).toBe('tampered');
  });

  it('never repeats an initialisation vector', () => {
    const seen = new Set<string>();
    for (let i = 0; i < 10_000; i++) seen.add(seal(key, place, '').toString('hex', 17, 29));
    expect(seen.size).toBe(10_000);
  });

  it('refuses incomplete places and unfit keys', () => {
    expect(() => seal(key, { ...place, row: '' }, 'x')).toThrow(TypeError);
    expect(() => seal(key, { ...place, row: undefined as unknown as string }, 'x')).toThrow(TypeError);
    expect(() => dataKey('not-a-uuid', randomBytes(32))).toThrow(RangeError);
    expect(() => dataKey(randomUUID(), randomBytes(16))).toThrow(RangeError);
  });

  it('prints neither key nor data', () => {
    const bytes = randomBytes(32);
    const secret = dataKey(randomUUID(), bytes);
    expect(inspect(secret, { depth: 9, showHidden: true }) + JSON.stringify(secret)).not.toMatch(
      new RegExp(
        `${bytes.toString('hex')}|${bytes.toString('base64').replace(/[+]/g, '\\+')}|${bytes.subarray(0, 8).join(',')},`,
      ),
    );
    const bad = seal(key, place, 'SECRET');
    bad[bad.length - 1]! ^= 1;
    expect(() => open(key, place, bad)).toThrow('sealed value refused: tampered');
  });
});
