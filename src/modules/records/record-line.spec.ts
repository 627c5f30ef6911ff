import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { isoOf } from './record-line.js';

/** What PostgreSQL writes: the fraction without its last zeros, and none where it is zero. */
const written = (time: Date, micros: number): string => {
  const fraction = `${time.toISOString().slice(20, 23)}${String(micros).padStart(3, '0')}`.replace(/0+$/, '');
  return `${time.toISOString().slice(0, 19).replace('T', ' ')}${fraction === '' ? '' : `.${fraction}`}`;
};

describe('a time as PostgreSQL writes it', () => {
  it('is the same instant in ISO 8601, cut to milliseconds', () => {
    const time = fc.date({
      min: new Date('0001-01-01T00:00:00Z'),
      max: new Date('9999-12-31T23:59:59.999Z'),
      noInvalidDate: true,
    });
    fc.assert(
      fc.property(time, fc.integer({ min: 0, max: 999 }), (at, micros) => {
        expect(isoOf(written(at, micros))).toBe(at.toISOString());
      }),
    );
  });

  it('is refused where it is none', () => {
    for (const text of ['infinity', '-infinity', '']) expect(() => isoOf(text)).toThrow(RangeError);
  });
});
