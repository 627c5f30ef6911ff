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
  proxied: new Map(),
  source: null,
  ...more,
});
const abilityOf = (one: Person) => new AbilityFactory([recordsPolicy]).for(one);

it('opens their own chart to patients and the panel to clinicians, and nothing to others', () => {
  const everything = {
    patientIds: ['p'],
    panel: new Set(['q']),
    proxied: new Map([['r', []]]),
    source: 'https://feed.test',
  };
  const seen = Object.fromEntries(
    ROLES.map((role) => [
      role,
      ['p', 'q', 'r'].filter((patientId) => may(abilityOf(person(role, everything)), 'read', 'Record', { patientId })),
    ]),
  );
  expect(seen).toEqual({
    patient: ['p'],
    proxy: ['r'],
    clinician: ['q'],
    staff: [],
    records_officer: [],
    compliance_officer: [],
    admin: [],
    integration: [],
    directory: [],
  });
});

it('opens no chart to whom it gives none, and lets only patients, their proxies and clinicians knock', () => {
  const ability = (role: Role) => abilityOf(person(role));
  expect(ROLES.filter((role) => may(ability(role), 'read', 'Record', { patientId: 'p' }))).toEqual([]);
  expect(ROLES.filter((role) => ability(role).can('read', 'Record'))).toEqual(['patient', 'proxy', 'clinician']);
});

it('lets a feed import, and look at its own imports only', () => {
  const feed = abilityOf(person('integration', { source: 'https://feed.test' }));
  expect([
    may(feed, 'import', 'Import', { accountId: 'me' }),
    may(feed, 'read', 'Import', { accountId: 'me' }),
    may(feed, 'read', 'Import', { accountId: 'another' }),
  ]).toEqual([true, true, false]);
});
