import { describe, expect, it } from '@jest/globals';
import type { Role } from '../../platform/access/vocabulary.js';
import { checkGrant, checkNewAccount } from './account.rules.js';
import { checkBirthDate, isWholeDate } from './patient.rules.js';

const code = (check: () => void): string | null => {
  try {
    check();
    return null;
  } catch (error) {
    return (error as { code: string }).code;
  }
};

describe('a birth date', () => {
  const at = new Date('2026-11-22T09:00:00Z');
  it.each([
    ['2026-11-22', null],
    ['2026-11-23', 'users.birth-date-in-future'],
    ['1900-01-01', null],
  ])('of %s at 09:00 UTC: %s', (date, expected) => expect(code(() => checkBirthDate(date, at))).toBe(expected));

  it('may be tomorrow in UTC: it is today somewhere', () =>
    expect(code(() => checkBirthDate('2026-11-23', new Date('2026-11-22T10:00:00Z')))).toBe(null));

  it.each([
    ['1990-04-05', true],
    ['1990-04', false],
    ['1990', false],
    [null, false],
  ])('%s is whole: %s', (date, whole) => expect(isWholeDate(date)).toBe(whole));
});

describe('a role', () => {
  const person = { source: null, practitionerId: null };
  const treating = { source: null, practitionerId: 'p' };
  const feed = { source: 'urn:feed', practitionerId: null };
  it.each<[typeof person | typeof treating | typeof feed, Role, string | null]>([
    [person, 'staff', null],
    [person, 'clinician', 'users.practitioner-needed'],
    [treating, 'clinician', null],
    [person, 'integration', 'users.integration-apart'],
    [feed, 'integration', null],
    [feed, 'admin', 'users.integration-apart'],
  ])('for %j: %s is answered by %s', (account, role, expected) =>
    expect(code(() => checkGrant(account, role))).toBe(expected),
  );

  it.each<[Parameters<typeof checkNewAccount>[0], string | null]>([
    [{ roles: ['staff', 'admin'] }, null],
    [{ roles: ['clinician'], practitioner: {} }, null],
    [{ roles: ['integration'], source: 'urn:feed' }, null],
    [{ roles: ['integration', 'admin'], source: 'urn:feed' }, 'users.integration-apart'],
    [{ roles: ['integration'], source: 'urn:feed', practitioner: {} }, 'users.practitioner-needed'],
  ])('in a new account %j: %s', (input, expected) => expect(code(() => checkNewAccount(input))).toBe(expected));
});
