import { expect, it } from '@jest/globals';
import { inspect } from '../../fhir/index.js';
import { auditCategory, codeToken, dayOf, packRecord, unpackRecord } from './record-text.js';

it('packs and unpacks without touching a byte of the resource, line breaks in it and in the words included', () => {
  const resource = '{\n  "resourceType": "Basic",\n  "n": 1.50, "s": "\\u00e9é"\n}';
  const { facts } = inspect(resource);
  expect(unpackRecord(packRecord({ ...facts, display: 'two\nlines “é”', effectiveText: '2021-05' }, resource))).toEqual(
    {
      head: { display: 'two\nlines “é”', effectiveText: '2021-05' },
      resource: Buffer.from(resource),
    },
  );
});

it("shows a code as FHIR's token", () => {
  expect([codeToken('http://loinc.org', '1-2'), codeToken('', '1-2'), codeToken('', '')]).toEqual([
    'http://loinc.org|1-2',
    '|1-2',
    null,
  ]);
});

it('lets no sentence into the audit trail as a category', () => {
  expect([
    auditCategory(['laboratory']),
    auditCategory(['very private words', 'LAB']),
    auditCategory(['a\nb']),
    auditCategory([]),
  ]).toEqual(['laboratory', 'LAB', undefined, undefined]);
});

it("lists a record under its sender's day, and without a whole date under that of its order", () => {
  const { facts } = inspect('{"resourceType":"Basic"}');
  const day = (effectiveText: string | undefined, sortAt: string) =>
    dayOf({ ...facts, effectiveText, effectiveAt: effectiveText && sortAt }, sortAt);
  expect(day('2024-03-01T23:30:00-05:00', '2024-03-02T04:30:00.000Z')).toBe('2024-03-01');
  expect(day('2021-05', '2021-05-01T00:00:00.000Z')).toBe('2021-05-01');
  expect(day(undefined, '2021-06-07T01:00:00.000Z')).toBe('2021-06-07');
});
