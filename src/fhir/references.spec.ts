import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { collectReferences, parseReference, rewriteReferences } from './references.js';

describe('parseReference', () => {
  it.each([
    ['urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a', { kind: 'urn' }],
    ['urn:oid:1.2.3', { kind: 'urn' }],
    ['Patient/85', { kind: 'relative', type: 'Patient', id: '85' }],
    ['Patient/85/_history/2', { kind: 'relative', type: 'Patient', id: '85', version: '2' }],
    [
      'https://ehr.example/fhir/Patient/85',
      { kind: 'absolute', base: 'https://ehr.example/fhir', type: 'Patient', id: '85' },
    ],
    ['https://ehr.example/Patient/85/_history/1', { kind: 'absolute', base: 'https://ehr.example', version: '1' }],
    ['https://Patient/85', { kind: 'absolute', url: 'https://Patient/85' }],
    ['Practitioner?identifier=http://hl7.org/fhir/sid/us-npi|9', { kind: 'conditional', type: 'Practitioner' }],
    ['#med1', { kind: 'contained', id: 'med1' }],
    ['Patient/', { kind: 'other' }],
    ['../Patient/1', { kind: 'other' }],
    ['Patient/1/../2', { kind: 'other' }],
    ['javascript:alert(1)', { kind: 'other' }],
    ['', { kind: 'other' }],
  ])('%s', (text, expected) => expect(parseReference(text)).toMatchObject(expected));
});

describe('collectReferences', () => {
  it('finds references, not the uris of the same name', () => {
    const found = collectReferences({
      resourceType: 'DetectedIssue',
      reference: 'http://example.org/paper',
      patient: { reference: 'Patient/1' },
      education: [{ reference: 'http://example.org/leaflet' }],
      contained: [{ resourceType: 'Basic', subject: { reference: '#x' } }],
      extension: [
        { url: 'e', valueReference: { reference: 'Patient/2' } },
        { url: 'e', valueExpression: { language: 'text/fhirpath', reference: 'http://example.org/expression' } },
      ],
      'a/b~c': [{ reference: 'Group/1' }, { reference: 5 }],
    });
    expect(found).toEqual([
      { path: '/patient/reference', reference: 'Patient/1' },
      { path: '/contained/0/subject/reference', reference: '#x' },
      { path: '/extension/0/valueReference/reference', reference: 'Patient/2' },
      { path: '/a~1b~0c/0/reference', reference: 'Group/1' },
    ]);
  });
});

describe('rewriteReferences', () => {
  it('changes only the values asked for', () => {
    const text =
      '{ "value":1.50,"subject": {"reference" : "urn:uuid:1","display":"urn:uuid:1"}, "x":[{"reference":"urn:uuid:\\u0032"}] }';
    const rewritten = rewriteReferences(text, (reference) => ({ 'urn:uuid:1': 'Patient/é"1' })[reference]);
    expect(rewritten).toBe(text.replace('"reference" : "urn:uuid:1"', '"reference" : "Patient/é\\"1"'));
    expect(rewriteReferences(text, (reference) => (reference === 'urn:uuid:2' ? 'Group/2' : undefined))).toContain(
      '"Group/2"',
    );
  });

  const anyReference = fc.constantFrom('Patient/1', 'urn:uuid:1', '#a', 'é😀', '');
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { maxDepth: 5 },
      fc.oneof(anyReference, fc.double({ noNaN: true, noDefaultInfinity: true }), fc.constant(null)),
      fc.array(tie('tree'), { maxLength: 4 }),
      fc.dictionary(fc.constantFrom('reference', 'subject', 'education', 'language', 'resourceType', 'x'), tie('tree')),
    ),
  }));

  it('sees exactly what collectReferences sees, and leaves the rest', () => {
    fc.assert(
      fc.property(tree, fc.nat(2), (value, indent) => {
        const text = JSON.stringify(value, null, indent);
        const seen: string[] = [];
        expect(rewriteReferences(text, (reference) => void seen.push(reference))).toBe(text);
        const found = collectReferences(value);
        expect(seen.sort()).toEqual(found.map(({ reference }) => reference).sort());
        const there = rewriteReferences(text, (reference) => `new:${reference}`);
        expect(collectReferences(JSON.parse(there)).map(({ path }) => path)).toEqual(found.map(({ path }) => path));
        expect(rewriteReferences(there, (reference) => reference.replace('new:', ''))).toBe(text);
      }),
      { numRuns: 500 },
    );
  });
});
