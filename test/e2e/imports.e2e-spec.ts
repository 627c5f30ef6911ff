import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { testServer, urlsOf } from '../harness/database.js';
import {
  bundleOf,
  chartState,
  entryOf,
  importBundle,
  issuesOf,
  outcomeOf,
  patientText,
  sendBundle,
  weightText,
  worked,
} from '../harness/feed.js';
import { openFeedWorld, SOURCE, type FeedWorld } from '../harness/feed-world.js';
import { makeFeed, Caller, type Patient } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

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
const updatedAt = (at: string): string => `,"meta":{"lastUpdated":"${at}"}`;

describe('an import', () => {
  it('is accepted as a job with its place, and tells its counts', async () => {
    const answer = await sendBundle(
      feed,
      bundleOf('collection', entryOf(weightText('counted', 'Patient/p1', '70.0'))),
    ).expect(202);
    const { id } = answer.body as { id: string };
    expect(answer.body).toEqual({ id, status: 'queued' });
    expect(answer.headers.location).toBe(`/v1/imports/${id}`);
    expect(await outcomeOf(feed, id)).toMatchObject({
      id,
      status: 'completed',
      bundleType: 'collection',
      source: SOURCE,
      entries: 1,
      created: 1,
      updated: 0,
      unchanged: 0,
      rejected: 0,
      byType: { Observation: { entries: 1, created: 1, updated: 0, unchanged: 0, rejected: 0 } },
      bytesDone: expect.any(Number) as unknown,
    });
  });

  it('is for feeds, and each sees its own', async () => {
    const bundle = bundleOf('collection', entryOf(weightText('stolen', 'Patient/p1', '1')));
    expect((await sendBundle(pat, bundle)).status).toBe(403);
    expect((await sendBundle(admin, bundle)).status).toBe(403);
    const { id } = await importBundle(feed, bundle);
    const stranger = await makeFeed(portal, admin, 'https://stranger.test');
    const requestId = randomUUID();
    const answers = await Promise.all(
      [id, randomUUID()].map((one) => stranger.get(`/v1/imports/${one}`).set('X-Request-Id', requestId).expect(404)),
    );
    expect(answers[0]!.text).toBe(answers[1]!.text);
    await stranger.get(`/v1/imports/${id}/issues`).expect(404);
    await pat.get(`/v1/imports/${id}`).expect(403);
  });

  it('changes nothing the second time, and nothing more when two come at once', async () => {
    const bundle = bundleOf(
      'transaction',
      ...Array.from({ length: 60 }, (_, at) => entryOf(weightText(`twice-${at}`, 'Patient/p1', `${at}.50`))),
    );
    const results = await Promise.all([
      importBundle(feed, bundle),
      importBundle(feed, bundle),
      importBundle(feed, bundle),
    ]);
    expect(results.map(({ created }) => created).sort()).toEqual([0, 0, 60]);
    expect(results.map(({ unchanged }) => unchanged).sort()).toEqual([0, 60, 60]);
    const before = await chartState(portal);
    expect(await importBundle(feed, bundle)).toMatchObject({
      status: 'completed',
      created: 0,
      updated: 0,
      unchanged: 60,
    });
    expect(await chartState(portal)).toEqual(before);
  });

  it('ends the same when two replicas take the same Bundle at once', async () => {
    const name = new URL(portal.config.database.url).pathname.slice(1);
    const replica = await startPortal({ database: urlsOf(testServer().administratorUrl, name) });
    try {
      const there = new Caller(replica, feed.tokens, feed.credentials);
      const bundle = bundleOf(
        'transaction',
        entryOf(patientText('raced', 'MRN-RACED')),
        ...Array.from({ length: 40 }, (_, at) => entryOf(weightText(`raced-${at}`, 'Patient/raced', `${at}.50`))),
      );
      const results = await Promise.all([feed, there, feed, there].map((caller) => importBundle(caller, bundle)));
      expect(results.map(({ created }) => created).sort()).toEqual([0, 0, 0, 41]);
      expect(results.map(({ status, updated }) => [status, updated])).toEqual(new Array(4).fill(['completed', 0]));
    } finally {
      await replica.close();
    }
  });

  it('names in the audit trail whose records it changed', async () => {
    const requestId = randomUUID();
    await sendBundle(feed, bundleOf('collection', entryOf(weightText('audited', 'Patient/p1', '70.0'))))
      .set('X-Request-Id', requestId)
      .expect(202);
    await worked(portal);
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
    expect(
      await importBundle(feed, bundleOf('transaction', entryOf(weightText('changing', 'Patient/p1', '70.00')))),
    ).toMatchObject({ updated: 1 });
    expect(await rowOf('Observation', 'changing')).toEqual({ ...first, version: 2 });
    expect(await textOf(first.id)).toContain('"value":70.00,');
    const { rows } = await portal.owner.query('SELECT version FROM records.record_version WHERE record_id = $1', [
      first.id,
    ]);
    expect(rows).toEqual([{ version: 1 }]);
  });

  it("are ordered by the sender's clock: what comes late goes into the history, once", async () => {
    const at = (time: string, value: string) =>
      bundleOf('collection', entryOf(weightText('clocked', 'Patient/p1', value, updatedAt(time))));
    await importBundle(feed, at('2024-05-02T00:00:00Z', '72'));
    expect(await importBundle(feed, at('2024-05-01T00:00:00Z', '71'))).toMatchObject({ unchanged: 1 });
    const { id } = (await rowOf('Observation', 'clocked'))!;
    expect(await textOf(id)).toContain('"value":72,');
    await importBundle(feed, at('2024-05-01T00:00:00Z', '71'));
    const history = async () =>
      (
        await portal.owner.query<{ version: number }>(
          'SELECT version FROM records.record_version WHERE record_id = $1 ORDER BY 1',
          [id],
        )
      ).rows;
    expect(await history()).toEqual([{ version: 2 }]);
    await importBundle(feed, at('2024-05-03T00:00:00Z', '73'));
    expect(await rowOf('Observation', 'clocked')).toMatchObject({ version: 3 });
    expect(await history()).toEqual([{ version: 1 }, { version: 2 }]);
  });

  it('are ordered so below the millisecond too, deletions included', async () => {
    const at = (micros: string, value: string) =>
      bundleOf(
        'collection',
        entryOf(weightText('fine', 'Patient/p1', value, updatedAt(`2024-05-02T00:00:00.000${micros}Z`))),
      );
    for (const [micros, value] of [
      ['1', '71'],
      ['900', '79'],
      ['5', '75'],
    ] as const)
      expect(await importBundle(feed, at(micros, value))).toMatchObject({ flagged: 0 });
    const { id } = (await rowOf('Observation', 'fine'))!;
    expect(await textOf(id)).toContain('"value":79,');
    const gone = (micros: string) =>
      bundleOf('batch', '{"request":{"method":"DELETE","url":"Observation/fine"}}').replace(
        '"entry"',
        `"timestamp":"2024-05-02T00:00:00.000${micros}Z","entry"`,
      );
    await importBundle(feed, gone('8'));
    expect(await textOf(id)).toContain('"value":79,');
    expect(await importBundle(feed, gone('95'))).toMatchObject({ deleted: 1 });
  });

  it('with the same time and another content are taken and flagged', async () => {
    const at = (value: string) =>
      bundleOf('collection', entryOf(weightText('same-time', 'Patient/p1', value, updatedAt('2024-05-02T00:00:00Z'))));
    await importBundle(feed, at('72'));
    const result = await importBundle(feed, at('73'));
    expect(result).toMatchObject({ status: 'completed', updated: 1 });
    expect(await issuesOf(feed, result.id)).toMatchObject([{ entry: 0, severity: 'warning', code: 'same-clock' }]);
  });
});

