import { describe, expect, it } from '@jest/globals';
import { stepOf, otpauthUriOf, newTotpSecret } from './totp.rules.js';

// RFC 6238 appendix B: key "12345678901234567890" in base32; its eight digits end in the six that apps show.
const SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';
const at = (epoch: number) => new Date(epoch * 1000);

describe('stepOf', () => {
  it.each([
    [59, '287082', 1],
    [1111111109, '081804', 37037036],
    [1111111111, '050471', 37037037],
    [1234567890, '005924', 41152263],
    [2000000000, '279037', 66666666],
  ])('accepts the code of RFC 6238 at %d', (epoch, code, step) => {
    expect(stepOf(SECRET, code, at(epoch))).toBe(step);
  });

  it('tolerates a clock that is five seconds off, and no more', () => {
    // 287082 belongs to the step from 30 to 59
    expect(stepOf(SECRET, '287082', at(64))).toBe(1);
    expect(stepOf(SECRET, '287082', at(66))).toBeNull();
    expect(stepOf(SECRET, '287082', at(25))).toBe(1);
    expect(stepOf(SECRET, '287082', at(24))).toBeNull();
  });

  it.each(['', '28708', '2870822', '28708a', ' 287082', '287 082', '２８７０８２', '-87082', '2.7082', '287082\n'])(
    'counts %j as a wrong code instead of failing',
    (code) => {
      expect(stepOf(SECRET, code, at(59))).toBeNull();
    },
  );
});

it('makes keys as long as the MAC (160 bits)', () => {
  expect(newTotpSecret()).toMatch(/^[A-Z2-7]{32}$/);
  expect(newTotpSecret()).not.toBe(newTotpSecret());
});

it('names hospital and account to the app', () => {
  expect(otpauthUriOf(SECRET, 'St. Mary & Co', 'maria')).toMatch(
    /^otpauth:\/\/totp\/St\.%20Mary%20%26%20Co:maria\?secret=GEZ/,
  );
});
