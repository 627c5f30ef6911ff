import { expect, it } from '@jest/globals';
import { auditCategory, codeToken, packRecord, unpackRecord } from './record-text.js';

it('packs and unpacks without touching a byte of the resource, line breaks in it and in the words included', () => {
  const resource = '{\n  "resourceType": "Basic",\n  "n": 1.50, "s": "\\u00e9é"\n}';
  const facts = { type: 'Basic', category: [], display: 'two\nlines “é”', effectiveText: '2021-05' };
  expect(unpackRecord(packRecord(facts, resource))).toEqual({
    head: { display: 'two\nlines “é”', effectiveText: '2021-05' },
    resource: Buffer.from(resource),
  });
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