describe('a broken entry', () => {
  const good = entryOf(weightText('beside-broken', 'Patient/p1', '70.0'), {
    fullUrl: 'urn:uuid:0b7f4a3e-0000-4000-8000-00000000000a',
  });
  const broken = entryOf(
    '{"resourceType":"Observation","id":"broken","status":"frog","code":{"text":"secret words"}}',
    { fullUrl: 'urn:uuid:0b7f4a3e-0000-4000-8000-00000000000b' },
  );

  it('fails a transaction, which stores nothing and names it', async () => {
    const before = await chartState(portal);
    const { id, ...result } = await importBundle(feed, bundleOf('transaction', good, broken));
    expect(result).toMatchObject({ status: 'failed', failure: 'transaction-refused' });
    expect(await chartState(portal)).toEqual(before);
    expect(result).toMatchObject({
      entries: 2,
      created: 0,
      updated: 0,
      unchanged: 0,
      rejected: 1,
    });
    const issues = await issuesOf(feed, id);
    expect(issues[0]).toMatchObject({
      entry: 1,
      fullUrl: 'urn:uuid:0b7f4a3e-0000-4000-8000-00000000000b',
      severity: 'error',
      path: 'Observation.status',
    });
    expect(JSON.stringify(issues)).not.toMatch(/frog|secret/);
  });

  it.each(['collection', 'batch'])('is kept apart from a %s, of which the rest is stored', async (type) => {
    const result = await importBundle(
      feed,
      bundleOf(type, broken, good.replace('beside-broken', `beside-broken-${type}`)),
    );
    expect(result).toMatchObject({ status: 'completed-with-issues', entries: 2, created: 1, quarantined: 1 });
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
        '{"request":{"method":"PATCH","url":"Observation/counted"}}',
        entryOf(weightText('double', 'Patient/p1', '1')),
        entryOf(weightText('double', 'Patient/p1', '2')),
        entryOf(weightText('put', 'Patient/p1', '2'), { request: { method: 'PUT', url: 'Observation/another' } }),
      ),
    );
    expect(result).toMatchObject({ status: 'completed-with-issues', created: 1, rejected: 5 });
    expect((await issuesOf(feed, result.id)).map(({ entry, code }) => [entry, code])).toEqual([
      [0, 'missing-id'],
      [1, 'missing-resource'],
      [2, 'method-not-supported'],
      [4, 'duplicate-entry'],
      [5, 'request-mismatch'],
    ]);
  });

  it('pages its issues', async () => {
    const { id } = await importBundle(
      feed,
      bundleOf('collection', ...Array.from({ length: 7 }, (_, at) => broken.replace('"broken"', `"broken-${at}"`))),
    );
    const entries: number[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const { body } = await feed
        .get(`/v1/imports/${id}/issues?severity=error&limit=3${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`)
        .expect(200);
      entries.push(...(body.items as { entry: number }[]).map(({ entry }) => entry));
      cursor = body.next as string | null;
    }
    expect(entries).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });
});
