import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { bundleOf, entryOf, importBundle, patientText } from '../harness/feed.js';
import { openHospital, pages, SOURCE, type Hospital, type Made } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import type { Caller, Patient } from '../harness/people.js';
import { makePatient } from '../harness/people.js';
import { CHART, lab } from '../harness/reading.js';

interface Line {
  id: string;
  display: string;
  effectiveText: string | null;
  statusText: string | null;
  value: Record<string, unknown> | null;
  parts: { display: string; value: { text: string } }[];
  details: Record<string, string>;
  sourceText: string;
}
interface Trend {
  code: string;
  unit: string | null;
  latest: Line;
  points: { effectiveText: string; value: { text: string; number?: string } | null }[];
}
interface Summary {
  counts: Record<string, number>;
  vitals: Trend[];
  labs: Trend[];
  news: { since: string; visit: Line; items: Line[]; isMore: boolean };
}
type Lines = Record<'problems' | 'medications' | 'allergies' | 'immunizations', Line[]>;

let hospital: Hospital;
let pat: Patient;

const chartPath = (what: string, patient = pat): string => `/v1/patients/${patient.patientId}/${what}`;
const namesOf = (lines: readonly { display: string }[]): string[] => lines.map(({ display }) => display);

async function list(query: string, caller: Caller = pat): Promise<Made[]> {
  return ((await caller.get(chartPath(`records?limit=200&${query}`)).expect(200)).body as { items: Made[] }).items;
}

async function idOf(sourceId: string): Promise<string> {
  const { rows } = await hospital.portal.owner.query<{ id: string }>(
    'SELECT record_id AS id FROM records.record WHERE source_id = $1',
    [sourceId],
  );
  return rows[0]!.id;
}

const potassium = (value: string, status: string, at: string): string =>
  lab({
    ...{
      id: 'k1',
      at: '2025-01-05T08:00:00-05:00',
      status,
      value: `"valueQuantity":{"value":${value},"unit":"mmol/L"}`,
    },
    more: `,"meta":{"lastUpdated":"${at}"}`,
  });

beforeAll(async () => {
  hospital = await openHospital();
  pat = await makePatient(hospital.portal, hospital.admin, { mrn: 'MRN-PAT' });
  await hospital.staff.post(chartPath('care-team'), { practitionerId: hospital.clinician.practitionerId }).expect(201);
  const provenance =
    `{"resourceType":"Provenance","id":"of-k2","target":[{"reference":"Observation/k2"}],"recorded":"2025-06-05T09:00:00Z",` +
    `"agent":[{"who":{"display":"The laboratory"}}]}`;
  const first = await importBundle(
    hospital.feed,
    bundleOf('batch', entryOf(patientText('pat', 'MRN-PAT')), ...CHART, entryOf(provenance)),
  );
  expect(first).toMatchObject({ created: CHART.length + 2, rejected: 0 });
  for (const version of [
    potassium('4.20', 'corrected', '2025-02-01T00:00:00Z'),
    potassium('4.00', 'final', '2025-01-20T00:00:00Z'),
  ])
    await importBundle(hospital.feed, bundleOf('batch', version));
});

afterAll(async () => {
  await checkLedger(hospital.portal);
  await hospital.portal.close();
});

describe('the list of a chart', () => {
  it('finds words of the display, in any order and case, and the beginnings of words', async () => {
    expect(namesOf((await list('text=protein%20c')) as never)).toEqual(['C reactive protein']);
    expect(namesOf((await list('text=POTAS')) as never)).toEqual(['Potassium', 'Potassium', 'Potassium']);
    expect(await list('text=otassium')).toEqual([]);
    expect(await list('text=hemoglobin')).toEqual([]);
    await pat.get(chartPath('records?text=%E2%80%94')).expect(400);
  });

  it('finds a record by any of its codings, and by its status', async () => {
    for (const code of ['2823-3', 'http://loinc.org|2823-3', 'K-2823-3', 'urn:lab:local|K-2823-3'])
      expect([code, (await list(`code=${encodeURIComponent(code)}`)).length]).toEqual([code, 3]);
    expect(await list('code=urn:lab:local|2823-3')).toEqual([]);
    expect((await list('status=preliminary')).length).toBe(1);
    expect(await list('status=entered-in-error')).toEqual([]);
  });

  it('has unit, range and flags beside the value, in the digits of the sender', async () => {
    const lines = (await list('category=laboratory')) as unknown as Line[];
    expect(lines.map(({ value, statusText }) => [value?.text, statusText])).toEqual([
      ['5.0 mmol/L', 'Preliminary: not yet verified'],
      ['<5 mg/L', 'Final'],
      ['Not performed', 'Final'],
      ['5.60 mmol/L', 'Final'],
      ['4.20 mmol/L', 'Corrected: it was wrong before'],
    ]);
    expect(lines[3]!.value).toEqual({
      ...{ text: '5.60 mmol/L', number: '5.60', unit: 'mmol/L' },
      ...{ ranges: ['3.50–5.0 mmol/L'], low: '3.50', high: '5.0', flags: [{ code: 'H', text: 'High' }] },
    });
    expect(lines[4]!.sourceText).toBe(`from ${SOURCE} as of 2025-02-01T00:00:00.000Z`);
  });
});

