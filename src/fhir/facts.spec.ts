import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { patientReferenceOf } from './compartment.js';
import { factsOf } from './facts.js';
import { demographicsOf, humanNameOf, identifiersOf } from './identity.js';
import { instantOf } from './dates.js';

describe('factsOf', () => {
  it('keeps the clock of a version to the microsecond', () => {
    const clock = (lastUpdated: string) => factsOf({ resourceType: 'Basic', meta: { lastUpdated } }).lastUpdated;
    expect(clock('2026-01-02T03:04:05.1234567+02:00')).toBe('2026-01-02T01:04:05.123456Z');
    expect(clock('2026-01-02T03:04:05.1234Z')).toBe('2026-01-02T03:04:05.123400Z');
    expect(clock('2026-01-02T03:04:05.1230000Z')).toBe('2026-01-02T03:04:05.123Z');
    expect(clock('2026-01-02T03:04:05Z')).toBe('2026-01-02T03:04:05.000Z');
    expect(clock('yesterday')).toBeUndefined();
  });

  it('reads an Observation', () => {
    expect(
      factsOf({
        resourceType: 'Observation',
        id: 'o1',
        meta: { versionId: '2', lastUpdated: '2026-01-02T03:04:05.678+02:00' },
        status: 'final',
        category: [{ coding: [{ code: 'laboratory' }] }, { coding: [{ code: 'laboratory' }, { code: 'x' }] }],
        code: { coding: [{ system: 'http://loinc.org', code: '2345-7', display: 'Glucose' }] },
        effectiveDateTime: '2026-01',
      }),
    ).toMatchObject({
      type: 'Observation',
      sourceId: 'o1',
      versionId: '2',
      lastUpdated: '2026-01-02T01:04:05.678Z',
      category: ['laboratory', 'x'],
      code: { system: 'http://loinc.org', code: '2345-7' },
      display: 'Glucose',
      effectiveAt: '2026-01-01T00:00:00.000Z',
      effectiveText: '2026-01',
      status: 'final',
    });
  });

  it.each([
    [
      { resourceType: 'AllergyIntolerance', category: ['food'], clinicalStatus: { coding: [{ code: 'active' }] } },
      { status: 'active', category: ['food'] },
    ],
    [
      {
        resourceType: 'Condition',
        clinicalStatus: { coding: [{ code: 'active' }] },
        verificationStatus: { coding: [{ code: 'entered-in-error' }] },
      },
      { status: 'entered-in-error' },
    ],
    [
      { resourceType: 'Encounter', class: { code: 'AMB' }, period: { start: '2020-01-01' } },
      { display: 'Encounter (AMB)', category: ['AMB'] },
    ],
    [{ resourceType: 'MedicationRequest', medicationReference: { display: 'Aspirin' } }, { display: 'Aspirin' }],
    [
      {
        resourceType: 'MedicationRequest',
        medicationReference: { reference: '#m' },
        contained: [{ id: 'm', code: { text: 'Aspirin' } }],
      },
      { display: 'Aspirin' },
    ],
    [{ resourceType: 'DiagnosticReport' }, { display: 'Diagnostic report' }],
    [
      { resourceType: 'Immunization', occurrenceString: 'in spring' },
      { effectiveText: 'in spring', effectiveAt: undefined },
    ],
    [
      { resourceType: 'Observation', effectiveDateTime: '2020-02-30' },
      { effectiveAt: undefined, effectiveText: '2020-02-30' },
    ],
    [
      { resourceType: 'Patient', name: [{ family: 'Roe', given: ['Jane'] }], active: true },
      { display: 'Jane Roe', status: 'active' },
    ],
    [
      { resourceType: 'Goal', lifecycleStatus: 'active', description: { text: 'Walk' } },
      { status: 'active', display: 'Walk' },
    ],
    [{ resourceType: 'toString' }, { type: 'toString' }],
    [undefined, { type: 'Resource', display: 'Resource' }],
  ])('%j', (resource, expected) => expect(factsOf(resource)).toMatchObject(expected));

  it('never throws and always has words', () => {
    const names =
      'resourceType id meta code coding text category status period start name given description medicationReference contained'.split(
        ' ',
      );
    const odd = fc.dictionary(fc.constantFrom(...names), fc.jsonValue());
    fc.assert(
      fc.property(
        odd,
        fc.constantFrom('Observation', 'Patient', 'Claim', 'CareTeam', '', 'x'),
        (members, resourceType) => {
          const resource = { ...members, resourceType };
          expect(factsOf(resource).display).not.toBe('');
          patientReferenceOf(resource);
          identifiersOf({ identifier: members });
          demographicsOf({ name: members.name });
        },
      ),
    );
  });
});

describe('identity', () => {
  const patient = {
    identifier: [
      {
        system: 'urn:mrn',
        value: '42',
        type: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0203', code: 'MR' }] },
      },
      { system: 'urn:ssn', value: '999', type: { coding: [{ code: 'SS' }] }, use: 'old' },
      { system: 'no value' },
      'odd',
    ],
    name: [
      { use: 'old', family: 'Then' },
      { use: 'official', family: 'Now', given: ['A', 5, 'B'] },
    ],
    birthDate: '1980-05',
    gender: 'female',
  };

  it('reads identifiers and demographics', () => {
    expect(identifiersOf(patient)).toEqual([
      { system: 'urn:mrn', value: '42', types: ['MR'], use: undefined, isMrn: true },
      { system: 'urn:ssn', value: '999', types: ['SS'], use: 'old', isMrn: false },
    ]);
    expect(demographicsOf(patient)).toEqual({ family: 'Now', given: ['A', 'B'], birthDate: '1980-05', sex: 'female' });
    expect(humanNameOf(patient.name)).toBe('A B Now');
    expect(demographicsOf(null)).toEqual({ family: undefined, given: [], birthDate: undefined, sex: undefined });
  });
});

describe('instantOf', () => {
  it.each([
    ['2020', '2020-01-01T00:00:00.000Z'],
    ['2020-02-29', '2020-02-29T00:00:00.000Z'],
    ['2019-02-29', undefined],
    ['2020-01-01T23:30:00-05:00', '2020-01-02T04:30:00.000Z'],
    ['2016-12-31T23:59:60Z', '2016-12-31T23:59:59.000Z'],
    ['2020-01-01T10:00:00.123456789Z', '2020-01-01T10:00:00.123Z'],
    ['0001-01-01T00:00:00+14:00', undefined],
    ['0000', undefined],
    ['2020-13', undefined],
    ['yesterday', undefined],
  ])('%s', (text, expected) => expect(instantOf(text)).toBe(expected));
});
