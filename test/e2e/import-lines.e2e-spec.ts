import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  bundleOf,
  chartState,
  entryOf,
  importBundle,
  importLines,
  issuesOf,
  outcomeOf,
  patientText,
  sendBundle,
  weightText,
} from '../harness/feed.js';
import { openFeedWorld, type FeedWorld } from '../harness/feed-world.js';
import { makeFeed, makePatient, type Caller, type Patient } from '../harness/people.js';
import type { Portal } from '../harness/portal.js';

const NDJSON = 'application/fhir+ndjson';

let world: FeedWorld;
let portal: Portal;
let admin: Caller;
let feed: Caller;
let pat: Patient;

beforeAll(async () => {
  world = await openFeedWorld();
  ({ portal, admin, feed, pat } = world);
});

afterAll(() => world.close());

const rowOf: FeedWorld['rowOf'] = (...args) => world.rowOf(...args);
const at = (time: string): string => `,"meta":{"lastUpdated":"${time}"}`;
const deletions = (timestamp: string | null, ...urls: string[]): string =>
  `{"resourceType":"Bundle","type":"transaction",${timestamp === null ? '' : `"timestamp":"${timestamp}",`}"entry":[${urls
    .map((url) => `{"request":{"method":"DELETE","url":"${url}"}}`)
    .join(',')}]}`;

