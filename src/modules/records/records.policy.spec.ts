import { expect, it } from '@jest/globals';
import { AbilityFactory, type Person } from '../../platform/access/ability-factory.js';
import { may } from '../../platform/access/ability.js';
import { ROLES, type Role } from '../../platform/access/vocabulary.js';
import { recordsPolicy } from './records.policy.js';

const person = (role: Role, more: Partial<Person> = {}): Person => ({
  id: 'me',
  roles: new Set([role]),
  patientIds: [],
  practitionerId: null,
  panel: new Set(),
  source: null,
  ...more,
});
const abilityOf = (one: Person) => new AbilityFactory([recordsPolicy]).for(one);

it('opens their own chart to patients and the panel to clinicians, and nothing to others', () => {
  const everything = { patientIds: ['p'], panel: new Set(['q']), source: 'https://feed.test' };
  const seen = Object.fromEntries(
    ROLES.map((role) => [
      role,
      ['p', 'q', 'r'].filter((patientId) => may(abilityOf(person(role, everything)), 'read', 'Record', { patientId })),
    ]),
  );
  expect(seen).toEqual({
    patient: ['p'],
    proxy: [],
    clinician: ['q'],
    staff: [],
    records_officer: [],
    compliance_officer: [],
    admin: [],
    integration: [],
  });
});

it('gives no rule at all to whom it gives no chart', () => {
  for (const role of ROLES) expect(abilityOf(person(role)).rules).toEqual([]);
});

it('lets a feed import, and look at its own imports only', () => {
  const feed = abilityOf(person('integration', { source: 'https://feed.test' }));
  expect([
    may(feed, 'import', 'Import', { accountId: 'me' }),
    may(feed, 'read', 'Import', { accountId: 'me' }),
    may(feed, 'read', 'Import', { accountId: 'another' }),
  ]).toEqual([true, true, false]);
});
