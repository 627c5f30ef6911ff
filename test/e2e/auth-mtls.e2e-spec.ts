import { createHash, X509Certificate } from 'node:crypto';
import { Agent, request } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { decodeJwt } from 'jose';
import { loadConfig } from '../../src/platform/config/config.js';
import { Certificates, hasOpenssl, type Certificate } from '../harness/certificates.js';
import { checkLedger } from '../harness/ledger.js';
import { askForToken, makeAdmin, makeDirectory, makeFeed, signInAs, type Caller } from '../harness/people.js';
import { cloneDatabase } from '../harness/database.js';
import { startPortal, type Portal } from '../harness/portal.js';

const BEHIND_PROXY = { TRUSTED_PROXIES: '127.0.0.0/8', TLS_CLIENT_CERT_HEADER: 'Client-Cert' };

const thumbprint = ({ cert }: Certificate): string =>
  createHash('sha256').update(new X509Certificate(cert).raw).digest('base64url');

interface Answer {
  status: number;
  body: Record<string, unknown>;
  isResumed: boolean;
}

/** One request over TLS, with a client's certificate or without one. */
function over(
  portal: Portal,
  path: string,
  { by, token, form, agent }: { by?: Certificate; token?: string; form?: Record<string, string>; agent?: Agent } = {},
): Promise<Answer> {
  const { port } = new URL(portal.url);
  const body = form ? new URLSearchParams(form).toString() : '';
  const headers = {
    ...(form ? { 'content-type': 'application/x-www-form-urlencoded' } : {}),
    ...(token ? { authorization: `Bearer ${token}` } : {}),
  };
  const client = by ? { cert: by.cert, key: by.key } : {};
  let isResumed: boolean | undefined;
  return new Promise((done, fail) => {
    const sent = request(
      {
        host: '127.0.0.1',
        port,
        path,
        method: form ? 'POST' : 'GET',
        headers,
        rejectUnauthorized: false,
        agent,
        ...client,
      },
      (response) => {
        const chunks: Buffer[] = [];
        response
          .on('data', (chunk: Buffer) => chunks.push(chunk))
          .on('end', () => {
            const text = Buffer.concat(chunks).toString();
            done({
              status: response.statusCode!,
              body: text === '' ? {} : (JSON.parse(text) as Answer['body']),
              isResumed: isResumed!,
            });
          });
      },
    );
    // Asked as soon as it is known: a socket that has closed, which on a busy machine is before its answer is looked at, says null.
    sent.on('socket', (socket: TLSSocket) => {
      socket.once('secureConnect', () => (isResumed = socket.isSessionReused()));
    });
    sent.on('error', fail).end(body);
  });
}

