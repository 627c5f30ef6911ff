import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { bundleOf, entryOf, importBundle, issuesOf, patientText, sendBundle, streamBody, weightText } from '../harness/feed.js';
import { checkLedger } from '../harness/ledger.js';
import { makeAdmin, makeFeed, makePatient, type Caller, type Patient } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

const MB = 1024 * 1024;
const SOURCE = 'https://ehr.test/fhir';

let portal: Portal;
let admin: Caller;
let feed: Caller;
let pat: Patient;

beforeAll(async () => {
  portal = await startPortal({ env: { IMPORT_LIMIT_MB: '8', IMPORT_MAX_ENTRIES: '500' } });
  admin = await makeAdmin(portal);
  feed = await makeFeed(portal, admin, SOURCE);
  pat = await makePatient(portal, admin, { mrn: 'MRN-1' });
  await importBundle(feed, bundleOf('transaction', entryOf(patientText('p1', 'MRN-1'))));
});

afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});

/** Everything that imports write. */
async function stored(): Promise<unknown> {
  const { rows } = await portal.owner.query<{ state: unknown }>(
    `SELECT json_build_array(
       (SELECT json_agg(x ORDER BY x.record_id) FROM (SELECT record_id, version, patient_id, encode(content_mac, 'hex') AS mac FROM records.record) x),
       (SELECT json_agg(x ORDER BY x.record_id, x.version) FROM (SELECT record_id, version FROM records.record_version) x),
       (SELECT count(*) FROM users.patient), (SELECT json_agg(x ORDER BY x.record_id, x.system, x.value) FROM records.directory_identifier x)) AS state`,
  );
  return rows[0]!.state;
}

const importCount = async (): Promise<number> => Number((await portal.owner.query<{ n: string }>('SELECT count(*) AS n FROM records.import')).rows[0]!.n);

interface Row {
  id: string;
  patientId: string | null;
  version: number;
}

const rowOf = async (type: string, sourceId: string, source = SOURCE): Promise<Row | undefined> =>
  (
    await portal.owner.query<Row>(
      'SELECT record_id AS id, patient_id AS "patientId", version FROM records.record WHERE source = $1 AND type = $2 AND source_id = $3',
      [source, type, sourceId],
    )
  ).rows[0];

const textOf = async (id: string): Promise<string> => (await pat.get(`/v1/records/${id}`).expect(200)).text;
const updatedAt = (at: string): string => `,"meta":{"lastUpdated":"${at}"}`;

describe('an import', () => {
  it('is accepted as a job with its place, and tells its counts', async () => {
    const answer = await sendBundle(feed, bundleOf('collection', entryOf(weightText('counted', 'Patient/p1', '70.0')))).expect(202);
    const { id } = answer.body as { id: string };
    expect(answer.body).toEqual({ id, status: 'completed' });
    expect(answer.headers.location).toBe(`/v1/imports/${id}`);
    const { body } = await feed.get(`/v1/imports/${id}`).expect(200);
    expect(body).toMatchObject({
      id, status: 'completed', bundleType: 'collection', source: SOURCE, entries: 1, created: 1, updated: 0, unchanged: 0, rejected: 0,
      byType: { Observation: { entries: 1, created: 1, updated: 0, unchanged: 0, rejected: 0 } },
    });
  });

  it('is for feeds, and each sees its own', async () => {
    const bundle = bundleOf('collection', entryOf(weightText('stolen', 'Patient/p1', '1')));
    expect((await sendBundle(pat, bundle)).status).toBe(403);
    expect((await sendBundle(admin, bundle)).status).toBe(403);
    const { id } = await importBundle(feed, bundle);
    const stranger = await makeFeed(portal, admin, 'https://stranger.test');
    const requestId = randomUUID();
    const answers = await Promise.all([id, randomUUID()].map((one) => stranger.get(`/v1/imports/${one}`).set('X-Request-Id', requestId).expect(404)));
    expect(answers[0]!.text).toBe(answers[1]!.text);
    await stranger.get(`/v1/imports/${id}/issues`).expect(404);
    await pat.get(`/v1/imports/${id}`).expect(403);
  });

  it('changes nothing the second time, and nothing more when two come at once', async () => {
    const bundle = bundleOf('transaction', ...Array.from({ length: 60 }, (_, at) => entryOf(weightText(`twice-${at}`, 'Patient/p1', `${at}.50`))));
    const results = await Promise.all([importBundle(feed, bundle), importBundle(feed, bundle), importBundle(feed, bundle)]);
    expect(results.map(({ created }) => created).sort()).toEqual([0, 0, 60]);
    expect(results.map(({ unchanged }) => unchanged).sort()).toEqual([0, 60, 60]);
    const before = await stored();
    expect(await importBundle(feed, bundle)).toMatchObject({ status: 'completed', created: 0, updated: 0, unchanged: 60 });
    expect(await stored()).toEqual(before);
  });

  it('names in the audit trail whose records it changed', async () => {
    const requestId = randomUUID();
    await sendBundle(feed, bundleOf('collection', entryOf(weightText('audited', 'Patient/p1', '70.0')))).set('X-Request-Id', requestId).expect(202);
    const { id } = (await rowOf('Observation', 'audited'))!;
    const { rows } = await portal.owner.query<{ event: string; subject: string | null }>(
      `SELECT event, subject FROM audit.inbox WHERE request_id = $1 UNION ALL SELECT (leaf::json->'e')::text, subject FROM audit.entry WHERE request_id = $1`,
      [requestId],
    );
    const event = rows.find(({ subject }) => subject === pat.patientId)!.event;
    expect(JSON.parse(event)).toMatchObject({ sub: 'Import.import', res: [{ t: 'Observation', i: id, v: 1 }] });
  });
});