describe('a file of lines', () => {
  it('may come in any order: what refers forwards is resolved, and held records are released, within one import', async () => {
    const doctor =
      '{"resourceType":"Practitioner","id":"dr","identifier":[{"system":"http://npi.test","value":"7"}],"name":[{"family":"Who"}]}';
    const provenance =
      '{"resourceType":"Provenance","id":"prov","recorded":"2024-01-01T00:00:00Z","agent":[{"who":{"display":"Us"}}],"target":[{"reference":"Observation/w1"}]}';
    const result = await importLines(
      feed,
      provenance,
      weightText(
        'w1',
        'Patient/p1',
        '70.50',
        ',"performer":[{"reference":"Practitioner?identifier=http://npi.test|7"}],"hasMember":[{"reference":"Observation/w2"}]',
      ),
      '',
      weightText('w2', 'Patient/p1', '1.0e2'),
      patientText('p1', 'MRN-1'),
      doctor,
      '',
    );
    expect(result).toMatchObject({ status: 'completed', bundleType: 'ndjson', entries: 5, created: 5, rejected: 0 });
    const { text } = await pat.get(`/v1/records/${(await rowOf('Observation', 'w1'))!.id}`).expect(200);
    expect(text).toContain(`"reference":"Practitioner/${(await rowOf('Practitioner', 'dr'))!.id}"`);
    expect(text).toContain(`"reference":"Observation/${(await rowOf('Observation', 'w2'))!.id}"`);
    expect(text).toContain('"value":70.50,');
    expect(await rowOf('Provenance', 'prov')).toMatchObject({ patientId: pat.patientId, version: 1 });
    const { rows } = await portal.owner.query('SELECT * FROM records.awaited');
    expect(rows).toEqual([]);
    const chunks = await portal.owner.query('SELECT * FROM records.import_chunk');
    expect(chunks.rows).toEqual([]);
  });

  it('names each line that cannot be read and takes the others', async () => {
    const good = weightText('beside', 'Patient/p1', '1');
    const result = await importLines(
      feed,
      good,
      '{"resourceType":"Observation","id":"cut"',
      '{"resourceType":"Observation","id":"twice","id":"twice"}',
      '{"no":"type"}',
      '"words"',
      good.replace('"id":"beside",', ''),
      deletions(null, 'Patient?name=x'),
      bundleOf('transaction', entryOf(good)),
      good.replace('beside', 'beside-2'),
    );
    expect(result).toMatchObject({ status: 'completed-with-issues', created: 2, rejected: 7 });
    expect((await issuesOf(feed, result.id)).map(({ line, entry, code }) => [line, entry, code])).toEqual([
      [2, null, 'truncated'],
      [3, null, 'duplicate-key'],
      [4, null, 'unknown-type'],
      [5, null, 'wrong-json-type'],
      [6, null, 'missing-id'],
      [7, null, 'delete-without-id'],
      [8, null, 'bundle-in-lines'],
    ]);
    const { body } = await feed.get(`/v1/imports/${result.id}/issues`).expect(200);
    expect((body as { items: { operationOutcome: object }[] }).items[0]!.operationOutcome).toMatchObject({
      resourceType: 'OperationOutcome',
      issue: [{ severity: 'error', code: 'invalid' }],
    });
  });

  it('that the database does not take, for whatever reason, loses that line alone', async () => {
    await portal.owner.query(
      "ALTER TABLE records.record ADD CONSTRAINT test__unstorable CHECK (source_id <> 'unstorable')",
    );
    const lines = ['st-1', 'unstorable', 'st-2', 'st-1'].map((id, n) => weightText(id, 'Patient/p1', `${n}.5`));
    const result = await importLines(feed, ...lines);
    await portal.owner.query('ALTER TABLE records.record DROP CONSTRAINT test__unstorable');
    expect(result).toMatchObject({ entries: 4, created: 2, updated: 1, rejected: 1, failure: null });
    expect(await issuesOf(feed, result.id)).toMatchObject([{ line: 2, severity: 'error', code: 'not-storable' }]);
    expect(await importLines(feed, ...lines)).toMatchObject({ created: 1, rejected: 0 });
  });

  it('that has keys of any length is taken like another: what no index can hold is no key', async () => {
    const long = (bytes: number) => randomBytes(bytes).toString('base64url');
    const person = patientText('long', 'MRN-LONG')
      .replace('"Feed"', `"${long(6_000)}"`)
      .replace('"identifier":[', `"identifier":[{"system":"urn:${long(6_000)}","value":"${long(6_000)}"},`);
    const result = await importLines(
      feed,
      person,
      weightText('long-code', 'Patient/long', '1').replace('29463-7', long(6_000)),
      weightText('long-reference', `Patient?identifier=urn:${long(6_000)}|${long(6_000)}`, '1'),
      weightText(long(6_000), 'Patient/long', '1'),
      weightText(long(100), 'Patient/long', '1'),
      `{"resourceType":"Organization","id":"long-org","identifier":[{"system":"urn:x","value":"${long(6_000)}"}],"name":"${long(6_000)}"}`,
      weightText('after-long', 'Patient/long', '1'),
    );
    expect(result).toMatchObject({ status: 'completed-with-issues', created: 5, quarantined: 1, rejected: 1 });
    expect(await rowOf('Observation', 'after-long')).toBeDefined();
  });

  it('that is no UTF-8, or has a line that is too long, loses that line alone', async () => {
    const lines = Buffer.concat([
      Buffer.from(`${weightText('utf8', 'Patient/p1', '1')}\r\n`),
      Buffer.from([0x7b, 0xff, 0x7d, 0x0a]),
      Buffer.from(`{"resourceType":"Basic","id":"big","description":"${'QUJD'.repeat(5 * 1024 * 1024)}"}\n`),
      Buffer.from(weightText('utf8-2', 'Patient/p1', '1')),
    ]);
    const { body } = await feed.send('post', '/v1/imports').set('Content-Type', NDJSON).send(lines).expect(202);
    const result = await outcomeOf(feed, (body as { id: string }).id);
    expect(result).toMatchObject({ created: 2, rejected: 2 });
    expect((await issuesOf(feed, result.id)).map(({ line, code }) => [line, code])).toEqual([
      [2, 'invalid-utf8'],
      [3, 'entry-too-large'],
    ]);
  });

  it('takes several versions of one record in one file in their order', async () => {
    const version = (value: string) => weightText('often', 'Patient/p1', value);
    await importLines(feed, version('1'), version('2'), version('2'), version('3'));
    const row = (await rowOf('Observation', 'often'))!;
    expect(row.version).toBe(3);
    expect((await pat.get(`/v1/records/${row.id}`)).text).toContain('"value":3,');
  });
});

