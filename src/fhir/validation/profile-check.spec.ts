import { describe, expect, it } from '@jest/globals';
import type { Finding } from './finding.js';
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

/** As it is read from a text: what is undefined is not there. */
const judged = (resource: unknown): Finding[] => validateResource(JSON.parse(JSON.stringify(resource)));

describe('the profiles that a record claims', () => {
  it('are met by a record that has what they ask for', () => {
    for (const claim of [[PATIENT], [`${PATIENT}|6.1.0`], [`${PATIENT}|7.0.0`]])
      expect(judged(patient(claim))).toEqual([]);
  });

  it('are judged by in the version that is claimed; what is missing is a warning that names the profile', () => {
    expect(judged(patient([`${PATIENT}|6.1.0`], { gender: undefined }))).toEqual([
      {
        ...{ severity: 'warning', code: 'profile', path: 'Patient.gender', profile: `${PATIENT}|6.1.0` },
        detail: `A required element is missing. (${PATIENT}|6.1.0)`,
      },
    ]);
  });

  it('are not looked at where their version is not known, or where they are somebody else’s', () => {
    const claims = [`${PATIENT}|99.0.0`, 'https://example.org/profile', 'constructor'];
    expect(judged(patient(claims, { gender: undefined, identifier: undefined }))).toEqual([]);
  });

  it('are not looked at in a record that is no good R4', () => {
    const findings = judged(patient([PATIENT], { gender: 'frog', identifier: undefined }));
    expect(findings.map(({ code, profile }) => [code, profile])).toEqual([['code-not-in-value-set', undefined]]);
  });

  it('are of another type of record in a fault of its own', () => {
    const organization = { resourceType: 'Organization', name: 'x', meta: { profile: [PATIENT] } };
    expect(judged(organization).map(({ code, path }) => [code, path])).toEqual([['profile', 'Organization']]);
  });

  it('change nothing in how a record without them is judged', () => {
    const contact = { resourceType: 'Patient', contact: [{}, { name: { family: 1 } }] };
    const before = judged(contact);
    judged(patient([PATIENT]));
    expect(judged(contact)).toEqual(before);
    expect(judged({ resourceType: 'Patient', active: true })).toEqual([]);
  });

  it('are ten at most, and none is repeated', () => {
    const claims = Array.from({ length: 1_000 }, () => `${PATIENT}|6.1.0`);
    expect(judged(patient(claims, { gender: undefined }))).toHaveLength(1);
    for (const profile of [null, 7, {}, [null, 7, {}]]) judged(patient(profile));
  });
});