describe('versions', () => {
  it('a changed record gets a new version and keeps the old one, which still opens', async () => {
    await importBundle(feed, bundleOf('transaction', entryOf(weightText('changing', 'Patient/p1', '70.0'))));
    const first = (await rowOf('Observation', 'changing'))!;
    expect(await importBundle(feed, bundleOf('transaction', entryOf(weightText('changing', 'Patient/p1', '70.00'))))).toMatchObject({ updated: 1 });
    expect(await rowOf('Observation', 'changing')).toEqual({ ...first, version: 2 });
    expect(await textOf(first.id)).toContain('"value":70.00,');
    const { rows } = await portal.owner.query('SELECT version FROM records.record_version WHERE record_id = $1', [first.id]);
    expect(rows).toEqual([{ version: 1 }]);
  });

  it("are ordered by the sender's clock: what comes late goes into the history, once", async () => {
    const at = (time: string, value: string) => bundleOf('collection', entryOf(weightText('clocked', 'Patient/p1', value, updatedAt(time))));
    await importBundle(feed, at('2024-05-02T00:00:00Z', '72'));
    expect(await importBundle(feed, at('2024-05-01T00:00:00Z', '71'))).toMatchObject({ unchanged: 1 });
    const { id } = (await rowOf('Observation', 'clocked'))!;
    expect(await textOf(id)).toContain('"value":72,');
    await importBundle(feed, at('2024-05-01T00:00:00Z', '71'));
    const history = async () => (await portal.owner.query<{ version: number }>('SELECT version FROM records.record_version WHERE record_id = $1 ORDER BY 1', [id])).rows;
    expect(await history()).toEqual([{ version: 2 }]);
    await importBundle(feed, at('2024-05-03T00:00:00Z', '73'));
    expect(await rowOf('Observation', 'clocked')).toMatchObject({ version: 3 });
    expect(await history()).toEqual([{ version: 1 }, { version: 2 }]);
  });

  it('with the same time and another content are taken and flagged', async () => {
    const at = (value: string) => bundleOf('collection', entryOf(weightText('same-time', 'Patient/p1', value, updatedAt('2024-05-02T00:00:00Z'))));
    await importBundle(feed, at('72'));
    const result = await importBundle(feed, at('73'));
    expect(result).toMatchObject({ status: 'completed', updated: 1 });
    expect(await issuesOf(feed, result.id)).toMatchObject([{ entry: 0, severity: 'warning', code: 'same-clock' }]);
  });
});

