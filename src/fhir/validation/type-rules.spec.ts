import { describe, expect, it } from '@jest/globals';
import { validateResource } from './validate.js';

const UCUM = 'http://unitsofmeasure.org';
const seen = (more: object) => ({ resourceType: 'Observation', status: 'final', code: { text: 'x' }, ...more });
const range = (low: object, high: object) => seen({ valueRange: { low, high } });
const person = (more: object) => ({ resourceType: 'Patient', id: 'p', ...more });
const onset = (age: object) => ({ resourceType: 'Condition', subject: { display: 'x' }, onsetAge: age });
const holder = (...contained: object[]) => ({ ...seen({ subject: { reference: '#a' } }), contained });
const coding = { system: 'http://loinc.org', code: '8480-6' };
const panel = (component: object, more: object = {}) =>
  seen({ code: { coding: [coding] }, component: [{ valueString: 'x', ...component }], ...more });
const said = { extension: [{ url: 'urn:x', valueCode: 'unknown' }] };

function errorsOf(resource: unknown): string[] {
  return validateResource(JSON.parse(JSON.stringify(resource))).flatMap(({ severity, path, detail }) =>
    severity === 'error' ? `${path}: ${detail}` : [],
  );
}

describe('what R4 demands of data types', () => {
  it.each([
    ['a unit without a code', seen({ valueQuantity: { value: 1, unit: 'mg' } })],
    ['a coded unit', seen({ valueQuantity: { value: 1, unit: 'mg', system: UCUM, code: 'mg' } })],
    ['a range of one unit', range({ value: 1, unit: 'mg' }, { value: 5, unit: 'mg' })],
    ['a range of unlike units', range({ value: 500, unit: 'mg' }, { value: 1, unit: 'g' })],
    ['an open range', seen({ valueRange: { low: { value: 5 } } })],
    ['a ratio', seen({ valueRatio: { numerator: { value: 1 }, denominator: { value: 128 } } })],
    ['an age', onset({ value: 52, unit: 'years', system: UCUM, code: 'a' })],
    ['an attachment without content', person({ photo: [{ url: 'https://a.example/1' }] })],
    ['a telephone', person({ telecom: [{ system: 'phone', value: '1' }] })],
    ['other codes in components', panel({ code: { coding: [{ ...coding, code: '8462-4' }] } }, { valueString: 'y' })],
    ['the same code in a component of no value', panel({ code: { coding: [coding] } })],
    ['a value’s id beside the value', person({ birthDate: '1980', _birthDate: { id: 'b' } })],
    ['why there is no value', person({ _birthDate: said })],
    ['values and reasons by turns', person({ name: [{ given: ['A', null], _given: [{ id: 'a' }, said] }] })],
  ])('finds no error in %s', (_name, resource) => expect(errorsOf(resource)).toEqual([]));

  it.each([
    ['a code of no system', seen({ valueQuantity: { value: 1, code: 'mg' } }), 'Observation.valueQuantity', 'qty-3'],
    [
      'a comparator where none may be',
      seen({ referenceRange: [{ low: { value: 1, comparator: '<' } }] }),
      '',
      'sqty-1',
    ],
    ['a range upside down', range({ value: 5, unit: 'mg' }, { value: 1, unit: 'mg' }), 'valueRange', 'rng-2'],
    ['half a ratio', seen({ valueRatio: { numerator: { value: 1 } } }), 'valueRatio', 'rat-1'],
    ['an age below nought', onset({ value: -5, system: UCUM, code: 'a' }), 'Condition.onsetAge', 'age-1'],
    ['a number of no kind', person({ telecom: [{ value: '1' }] }), 'Patient.telecom[0]', 'cpt-2'],
    ['a content of no type', person({ photo: [{ data: 'AAAA' }] }), 'Patient.photo[0]', 'att-1'],
    [
      'a value told of twice',
      panel({ code: { coding: [coding] } }, { valueQuantity: { value: 1 } }),
      'Observation',
      'obs-7',
    ],
  ])('finds %s', (_name, resource, path, rule) => {
    const [found, ...others] = errorsOf(resource);
    expect(others).toEqual([]);
    expect(found).toContain(path);
    expect(found).toContain(`Invariant ${rule} of R4 is not met.`);
  });

  it('does not take an id for content', () => {
    expect(errorsOf(person({ maritalStatus: { id: 'm' } }))).toEqual([
      expect.stringMatching(/^Patient.maritalStatus: /),
    ]);
    expect(errorsOf(person({ _birthDate: { id: 'b' } }))).toEqual([expect.stringMatching(/^Patient._birthDate: /)]);
    const given = { given: ['A', null], _given: [null, { id: 'b' }] };
    expect(errorsOf(person({ name: [given] }))).toEqual([expect.stringContaining('_given[1]: There must be a value')]);
  });
});