describe('an export of several files', () => {
  it('is opened, filled, completed, and worked as one', async () => {
    const opened = await feed.post('/v1/imports/open', { transactionTime: '2024-07-01T00:00:00Z' }).expect(201);
    const { id } = opened.body as { id: string };
    expect(opened.body).toMatchObject({ status: 'open', bytesTotal: 0 });
    const add = (name: string, text: string) =>
      feed.send('post', `/v1/imports/${id}/files?name=${name}`).set('Content-Type', NDJSON).send(text);
    await add('deleted.ndjson', deletions(null, 'Observation/x-gone')).expect(201);
    await add(
      'Observation.ndjson',
      [weightText('x-1', 'Patient/x', '1'), weightText('x-gone', 'Patient/x', '2', at('2024-06-01T00:00:00Z'))].join(
        '\n',
      ),
    ).expect(201);
    const named = await add('Patient.ndjson', patientText('x', 'MRN-X')).expect(201);
    expect(named.body).toMatchObject({ name: 'Patient.ndjson', bytes: patientText('x', 'MRN-X').length });
    expect((await feed.get(`/v1/imports/${id}`)).body).toMatchObject({ status: 'open', entries: 0 });
    await feed.post(`/v1/imports/${id}/complete`).expect(202);
    await add('late.ndjson', '').expect(409);
    await feed.post(`/v1/imports/${id}/complete`).expect(409);
    expect(await outcomeOf(feed, id)).toMatchObject({ status: 'completed', created: 3, deleted: 1, released: 0 });
    const { rows } = await portal.owner.query(
      "SELECT is_deleted, source_updated_at FROM records.record WHERE source_id = 'x-gone'",
    );
    expect(rows).toEqual([{ is_deleted: true, source_updated_at: new Date('2024-07-01T00:00:00Z') }]);
  });

  it('can be cancelled before it begins, and then takes nothing more', async () => {
    const { id } = (await feed.post('/v1/imports/open', {}).expect(201)).body as { id: string };
    await feed
      .send('post', `/v1/imports/${id}/files`)
      .set('Content-Type', NDJSON)
      .send(weightText('never', 'Patient/p1', '1'))
      .expect(201);
    expect((await feed.post(`/v1/imports/${id}/cancel`).expect(200)).body).toEqual({ id, status: 'cancelled' });
    await feed.post(`/v1/imports/${id}/complete`).expect(409);
    await feed.post(`/v1/imports/${id}/cancel`).expect(409);
    expect(await outcomeOf(feed, id)).toMatchObject({ status: 'cancelled', created: 0 });
    expect(await rowOf('Observation', 'never')).toBeUndefined();
    expect((await portal.owner.query('SELECT * FROM records.import_chunk')).rows).toEqual([]);
  });
});

describe('a deletion', () => {
  const version = (id: string, value: string, time?: string) =>
    weightText(id, 'Patient/p1', value, time === undefined ? '' : at(time));

  it('leaves a tombstone that answers 410 to who may see it, and 404 to others', async () => {
    await importLines(feed, version('gone', '1', '2024-05-01T00:00:00Z'));
    const { id } = (await rowOf('Observation', 'gone'))!;
    expect(await importLines(feed, deletions('2024-05-02T00:00:00Z', 'Observation/gone'))).toMatchObject({
      deleted: 1,
    });
    await pat.get(`/v1/records/${id}`).expect(410);
    const bela = await makePatient(portal, admin);
    await bela.get(`/v1/records/${id}`).expect(404);
    const { text } = await pat.get(`/v1/patients/${pat.patientId}/records?limit=200`).expect(200);
    expect(text).not.toContain(id);
    const { rows } = await portal.owner.query('SELECT version FROM records.record_version WHERE record_id = $1', [id]);
    expect(rows).toEqual([{ version: 1 }]);
  });

  it('is not undone by a late update, also when it came before the record itself', async () => {
    await importLines(feed, deletions('2024-05-02T00:00:00Z', 'Observation/before'));
    const result = await importLines(feed, version('before', '1', '2024-05-01T00:00:00Z'));
    expect(result).toMatchObject({ unchanged: 1, created: 0 });
    expect(await issuesOf(feed, result.id)).toMatchObject([{ code: 'withdrawn' }]);
    await importLines(feed, version('before', '2'));
    const row = (await rowOf('Observation', 'before'))!;
    expect(row.patientId).toBe(pat.patientId);
    await pat.get(`/v1/records/${row.id}`).expect(410);
    await importLines(feed, version('before', '3', '2024-05-03T00:00:00Z'));
    expect((await pat.get(`/v1/records/${row.id}`).expect(200)).text).toContain('"value":3,');
  });

  it('of a Patient keeps the chart, and is taken in a transaction too', async () => {
    const chart = await makePatient(portal, admin, { mrn: 'MRN-DEL' });
    await importLines(feed, patientText('del', 'MRN-DEL'), weightText('of-del', 'Patient/del', '1'));
    await importBundle(feed, bundleOf('transaction', '{"request":{"method":"DELETE","url":"Patient/del"}}'));
    await chart.get(`/v1/records/${chart.patientId}`).expect(410);
    await chart.get(`/v1/records/${(await rowOf('Observation', 'of-del'))!.id}`).expect(200);
    await importLines(feed, weightText('after-del', 'Patient/del', '1'));
    expect(await rowOf('Observation', 'after-del')).toMatchObject({ patientId: chart.patientId });
  });

  it('twice changes nothing more', async () => {
    await importLines(feed, version('twice-gone', '1'), deletions(null, 'Observation/twice-gone'));
    const before = await chartState(portal);
    await importLines(feed, version('twice-gone', '1'), deletions(null, 'Observation/twice-gone'));
    expect(await chartState(portal)).toEqual(before);
  });

  it('and an entry in error are both final for what is older', async () => {
    const wrong = version('wrong', '1', '2024-05-02T00:00:00Z').replace('"final"', '"entered-in-error"');
    await importLines(feed, wrong, version('wrong', '2', '2024-05-01T00:00:00Z'), version('wrong', '3'));
    const { rows } = await portal.owner.query("SELECT status, version FROM records.record WHERE source_id = 'wrong'");
    expect(rows).toEqual([{ status: 'entered-in-error', version: 1 }]);
  });
});