describe('a broken entry', () => {
  const good = entryOf(weightText('beside-broken', 'Patient/p1', '70.0'), { fullUrl: 'urn:uuid:0b7f4a3e-0000-4000-8000-00000000000a' });
  const broken = entryOf('{"resourceType":"Observation","id":"broken","status":"frog","code":{"text":"secret words"}}', { fullUrl: 'urn:uuid:0b7f4a3e-0000-4000-8000-00000000000b' });

  it('fails a transaction, which stores nothing and names it', async () => {
    const before = await stored();
    const { body } = await sendBundle(feed, bundleOf('transaction', good, broken)).expect(202);
    const { id, status } = body as { id: string; status: string };
    expect(status).toBe('failed');
    expect(await stored()).toEqual(before);
    expect((await feed.get(`/v1/imports/${id}`)).body).toMatchObject({ entries: 2, created: 0, updated: 0, unchanged: 0, rejected: 1 });
    const issues = await issuesOf(feed, id);
    expect(issues[0]).toMatchObject({ entry: 1, fullUrl: 'urn:uuid:0b7f4a3e-0000-4000-8000-00000000000b', severity: 'error', path: 'Observation.status' });
    expect(JSON.stringify(issues)).not.toMatch(/frog|secret/);
  });

  it.each(['collection', 'batch'])('is left out of a %s, of which the rest is stored', async (type) => {
    const result = await importBundle(feed, bundleOf(type, broken, good.replace('beside-broken', `beside-broken-${type}`)));
    expect(result).toMatchObject({ status: 'completed-with-issues', entries: 2, created: 1, rejected: 1 });
    expect(await issuesOf(feed, result.id)).toMatchObject([{ entry: 0, severity: 'error' }]);
    expect(await rowOf('Observation', `beside-broken-${type}`)).toMatchObject({ patientId: pat.patientId });
    expect(await rowOf('Observation', 'broken')).toBeUndefined();
  });

  it('can be one without id, without resource, with another method, or twice the same id', async () => {
    const result = await importBundle(
      feed,
      bundleOf(
        'collection',
        entryOf(weightText('x', 'Patient/p1', '1').replace('"id":"x",', '')),
        '{"fullUrl":"urn:uuid:0b7f4a3e-0000-4000-8000-00000000000c"}',
        '{"request":{"method":"DELETE","url":"Observation/counted"}}',
        entryOf(weightText('double', 'Patient/p1', '1')),
        entryOf(weightText('double', 'Patient/p1', '2')),
        entryOf(weightText('put', 'Patient/p1', '2'), { request: { method: 'PUT', url: 'Observation/another' } }),
      ),
    );
    expect(result).toMatchObject({ status: 'completed-with-issues', created: 1, rejected: 5 });
    expect((await issuesOf(feed, result.id)).map(({ entry, code }) => [entry, code])).toEqual([
      [0, 'missing-id'], [1, 'missing-resource'], [2, 'method-not-supported'], [4, 'duplicate-entry'], [5, 'request-mismatch'],
    ]);
  });

  it('pages its issues', async () => {
    const { id } = await importBundle(feed, bundleOf('collection', ...Array.from({ length: 7 }, (_, at) => broken.replace('"broken"', `"broken-${at}"`))));
    const entries: number[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const { body } = await feed.get(`/v1/imports/${id}/issues?severity=error&limit=3${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`).expect(200);
      entries.push(...(body.items as { entry: number }[]).map(({ entry }) => entry));
      cursor = body.next as string | null;
    }
    expect(entries).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });
});

