import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  bundleOf,
  chartState,
  entryOf,
  importBundle,
  importLines,
  issuesOf,
  patientText,
  sendBundle,
  weightText,
  worked,
} from '../harness/feed.js';
import { openFeedWorld, type FeedWorld } from '../harness/feed-world.js';
import { makeFeed, makeStaff, type Caller, type Patient } from '../harness/people.js';
import type { Portal } from '../harness/portal.js';

const BODY_WEIGHT = 'http://hl7.org/fhir/us/core/StructureDefinition/us-core-body-weight';

let world: FeedWorld;
let portal: Portal;
let admin: Caller;
let feed: Caller;
let officer: Caller;
let pat: Patient;

beforeAll(async () => {
  world = await openFeedWorld();
  ({ portal, admin, feed, pat } = world);
  officer = await makeStaff(portal, admin, 'records_officer');
  await importLines(feed, patientText('p1', 'MRN-1'));
});

afterAll(() => world.close());

interface Item {
  id: string;
  state: string;
  version: number;
  type: string;
  sourceId: string;
  line: number;
  operationOutcome: { issue: { severity: string; expression?: string[] }[] };
}

const broken = (id: string, value = '7.10'): string => weightText(id, 'Patient/p1', value).replace('"final"', '"frog"');
const rowOf = (sourceId: string) => world.rowOf('Observation', sourceId);
const listed = async (state = 'open', by = officer): Promise<Item[]> =>
  ((await by.get(`/v1/imports/quarantine?state=${state}&limit=200`).expect(200)).body as { items: Item[] }).items;
const itemOf = async (sourceId: string, state = 'open'): Promise<Item> =>
  (await listed(state)).find((item) => item.sourceId === sourceId)!;
const put = (id: string, version: number, text: string) =>
  officer
    .send('put', `/v1/imports/quarantine/${id}`)
    .set('If-Match', `"${version}"`)
    .set('Content-Type', 'application/fhir+json')
    .send(text);

describe('a record that misses a profile that it claims', () => {
  it('is stored and shown, flagged, counted and told of, in the version that it claims', async () => {
    const good = weightText('meets', 'Patient/p1', '70.0', `,"meta":{"profile":["${BODY_WEIGHT}|6.1.0"]}`);
    const without = good.replace('"meets"', '"misses"').replace(/"effectiveDateTime":"[^"]*",/, '');
    const unknown = without.replace('"misses"', '"newer"').replace('|6.1.0', '|99.0.0');
    const result = await importLines(feed, good, without, unknown);
    expect(result).toMatchObject({ status: 'completed', created: 3, flagged: 1, quarantined: 0 });
    const issues = await issuesOf(feed, result.id);
    expect(issues).toMatchObject([{ line: 2, severity: 'warning', code: 'profile' }]);
    expect(issues[0]!.detail).toContain(`${BODY_WEIGHT}|6.1.0`);
    const flags = async (id: string) =>
      ((await pat.get(`/v1/records/${(await rowOf(id))!.id}`).expect(200)).body as { flags: string[] }).flags;
    expect([await flags('meets'), await flags('misses'), await flags('newer')]).toEqual([[], ['profile'], []]);
  });
});

