import { describe, expect, it } from '@jest/globals';
import { inspect } from '../../fhir/index.js';
import { candidatesOf, type Identified } from './import-candidates.js';
import type { BundleType, InspectedEntry } from './import-intake.js';
import { placesOf } from './import-places.js';
import type { KnownRecord } from './import-plan.js';
import { ReferenceBook, shouldResolve } from './import-references.js';
import { ImportReport, noCounts } from './import-report.js';

const SOURCE = 'https://feed.test/fhir';
const UUID = '0b7f4a3e-0000-4000-8000-00000000000a';

const entry = (index: number, resource: object | undefined, more: Partial<InspectedEntry> = {}): InspectedEntry => {
  const text = JSON.stringify(resource);
  return { index, ...(resource ? { resource: { text, inspection: inspect(text) } } : {}), ...more };
};
const patient = {
  resourceType: 'Patient',
  id: 'p',
  identifier: [{ system: 'urn:mrn', value: '1', type: { coding: [{ code: 'MR' }] } }],
};
const about = (id: string, reference: string) => ({
  resourceType: 'Observation',
  id,
  status: 'final',
  code: { text: 'x' },
  subject: { reference },
});

function taken(entries: InspectedEntry[], type: BundleType = 'collection'): Identified & { report: ImportReport } {
  const report = new ImportReport(type);
  return { ...candidatesOf(entries, report, SOURCE), report };
}

describe('candidatesOf', () => {
  it('identifies by id, else by fullUrl, else by the PUT', () => {
    const { id: _id, ...anonymous } = patient;
    const { candidates } = taken([
      entry(0, patient, { fullUrl: `urn:uuid:${UUID}` }),
      entry(1, anonymous, { fullUrl: `urn:uuid:${UUID.toUpperCase()}` }),
      entry(2, anonymous, { fullUrl: 'https://x.test/fhir/Patient/from-url' }),
      entry(3, anonymous, { request: { method: 'PUT', url: 'Patient/from-put' } }),
    ]);
    expect(candidates.map(({ sourceId }) => sourceId)).toEqual(['p', UUID, 'from-url', 'from-put']);
  });

  it('passes over the same entry twice and rejects another one under its id', () => {
    const { candidates, report } = taken([
      entry(0, about('o', 'Patient/p')),
      entry(1, about('o', 'Patient/p')),
      entry(2, about('o', 'Patient/q')),
    ]);
    expect(candidates).toHaveLength(1);
    expect(report.issues).toMatchObject([{ entry: 2, code: 'duplicate-entry' }]);
    expect(report.counts).toMatchObject({ unchanged: 1, rejected: 1 });
  });

  it('rejects the second owner of a fullUrl', () => {
    const fullUrl = `urn:uuid:${UUID}`;
    const { named, report } = taken([entry(0, patient, { fullUrl }), entry(1, { ...patient, id: 'q' }, { fullUrl })]);
    expect(named.get(fullUrl)).toEqual({ type: 'Patient', sourceId: 'p' });
    expect(report.issues).toMatchObject([{ entry: 1, code: 'duplicate-full-url' }]);
  });

  it('takes no record of another server for one of the feed, whose id may be the same', () => {
    const gone = (url: string) => entry(0, undefined, { request: { method: 'DELETE', url } });
    for (const url of ['Patient/p', `${SOURCE}/Patient/p`, `${SOURCE}/Patient/p/_history/2`])
      expect(taken([gone(url)]).candidates).toMatchObject([{ type: 'Patient', sourceId: 'p' }]);
    for (const url of ['https://else.test/fhir/Patient/p', `${SOURCE}/more/Patient/p`, '../Patient/p', '/Patient/p']) {
      const { candidates, report } = taken([gone(url)]);
      expect(candidates).toEqual([]);
      expect(report.issues).toMatchObject([{ code: 'delete-without-id' }]);
    }
    const put = (url: string) => taken([entry(0, patient, { request: { method: 'PUT', url } })]).report.issues;
    expect(put('https://else.test/fhir/Patient/q')).toMatchObject([{ code: 'request-mismatch' }]);
    expect(put(`${SOURCE}/Group/p`)).toMatchObject([{ code: 'request-mismatch' }]);
    expect(put(`${SOURCE}/Patient/p`)).toEqual([]);
  });

  it('lets no entry go by the address of another record, nor references to that one mean it', () => {
    for (const fullUrl of ['Patient/q', `${SOURCE}/Patient/q`, 'https://else.test/fhir/Patient/q', 'Group/p']) {
      const { candidates, named, report } = taken([entry(0, patient, { fullUrl }), entry(1, about('o', fullUrl))]);
      expect(candidates.map(({ sourceId }) => sourceId)).toEqual(['o']);
      expect(named.size).toBe(0);
      expect(report.issues).toMatchObject([{ entry: 0, code: 'full-url-mismatch' }]);
    }
    const own = ['Patient/p', `${SOURCE}/Patient/p`, 'https://else.test/x/Patient/p', 'https://else.test/People/q'];
    for (const fullUrl of own) expect(taken([entry(0, patient, { fullUrl })]).report.issues).toEqual([]);
  });

  it('says that a transaction must fail as soon as one entry is broken', () => {
    expect(taken([entry(0, patient), entry(1, undefined)], 'transaction').report.mustFail).toBe(true);
    expect(taken([entry(0, patient), entry(1, undefined)], 'batch').report.mustFail).toBe(false);
    expect(taken([entry(0, patient)], 'transaction').report.mustFail).toBe(false);
  });
});

