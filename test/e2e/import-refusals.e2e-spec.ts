import { request } from 'node:http';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import {
  bundleOf,
  chartState,
  entryOf,
  importBundle,
  patientText,
  sendBundle,
  streamBody,
  weightText,
} from '../harness/feed.js';
import { checkLedger } from '../harness/ledger.js';
import { makeAdmin, makeFeed, type Caller } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

const MB = 1024 * 1024;

let portal: Portal;
let feed: Caller;

beforeAll(async () => {
  portal = await startPortal({ env: { IMPORT_LIMIT_MB: '8', IMPORT_MAX_ENTRIES: '500' } });
  feed = await makeFeed(portal, await makeAdmin(portal), 'https://ehr.test/fhir');
  await importBundle(
    feed,
    bundleOf('transaction', entryOf(patientText('p1', 'MRN-1')), entryOf(weightText('w1', 'Patient/p1', '70.0'))),
  );
});

afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});

/** Nothing may come of such a body, not even an import. */
const stored = async (): Promise<unknown> => [
  await chartState(portal),
  (await portal.owner.query('SELECT count(*) FROM records.import')).rows,
  (await portal.owner.query('SELECT count(*) FROM records.import_chunk')).rows,
];

describe('a body that is no whole Bundle', () => {
  let before: unknown;
  beforeAll(async () => (before = await stored()));
  afterEach(async () => expect(await stored()).toEqual(before));

  const refused = async (body: string, status: number, code: string): Promise<string> => {
    const answer = await sendBundle(feed, body).expect(status);
    expect(answer.body).toMatchObject({ status, code });
    return (answer.body as { detail: string }).detail;
  };

  it('truncated: 400 that names the byte and the entry', async () => {
    const whole = bundleOf(
      'transaction',
      entryOf(weightText('t-1', 'Patient/p1', '1')),
      entryOf(weightText('t-2', 'Patient/p1', '1')),
    );
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

  it('packed: 415, and nothing is unpacked', async () => {
    const packed = gzipSync(bundleOf('collection', entryOf(weightText('z-1', 'Patient/p1', '1'))));
    for (const encoding of ['gzip', 'deflate', 'br', 'identity, gzip']) {
      const answer = await feed
        .send('post', '/v1/imports')
        .set('Content-Type', 'application/fhir+json')
        .set('Content-Encoding', encoding)
        .send(packed);
      expect([answer.status, answer.body.code]).toEqual([415, 'http.content-encoding']);
      expect(answer.headers['accept-encoding']).toBe('identity');
    }
  });

  it('nothing at all: 415', async () => {
    await feed.send('post', '/v1/imports').expect(415);
  });

  function* hundredMegabytes(): Generator<Buffer> {
    yield Buffer.from('{"resourceType":"Bundle","type":"collection","entry":[');
    const entry = Buffer.from(
      `${entryOf(`{"resourceType":"Binary","id":"b","contentType":"text/plain","data":"${'QUJD'.repeat(64 * 1024)}"}`)},`,
    );
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

  it('that breaks off with its connection: nothing is stored, the event says so, and the feed goes on', async () => {
    const whole = bundleOf('collection', entryOf(weightText('cut', 'Patient/p1', '1')));
    await new Promise<void>((gone) => {
      const headers = {
        authorization: `Bearer ${feed.tokens.accessToken}`,
        'content-type': 'application/fhir+json',
        'content-length': whole.length,
      };
      const message = request(new URL('/v1/imports', portal.url), { method: 'POST', headers });
      message.on('error', () => gone());
      message.write(whole.slice(0, -20), () => setTimeout(() => message.destroy(new Error('gone')), 100));
    });
    const known = 'SELECT event AS e FROM audit.inbox UNION ALL SELECT leaf FROM audit.entry';
    const told = async () =>
      (await portal.owner.query<{ e: string }>(known)).rows.some(({ e }) => e.includes('"err":"http.client-gone"'));
    for (let tries = 0; tries < 50 && !(await told()); tries++) await new Promise((later) => setTimeout(later, 50));
    expect(await told()).toBe(true);
    const again = bundleOf('collection', entryOf(weightText('w1', 'Patient/p1', '70.0')));
    await sendBundle(feed, again.replace('collection', 'history')).expect(422);
  });
});