describe('what is contained', () => {
  const patient = { resourceType: 'Patient', id: 'a' };
  const specimen = { resourceType: 'Specimen', id: 'b' };

  it('may refer to what contains it, and to each other', () => {
    expect(
      errorsOf(holder(patient, { ...specimen, subject: { reference: '#a' }, note: [{ text: 'y' }] })),
    ).toHaveLength(1);
    expect(errorsOf(holder(patient, { ...specimen, subject: { reference: '#' } }))).toEqual([]);
    expect(errorsOf({ ...holder(patient, specimen), specimen: { reference: '#b' } })).toEqual([]);
  });

  it('is referred to, and by one name', () => {
    expect(errorsOf(holder(patient, specimen))).toEqual([expect.stringMatching(/contained\[1\]: Nothing refers to/)]);
    expect(errorsOf(holder(patient, { ...specimen, id: 'a' }))).toEqual([expect.stringMatching(/have the same id/)]);
  });
});

describe('the markup of a narrative', () => {
  const NAMESPACE = 'xmlns="http://www.w3.org/1999/xhtml"';
  const told = (div: string) => person({ text: { status: 'generated', div } });
  const inside = (inner: string) => told(`<div ${NAMESPACE}>${inner}</div>`);

  it.each([
    [
      'tables, links, pictures and entities',
      inside('<table border="1"><tr><td>a &lt; b&nbsp;&#233;</td></tr></table>'),
    ],
    ['an image alone', inside('<a href="https://a.example/?x=1"><img src="#i" alt=\'i\'/></a>')],
    ['a comment with angles', inside('<p>x<!-- <p> & --></p>')],
    [
      'other quotes, more attributes and white space',
      told(`\n <div lang='de' xmlns='http://www.w3.org/1999/xhtml' >x</div > \n`),
    ],
    ['nothing but space', inside('<pre> </pre>')],
  ])('passes with %s', (_name, resource) => expect(errorsOf(resource)).toEqual([]));

  it.each([
    ['no namespace', told('<div>x</div>')],
    ['another namespace', told('<div xmlns="http://www.w3.org/1999/html">x</div>')],
    ['a tag closed by another', inside('<p>x</b>')],
    ['a tag left open', inside('<p>x')],
    ['a second div', told(`<div ${NAMESPACE}>x</div><div ${NAMESPACE}>y</div>`)],
    ['words after the div', told(`<div ${NAMESPACE}>x</div> y`)],
    ['a bare ampersand', inside('a & b')],
    ['a bare angle', inside('a < b')],
    ['an attribute without quotes', inside('<p onclick=alert(1)>x</p>')],
    [
      'a declaration with an entity',
      told(`<!DOCTYPE div [<!ENTITY e SYSTEM "file:///etc/passwd">]><div ${NAMESPACE}>&e;</div>`),
    ],
    ['an element that HTML 4 has not', inside('<video src="x">y</video>')],
  ])('is an error with %s', (_name, resource) => {
    expect(errorsOf(resource)).toContainEqual(expect.stringMatching(/^Patient\.text\.div: The narrative/));
  });

  it('is read over once, however it is made to look', () => {
    const hostile = ['<'.repeat(200_000), '<a '.repeat(60_000), `<p ${'x="y" '.repeat(60_000)}`, '&'.repeat(200_000)];
    for (const inner of [...hostile, '<!--'.repeat(50_000), ' '.repeat(200_000), `<p${' '.repeat(200_000)}`]) {
      expect(errorsOf(inside(inner)).length).toBeLessThanOrEqual(1);
    }
  });
});