describe('the report', () => {
  it("counts a type that is no type as unknown, whatever the sender's word is", () => {
    const { report } = taken([
      entry(0, { resourceType: '__proto__' }),
      entry(1, { resourceType: 'a whole sentence' }),
      entry(2, {}),
    ]);
    expect(report.byType).toMatchObject({ unknown: { entries: 3, created: 0, rejected: 3 } });
    expect(({} as { entries?: number }).entries).toBeUndefined();
  });

  it('tells of a failed transaction only what was rejected', () => {
    const report = new ImportReport('transaction');
    report.done({ index: 0, type: 'Patient' }, 'created');
    report.reject({ index: 1, type: 'Patient' }, 'x', '', '');
    report.fail();
    expect([report.hasFailed, report.counts]).toEqual([true, { ...noCounts(), rejected: 1 }]);
  });

  it('keeps errors where there are too many issues', () => {
    const report = new ImportReport('batch');
    for (let at = 0; at < 10_001; at++) report.warn({ index: 0, type: 'Patient' }, 'w', '', '');
    report.reject({ index: 0, type: 'Patient' }, 'e', '', '');
    expect(report.issues.some(({ code }) => code === 'e')).toBe(true);
    expect(report.issues.at(-1)).toMatchObject({ code: 'too-many-issues', entry: null });
    expect(report.issues).toHaveLength(10_001);
  });
});

