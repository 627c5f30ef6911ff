import { describe, expect, it } from '@jest/globals';
import { validateResource } from './validate.js';

const patient = {
  resourceType: 'Patient',
  id: 'p1',
  gender: 'female',
  birthDate: '1980-02-29',
  name: [{ family: 'Roe', given: ['Jane', null], _given: [null, { extension: [{ url: 'urn:x', valueString: 'y' }] }] }],
};
const observation = {
  resourceType: 'Observation',
  status: 'final',
  code: { text: 'x' },
  subject: { reference: 'Patient/p1' },
  effectiveDateTime: '2026-01-01T10:00:00+01:00',
  valueQuantity: { value: 1.5, unit: 'mg' },
};
const condition = { resourceType: 'Condition', subject: { reference: 'Patient/p1' } };
const clinical = 'http://terminology.hl7.org/CodeSystem/condition-clinical';
const period = (start: string, end: string) => ({
  ...observation,
  effectiveDateTime: undefined,
  effectivePeriod: { start, end },
});
const div = (inner: string) => ({
  ...patient,
  text: { status: 'generated', div: `<div xmlns="http://www.w3.org/1999/xhtml">${inner}</div>` },
});

function errorsOf(resource: unknown): string[] {
  const sent = JSON.parse(JSON.stringify(resource)) as unknown;
  return validateResource(sent).flatMap((f) => (f.severity === 'error' ? `${f.code} ${f.path}` : []));
}