describe('references', () => {
  it('are resolved by fullUrl, by id within the feed, by identifier, and forwards; others stay as sent', async () => {
    const doctor = '{"resourceType":"Practitioner","id":"dr","identifier":[{"system":"http://npi.test","value":"99"}],"name":[{"family":"Who"}]}';
    await importBundle(feed, bundleOf('batch', entryOf(doctor)));
    const performers = ['Practitioner?identifier=http://npi.test|99', 'Practitioner?identifier=http://npi.test%7C99', 'Practitioner/dr', `${SOURCE}/Practitioner/dr`, '#in', 'https://elsewhere.test/Practitioner/dr', 'Practitioner/nobody']
      .map((reference) => `{"reference":"${reference}"}`).join(',');
    const contained = '{"resourceType":"Practitioner","id":"in","name":[{"family":"Inside"}]}';
    const result = await importBundle(
      feed,
      bundleOf(
        'transaction',
        entryOf(weightText('referring', 'urn:uuid:0b7f4a3e-0000-4000-8000-0000000000ff', '1', `,"contained":[${contained}],"performer":[${performers}],"hasMember":[{"reference":"Observation/later"}]`)),
        entryOf(weightText('later', 'Patient/p1', '1')),
        entryOf(patientText('p1', 'MRN-1'), { fullUrl: 'urn:uuid:0b7f4a3e-0000-4000-8000-0000000000ff', request: { method: 'PUT', url: 'Patient/p1' } }),
      ),
    );
    expect(result).toMatchObject({ created: 2, unchanged: 1 });
    const resource = (JSON.parse(await textOf((await rowOf('Observation', 'referring'))!.id)) as { resource: any }).resource;
    const dr = `Practitioner/${(await rowOf('Practitioner', 'dr'))!.id}`;
    expect(resource.performer.map(({ reference }: { reference: string }) => reference)).toEqual([dr, dr, dr, dr, '#in', 'https://elsewhere.test/Practitioner/dr', 'Practitioner/nobody']);
    expect(resource.subject.reference).toBe(`Patient/${pat.patientId}`);
    expect(resource.hasMember[0].reference).toBe(`Observation/${(await rowOf('Observation', 'later'))!.id}`);
    expect(resource.id).toBe('referring');
    expect(await issuesOf(feed, result.id)).toMatchObject([{ entry: 0, severity: 'warning', code: 'unresolved-reference', path: '/performer/6/reference' }]);
  });

  it('by identifier stay as sent when two are meant', async () => {
    const named = (id: string) => entryOf(`{"resourceType":"Practitioner","id":"${id}","identifier":[{"system":"http://npi.test","value":"100"}]}`);
    const result = await importBundle(feed, bundleOf('collection', named('one'), named('two'), entryOf(weightText('ambiguous', 'Patient/p1', '1', ',"performer":[{"reference":"Practitioner?identifier=http://npi.test|100"}]'))));
    expect(await issuesOf(feed, result.id)).toMatchObject([{ entry: 2, code: 'unresolved-reference' }]);
    expect(await textOf((await rowOf('Observation', 'ambiguous'))!.id)).toContain('Practitioner?identifier=http://npi.test|100');
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
    expect(await importBundle(feed, held)).toMatchObject({ updated: 1 });
    expect(await rowOf('Observation', 'held')).toMatchObject({ patientId: late.patientId });
    await late.get(`/v1/records/${row.id}`).expect(200);
  });

  it("a Provenance is its targets' patient's", async () => {
    const provenance = (id: string, ...targets: string[]) =>
      entryOf(`{"resourceType":"Provenance","id":"${id}","target":[${targets.map((one) => `{"reference":"${one}"}`).join(',')}],"recorded":"2024-01-01T00:00:00Z","agent":[{"who":{"display":"Us"}}]}`);
    await importBundle(feed, bundleOf('collection', provenance('of-p1', 'Observation/later', 'Practitioner/dr', 'Patient/p1'), provenance('of-two', 'Observation/later', 'Patient/p-late')));
    expect(await rowOf('Provenance', 'of-p1')).toMatchObject({ patientId: pat.patientId });
    expect(await rowOf('Provenance', 'of-two')).toMatchObject({ patientId: null });
  });
});