describe('places and references', () => {
  const knownRecord = (recordId: string, patientId: string | null): KnownRecord => ({
    recordId,
    patientId,
    version: 1,
    contentMac: Buffer.alloc(0),
    sourceUpdatedAt: null,
    status: '',
    isDeleted: false,
    namedPatientId: patientId,
    codes: [],
  });

  function plan(
    entries: InspectedEntry[],
    known: Record<string, KnownRecord> = {},
    charts: Record<string, string> = { p: 'chart-p' },
  ) {
    const bundle = taken(entries);
    const book = new ReferenceBook(SOURCE, bundle);
    const map = new Map(Object.entries(known));
    for (const [key, record] of map)
      book.add({ type: key.split('/')[0]!, sourceId: key.split('/')[1]! }, { type: key.split('/')[0]!, ...record });
    let next = 0;
    const places = placesOf(bundle.candidates, book, {
      known: map,
      charts: new Map(bundle.candidates.map((candidate) => [candidate, charts[candidate.sourceId] ?? ''])),
      newId: () => `new-${next++}`,
    });
    const placeOf = (sourceId: string) =>
      places.get(bundle.candidates.find((candidate) => candidate.sourceId === sourceId)!);
    return { book, placeOf };
  }

  it("give a patient the chart's id, and what is about them the chart", () => {
    const { book, placeOf } = plan([
      entry(0, about('o', `urn:uuid:${UUID}`)),
      entry(1, patient, { fullUrl: `urn:uuid:${UUID}`, request: { method: 'PUT', url: 'Patient/p' } }),
    ]);
    expect(placeOf('p')).toEqual({ recordId: 'chart-p', patientId: 'chart-p' });
    expect(placeOf('o')).toEqual({ recordId: 'new-0', patientId: 'chart-p' });
    expect(
      [
        `urn:uuid:${UUID}`,
        'Patient/p',
        `${SOURCE}/Patient/p`,
        'Patient/p/_history/3',
        'Patient?identifier=urn:mrn|1',
      ].map(book.literal),
    ).toEqual(new Array(5).fill('Patient/chart-p'));
    expect(book.literal('Observation/o')).toBe('Observation/new-0');
  });

  it('resolve nothing that is unknown, elsewhere, contained, or another kind of search', () => {
    const { book } = plan([entry(0, patient)]);
    const sent = [
      'Patient/q',
      'https://elsewhere.test/Patient/p',
      '#p',
      'Patient?name=x',
      'Patient?identifier=1',
      'Patient?identifier=|1',
      'Patient?identifier=urn:mrn|1&active=true',
      'words',
    ];
    expect(sent.map(book.literal)).toEqual(sent.map(() => undefined));
    expect(sent.filter(shouldResolve)).toEqual([
      'Patient/q',
      'Patient?name=x',
      'Patient?identifier=1',
      'Patient?identifier=|1',
      'Patient?identifier=urn:mrn|1&active=true',
    ]);
  });

  it('hold what has no known patient, and what belongs to two', () => {
    const { placeOf } = plan(
      [
        entry(0, patient),
        entry(1, about('of-nobody', 'Patient/q')),
        entry(2, about('of-a-device', 'Device/d')),
        entry(3, {
          resourceType: 'Provenance',
          id: 'of-two',
          recorded: '2024-01-01T00:00:00Z',
          agent: [{ who: { display: 'x' } }],
          target: [{ reference: 'Patient/p' }, { reference: 'Patient/known' }],
        }),
        entry(4, {
          resourceType: 'Provenance',
          id: 'of-one',
          recorded: '2024-01-01T00:00:00Z',
          agent: [{ who: { display: 'x' } }],
          target: [{ reference: 'Patient/p' }, { reference: 'Organization/o' }],
        }),
      ],
      {
        'Patient/known': knownRecord('chart-k', 'chart-k'),
        'Device/d': knownRecord('device', 'chart-k'),
        'Organization/o': knownRecord('org', null),
      },
    );
    expect(['of-nobody', 'of-a-device', 'of-two', 'of-one'].map((id) => placeOf(id)?.patientId)).toEqual([
      null,
      null,
      null,
      'chart-p',
    ]);
  });

  it('give a second Patient of one chart an id of its own, and a known record the id that it has', () => {
    const { placeOf } = plan(
      [entry(0, patient), entry(1, { ...patient, id: 'p2' }), entry(2, about('o', 'Patient/p2'))],
      { 'Observation/o': knownRecord('old', null) },
      { p: 'chart-p', p2: 'chart-p' },
    );
    expect([placeOf('p'), placeOf('p2'), placeOf('o')]).toEqual([
      { recordId: 'chart-p', patientId: 'chart-p' },
      { recordId: 'new-0', patientId: 'chart-p' },
      { recordId: 'old', patientId: 'chart-p' },
    ]);
  });
});
