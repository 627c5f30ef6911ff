import { describe, expect, it } from '@jest/globals';
import { isSharedType, patientReferenceOf, provenanceTargetsOf } from './compartment.js';

const to = (reference: string) => ({ reference });

describe('patientReferenceOf', () => {
  it.each([
    [{ resourceType: 'Patient', id: '85' }, 'Patient/85'],
    [{ resourceType: 'Observation', subject: to('Patient/1') }, 'Patient/1'],
    [{ resourceType: 'Observation', subject: to('urn:uuid:1') }, 'urn:uuid:1'],
    [{ resourceType: 'Observation', subject: to('https://ehr.example/Patient/1') }, 'https://ehr.example/Patient/1'],
    [{ resourceType: 'Observation', subject: to('Patient?identifier=a|b') }, 'Patient?identifier=a|b'],
    [{ resourceType: 'Coverage', beneficiary: to('Patient/1'), subscriber: to('Patient/2') }, 'Patient/1'],
    [{ resourceType: 'Claim', patient: to('Patient/1') }, 'Patient/1'],
    [{ resourceType: 'Device', patient: to('Patient/1') }, 'Patient/1'],
    [{ resourceType: 'Task', for: to('Patient/1'), owner: to('Patient/2') }, 'Patient/1'],
    [
      { resourceType: 'Appointment', participant: [{ actor: to('Practitioner/9') }, { actor: to('Patient/1') }] },
      'Patient/1',
    ],
    [{ resourceType: 'Appointment', participant: [{ actor: to('Patient/2') }, { actor: to('Patient/1') }] }, undefined],
    [{ resourceType: 'Observation', subject: to('Group/1') }, undefined],
    [{ resourceType: 'Observation', subject: { type: 'Group', reference: 'urn:uuid:1' } }, undefined],
    [{ resourceType: 'Observation', subject: to('https://ehr.example/Group/1') }, undefined],
    [{ resourceType: 'Observation', performer: [to('Patient/1')] }, undefined],
    [{ resourceType: 'Observation', subject: to('#p') }, undefined],
    [{ resourceType: 'Device' }, undefined],
    [{ resourceType: 'Practitioner', subject: to('Patient/1') }, undefined],
    [{ resourceType: 'constructor' }, undefined],
    [{ resourceType: 'Patient' }, undefined],
    [{ resourceType: 'Observation', subject: 'Patient/1' }, undefined],
    [null, undefined],
    ['Patient', undefined],
  ])('%j', (resource, expected) => expect(patientReferenceOf(resource)).toBe(expected));
});

it('gives the targets of a Provenance', () => {
  const provenance = { resourceType: 'Provenance', target: [to('Patient/1'), to('Observation/2'), { display: 'x' }] };
  expect(provenanceTargetsOf(provenance)).toEqual(['Patient/1', 'Observation/2']);
  expect(patientReferenceOf(provenance)).toBeUndefined();
  expect(provenanceTargetsOf({ ...provenance, resourceType: 'Basic' })).toEqual([]);
});

it('knows the directory from the chart', () => {
  for (const type of ['Organization', 'Practitioner', 'PractitionerRole', 'Location', 'Medication', 'Endpoint']) {
    expect(isSharedType(type)).toBe(true);
  }
  for (const type of ['Patient', 'Observation', 'Provenance', 'Device', 'Binary', 'Bundle', 'RelatedPerson']) {
    expect(isSharedType(type)).toBe(false);
  }
});