describe('patients', () => {
  it('are matched by medical record number alone, also across feeds', async () => {
    const second = await makeFeed(portal, admin, 'https://lab.test');
    await importBundle(second, bundleOf('transaction', entryOf(patientText('lab-7', 'MRN-1')), entryOf(weightText('lab-1', 'Patient/lab-7', '3'))));
    expect(await rowOf('Patient', 'lab-7', 'https://lab.test')).toMatchObject({ patientId: pat.patientId });
    const weight = (await rowOf('Observation', 'lab-1', 'https://lab.test'))!;
    expect(await textOf(weight.id)).toContain(`"reference":"Patient/${pat.patientId}"`);
    const twin = patientText('twin', 'MRN-TWIN');
    await importBundle(second, bundleOf('transaction', entryOf(twin)));
    expect((await rowOf('Patient', 'twin', 'https://lab.test'))!.patientId).not.toBe(pat.patientId);
  });

  it("do not move to another chart on a feed's word", async () => {
    const before = await stored();
    const moved = bundleOf('transaction', entryOf(patientText('p1', 'MRN-OF-SOMEBODY-ELSE')), entryOf(weightText('moved', 'Patient/p1', '3')));
    const { body } = await sendBundle(feed, moved).expect(202);
    expect(body).toMatchObject({ status: 'failed' });
    expect(await issuesOf(feed, (body as { id: string }).id)).toMatchObject([{ entry: 0, code: 'patient-identity-changed' }]);
    expect(await stored()).toEqual(before);
    const rest = await importBundle(feed, moved.replace('transaction', 'collection'));
    expect(rest).toMatchObject({ status: 'completed-with-issues', created: 1, rejected: 1 });
    expect(await rowOf('Observation', 'moved')).toMatchObject({ patientId: pat.patientId });
  });
});

describe('a body that is no whole Bundle', () => {
  let before: unknown;
  let imports: number;
  beforeAll(async () => {
    before = await stored();
    imports = await importCount();
  });
  afterAll(async () => {
    expect(await stored()).toEqual(before);
    expect(await importCount()).toBe(imports);
  });

  const refused = async (body: string, status: number, code: string): Promise<string> => {
    const answer = await sendBundle(feed, body).expect(status);
    expect(answer.body).toMatchObject({ status, code });
    return (answer.body as { detail: string }).detail;
  };

  it('truncated: 400 that names the byte and the entry', async () => {
    const whole = bundleOf('transaction', entryOf(weightText('t-1', 'Patient/p1', '1')), entryOf(weightText('t-2', 'Patient/p1', '1')));
    const cut = whole.slice(0, -40);
    expect(await refused(cut, 400, 'records.truncated')).toContain(`byte ${cut.length}, entry 1`);
    await refused('', 400, 'records.truncated');
  });

  it('malformed, nested 5,000 deep, no Bundle, of an unknown type, or with too many entries', async () => {
    await refused('{"resourceType":"Bundle",]', 400, 'records.malformed-json');
    const deep = `{"resourceType":"Bundle","type":"transaction","entry":[{"resource":{"resourceType":"Basic","extension":${'[{"extension":'.repeat(5_000)}[]${'}]'.repeat(5_000)}}}]}`;
    await refused(deep, 400, 'records.too-deep');
    await refused('['.repeat(5_000), 400, 'records.not-a-bundle');
    await refused(patientText('lonely', 'M'), 400, 'records.not-a-bundle');
    await refused(bundleOf('history'), 422, 'records.bundle-type');
    await refused(bundleOf('collection', ...new Array<string>(501).fill('{}')), 413, 'records.too-many-entries');
  });

  it.each(['application/json', 'text/plain', 'application/fhir+xml'])('sent as %s: 415', async (type) => {
    const answer = await sendBundle(feed, bundleOf('collection'), type).expect(415);
    expect(answer.body).toMatchObject({ code: 'http.media-type' });
    expect(answer.body.detail).toContain('application/fhir+json');
  });

  it('nothing at all: 415', async () => {
    await feed.send('post', '/v1/imports').expect(415);
  });

  function* hundredMegabytes(): Generator<Buffer> {
    yield Buffer.from('{"resourceType":"Bundle","type":"collection","entry":[');
    const entry = Buffer.from(`${entryOf(`{"resourceType":"Binary","id":"b","contentType":"text/plain","data":"${'QUJD'.repeat(64 * 1024)}"}`)},`);
    for (let sent = 0; sent < 100 * MB; sent += entry.length) yield entry;
  }

  it('of 100 MB that says so: 413 before it is read', async () => {
    const { status, body } = await streamBody(feed, '/v1/imports', hundredMegabytes(), 110 * MB);
    expect([status, (JSON.parse(body) as { code: string }).code]).toEqual([413, 'records.too-large']);
  });

  it('of 100 MB that does not say so: 413 when it passes the limit, and the sender gets to read it', async () => {
    const { status, body } = await streamBody(feed, '/v1/imports', hundredMegabytes());
    expect([status, (JSON.parse(body) as { code: string }).code]).toEqual([413, 'records.too-large']);
  });
});
