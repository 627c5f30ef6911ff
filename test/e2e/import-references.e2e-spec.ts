import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { bundleOf, chartState, entryOf, importBundle, issuesOf, patientText, weightText } from '../harness/feed.js';
import { openFeedWorld, SOURCE, type FeedWorld } from '../harness/feed-world.js';
import { makeFeed, makePatient, type Caller, type Patient } from '../harness/people.js';
import type { Portal } from '../harness/portal.js';

let world: FeedWorld;
let portal: Portal;
let admin: Caller;
let feed: Caller;
let pat: Patient;

beforeAll(async () => {
  world = await openFeedWorld();
  ({ portal, admin, feed, pat } = world);
  await importBundle(feed, bundleOf('transaction', entryOf(patientText('p1', 'MRN-1'))));
});

afterAll(() => world.close());

const rowOf: FeedWorld['rowOf'] = (...args) => world.rowOf(...args);

const textOf = async (id: string): Promise<string> => (await pat.get(`/v1/records/${id}`).expect(200)).text;

describe('references', () => {
  it('are resolved by fullUrl, by id within the feed, by identifier, and forwards; others stay as sent', async () => {
    const doctor =
      '{"resourceType":"Practitioner","id":"dr","identifier":[{"system":"http://npi.test","value":"99"}],"name":[{"family":"Who"}]}';
    await importBundle(feed, bundleOf('batch', entryOf(doctor)));
    const performers = [
      'Practitioner?identifier=http://npi.test|99',
      'Practitioner?identifier=http://npi.test%7C99',
      'Practitioner/dr',
      `${SOURCE}/Practitioner/dr`,
      '#in',
      'https://elsewhere.test/Practitioner/dr',
      'Practitioner/nobody',
    ]
      .map((reference) => `{"reference":"${reference}"}`)
      .join(',');
    const contained = '{"resourceType":"Practitioner","id":"in","name":[{"family":"Inside"}]}';
    const result = await importBundle(
      feed,
      bundleOf(
        'transaction',
        entryOf(
          weightText(
            'referring',
            'urn:uuid:0b7f4a3e-0000-4000-8000-0000000000ff',
            '1',
            `,"contained":[${contained}],"performer":[${performers}],"hasMember":[{"reference":"Observation/later"}]`,
          ),
        ),
        entryOf(weightText('later', 'Patient/p1', '1')),
        entryOf(patientText('p1', 'MRN-1'), {
          fullUrl: 'urn:uuid:0b7f4a3e-0000-4000-8000-0000000000ff',
          request: { method: 'PUT', url: 'Patient/p1' },
        }),
      ),
    );
    expect(result).toMatchObject({ created: 2, unchanged: 1 });
    const resource = (
      JSON.parse(await textOf((await rowOf('Observation', 'referring'))!.id)) as {
        resource: {
          id: string;
          subject: { reference: string };
          performer: { reference: string }[];
          hasMember: { reference: string }[];
        };
      }
    ).resource;
    const dr = `Practitioner/${(await rowOf('Practitioner', 'dr'))!.id}`;
    expect(resource.performer.map(({ reference }: { reference: string }) => reference)).toEqual([
      dr,
      dr,
      dr,
      dr,
      '#in',
      'https://elsewhere.test/Practitioner/dr',
      'Practitioner/nobody',
    ]);
    expect(resource.subject.reference).toBe(`Patient/${pat.patientId}`);
    expect(resource.hasMember[0]!.reference).toBe(`Observation/${(await rowOf('Observation', 'later'))!.id}`);
    expect(resource.id).toBe('referring');
    expect(await issuesOf(feed, result.id)).toMatchObject([
      { entry: 0, severity: 'warning', code: 'unresolved-reference', path: '/performer/6/reference' },
    ]);
  });

  it('by identifier stay as sent when two are meant', async () => {
    const named = (id: string) =>
      entryOf(`{"resourceType":"Practitioner","id":"${id}","identifier":[{"system":"http://npi.test","value":"100"}]}`);
    const result = await importBundle(
      feed,
      bundleOf(
        'collection',
        named('one'),
        named('two'),
        entryOf(
          weightText(
            'ambiguous',
            'Patient/p1',
            '1',
            ',"performer":[{"reference":"Practitioner?identifier=http://npi.test|100"}]',
          ),
        ),
      ),
    );
    expect(await issuesOf(feed, result.id)).toMatchObject([{ entry: 2, code: 'unresolved-reference' }]);
    expect(await textOf((await rowOf('Observation', 'ambiguous'))!.id)).toContain(
      'Practitioner?identifier=http://npi.test|100',
    );
  });

  it('decide whose record it is; without a patient it is held, visible to nobody, and comes out when the patient does', async () => {
    const held = bundleOf('collection', entryOf(weightText('held', 'Patient/p-late', '1')));
    const result = await importBundle(feed, held);
    expect((await issuesOf(feed, result.id)).map(({ code }) => code)).toEqual(['unresolved-reference', 'no-patient']);
    const row = (await rowOf('Observation', 'held'))!;
    expect(row.patientId).toBeNull();
    await pat.get(`/v1/records/${row.id}`).expect(404);
    const late = await makePatient(portal, admin, { mrn: 'MRN-LATE' });
    await importBundle(feed, bundleOf('collection', entryOf(patientText('p-late', 'MRN-LATE'))));
    expect(await rowOf('Observation', 'held')).toEqual({ ...row, patientId: late.patientId });
    const { text } = await late.get(`/v1/records/${row.id}`).expect(200);
    expect(text).toContain(`"reference":"Patient/${late.patientId}"`);
    expect(await importBundle(feed, held)).toMatchObject({ created: 0, updated: 0, unchanged: 1 });
  });

  it("a Provenance is its targets' patient's", async () => {
    const provenance = (id: string, ...targets: string[]) =>
      entryOf(
        `{"resourceType":"Provenance","id":"${id}","target":[${targets.map((one) => `{"reference":"${one}"}`).join(',')}],"recorded":"2024-01-01T00:00:00Z","agent":[{"who":{"display":"Us"}}]}`,
      );
    await importBundle(
      feed,
      bundleOf(
        'collection',
        provenance('of-p1', 'Observation/later', 'Practitioner/dr', 'Patient/p1'),
        provenance('of-two', 'Observation/later', 'Patient/p-late'),
      ),
    );
    expect(await rowOf('Provenance', 'of-p1')).toMatchObject({ patientId: pat.patientId });
    expect(await rowOf('Provenance', 'of-two')).toMatchObject({ patientId: null });
  });
});

