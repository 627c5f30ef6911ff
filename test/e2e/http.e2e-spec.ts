import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { checkLedger } from '../harness/ledger.js';
import { startPortal, type Portal } from '../harness/portal.js';

let portal: Portal;
beforeAll(async () => {
  portal = await startPortal();
});
afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});

/** Sends bytes as they are and reads until the server closes. */
function raw(bytes: string, end = false): Promise<string> {
  return new Promise((done, fail) => {
    const socket = connect(Number(new URL(portal.url).port), '127.0.0.1', () =>
      end ? socket.end(bytes) : socket.write(bytes),
    );
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    socket.on('close', () => done(text));
    socket.on('error', fail);
  });
}

function parse(answer: string): { status: number; headers: Record<string, string>; body: Record<string, unknown> } {
  const [head, ...rest] = answer.split('\r\n\r\n');
  const [first, ...lines] = head!.split('\r\n');
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 2)]),
  );
  return {
    status: Number(first!.split(' ')[1]),
    headers,
    body: JSON.parse(rest.join('\r\n\r\n')) as Record<string, unknown>,
  };
}

const eventsOf = async (requestId: string): Promise<Record<string, unknown>[]> => {
  const { rows } = await portal.owner.query<{ event: string }>(
    "SELECT event FROM audit.inbox WHERE request_id = $1 UNION ALL SELECT (leaf::json -> 'e')::text FROM audit.entry WHERE request_id = $1",
    [requestId],
  );
  return rows.map((row) => JSON.parse(row.event) as Record<string, unknown>);
};

async function isAuditedProblem(
  answer: { status: number; headers: Record<string, string>; body: Record<string, unknown> },
  status: number,
  code: string,
): Promise<void> {
  expect({ status: answer.status, code: answer.body.code }).toEqual({ status, code });
  expect(answer.headers['content-type']).toContain('application/problem+json');
  expect(answer.headers).toMatchObject({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
  const requestId = answer.headers['x-request-id']!;
  expect(answer.body.instance).toBe(`urn:uuid:${requestId}`);
  const events = await eventsOf(requestId);
  expect(events).toHaveLength(1);
  expect(events[0]).toMatchObject({ err: code, http: { st: status }, out: status < 500 ? 4 : 8 });
}

const json = { 'content-type': 'application/json' };

describe('answers that no guard or interceptor sees', () => {
  const deep = '['.repeat(5_000) + ']'.repeat(5_000);
  const cases: [string, () => PromiseLike<{ status: number; headers: unknown; body: unknown }>, number, string][] = [
    ['an unknown path', () => portal.http.get('/v1/nothing?secret=1'), 404, 'http.not-found'],
    ['a wrong method', () => portal.http.put('/v1/auth/login').set(json).send('{}'), 404, 'http.not-found'],
    ['OPTIONS', () => portal.http.options('/v1/patients'), 404, 'http.not-found'],
    [
      'malformed JSON',
      () => portal.http.post('/v1/auth/login').set(json).send('{"username":'),
      400,
      'http.malformed-json',
    ],
    ['an empty body', () => portal.http.post('/v1/auth/login').set(json).send(''), 400, 'http.empty-body'],
    [
      'a prototype in JSON',
      () => portal.http.post('/v1/auth/login').set(json).send('{"__proto__":{"a":1}}'),
      400,
      'http.malformed-json',
    ],
    ['deep JSON', () => portal.http.post('/v1/auth/login').set(json).send(deep), 400, 'http.too-deep'],
    [
      'many values',
      () =>
        portal.http
          .post('/v1/auth/login')
          .set(json)
          .send(`[${'1,'.repeat(25_000)}1]`),
      400,
      'http.too-many-values',
    ],
    [
      'a large body',
      () =>
        portal.http
          .post('/v1/auth/login')
          .set(json)
          .send(`"${'x'.repeat(300_000)}"`),
      413,
      'http.too-large',
    ],
    ['a form', () => portal.http.post('/v1/auth/login').type('form').send('username=a'), 415, 'http.media-type'],
    ['text', () => portal.http.post('/v1/auth/login').type('text/plain').send('x'), 415, 'http.media-type'],
    ['bad percent-encoding', () => portal.http.get('/v1/records/%zz'), 400, 'http.bad-url'],
    ['a long parameter', () => portal.http.get(`/v1/records/${'a'.repeat(200)}`), 414, 'http.address-too-long'],
    ['no credentials', () => portal.http.get('/v1/patients'), 401, 'auth.sign-in-required'],
    ['a query where none is taken', () => portal.http.get('/health/ready?surprise=1'), 400, 'http.invalid'],
    [
      'unknown keys',
      () => portal.http.post('/v1/auth/login').send({ username: 'a', password: 'b', isAdmin: true }),
      400,
      'http.invalid',
    ],
  ];
  it.each(cases)('%s', async (_what, send, status, code) => {
    await isAuditedProblem((await send()) as never, status, code);
  });

  it.each([
    ['garbage', 'NOT HTTP AT ALL\r\n\r\n', 400, 'http.malformed-request'],
    [
      'content-length with transfer-encoding',
      'POST /v1/auth/login HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
      'http.malformed-request',
    ],
    ['no Host', 'GET /v1/patients HTTP/1.1\r\nConnection: close\r\n\r\n', 400, 'http.host-missing'],
    ['large headers', `GET / HTTP/1.1\r\nHost: a\r\nX-A: ${'a'.repeat(20_000)}\r\n\r\n`, 431, 'http.headers-too-large'],
    [
      'an expectation',
      'GET / HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\nConnection: close\r\n\r\n',
      417,
      'http.expectation',
    ],
  ])('raw: %s', async (_what, bytes, status, code) => {
    await isAuditedProblem(parse(await raw(bytes)), status, code);
  });

  it('a client that goes away in the middle leaves an event, too', async () => {
    const before = (
      await portal.owner.query("SELECT count(*)::int AS n FROM audit.entry WHERE leaf LIKE '%http.client-gone%'")
    ).rows[0] as { n: number };
    const socket = connect(Number(new URL(portal.url).port), '127.0.0.1');
    socket.write(
      'POST /v1/auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"user',
    );
    await new Promise((done) => setTimeout(done, 100));
    socket.destroy();
    const gone = async () =>
      (
        (await portal.owner.query("SELECT count(*)::int AS n FROM audit.entry WHERE leaf LIKE '%http.client-gone%'"))
          .rows[0] as { n: number }
      ).n;
    for (let tries = 0; (await gone()) === before.n && tries < 50; tries++)
      await new Promise((done) => setTimeout(done, 100));
    expect(await gone()).toBe(before.n + 1);
  });

  it('clients that go away while the server stops leave theirs', async () => {
    const stopping = await startPortal();
    const sockets = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const socket = connect(Number(new URL(stopping.url).port), '127.0.0.1');
        socket.write(
          'POST /v1/auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n',
        );
        // 100 Continue: the server has the request.
        await once(socket, 'data');
        return socket;
      }),
    );
    const stopped = stopping.app.close();
    const server = stopping.app.getHttpServer();
    // Only when nobody new is let in: the last word of the server is then theirs.
    while (server.listening) await new Promise(setImmediate);
    for (const socket of sockets) socket.resetAndDestroy();
    await stopped;
    const { rows } = await stopping.owner.query<{ n: number }>(
      `SELECT count(*)::int AS n FROM (SELECT event FROM audit.inbox UNION ALL SELECT leaf FROM audit.entry) e WHERE event LIKE '%http.client-gone%'`,
    );
    await stopping.owner.end();
    expect(stopping.log.filter(({ msg }) => msg.includes('could not be stored'))).toEqual([]);
    expect(rows).toEqual([{ n: 20 }]);
  });
});

