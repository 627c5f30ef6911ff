import { describe, expect, it } from '@jest/globals';
import { validateResource } from './validate.js';

const PATIENT = 'http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient';
const patient = (profile: unknown, more: object = {}) => ({
  resourceType: 'Patient',
  meta: { profile },
  identifier: [{ system: 'urn:mrn', value: '1' }],
  name: [{ family: 'Roe', given: ['Jane'] }],
  gender: 'female',
  contact: [{ name: { text: 'John Roe' } }],
  ...more,
});

describe('the profiles that a record claims', () => {
  it('are met by a record that has what they ask for', () => {
    for (const claim of [[PATIENT], [`${PATIENT}|6.1.0`], [`${PATIENT}|7.0.0`]])
      expect(validateResource(patient(claim))).toEqual([]);
  });

  it('are judged by in the version that is claimed; what is missing is a warning that names the profile', () => {
    const findings = validateResource(patient([`${PATIENT}|6.1.0`], { gender: undefined, name: [{}] }));
    expect(findings.map(({ severity, path }) => [severity, path])).not.toEqual([]);
    const bare = { ...patient([`${PATIENT}|6.1.0`]) } as Record<string, unknown>;
    delete bare.gender;
    expect(validateResource(bare)).toEqual([
      {
        ...{ severity: 'warning', code: 'profile', path: 'Patient.gender', profile: `${PATIENT}|6.1.0` },
        detail: `A required element is missing. (${PATIENT}|6.1.0)`,
      },
    ]);
  });

  it('are not looked at where their version is not known, or where they are somebody else’s', () => {
    const bare = { ...patient([`${PATIENT}|99.0.0`, 'https://example.org/profile', 'constructor', '']) };
    expect(validateResource({ ...bare, gender: undefined, identifier: undefined })).toEqual([]);
  });

  it('are not looked at in a record that is no good R4', () => {
    const findings = validateResource(patient([PATIENT], { gender: 'frog', identifier: undefined }));
    expect(findings.map(({ code, profile }) => [code, profile])).toEqual([['code-not-in-value-set', undefined]]);
  });

  it('are of another type of record in a fault of its own', () => {
    const organization = { resourceType: 'Organization', name: 'x', meta: { profile: [PATIENT] } };
    expect(validateResource(organization).map(({ code, path }) => [code, path])).toEqual([['profile', 'Organization']]);
  });

  it('change nothing in how a record without them is judged', () => {
    const contact = { resourceType: 'Patient', contact: [{}, { name: { family: 1 } }] };
    const before = validateResource(contact);
    validateResource(patient([PATIENT]));
    expect(validateResource(contact)).toEqual(before);
    expect(validateResource({ resourceType: 'Patient' })).toEqual([]);
  });

  it('are ten at most, and none is repeated', () => {
    const claims = Array.from({ length: 1_000 }, () => `${PATIENT}|6.1.0`);
    const bare = { ...patient(claims) } as Record<string, unknown>;
    delete bare.gender;
    expect(validateResource(bare)).toHaveLength(1);
    for (const profile of [null, 7, {}, [null, 7, {}]]) validateResource(patient(profile));
  });
});