describe('files that come at once', () => {
  it('are all taken, also where there are more of them than connections to the database', async () => {
    const { id } = (await feed.post('/v1/imports/open', {}).expect(201)).body as { id: string };
    const blank = `${' '.repeat(1_200_000)}\n`;
    const files = Array.from({ length: 16 }, (_, at) => blank + weightText(`at-once-${at}`, 'Patient/p1', '1'));
    const answers = await Promise.all(
      files.map((text) => feed.send('post', `/v1/imports/${id}/files`).set('Content-Type', NDJSON).send(text)),
    );
    expect(answers.map(({ status }) => status)).toEqual(files.map(() => 201));
    await feed.post(`/v1/imports/${id}/complete`).expect(202);
    expect(await outcomeOf(feed, id)).toMatchObject({ status: 'completed', created: files.length });
  });

  it('and are never said to be all end after a week', async () => {
    const { id } = (await feed.post('/v1/imports/open', {}).expect(201)).body as { id: string };
    const sweep = (days: number) =>
      portal.owner.query(`SELECT records.sweep_chunks(now(), now() + $1 * interval '1 day')`, [days]);
    await sweep(6);
    expect((await feed.get(`/v1/imports/${id}`).expect(200)).body).toMatchObject({ status: 'open' });
    await sweep(8);
    expect((await feed.get(`/v1/imports/${id}`).expect(200)).body).toMatchObject({
      status: 'cancelled',
      failure: 'never-completed',
    });
  });
});

describe('imports of two feeds', () => {
  it('see nothing of each other', async () => {
    const other = await makeFeed(portal, admin, 'https://other.test');
    const { id } = (await feed.post('/v1/imports/open', {}).expect(201)).body as { id: string };
    await other.send('post', `/v1/imports/${id}/files`).set('Content-Type', NDJSON).send('{}').expect(404);
    await other.post(`/v1/imports/${id}/complete`).expect(404);
    await other.post(`/v1/imports/${id}/cancel`).expect(404);
    const { body } = await other.get('/v1/imports').expect(200);
    expect((body as { items: unknown[] }).items).toEqual([]);
    await sendBundle(other, deletions(null, 'Observation/w1'), NDJSON).expect(202);
    await outcomeOf(other, ((await other.get('/v1/imports')).body as { items: { id: string }[] }).items[0]!.id);
    await pat.get(`/v1/records/${(await rowOf('Observation', 'w1'))!.id}`).expect(200);
  });

  it('are not worked for an account that has lost the feed', async () => {
    const gone = await makeFeed(portal, admin, 'https://gone.test');
    const { id } = (await gone.post('/v1/imports/open', {}).expect(201)).body as { id: string };
    await portal.owner.query(
      "UPDATE users.account_role SET revoked_at = now(), revoked_via = 'operator' WHERE account_id = (SELECT account_id FROM users.feed WHERE source = 'https://gone.test')",
    );
    await portal.owner.query(
      "UPDATE records.import SET status = 'queued', queued_at = now(), next_at = now() WHERE import_id = $1",
      [id],
    );
    await outcomeOf(feed, (await importLines(feed, weightText('other', 'Patient/p1', '1'))).id);
    const { rows } = await portal.owner.query('SELECT status, failure FROM records.import WHERE import_id = $1', [id]);
    expect(rows).toEqual([{ status: 'failed', failure: 'feed-withdrawn' }]);
  });
});
