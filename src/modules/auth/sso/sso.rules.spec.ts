import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { SsoProvider } from '../../../platform/config/sso-providers.js';
import { claimAt, personOf, returnPathOf, rolesOf, textOf, vouchingOf } from './sso.rules.js';

const roleMap = { nurses: 'staff', doctors: 'clinician', chiefs: 'clinician' } as const;
const roles = (value: unknown, path = ['groups']) => rolesOf({ groups: value }, { roleClaim: path, roleMap });

describe('roles of a claim', () => {
  it('are those of the map, each once, in whatever form the claim has', () => {
    expect(roles(['nurses', 'doctors', 'chiefs', 'choir'])).toEqual(['clinician', 'staff']);
    expect(roles('nurses')).toEqual(['staff']);
    expect(rolesOf({ realm: { roles: ['nurses'] } }, { roleClaim: ['realm', 'roles'], roleMap })).toEqual(['staff']);
  });

  it('are none for anything else', () => {
    const strange = [
      undefined,
      null,
      7,
      true,
      {},
      [],
      [null, 7, {}],
      'Nurses',
      ' nurses',
      ['nurses,doctors'],
      { nurses: 1 },
    ];
    for (const value of strange) expect(roles(value)).toEqual([]);
    for (const name of ['constructor', '__proto__', 'toString', 'hasOwnProperty']) {
      expect(roles([name])).toEqual([]);
      expect(claimAt({}, [name])).toBeUndefined();
    }
    expect(claimAt({ a: 'text' }, ['a', 'length'])).toBeUndefined();
    expect(claimAt({ a: ['x'] }, ['a', 'length'])).toBe(1);
  });
});

describe('what the provider says of the sign-in', () => {
  const now = new Date('2026-11-22T10:00:00Z');
  const at = now.getTime() / 1000 - 60;
  const secondFactor = { acr: ['gold'], amr: ['otp', 'hwk'] };
  const vouching = (claims: object, phishingResistant = { acr: [], amr: ['hwk'] as string[] }) =>
    vouchingOf({ auth_time: at, ...claims }, { secondFactor, phishingResistant }, now);
  const strength = (claims: object) => {
    const { hasSecondFactor, isPhishingResistant } = vouching(claims)!;
    return [hasSecondFactor, isPhishingResistant];
  };

  it('counts as configured, and no more', () => {
    expect(strength({})).toEqual([false, false]);
    expect(strength({ amr: ['pwd', 'mfa'], acr: 'otp' })).toEqual([false, false]);
    expect(strength({ amr: 'otp' })).toEqual([true, false]);
    expect(strength({ acr: 'gold' })).toEqual([true, false]);
    expect(strength({ amr: ['hwk'] })).toEqual([true, true]);
    expect(strength({ amr: [['otp']], acr: { gold: true } })).toEqual([false, false]);
  });

  it('is not phishing-resistant unless it is a second factor at all', () => {
    expect(vouching({ amr: ['swk'] }, { acr: [], amr: ['swk'] })).toMatchObject({ isPhishingResistant: false });
  });

  it('has a time, never in the future, or counts for nothing', () => {
    expect(vouching({})!.authTime).toEqual(new Date(at * 1000));
    expect(vouching({ auth_time: at + 3600 })!.authTime).toEqual(now);
    for (const auth_time of [undefined, null, '1700000000', Number.NaN, Infinity, 0, -1, {}])
      expect(vouching({ auth_time })).toBeNull();
  });
});

describe('texts of a provider', () => {
  it('are taken when people and PostgreSQL can read them, else left away', () => {
    expect(textOf('  Nora Nurse ')).toBe('Nora Nurse');
    for (const value of ['', '  ', 'a\u0000b', 'a\nb', 'a\ud800b', 'x'.repeat(256), 7, null, undefined, ['a'], {}])
      expect(textOf(value)).toBeNull();
    const provider = { usernameClaim: 'u', emailClaim: 'e', nameClaim: 'n', npiClaim: null } as SsoProvider;
    const nobody = { username: null, displayName: null, email: null, family: null, given: null, npi: null };
    expect(personOf({ u: {}, e: 'a\u0000@b', n: ['N'], npi: '1234567893' }, provider)).toEqual(nobody);
  });
});

describe('a path to return to', () => {
  const allowed = ['/', '/records', '/charts/*'];

  it('is one that is named, with what follows it', () => {
    for (const path of ['/', '/records', '/records?a=b#c', '/charts/', '/charts/1', '/charts/1/2?x'])
      expect(returnPathOf(path, allowed)).toBe(path);
    for (const path of [
      '',
      'records',
      '/Records',
      '/records/',
      '/charts',
      '/chartsX',
      '//',
      '/%2e%2e/',
      '/charts/../x',
    ])
      expect(returnPathOf(path, allowed)).toBeNull();
  });

  it('never leaves the portal, whatever is asked for and whatever is allowed', () => {
    const piece = fc.constantFrom(
      '/',
      '\\',
      '.',
      '..',
      '%2f',
      '%5c',
      '@',
      ':',
      '?',
      '#',
      'evil.example',
      'records',
      '\t',
      '\n',
      ' ',
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(piece, fc.string({ maxLength: 3 })), { maxLength: 8 }), (pieces) => {
        const path = pieces.join('');
        if (returnPathOf(path, ['/', '/*']) === null) return;
        const url = new URL(path, 'https://portal.test/deep/down');
        expect(url.origin).toBe('https://portal.test');
        expect(`${url.pathname}${url.search}${url.hash}`).toBe(path);
      }),
      { numRuns: 5_000 },
    );
  });
});
