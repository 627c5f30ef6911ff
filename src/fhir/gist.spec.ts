import { describe, expect, it } from '@jest/globals';
import { gistOf } from './gist.js';
import { marksOf } from './marks.js';

const gist = (text: string) => gistOf(JSON.parse(text), text);

const observation = (more: string): string => `{"resourceType":"Observation","code":{"text":"Test"},${more}}`;

describe('the words of a result', () => {
  it.each(['1.50', '0.0000001000', '1e2', '-0.0', '123456789.123456789'])('keep the number %s as sent', (number) => {
    const { value } = gist(observation(`"valueQuantity":{"value":${number},"unit":"mg/L"}`));
    expect(value).toEqual({ text: `${number} mg/L`, number, unit: 'mg/L' });
  });

  it('keep the < of what was below the limit, and the range and flag beside it', () => {
    const { value } = gist(
      observation(
        `"valueQuantity":{"value":5,"comparator":"<","unit":"mg/L"},"interpretation":[{"coding":[{"code":"L"}]}],` +
          `"referenceRange":[{"low":{"value":3.50,"unit":"mg/L"},"high":{"value":5.0,"unit":"mg/L"}}]`,
      ),
    );
    expect(value).toEqual({
      ...{ text: '<5 mg/L', number: '5', comparator: '<', unit: 'mg/L' },
      ...{ ranges: ['3.50–5.0 mg/L'], low: '3.50', high: '5.0' },
      flags: [{ code: 'L', text: 'Low' }],
    });
  });

  it('say for whom a range holds, and name no limits where there are several', () => {
    const { value } = gist(
      observation(
        `"valueQuantity":{"value":1},"referenceRange":[{"low":{"value":1.0},"appliesTo":[{"text":"women"}]},{"text":"see report"}]`,
      ),
    );
    expect(value).toMatchObject({ ranges: ['at least 1.0 (women)', 'see report'] });
    expect(value).not.toHaveProperty('low');
  });

  it('say in words why there is no value', () => {
    const absent = (reason: string) => gist(observation(`"dataAbsentReason":${reason}`)).value;
    expect(absent('{"coding":[{"code":"not-performed"}]}')).toEqual({ text: 'Not performed', isAbsent: true });
    expect(absent('{"text":"Sample was spilt","coding":[{"code":"error"}]}')?.text).toBe('Sample was spilt');
  });

  it('hold the parts of a pressure, each with its own', () => {
    const { parts, value } = gist(
      observation(
        `"component":[{"code":{"text":"Systolic"},"valueQuantity":{"value":120.0,"unit":"mmHg"}},` +
          `{"code":{"text":"Diastolic"},"dataAbsentReason":{"coding":[{"code":"unknown"}]}},{"code":{"text":"Empty"}}]`,
      ),
    );
    expect(value).toBeUndefined();
    expect(parts?.map(({ display, value: { text } }) => [display, text])).toEqual([
      ['Systolic', '120.0 mmHg'],
      ['Diastolic', 'Not known'],
    ]);
  });

  it.each([
    ['"valueCodeableConcept":{"coding":[{"display":"Positive"}]}', 'Positive'],
    ['"valueString":"trace"', 'trace'],
    ['"valueBoolean":false', 'No'],
    ['"valueInteger":3', '3'],
    ['"valueRange":{"low":{"value":1},"high":{"value":2,"unit":"cells"}}', '1–2 cells'],
    ['"valueRatio":{"numerator":{"value":1},"denominator":{"value":128}}', '1 : 128'],
    ['"valuePeriod":{"start":"2020"}', '2020 – …'],
    ['"valueDateTime":"2020-05"', '2020-05'],
  ])('of %s are %s', (value, words) => {
    expect(gist(observation(value)).value?.text).toBe(words);
  });

  it.each(['"valueQuantity":7', '"component":[null,3,"x"]', '"referenceRange":{"low":[]}', '"interpretation":[[]]'])(
    'are none, and no fault, for %s',
    (value) => {
      expect(gist(observation(value))).toEqual({});
    },
  );
});

it('a prescription says its dose in the words of its sender, else in its numbers', () => {
  const request = (dosage: string) =>
    gist(`{"resourceType":"MedicationRequest","intent":"order","dosageInstruction":[${dosage}]}`).details?.dosage;
  expect(request('{"text":"One each morning"},{"text":"and one at night"}')).toBe('One each morning; and one at night');
  expect(request('{"doseAndRate":[{"doseQuantity":{"value":0.50,"unit":"mL"}}],"route":{"text":"by mouth"}}')).toBe(
    '0.50 mL, by mouth',
  );
});

describe('the marks of a record', () => {
  it('are the labels that limit its reading, and no others', () => {
    const security = [
      { system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: 'N' },
      { system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: 'R' },
      { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'PSY' },
      { system: 'http://terminology.hl7.org/CodeSystem/v3-ActReason', code: 'HTEST' },
      { system: 'urn:of-the-house', code: 'vip' },
    ];
    expect(marksOf({ resourceType: 'Observation', meta: { security } }).senderLabels).toEqual(['PSY', 'R', 'vip']);
  });

  it('count a label that is no code as a limit', () => {
    for (const label of [{}, { code: 'not a code' }, { display: 'secret' }, 7])
      expect(marksOf({ meta: { security: [label] } }).senderLabels).toEqual(['R']);
  });

  it('are codings that are only mentioned in it too, but for units and labels', () => {
    const mentioned = { coding: [{ system: 'urn:icd', code: 'F11.20' }] };
    const quantity = { value: 1, system: 'http://unitsofmeasure.org', code: 'mg' };
    const { codes } = marksOf({
      ...{ resourceType: 'Observation', meta: { tag: [{ system: 'urn:tag', code: 'x' }] } },
      ...{ code: { coding: [{ system: 'urn:l', code: 'a' }] }, valueQuantity: quantity },
      contained: [{ resourceType: 'Condition', code: mentioned }],
    });
    expect(codes).toEqual(['a', 'urn:l|a', '~urn:icd|F11.20']);
  });

  it('of a record that mentions more than is judged by are a limit', () => {
    const reasonCode = Array.from({ length: 1_001 }, (_, at) => ({ coding: [{ system: 'urn:x', code: `c${at}` }] }));
    expect(marksOf({ resourceType: 'ServiceRequest', reasonCode }).senderLabels).toEqual(['R']);
  });

  it('of a document are those of what it holds', () => {
    const security = [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'HIV' }];
    const entry = [{ resource: { resourceType: 'Condition', meta: { security } } }];
    expect(marksOf({ resourceType: 'Bundle', type: 'document', entry }).senderLabels).toEqual(['HIV']);
  });

  it('are every coding of what it is, its departments and its visit', () => {
    expect(
      marksOf({
        resourceType: 'Observation',
        code: {
          coding: [
            { system: 'urn:local', code: 'a' },
            { system: 'http://loinc.org', code: '4548-4' },
          ],
        },
        performer: [{ reference: 'Organization/psychiatry' }, { reference: 'Practitioner/doe' }],
        encounter: { reference: 'Encounter/1' },
      }),
    ).toEqual({
      senderLabels: [],
      codes: ['a', 'urn:local|a', '4548-4', 'http://loinc.org|4548-4'],
      departments: [],
      departmentReferences: ['Organization/psychiatry'],
      encounterReference: 'Encounter/1',
    });
    const document = { resourceType: 'DocumentReference', context: { encounter: [{ reference: 'Encounter/2' }] } };
    expect(marksOf(document).encounterReference).toBe('Encounter/2');
  });
});