describe('patients', () => {
  it('are matched by medical record number alone, also across feeds', async () => {
    const second = await makeFeed(portal, admin, 'https://lab.test');
    await importBundle(
      second,
      bundleOf(
        'transaction',
        entryOf(patientText('lab-7', 'MRN-1')),
        entryOf(weightText('lab-1', 'Patient/lab-7', '3')),
      ),
    );
    expect(await rowOf('Patient', 'lab-7', 'https://lab.test')).toMatchObject({ patientId: pat.patientId });
    const weight = (await rowOf('Observation', 'lab-1', 'https://lab.test'))!;
    expect(await textOf(weight.id)).toContain(`"reference":"Patient/${pat.patientId}"`);
    const twin = patientText('twin', 'MRN-TWIN');
    await importBundle(second, bundleOf('transaction', entryOf(twin)));
    expect((await rowOf('Patient', 'twin', 'https://lab.test'))!.patientId).not.toBe(pat.patientId);
  });

  it("do not move to another chart on a feed's word", async () => {
    const before = await chartState(portal);
    const moved = bundleOf(
      'transaction',
      entryOf(patientText('p1', 'MRN-OF-SOMEBODY-ELSE')),
      entryOf(weightText('moved', 'Patient/p1', '3')),
    );
    const failed = await importBundle(feed, moved);
    expect(failed).toMatchObject({ status: 'failed' });
    expect(await issuesOf(feed, failed.id)).toMatchObject([{ entry: 0, code: 'patient-identity-changed' }]);
    expect(await chartState(portal)).toEqual(before);
    const rest = await importBundle(feed, moved.replace('transaction', 'collection'));
    expect(rest).toMatchObject({ status: 'completed-with-issues', created: 1, quarantined: 1 });
    expect(await rowOf('Observation', 'moved')).toMatchObject({ patientId: pat.patientId });
  });
});