describe('validateResource', () => {
  it.each([
    ['a patient', patient],
    ['an observation', observation],
    ['a partial date', { ...observation, effectiveDateTime: '2026-01' }],
    ['a leap second', { ...observation, effectiveDateTime: '2016-12-31T23:59:60Z' }],
    ['ten decimals of a second', { ...observation, effectiveDateTime: '2026-01-01T10:00:00.1234567890Z' }],
    ['base64 with white space', { ...patient, photo: [{ contentType: 'image/png', data: 'AAAA\r\n BBBB' }] }],
    ['a 3 MB attachment', { ...patient, photo: [{ contentType: 'image/png', data: 'A'.repeat(3_000_000) }] }],
    ['a period of unequal precision', period('2026-01-01T10:00:00Z', '2026-01')],
    ['an open period', { ...observation, effectiveDateTime: undefined, effectivePeriod: { start: '2026' } }],
    [
      'a missing required value with its reason',
      { ...observation, status: undefined, _status: { extension: [{ url: 'urn:x', valueCode: 'unknown' }] } },
    ],
    ['a required concept', { ...condition, clinicalStatus: { coding: [{ system: clinical, code: 'active' }] } }],
    ['a conditional reference', { ...observation, subject: { reference: 'Patient?identifier=a|b' } }],
    [
      'narrative that tells of markup, of styles and of what is on',
      div(
        `<p style="color: red" title="on call">&#x0000003c;script&#x3e; expression (of a gene); behavior: calm; on admission = 5; see <a href="#n">n</a></p>` +
          '<img src="data:image/png;base64,AAAA" alt="x"/>',
      ),
    ],
    [
      'narrative',
      div(
        '<p class="x">on one="two" & is text &lt;script&gt;</p><a href="https://example.org">x</a>'.replace(
          ' one="two" &',
          '',
        ),
      ),
    ],
    [
      'contained',
      { ...observation, specimen: { reference: '#s' }, contained: [{ resourceType: 'Specimen', id: 's' }] },
    ],
  ])('finds no error in %s', (_name, resource) => expect(errorsOf(resource)).toEqual([]));

  it.each([
    ['nothing', null, 'wrong-json-type'],
    ['an unknown type', { resourceType: 'Frog' }, 'unknown-type'],
    ['a type of a prototype', { resourceType: 'constructor' }, 'unknown-type'],
    ['a data type', { resourceType: 'HumanName', family: 'x' }, 'unknown-type'],
    ['an abstract type', { resourceType: 'DomainResource', id: 'x' }, 'unknown-type'],
    ['no type', { id: 'x' }, 'unknown-type'],
    ['an unknown element', { ...patient, colour: 'x' }, 'unknown-element Patient.colour'],
    ['an element named after a prototype', { ...patient, constructor: 'x' }, 'unknown-element Patient.constructor'],
    ['a hostile element name', { ...patient, 'Jane Roe has': 1 }, 'unknown-element Patient.?'],
    ['a missing status', { ...observation, status: undefined }, 'missing-element Observation.status'],
    ['a missing code', { ...observation, code: undefined }, 'missing-element Observation.code'],
    ['a wrong code', { ...patient, gender: 'frog' }, 'code-not-in-value-set Patient.gender'],
    ['a wrong status', { ...observation, status: 'done' }, 'code-not-in-value-set Observation.status'],
    [
      'a wrong concept',
      { ...condition, clinicalStatus: { coding: [{ system: clinical, code: 'on' }] } },
      'code-not-in-value-set Condition.clinicalStatus',
    ],
    [
      'a concept of another system',
      { ...condition, clinicalStatus: { coding: [{ system: 'urn:x', code: 'active' }] } },
      'code-not-in-value-set Condition.clinicalStatus',
    ],
    [
      'a nested wrong code',
      { ...patient, telecom: [{ system: 'pigeon' }] },
      'code-not-in-value-set Patient.telecom[0].system',
    ],
    ['30 February', { ...patient, birthDate: '2020-02-30' }, 'invalid-date Patient.birthDate'],
    [
      '29 February of a common year',
      { ...observation, effectiveDateTime: '2019-02-29' },
      'invalid-date Observation.effectiveDateTime',
    ],
    ['31 April', { ...patient, birthDate: '2020-04-31' }, 'invalid-date'],
    ['an American date', { ...patient, birthDate: '02/03/1980' }, 'invalid-date'],
    ['a time without zone', { ...observation, effectiveDateTime: '2026-01-01T10:00:00' }, 'invalid-date'],
    ['a time without seconds', { ...observation, effectiveDateTime: '2026-01-01T10:00Z' }, 'invalid-date'],
    ['an instant without time', { ...observation, issued: '2026-01-01' }, 'invalid-date Observation.issued'],
    ['hour 24', { ...observation, effectiveDateTime: '2026-01-01T24:00:00Z' }, 'invalid-date'],
    ['two values', { ...observation, valueString: 'x' }, 'choice-conflict Observation.value[x]'],
    [
      'a wrong choice',
      { ...observation, valueQuantity: undefined, valueAddress: { city: 'x' } },
      'unknown-element Observation.valueAddress',
    ],
    ['a bad id', { ...patient, id: 'a b' }, 'invalid-id Patient.id'],
    ['a long id', { ...patient, id: 'a'.repeat(65) }, 'invalid-id Patient.id'],
    ['an empty string', { ...patient, birthDate: '' }, 'empty-value Patient.birthDate'],
    ['an empty array', { ...patient, name: [] }, 'empty-value Patient.name'],
    ['an empty object', { ...patient, maritalStatus: {} }, 'empty-value Patient.maritalStatus'],
    ['an empty resource', { resourceType: 'Patient' }, 'empty-value Patient'],
    ['null', { ...patient, birthDate: null }, 'null-value Patient.birthDate'],
    ['null in an array', { ...patient, name: [null] }, 'null-value Patient.name[0]'],
    ['an object for an array', { ...patient, name: { family: 'x' } }, 'wrong-json-type Patient.name'],
    [
      'an array for an object',
      { ...observation, subject: [{ reference: 'Patient/1' }] },
      'wrong-json-type Observation.subject',
    ],
    ['a string for an object', { ...observation, subject: 'Patient/1' }, 'wrong-json-type Observation.subject'],
    [
      'a string for a number',
      { ...observation, valueQuantity: { value: '1' } },
      'wrong-json-type Observation.valueQuantity.value',
    ],
    ['a number for a string', { ...patient, name: [{ family: 5 }] }, 'wrong-json-type Patient.name[0].family'],
    ['an object for a primitive', { ...patient, birthDate: { a: 1 } }, 'wrong-json-type Patient.birthDate'],
    ['a string for a boolean', { ...patient, active: 'true' }, 'wrong-json-type Patient.active'],
    ['a fraction for an integer', { ...observation, valueQuantity: undefined, valueInteger: 1.5 }, 'invalid-value'],
    [
      'zero for a positive integer',
      { ...patient, telecom: [{ value: 'x', system: 'phone', rank: 0 }] },
      'invalid-value',
    ],
    ['a uri with a space', { ...patient, identifier: [{ system: 'urn: x', value: '1' }] }, 'invalid-value'],
    ['bad base64', { ...patient, photo: [{ data: 'A' }] }, 'invalid-base64'],
    ['base64 with padding inside', { ...patient, photo: [{ data: 'AA==AAAA' }] }, 'invalid-base64'],
    ['a reversed period', period('2026-02-01', '2026-01-31'), 'period-reversed Observation.effectivePeriod'],
    ['a period reversed by its zones', period('2026-01-01T10:00:00Z', '2026-01-01T10:30:00+01:00'), 'period-reversed'],
    ['an invariant', { ...patient, contact: [{ gender: 'male' }] }, 'invariant Patient.contact[0]'],
    ['an invariant of a value', { ...observation, dataAbsentReason: { text: 'x' } }, 'invariant Observation'],
    [
      'an extension with two contents',
      { ...patient, extension: [{ url: 'u', valueString: 'x', extension: [{ url: 'v', valueString: 'y' }] }] },
      'invariant',
    ],
    ['an extension without url', { ...patient, extension: [{ valueString: 'x' }] }, 'missing-element'],
    ['script', div('<script>alert(1)</script>'), 'narrative-unsafe Patient.text.div'],
    ['an event handler', div('<p onclick="x()">y</p>'), 'narrative-unsafe'],
    ['a script url', div('<a href="java&#115;cript:x()">y</a>'), 'narrative-unsafe'],
    [
      'a script url with a zero-padded reference',
      div('<a href="java&#x0000000073;cript:x()">y</a>'),
      'narrative-unsafe',
    ],
    [
      'a script url with a zero-padded decimal reference',
      div('<a href="java&#00000000000115;cript:x()">y</a>'),
      'narrative-unsafe',
    ],
    ['a script url with references that do not end', div('<a href="java&#115&#x63ript:x()">y</a>'), 'narrative-unsafe'],
    [
      'a script url with references by name',
      div('<a href="java&Tab;scr&NewLine;ipt&colon;x()">y</a>'),
      'narrative-unsafe',
    ],
    ['a script url after a control character', div('<a href="&#x00000001; javascript:x()">y</a>'), 'narrative-unsafe'],
    ['a link to a page of data', div('<a href="data:application/xhtml+xml,x">y</a>'), 'narrative-unsafe'],
    ['a handler without quotes', div('<p onclick=x()>y</p>'), 'narrative-unsafe'],
    [
      'a script by a prefix',
      div('<h:script xmlns:h="http://www.w3.org/1999/xhtml">x()</h:script>'),
      'narrative-unsafe',
    ],
    ['a style that runs', div('<p style="width: expression(x())">y</p>'), 'narrative-unsafe'],
    ['narrative that is no div', { ...patient, text: { status: 'generated', div: 'hello' } }, 'narrative-invalid'],
    [
      'contained without id',
      { ...patient, contained: [{ resourceType: 'Basic', code: { text: 'x' } }] },
      'contained-invalid',
    ],
    [
      'contained in contained',
      {
        ...patient,
        contained: [{ resourceType: 'Patient', id: 'a', contained: [{ resourceType: 'Patient', id: 'b' }] }],
      },
      'contained-invalid',
    ],
    ['contained of an unknown type', { ...patient, contained: [{ resourceType: 'Frog', id: 'a' }] }, 'unknown-type'],
    ['contained that is no resource', { ...patient, contained: ['x'] }, 'wrong-json-type'],
    [
      'a dangling contained reference',
      { ...observation, subject: { reference: '#gone' } },
      'contained-invalid Observation.subject',
    ],
    ['a string over 1 MB', { ...patient, name: [{ given: ['x'.repeat(1_100_000)] }] }, 'string-too-long'],
  ])('finds %s', (_name, resource, expected) => {
    expect(errorsOf(resource)).toContainEqual(
      expect.stringMatching(new RegExp(`^${expected.replace(/[.?[\]]/g, '\\$&')}`)),
    );
  });

  it('warns of a reference to another type, which base R4 profiles may have widened', () => {
    const found = validateResource({ ...observation, subject: { reference: 'Organization/1' } });
    expect(found).toEqual([
      expect.objectContaining({ severity: 'warning', code: 'reference-target', path: 'Observation.subject' }),
    ]);
  });

  it('never repeats a value', () => {
    const secret = 'Zyzzyva';
    const findings = validateResource({
      resourceType: 'Observation',
      id: `${secret} 1`,
      status: secret,
      [`${secret} x`]: secret,
      code: [secret],
      subject: { reference: `${secret}/1` },
      effectiveDateTime: secret,
      valueQuantity: { value: secret },
      text: { div: `<script>${secret}</script>`, status: secret },
    });
    expect(findings.length).toBeGreaterThan(6);
    expect(JSON.stringify(findings)).not.toContain(secret);
  });

  it('lists no more than a person can read, and never loses the error', () => {
    const many = { ...patient, name: Array.from({ length: 500 }, () => ({ family: ' ' })), gender: 'frog' };
    const findings = validateResource(many);
    expect(findings.length).toBeLessThanOrEqual(102);
    expect(findings.some(({ severity }) => severity === 'error')).toBe(true);
  });
});