(hasOpenssl ? describe : describe.skip)('mutual TLS', () => {
  let plain: Portal;
  let tls: Portal;
  let admin: Caller;
  let feed: Awaited<ReturnType<typeof makeFeed>>;
  let feedCert: Certificate;
  let others: Record<'other' | 'expired' | 'foreign' | 'unregistered', Certificate>;
  let database: Awaited<ReturnType<typeof cloneDatabase>>;
  let authority: Certificate;
  let certificates: Certificates;

  const register = (id: string, { cert }: Certificate) => admin.post(`/v1/users/${id}/keys`, { pem: cert });
  const form = (clientId = feed.id): Record<string, string> => ({
    grant_type: 'client_credentials',
    client_id: clientId,
  });
  const ask = (by?: Certificate, clientId?: string): Promise<Answer> =>
    over(tls, '/v1/auth/token', { by, form: form(clientId) });
  const tokenBy = async (by: Certificate): Promise<string> => {
    const { status, body } = await ask(by);
    expect(status).toBe(200);
    return body.access_token as string;
  };
  /** 401 is the door's; what is not there comes from behind it. */
  const statusWith = async (portal: Portal, token: string, by?: Certificate): Promise<number> =>
    (await over(portal, '/v1/me', { token, by })).status;

  beforeAll(async () => {
    certificates = new Certificates();
    authority = certificates.authority('authority');
    certificates.authority('foreign-authority');
    const server = certificates.authority('server');
    feedCert = certificates.signed('feed', 'authority');
    others = {
      other: certificates.signed('other', 'authority'),
      unregistered: certificates.signed('unregistered', 'authority'),
      expired: certificates.signed('expired', 'authority', -1),
      foreign: certificates.signed('foreign', 'foreign-authority'),
    };
    database = await cloneDatabase();
    plain = await startPortal({ database });
    admin = await makeAdmin(plain);
    feed = await makeFeed(plain, admin, 'https://ehr.test/mtls');
    const other = await makeFeed(plain, admin, 'https://ehr.test/mtls-other');
    await register(feed.id, feedCert).expect(201);
    await register(other.id, others.other).expect(201);
    await register(feed.id, others.foreign).expect(201);
    const files = {
      TLS_CERT_FILE: server.certFile,
      TLS_KEY_FILE: server.keyFile,
      TLS_CLIENT_CA_FILE: authority.certFile,
    };
    tls = await startPortal({ database, env: files });
  });
  afterAll(async () => {
    await checkLedger({ log: [...plain.log, ...tls.log], owner: plain.owner });
    await Promise.all([plain.close(), tls.close()]);
  });

  it('gives a token that counts with its certificate, and with no other and none', async () => {
    const token = await tokenBy(feedCert);
    expect(decodeJwt(token).cnf).toEqual({ 'x5t#S256': thumbprint(feedCert) });
    expect(await statusWith(tls, token, feedCert)).toBe(200);
    for (const by of [undefined, others.other, others.unregistered, others.foreign]) {
      const answer = await over(tls, '/v1/me', { token, by });
      expect(answer).toMatchObject({ status: 401, body: { code: 'auth.token-invalid' } });
    }
    const elsewhere = await plain.http.get('/v1/me').set('Authorization', `Bearer ${token}`);
    expect([elsewhere.status, elsewhere.body.code]).toEqual([401, 'auth.token-invalid']);
    // Also once the guard has verified and remembers it.
    expect(await statusWith(tls, token, feedCert)).toBe(200);
    expect(await statusWith(tls, token)).toBe(401);
  });

  it('knows nobody by a certificate that is of no account, of another, of no authority of ours, over, or missing', async () => {
    const refused = { status: 401, body: { error: 'invalid_client', code: 'auth.invalid-client' } };
    expect(await ask()).toMatchObject(refused);
    expect(await ask(others.unregistered)).toMatchObject(refused);
    expect(await ask(others.other)).toMatchObject(refused);
    // Registered, but its chain ends nowhere that this server trusts.
    expect(await ask(others.foreign)).toMatchObject(refused);
    expect(await ask(others.expired)).toMatchObject(refused);
    expect(
      await over(tls, '/v1/auth/token', { by: feedCert, form: { grant_type: 'client_credentials' } }),
    ).toMatchObject(refused);
    expect(await ask(feedCert, '01990000-0000-7000-8000-000000000000')).toMatchObject(refused);
    expect(await ask(feedCert, 'not-a-uuid')).toMatchObject(refused);
  });

  it('is asked for, never demanded: people and assertions come without one', async () => {
    expect((await over(tls, '/health/live')).status).toBe(200);
    expect((await over(tls, '/health/live', { by: others.foreign })).status).toBe(200);
    const { body } = await askForToken(plain, feed.credentials.machine);
    const { access_token: token } = body as { access_token: string };
    expect(decodeJwt(token).cnf).toBeUndefined();
    for (const by of [undefined, feedCert, others.other]) expect(await statusWith(tls, token, by)).toBe(200);
  });

  it('holds over connections that are resumed', async () => {
    const token = await tokenBy(feedCert);
    // Each request closes its connection; the agent resumes the TLS session on the next.
    for (const [by, status] of [
      [feedCert, 200],
      [undefined, 401],
    ] as const) {
      const agent = new Agent({ keepAlive: false, maxCachedSessions: 10 });
      const answers: Answer[] = [];
      for (let n = 0; n < 3; n++) answers.push(await over(tls, '/v1/me', { token, by, agent }));
      expect(answers.map((answer) => [answer.status, answer.isResumed])).toEqual([
        [status, false],
        [status, true],
        [status, true],
      ]);
    }
  });

  it('ends with the certificate that is taken away', async () => {
    const token = await tokenBy(feedCert);
    const { items } = (await admin.get(`/v1/users/${feed.id}/keys`).expect(200)).body as {
      items: { id: string; kid: string; kind: string; expiresAt: string }[];
    };
    const { id, kind, expiresAt } = items.find(({ kid }) => kid === thumbprint(feedCert))!;
    expect([kind, expiresAt]).toEqual([
      'certificate',
      new Date(new X509Certificate(feedCert.cert).validTo).toISOString(),
    ]);
    await admin.post(`/v1/users/${feed.id}/keys/${id}/revoke`, { reason: 'Server replaced.' }).expect(200);
    expect(await statusWith(tls, token, feedCert)).toBe(401);
    expect((await ask(feedCert)).status).toBe(401);
    expect((await register(feed.id, feedCert)).body).toMatchObject({ code: 'auth.key-known' });
    expect((await register(feed.id, others.expired)).body).toMatchObject({ code: 'auth.key-expiry' });
  });

  describe('that a proxy ends', () => {
    const escaped = ({ cert }: Certificate): string => encodeURIComponent(cert);
    const rfc9440 = ({ cert }: Certificate): string => `:${new X509Certificate(cert).raw.toString('base64')}:`;
    const behind = (proxies: string): Promise<Portal> =>
      startPortal({ database, env: { ...BEHIND_PROXY, TRUSTED_PROXIES: proxies } });
    const asked = (portal: Portal, header: string | string[] | undefined, client: string) => {
      const sent = portal.http.post('/v1/auth/token').type('form');
      if (header !== undefined) void sent.set('Client-Cert', header as string);
      return sent.send(form(client));
    };

    it('counts from a trusted proxy alone, in both forms', async () => {
      const [trusted, stranger] = [await behind('127.0.0.0/8'), await behind('10.0.0.0/8')];
      const service = await makeFeed(plain, admin, 'https://ehr.test/proxied');
      await register(service.id, others.unregistered).expect(201);
      for (const header of [escaped(others.unregistered), rfc9440(others.unregistered)]) {
        const { body } = await asked(trusted, header, service.id).expect(200);
        const { access_token: token } = body as { access_token: string };
        const me = (value: string) =>
          trusted.http.get('/v1/me').set('Authorization', `Bearer ${token}`).set('Client-Cert', value);
        expect((await me(header)).status).toBe(200);
        expect((await me(rfc9440(others.other))).status).toBe(401);
        expect((await trusted.http.get('/v1/me').set('Authorization', `Bearer ${token}`)).status).toBe(401);
        // Not from a trusted proxy: whoever sends the header may have made it up.
        expect((await asked(stranger, header, service.id)).status).toBe(401);
      }
      for (const garbage of [
        '',
        ':',
        '::',
        ':***:',
        '%',
        '%E0%A4%A',
        'a'.repeat(13_000),
        rfc9440(others.other).repeat(2),
      ])
        expect([garbage.slice(0, 9), (await asked(trusted, garbage, service.id)).status]).toEqual([
          garbage.slice(0, 9),
          401,
        ]);
      const twice = [rfc9440(others.unregistered), rfc9440(others.unregistered)];
      expect((await asked(trusted, twice, service.id)).status).toBe(401);
      await checkLedger({ log: [...trusted.log, ...stranger.log], owner: plain.owner });
      await Promise.all([trusted.close(), stranger.close()]);
    });
  });

  it('is all that machines have where the operator says so: no assertion, no bearer secret, no token without its certificate', async () => {
    admin = await signInAs(plain, admin.credentials);
    const [service, directory] = [
      await makeFeed(plain, admin, 'https://ehr.test/strict'),
      await makeDirectory(plain, admin),
    ];
    const mine = certificates.signed('strict', 'authority');
    await register(service.id, mine).expect(201);
    const secrets = `/v1/users/${directory.id}/scim-tokens`;
    const { token: secret } = (await admin.post(secrets, { name: 'Before' }).expect(201)).body as { token: string };
    const strict = await startPortal({ database, env: { ...BEHIND_PROXY, MACHINES_BY_CERTIFICATE: 'true' } });
    const shows = { 'Client-Cert': encodeURIComponent(mine.cert) };
    const withToken = (path: string, token: string, headers: object = {}) =>
      strict.http.get(path).set({ Authorization: `Bearer ${token}`, ...headers });
    const { body } = await strict.http
      .post('/v1/auth/token')
      .set(shows)
      .type('form')
      .send(form(service.id))
      .expect(200);
    const { access_token: token } = body as { access_token: string };
    await withToken('/v1/me', token, shows).expect(200);
    await withToken('/v1/me', token).expect(401);
    await plain.http.get('/scim/v2/Users').set('Authorization', `Bearer ${secret}`).expect(200);
    await withToken('/scim/v2/Users', secret, shows).expect(401);
    for (const machine of [service.credentials.machine, directory.credentials.machine])
      expect(await askForToken(strict, machine)).toMatchObject({
        status: 401,
        body: { error: 'invalid_client', code: 'auth.certificate-needed' },
      });
    const made = await strict.http
      .post(secrets)
      .set('Authorization', `Bearer ${admin.tokens.accessToken}`)
      .send({ name: 'After' });
    expect([made.status, made.body.code]).toEqual([422, 'auth.no-bearer-secrets']);
    await checkLedger({ log: strict.log, owner: plain.owner });
    await strict.close();
  });

  it('is not set up by halves', () => {
    expect(() => loadConfig({ NODE_ENV: 'test', TLS_CLIENT_CERT_HEADER: 'Client-Cert' })).toThrow('TRUSTED_PROXIES');
    expect(() => loadConfig({ NODE_ENV: 'test', MACHINES_BY_CERTIFICATE: 'true' })).toThrow('TLS_CLIENT_CA_FILE');
    expect(() => loadConfig({ NODE_ENV: 'test', TLS_CLIENT_CA_FILE: authority.certFile })).toThrow('TLS_CERT_FILE');
  });
});