describe('the summary', () => {
  let summary: Summary & Lines;
  beforeAll(async () => {
    summary = (await pat.get(chartPath('summary')).expect(200)).body as Summary & Lines;
  });

  it('tells what holds now, each problem once by its latest record', () => {
    expect(summary.problems.map(({ display, effectiveText }) => [display, effectiveText])).toEqual([
      ['Asthma', '2021-05'],
    ]);
    expect(summary.medications.map(({ display, details }) => [display, details.dosage])).toEqual([
      ['Salbutamol', 'Two puffs when needed'],
    ]);
    expect(summary.allergies.map(({ display, details }) => [display, details.criticality, details.reactions])).toEqual([
      ['Peanut', 'high', 'Hives (severe)'],
    ]);
    expect(summary.immunizations.map(({ display, details }) => [display, details.lotNumber])).toEqual([['Td', 'L7']]);
  });

  it('gives each result with the points of its trend, oldest first', () => {
    expect(
      summary.labs.map(({ latest, unit, points }) => [latest.display, unit, points.map((one) => one.value?.text)]),
    ).toEqual(
      expect.arrayContaining([
        ['Potassium', 'mmol/L', ['4.20 mmol/L', '5.60 mmol/L', '5.0 mmol/L']],
        ['C reactive protein', 'mg/L', ['<5 mg/L']],
        ['Glucose', null, ['Not performed']],
      ]),
    );
    expect(summary.labs).toHaveLength(3);
    expect(summary.vitals.map(({ latest }) => latest.parts.map(({ display, value }) => [display, value.text]))).toEqual(
      [
        [
          ['Systolic', '121.0 mmHg'],
          ['Diastolic', '80 mmHg'],
        ],
      ],
    );
  });

  it('tells what is new since the last visit, and not what is planned', () => {
    const { news } = summary;
    expect([news.visit.display, news.since, news.isMore]).toEqual(['Check-up', '2025-09-30T13:30:00.000Z', false]);
    expect(namesOf(news.items)).toEqual(['Potassium', 'C reactive protein', 'Glucose', 'Blood pressure']);
  });

  it('counts what is listed, and nothing that was withdrawn', async () => {
    expect(Object.values(summary.counts).reduce((a, b) => a + b)).toBe((await list('')).length);
    expect(summary.counts).toMatchObject({ Observation: 6, Condition: 3, Encounter: 2, Patient: 1 });
  });
});

describe('the timeline', () => {
  interface DayBody {
    day: string;
    count: number;
    groups: { kind: string; items: Line[] }[];
  }
  const days = (query: string, limit = 50) =>
    pages(pat, chartPath(`timeline${query}`), limit) as unknown as Promise<DayBody[][]>;

  it('groups days by kind, under the day of the sender and not that of Greenwich', async () => {
    const [[planned, day]] = (await days('')) as [[DayBody, DayBody]];
    expect([planned.day, day.day, day.count]).toEqual(['2027-01-30', '2025-09-30', 5]);
    expect(day.groups.map(({ kind, items }) => [kind, namesOf(items)])).toEqual([
      ['laboratory', ['Potassium', 'C reactive protein', 'Glucose']],
      ['vital-signs', ['Blood pressure']],
      ['AMB', ['Check-up']],
    ]);
  });

  it('pages through all days, each once and with all of it', async () => {
    const whole = (await days('')).flat();
    expect((await days('', 2)).flat()).toEqual(whole);
    expect(new Set(whole.map(({ day }) => day)).size).toBe(whole.length);
    const dated = (await list('')).filter(({ effectiveAt }) => effectiveAt !== null);
    expect(whole.reduce((sum, { count }) => sum + count, 0)).toBe(dated.length);
  });

  it('is narrowed by type, category and days', async () => {
    const only = async (query: string) => (await days(query)).flat().map(({ day, count }) => [day, count]);
    expect(await only('?type=Encounter')).toEqual([
      ['2027-01-30', 1],
      ['2025-09-30', 1],
    ]);
    expect(await only('?category=laboratory&from=2025-01-01&to=2025-06-05')).toEqual([
      ['2025-06-05', 1],
      ['2025-01-05', 1],
    ]);
  });
});

