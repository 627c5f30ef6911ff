import { createSecretKey, randomBytes, type KeyObject } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { CursorError, cursorScope, openCursor, sealCursor, type Json } from './sealed-cursor.js';

const newSubkey = () => createSecretKey(randomBytes(32));
const key = newSubkey();
const scope = cursorScope('GET /v1/appointments', 'status=booked', 'user-1');

function codeOf(text: string, inScope = scope, keys: KeyObject[] = [key]): string {
  try {
    openCursor(text, inScope, keys);
  } catch (error) {
    if (error instanceof CursorError) return error.code;
    throw error;
  }
  return 'opened';
}

describe('sealed cursor', () => {
  it('gives back what was sealed', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 3 }), fc.string(), (value, anyScope) => {
        fc.pre(JSON.stringify(value).length < 400);
        const text = sealCursor(value as Json, anyScope, key);
        expect(text).toMatch(/^[\w-]+$/);
        expect(JSON.stringify(openCursor(text, anyScope, [key]))).toBe(JSON.stringify(value));
      }),
    );
  });

  it('refuses every changed, missing or added character', () => {
    const text = sealCursor(['2026-01-01T00:00:00Z', 'id-7'], scope, key);
    for (let at = 0; at < text.length; at++) {
      for (const c of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=. %') {
        if (c === text[at]) continue;
        expect(codeOf(text.slice(0, at) + c + text.slice(at + 1))).not.toBe('opened');
      }
      expect(codeOf(text.slice(0, at))).not.toBe('opened');
      expect(codeOf(`${text.slice(0, at)} ${text.slice(at)}`)).not.toBe('opened');
    }
    expect(codeOf(`${text}=`)).toBe('malformed');
  });

  it('opens in no other scope and under no other key', () => {
    const text = sealCursor(1, scope, key);
    expect(codeOf(text, cursorScope('GET /v1/appointments', 'status=booked', 'user-2'))).toBe('forged');
    expect(codeOf(text, cursorScope('GET /v1/appointments', 'status=bookeduser-1', ''))).toBe('forged');
    expect(codeOf(text, scope, [newSubkey()])).toBe('forged');
    expect(codeOf(text, scope, [])).toBe('forged');
    expect(codeOf(text, scope, [newSubkey(), key])).toBe('opened');
    const shifted = sealCursor(12, 'scope', key);
    expect(codeOf(shifted, 'scope1')).toBe('forged');
  });

  it('is bounded in length both ways', () => {
    expect(() => sealCursor('x'.repeat(2048), scope, key)).toThrow(RangeError);
    expect(codeOf('A'.repeat(2049))).toBe('too-long');
    for (const text of ['', 'A', 'A'.repeat(22), 'é', '{}']) expect(codeOf(text)).toBe('malformed');
    expect(codeOf(undefined as unknown as string)).toBe('malformed');
  });
});
