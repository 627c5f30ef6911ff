import { describe, expect, it } from '@jest/globals';
import { waitOf } from './quotas.js';

const start = new Date('2026-11-22T08:00:00Z');
const at = (seconds: number) => new Date(start.getTime() + seconds * 1000);
const LIMITS = [
  { most: 3, seconds: 600 },
  { most: 10, seconds: 86_400 },
];

describe('waitOf', () => {
  it('waits until the third last is ten minutes ago', () => {
    expect(waitOf([at(0), at(60), at(120)], LIMITS, at(120))).toBe(480);
    expect(waitOf([at(-900), at(0), at(60), at(120)], LIMITS, at(300))).toBe(300);
  });

  it('waits for the longest of all limits', () => {
    const ten = Array.from({ length: 10 }, (_, i) => at(i * 3600));
    expect(waitOf(ten, LIMITS, at(10 * 3600))).toBe(86_400 - 10 * 3600);
  });

  it('counts in any order, and waits at least a second', () => {
    expect(waitOf([at(120), at(0), at(60)], LIMITS, at(120))).toBe(480);
    expect(waitOf([], LIMITS, at(0))).toBe(1);
  });
});