describe('a record that is no good R4', () => {
  it('lies in quarantine as it was sent, with what is wrong, and in no chart; the same again is no more work', async () => {
    const result = await importLines(feed, weightText('beside', 'Patient/p1', '1'), broken('toad'));
    expect(result).toMatchObject({ status: 'completed-with-issues', created: 1, quarantined: 1, rejected: 0 });
    const item = await itemOf('toad');
    expect(item).toMatchObject({ state: 'open', version: 1, type: 'Observation', line: 2 });
    expect(item.operationOutcome.issue[0]).toMatchObject({ severity: 'error', expression: ['Observation.status'] });
    expect(JSON.stringify(item)).not.toContain('7.10');
    const { text } = await officer.get(`/v1/imports/quarantine/${item.id}`).expect(200);
    expect(text).toContain(`"resource":${broken('toad')}`);
    expect(await rowOf('toad')).toBeUndefined();
    const stored = await portal.owner.query<{ line: string }>('SELECT q::text AS line FROM records.quarantine q');
    expect(stored.rows.map(({ line }) => line).join()).not.toMatch(/7\.10|Body weight/);
    await importLines(feed, broken('toad'));
    expect(await listed()).toHaveLength(1);
  });

  it('is put right by the records office, tried again, and gets into its chart as corrected', async () => {
    const { id, version } = await itemOf('toad');
    await put(id, version, broken('toad').replace('"frog"', '"finel"')).expect(200);
    await put(id, version, weightText('toad', 'Patient/p1', '7.10')).expect(412);
    const still = await itemOf('toad');
    expect(still.operationOutcome.issue).not.toEqual([]);
    const other = await put(id, still.version, weightText('other', 'Patient/p1', '7.10')).expect(422);
    expect(other.body).toMatchObject({ code: 'records.other-record' });
    await put(id, still.version, '{"resourceType":"Observation"').expect(400);
    const right = await put(id, still.version, weightText('toad', 'Patient/p1', '7.10')).expect(200);
    expect(right.body).toMatchObject({ state: 'open', operationOutcome: { issue: [] } });
    await officer.post(`/v1/imports/quarantine/${id}/retry`).expect(202);
    await officer.post(`/v1/imports/quarantine/${id}/retry`).expect(409);
    await worked(portal);
    expect(await itemOf('toad', 'released')).toMatchObject({ id });
    const row = (await rowOf('toad'))!;
    expect((await pat.get(`/v1/records/${row.id}`).expect(200)).text).toContain('"value":7.10,');
    const { rows } = await portal.owner.query('SELECT flags FROM records.record WHERE record_id = $1', [row.id]);
    expect(rows).toEqual([{ flags: ['corrected'] }]);
    await put(id, 99, weightText('toad', 'Patient/p1', '1')).expect(412);
  });

  it('that is no better comes back to the list', async () => {
    await importLines(feed, broken('still'));
    const { id } = await itemOf('still');
    await officer.post(`/v1/imports/quarantine/${id}/retry`).expect(202);
    await worked(portal);
    expect(await itemOf('still')).toMatchObject({ id, version: 3 });
    expect(await rowOf('still')).toBeUndefined();
  });

  it('is back on the list when its second try is cancelled', async () => {
    await importLines(feed, broken('cancelled'));
    const { id } = await itemOf('cancelled');
    // The try lies there as it does when no replica works: the feed ends it by its own route.
    await portal.owner.query(`SELECT set_config('app.account_id', $1, false)`, [await officer.accountId()]);
    const { rows } = await portal.owner.query<{ id: string }>('SELECT gen_random_uuid() AS id');
    await portal.owner.query(
      `SELECT records.retry_quarantine($1, $2, gen_random_uuid(), NULL, now() + interval '1 hour')`,
      [id, rows[0]!.id],
    );
    expect(await itemOf('cancelled', 'retrying')).toMatchObject({ id });
    await feed.post(`/v1/imports/${rows[0]!.id}/cancel`).expect(200);
    expect(await itemOf('cancelled')).toMatchObject({ id, state: 'open' });
  });

  it('of a Bundle gets to the patient that its fullUrl named there', async () => {
    const fullUrl = 'urn:uuid:5b0ea97c-7dd7-4b54-9cb0-1a7bb1a5a4c1';
    const sent = weightText('of-bundle', fullUrl, '8.20').replace('"final"', '"frog"');
    const bundle = bundleOf('batch', entryOf(patientText('p1', 'MRN-1'), { fullUrl }), entryOf(sent));
    expect(await importBundle(feed, bundle)).toMatchObject({ quarantined: 1 });
    const { id, version } = await itemOf('of-bundle');
    await put(id, version, weightText('of-bundle', fullUrl, '8.20')).expect(200);
    await officer.post(`/v1/imports/quarantine/${id}/retry`).expect(202);
    await worked(portal);
    const row = (await rowOf('of-bundle'))!;
    const { text } = await pat.get(`/v1/records/${row.id}`).expect(200);
    expect(text).toContain(`"reference":"Patient/${pat.patientId}"`);
  });

  it('is discarded for a reason, and not brought back by its sender', async () => {
    await importLines(feed, broken('discarded'));
    const { id } = await itemOf('discarded');
    await officer.post(`/v1/imports/quarantine/${id}/discard`, {}).expect(400);
    await officer.post(`/v1/imports/quarantine/${id}/discard`, { reason: 'A test of the device.' }).expect(200);
    await officer.post(`/v1/imports/quarantine/${id}/retry`).expect(409);
    await importLines(feed, broken('discarded'));
    expect(await itemOf('discarded')).toBeUndefined();
    await expect(
      portal.owner.query("UPDATE records.quarantine SET state = 'open' WHERE quarantine_id = $1", [id]),
    ).rejects.toThrow(/it is over/);
  });

  it('is no more work when its sender sends something good', async () => {
    await importLines(feed, broken('again'));
    expect(await itemOf('again')).toBeDefined();
    await importLines(feed, weightText('again', 'Patient/p1', '2'));
    expect(await itemOf('again')).toBeUndefined();
    expect(await itemOf('again', 'superseded')).toBeDefined();
  });

  it('of a patient under another medical record number waits for a person to decide, and moves nothing', async () => {
    const before = await chartState(portal);
    expect(await importLines(feed, patientText('p1', 'MRN-OF-ANOTHER'))).toMatchObject({ quarantined: 1 });
    expect(await chartState(portal)).toEqual(before);
    expect(await itemOf('p1')).toMatchObject({ type: 'Patient' });
  });

  it('is seen by the feed that sent it and the records office, and worked by the latter alone', async () => {
    const { id, version } = await itemOf('still');
    expect((await listed('open', feed)).map((item) => item.id)).toContain(id);
    const other = await makeFeed(portal, admin, 'https://other.test');
    expect(await listed('open', other)).toEqual([]);
    await other.get(`/v1/imports/quarantine/${id}`).expect(404);
    for (const caller of [pat, admin]) await caller.get(`/v1/imports/quarantine/${id}`).expect(403);
    await feed.post(`/v1/imports/quarantine/${id}/retry`).expect(403);
    await feed.post(`/v1/imports/quarantine/${id}/discard`, { reason: 'x' }).expect(403);
    await feed
      .send('put', `/v1/imports/quarantine/${id}`)
      .set('If-Match', `"${version}"`)
      .set('Content-Type', 'application/fhir+json')
      .send('{}')
      .expect(403);
    await expect(sendBundle(officer, '{}').expect(403)).resolves.toBeDefined();
  });
});