describe('the history of a record', () => {
  it('holds every version, with where it came from', async () => {
    const id = await idOf('k1');
    const [versions] = (await pages(pat, `/v1/records/${id}/history`, 50)) as unknown as Record<string, unknown>[][];
    expect(versions!.map(({ version, isCurrent, status }) => [version, isCurrent, status])).toEqual([
      [3, false, 'final'],
      [2, true, 'corrected'],
      [1, false, 'final'],
    ]);
    for (const one of versions!) {
      expect(one).toMatchObject({ source: SOURCE, origin: 'feed', isDeleted: false, writtenBy: null });
      expect([typeof one.importId, typeof one.receivedAt]).toEqual(['string', 'string']);
    }
    expect((await pages(pat, `/v1/records/${id}/history`, 2)).map((page) => page.length)).toEqual([2, 1]);
  });

  it('opens each version as it was, byte for byte', async () => {
    const id = await idOf('k1');
    const texts = await Promise.all(
      [1, 2, 3].map(
        async (version) => (await hospital.clinician.get(`/v1/records/${id}/history/${version}`).expect(200)).text,
      ),
    );
    expect(texts.map((text) => /"value":([\d.]+),"unit":"mmol\/L"\}/.exec(text)?.[1])).toEqual([
      '4.10',
      '4.20',
      '4.00',
    ]);
    await pat.get(`/v1/records/${id}/history/4`).expect(404);
    await hospital.bela.get(`/v1/records/${id}/history/1`).expect(404);
    await hospital.bela.get(`/v1/records/${id}/history`).expect(404);
    await hospital.bela.get(`/v1/records/${id}/provenance`).expect(404);
  });

  it('says in FHIR where each version came from, and then what the source itself says', async () => {
    const all = (await pages(pat, `/v1/records/${await idOf('k2')}/provenance`, 1)).flat() as unknown as {
      by: string;
      resource: { resourceType: string; recorded: string; target: { reference: string }[]; agent: object[] };
    }[];
    expect(all.map(({ by, resource }) => [by, resource.resourceType])).toEqual([
      ['portal', 'Provenance'],
      ['source', 'Provenance'],
    ]);
    expect(all[0]!.resource.target).toEqual([{ reference: `Observation/${await idOf('k2')}/_history/1` }]);
    expect(all[0]!.resource.agent).toMatchObject([{ who: { identifier: { value: SOURCE } } }]);
    expect(all[1]!.resource).toMatchObject({
      recorded: '2025-06-05T09:00:00Z',
      agent: [{ who: { display: 'The laboratory' } }],
    });
    expect((await pages(pat, `/v1/records/${await idOf('k1')}/provenance`, 2)).flat()).toHaveLength(3);
  });
});

describe('a record that was entered in error', () => {
  it('is its id and status and nothing else', async () => {
    const id = await idOf('wrong');
    for (const caller of [pat, hospital.clinician]) {
      const { body } = await caller.get(`/v1/records/${id}`).expect(200);
      expect(body).toMatchObject({
        id,
        type: 'Observation',
        status: 'entered-in-error',
        display: '',
        code: null,
        value: null,
        category: [],
      });
      expect((body as { resource: object }).resource).toEqual({
        resourceType: 'Observation',
        id,
        status: 'entered-in-error',
      });
    }
  });

  it('was never so for the patient, in no version; who treats them sees what stood there', async () => {
    const error = lab({
      ...{
        id: 'k3',
        at: '2025-09-30T23:30:00-05:00',
        status: 'entered-in-error',
        value: `"valueQuantity":{"value":5.0,"unit":"mmol/L"}`,
      },
      more: `,"meta":{"lastUpdated":"2026-01-01T00:00:00Z"}`,
    });
    await importBundle(hospital.feed, bundleOf('batch', error));
    const id = await idOf('k3');
    for (const version of [1, 2]) {
      const { text } = await pat.get(`/v1/records/${id}/history/${version}`).expect(200);
      expect(text).not.toMatch(/Potassium|5\.0/);
    }
    expect((await hospital.clinician.get(`/v1/records/${id}/history/1`).expect(200)).text).toContain('"value":5.0');
  });
});

it('a chart that is empty, another’s and one that is not there are told apart by nobody', async () => {
  const { bela, anna } = hospital;
  for (const what of ['summary', 'timeline', 'records']) {
    await bela.get(`/v1/patients/${bela.patientId}/${what}`).expect(200);
    await bela.get(`/v1/patients/${anna.patientId}/${what}`).expect(404);
  }
});