describe('the envelope of every answer', () => {
  it('takes over an X-Request-Id that is a UUID, and nothing else', async () => {
    const id = '0199f1c2-7d5e-7b61-9c0d-3a3f2d5b8e11';
    expect((await portal.http.get('/health/ready').set('x-request-id', id)).headers['x-request-id']).toBe(id);
    const hostile = await portal.http.get('/health/ready').set('x-request-id', 'a-b');
    expect(hostile.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('does not believe a forwarded address of nobody it trusts', async () => {
    const { headers } = await portal.http.get('/health/ready').set('x-forwarded-for', '203.0.113.9');
    const { rows } = await portal.owner.query<{ disclosure: string }>('SELECT disclosure FROM audit.disclosure');
    const addresses = rows.map((row) => Buffer.from(row.disclosure, 'base64url').toString());
    expect(headers['x-request-id']).toBeDefined();
    expect(addresses.some((text) => text.includes('127.0.0.1'))).toBe(true);
    expect(addresses.some((text) => text.includes('203.0.113.9'))).toBe(false);
  });

  it('HEAD is guarded and audited like GET', async () => {
    const answer = await portal.http.head('/v1/patients');
    expect(answer.status).toBe(401);
    expect(await eventsOf(answer.headers['x-request-id']!)).toHaveLength(1);
  });

  it('liveness alone leaves no event', async () => {
    const { headers } = await portal.http.get('/health/live').expect(200, { status: 'ok' });
    expect(await eventsOf(headers['x-request-id']!)).toHaveLength(0);
  });

  it('serves the OpenAPI document and the pages that problems point to', async () => {
    const { body } = await portal.http.get('/openapi.json').expect(200);
    expect(body).toMatchObject({
      openapi: expect.stringMatching(/^3\./),
      paths: { '/v1/auth/login': { post: expect.anything() } },
    });
    const { text } = await portal.http.get('/docs/errors').expect(200);
    expect(text).toContain('id="http.not-found"');
    await portal.http.get('/docs').expect(200);
    await portal.http.get('/docs/assets/swagger-ui-bundle.js').expect(200);
    await portal.http.get('/docs/assets/..%2fpackage.json').expect(400);
  });
});
