import { createHmac, generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { exportSPKI, importJWK, type CryptoKey } from 'jose';
import type supertest from 'supertest';
import { assertionOf, JWT_BEARER, newMachineKey, type MachineKey } from '../harness/assertions.js';
import { LIMITS } from '../../src/modules/auth/throttling/attempts.js';
import { checkLedger } from '../harness/ledger.js';
import { makeAdmin, makeDirectory, makeFeed, signInAs, type Caller, type Machine } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

let portal: Portal;
let admin: Caller;
let feed: Machine & { id: string };
let key: MachineKey;

beforeAll(async () => {
  portal = await startPortal({ env: { TRUSTED_PROXIES: '127.0.0.1' } });
  admin = await makeAdmin(portal);
  feed = await makeFeed(portal, admin, 'https://ehr.test/main');
  ({ key } = feed.credentials.machine);
});
afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});

let peers = 0;
const somewhere = (): string => `198.51.100.${++peers % 250}`;

const ask = (body: object, from = somewhere()): supertest.Test =>
  portal.http.post('/v1/auth/token').set('X-Forwarded-For', from).type('form').send(body);
const request = (assertion: string, over: object = {}): object => ({
  grant_type: 'client_credentials',
  client_assertion_type: JWT_BEARER,
  client_assertion: assertion,
  ...over,
});
const who = (clientId = feed.id, by = key, audience = 'https://portal.test') => ({
  clientId,
  key: by,
  audience,
  now: portal.clock.now(),
});
const signed = (claims: object = {}, header: object = {}): Promise<string> =>
  assertionOf(who(), { ...claims }, { ...header });

const me = (token: string): supertest.Test =>
  portal.http.get('/v1/imports/none').set('Authorization', `Bearer ${token}`);
/** 404 and 400 come from behind the door, 401 from it. */
const counts = async (token: string): Promise<boolean> => (await me(token)).status !== 401;

const INVALID_CLIENT = { status: 401, body: { error: 'invalid_client', code: 'auth.invalid-client' } };
const newService = async (over: object = {}): Promise<string> => {
  const account = { displayName: 'Service', email: 'ops@hospital.test', roles: ['integration'], ...over };
  const source = { source: `urn:feed:${randomUUID()}` };
  return ((await admin.post('/v1/users', { ...source, ...account }).expect(201)).body as { id: string }).id;
};

describe('a service account', () => {
  it('gets a token for an assertion of its key, as a form or as JSON, and no refresh token', async () => {
    for (const audience of ['https://portal.test', 'https://portal.test/v1/auth/token']) {
      const answer = await ask(request(await assertionOf(who(feed.id, key, audience))));
      expect([answer.status, answer.body]).toEqual([
        200,
        { access_token: expect.any(String), token_type: 'Bearer', expires_in: 300, scope: 'imports' },
      ]);
      expect([answer.headers['cache-control'], answer.headers.pragma]).toEqual(['no-store', 'no-cache']);
    }
    const json = await portal.http.post('/v1/auth/token').send(request(await signed({ aud: ['https://portal.test'] })));
    expect(json.status).toBe(200);
    expect(await counts((json.body as { access_token: string }).access_token)).toBe(true);
    // RFC 6749 section 3.2: what is not known is ignored, what is empty is as if it were not there.
    const more = await ask(request(await signed(), { resource: 'x', scope: '', client_id: feed.id }));
    expect(more.status).toBe(200);
  });

  it.each(['ES256', 'ES384', 'EdDSA', 'RS256', 'RS384'])('may sign with %s', async (algorithm) => {
    const clientId = await newService();
    const made = await newMachineKey(algorithm);
    const { body } = await admin.post(`/v1/users/${clientId}/keys`, { jwk: made.publicJwk }).expect(201);
    expect(body).toMatchObject({ kind: 'key', kid: made.kid, accountId: clientId, lastUsedAt: null, revokedAt: null });
    expect((body as { algorithms: string[] }).algorithms).toContain(algorithm);
    const answer = await ask(request(await assertionOf(who(clientId, made))));
    expect(answer.status).toBe(200);
    const { items } = (await admin.get(`/v1/users/${clientId}/keys`).expect(200)).body as { items: object[] };
    expect(items).toEqual([expect.objectContaining({ kid: made.kid, lastUsedAt: expect.any(String) })]);
  });

  it('is known by a PEM key as well; a directory likewise, for another scope', async () => {
    const clientId = await newService();
    const made = await newMachineKey();
    const pem = await exportSPKI((await importJWK(made.publicJwk, 'ES256')) as CryptoKey);
    expect((await admin.post(`/v1/users/${clientId}/keys`, { pem }).expect(201)).body).toMatchObject({ kid: made.kid });
    expect((await ask(request(await assertionOf(who(clientId, made))))).status).toBe(200);
    const directory = await makeDirectory(portal, admin);
    const { machine } = directory.credentials;
    const answer = await ask(request(await assertionOf(who(directory.id, machine.key))));
    expect((answer.body as { scope: string }).scope).toBe('scim');
  });

  it('has a session of its own kind: five minutes, and nothing after them', async () => {
    const { body } = await ask(request(await signed())).expect(200);
    const { access_token: token } = body as { access_token: string };
    const { rows } = await portal.owner.query(
      `SELECT s.acr, s.amr, s.idle_seconds, extract(epoch FROM s.expires_at - s.created_at)::int AS seconds,
              EXISTS (SELECT 1 FROM auth.refresh_token r WHERE r.session_id = s.session_id) AS is_refreshable
         FROM auth.session s WHERE s.client_key_id IS NOT NULL AND s.account_id = $1 ORDER BY s.session_id DESC LIMIT 1`,
      [feed.id],
    );
    expect(rows).toEqual([{ acr: 'aal1', amr: ['swk'], idle_seconds: 300, seconds: 300, is_refreshable: false }]);
    expect(await counts(token)).toBe(true);
    portal.clock.forward(301);
    expect(await counts(token)).toBe(false);
    admin = await signInAs(portal, admin.credentials);
  });

  it('never signs in with a name and a password: it has neither, and gets no invitation', async () => {
    const email = 'machine-with-mail@hospital.test';
    const clientId = await newService({ email });
    await portal.delivered();
    expect(portal.mails.filter(({ to }) => to === email)).toEqual([]);
    const { body } = await admin.get(`/v1/users/${clientId}`).expect(200);
    expect(body).toMatchObject({ status: 'active', username: null });
    const named = { displayName: 'S', email, roles: ['integration'], source: 'urn:feed:named', username: 'machine' };
    expect((await admin.post('/v1/users', named)).body).toMatchObject({ status: 422, code: 'users.service-unnamed' });
    expect((await admin.post(`/v1/users/${clientId}/invitations`)).body).toMatchObject({ code: 'users.not-invited' });
    await admin.post(`/v1/users/${clientId}/disable`, { reason: 'For now.' }).expect(200);
    expect((await admin.post(`/v1/users/${clientId}/enable`).expect(200)).body).toMatchObject({ status: 'active' });
    await portal.delivered();
    expect(portal.mails.filter(({ to }) => to === email)).toEqual([]);
    const { rows } = await portal.owner.query('SELECT 1 FROM auth.credential WHERE account_id = $1', [clientId]);
    expect(rows).toEqual([]);
  });
});

describe('an assertion', () => {
  const unsigned = (header: object, claims: object): string =>
    [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  const usual = (over: object = {}): object => {
    const iat = Math.floor(portal.clock.now().getTime() / 1000);
    const ids = { iss: feed.id, sub: feed.id, aud: 'https://portal.test', jti: randomUUID() };
    return { ...ids, iat, exp: iat + 60, ...over };
  };
  const header = (over: object = {}): object => ({ alg: 'ES256', kid: key.kid, typ: 'JWT', ...over });
  const inSeconds = (seconds: number): number => Math.floor(portal.clock.now().getTime() / 1000) + seconds;
  const nobody = '01990000-0000-7000-8000-000000000000';

  const FORGERIES: Record<string, () => Promise<string> | string> = {
    'of an unknown client': () => assertionOf(who(nobody)),
    'of another client, signed by our key': async () => assertionOf(who(await newService())),
    'signed by a key that nobody registered': async () => {
      const stranger = await newMachineKey();
      return assertionOf(who(feed.id, { ...stranger, kid: key.kid }));
    },
    'that names the stranger’s key by its own thumbprint': async () => assertionOf(who(feed.id, await newMachineKey())),
    'that brings its key along (jwk)': async () => {
      const stranger = await newMachineKey();
      return assertionOf(who(feed.id, stranger), {}, { jwk: stranger.publicJwk, kid: key.kid });
    },
    'that says where its key is (jku)': async () => {
      const stranger = await newMachineKey();
      return assertionOf(who(feed.id, stranger), {}, { jku: 'https://evil.test/jwks.json', kid: key.kid });
    },
    'that says where its certificate is (x5u)': async () =>
      assertionOf(who(feed.id, await newMachineKey()), {}, { x5u: 'https://evil.test/cert.pem', kid: key.kid }),
    'without a kid': () => signed({}, { kid: undefined }),
    'with a kid that walks': () => signed({}, { kid: '../../keys.json' }),
    'with a kid that ends a statement': () => signed({}, { kid: `' OR 1=1 --` }),
    'with a kid that is no text': () => `${unsigned(header({ kid: [key.kid] }), usual())}.AAAA`,
    'with a kid of NUL': () => signed({}, { kid: `${key.kid}\0` }),
    'with alg none': () => `${unsigned(header({ alg: 'none' }), usual())}.`,
    'with alg None and a signature': () => `${unsigned(header({ alg: 'None' }), usual())}.AAAA`,
    'with an HMAC under our public key': () => {
      const text = unsigned(header({ alg: 'HS256' }), usual());
      const secret = JSON.stringify(key.publicJwk);
      return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
    },
    'with an algorithm that is not the key’s': async () => {
      const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 3072 });
      const text = unsigned(header({ alg: 'RS256' }), usual());
      return Promise.resolve(`${text}.${sign('sha256', Buffer.from(text), privateKey).toString('base64url')}`);
    },
    'with a changed claim': async () => {
      const [head, , signature] = (await signed()).split('.');
      return `${head}.${Buffer.from(JSON.stringify(usual({ jti: 'other' }))).toString('base64url')}.${signature}`;
    },
    'with a critical header that we do not know': () => `${unsigned(header({ crit: ['x'], x: 1 }), usual())}.AAAA`,
    'that is over': () => signed({ iat: inSeconds(-120), exp: inSeconds(-11) }),
    'that is good for longer than five minutes': () => signed({ exp: inSeconds(320) }),
    'without an end': () => signed({ exp: undefined }),
    'whose end is a text': () => signed({ exp: '9999999999' }),
    'that begins later': () => signed({ nbf: inSeconds(60) }),
    'for somebody else': () => signed({ aud: 'https://other.test' }),
    'for us and somebody else': () => signed({ aud: ['https://portal.test', 'https://other.test'] }),
    'for nobody': () => signed({ aud: undefined }),
    'for the access tokens’ audience': () => signed({ aud: 'portico' }),
    'for an address of ours that is not the token’s': () => signed({ aud: 'https://portal.test/v1/auth/login' }),
    'whose subject is another client': async () => signed({ sub: await newService() }),
    'without an issuer': () => signed({ iss: undefined }),
    'without an id': () => signed({ jti: undefined }),
    'with an empty id': () => signed({ jti: '' }),
    'with an id that is no text': () => signed({ jti: 7 }),
    'with an id of 300 letters': () => signed({ jti: 'x'.repeat(300) }),
    'of 5,000 letters': () => signed({ more: 'x'.repeat(5_000) }),
    'that is an access token': () => feed.tokens.accessToken,
    'of two parts': () => 'a.b',
    'of five parts': () => 'a.b.c.d.e',
    'of nothing but dots': () => '..',
  };

  it.each(Object.keys(FORGERIES))('%s is refused, with the same answer', async (name) => {
    const before = await portal.owner.query('SELECT count(*) FROM auth.session');
    const answer = await ask(request(await FORGERIES[name]!()));
    expect(answer).toMatchObject(INVALID_CLIENT);
    expect(Object.keys(answer.body as object).sort()).toEqual(['code', 'error', 'error_description']);
    expect(answer.headers['content-type']).toMatch(/^application\/json/);
    const after = await portal.owner.query('SELECT count(*) FROM auth.session');
    expect(after.rows).toEqual(before.rows);
  });

  it('counts once, also of 20 at a time', async () => {
    for (let round = 0; round < 5; round++) {
      const assertion = await signed();
      const answers = await Promise.all(Array.from({ length: 20 }, () => ask(request(assertion), '203.0.113.9')));
      expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array.from({ length: 19 }, () => 401)]);
      expect(await ask(request(assertion))).toMatchObject(INVALID_CLIENT);
    }
  });

  it('may have the same id as another client’s', async () => {
    const clientId = await newService();
    const made = await newMachineKey();
    await admin.post(`/v1/users/${clientId}/keys`, { jwk: made.publicJwk }).expect(201);
    const jti = randomUUID();
    expect((await ask(request(await signed({ jti })))).status).toBe(200);
    expect((await ask(request(await assertionOf(who(clientId, made), { jti })))).status).toBe(200);
  });

  it('goes with its own client id alone, and says what it is', async () => {
    expect(await ask(request(await signed(), { client_id: nobody }))).toMatchObject(INVALID_CLIENT);
    const wrongType = await ask(request(await signed(), { client_assertion_type: 'urn:ietf:params:oauth:saml2' }));
    expect(wrongType).toMatchObject({ status: 400, body: { error: 'invalid_request' } });
  });
});

describe('the token endpoint', () => {
  it('speaks OAuth where something is wrong with the request', async () => {
    const assertion = await signed();
    const cases: [object, number, string][] = [
      [{}, 400, 'invalid_request'],
      [request(assertion, { grant_type: 'password' }), 400, 'unsupported_grant_type'],
      [request(assertion, { grant_type: 'refresh_token' }), 400, 'unsupported_grant_type'],
      [request(assertion, { scope: 'system/*.read' }), 400, 'invalid_scope'],
      [request(assertion, { scope: 'imports scim' }), 400, 'invalid_scope'],
      [{ grant_type: 'client_credentials' }, 401, 'invalid_client'],
      [{ grant_type: 'client_credentials', client_id: feed.id, client_secret: 'x' }, 401, 'invalid_client'],
    ];
    for (const [body, status, error] of cases) expect(await ask(body)).toMatchObject({ status, body: { error } });
    // A request that was refused for its scope has not used the assertion up.
    expect((await ask(request(assertion, { scope: 'imports' }))).status).toBe(200);
    const raw = (type: string, text: string) => portal.http.post('/v1/auth/token').type(type).send(text);
    expect(await raw('form', 'grant_type=client_credentials&grant_type=x')).toMatchObject({
      status: 400,
      body: { error: 'invalid_request', code: 'http.repeated-parameter' },
    });
    expect(await raw('json', '{"grant_type":["client_credentials"]}')).toMatchObject({
      status: 400,
      body: { error: 'invalid_request' },
    });
    expect(await raw('json', '[1]')).toMatchObject({ status: 400, body: { error: 'invalid_request' } });
    expect(await raw('json', '{"grant_type":')).toMatchObject({ status: 400, body: { error: 'invalid_request' } });
    expect((await raw('text/plain', 'grant_type=client_credentials')).status).toBe(415);
    expect((await raw('form', `client_assertion=${'a'.repeat(20_000)}`)).status).toBe(413);
    // Forms are read here alone.
    expect((await portal.http.post('/v1/auth/login').type('form').send('username=a&password=b')).status).toBe(415);
  });

  it('throttles a network that only fails, and nobody else for it', async () => {
    const from = '203.0.113.77';
    const forged = request(await assertionOf(who(feed.id, { ...(await newMachineKey()), kid: key.kid })));
    const statuses: number[] = [];
    for (let n = 0; n < 101; n++) statuses.push((await ask(forged, from)).status);
    expect(statuses.slice(0, 100).every((status) => status === 401)).toBe(true);
    const refused = await ask(request(await signed()), from);
    expect(refused).toMatchObject({ status: 429, body: { error: 'temporarily_unavailable' } });
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expect((await ask(request(await signed()))).status).toBe(200);
  });

  it('buys nobody guesses at other clients: tokens of their own lift no throttle of their network', async () => {
    const from = '203.0.113.78';
    // The attacker's own client, between any two guesses; each guess is at another client, none of which is there.
    const guess = async () => ask(request(await assertionOf(who(randomUUID()))), from);
    const own = async () => ask(request(await signed()), from);
    const statuses: number[] = [];
    for (let n = 0; n < LIMITS['client-network'].free; n++) {
      statuses.push((await guess()).status);
      if (n % 4 === 0 && n < LIMITS['client-network'].free - 1) expect((await own()).status).toBe(200);
    }
    expect(new Set(statuses)).toEqual(new Set([401]));
    expect((await guess()).status).toBe(429);
    expect((await own()).status).toBe(429);
    expect((await ask(request(await signed()))).status).toBe(200);
    // Tokens that were all right cost nothing: nobody who works is throttled by working.
    portal.clock.forward(LIMITS['client-network'].windowSeconds);
    const began = portal.clock.now();
    for (let n = 0; n < 20; n++) expect((await own()).status).toBe(200);
    const { rows } = await portal.owner.query('SELECT failures FROM auth.attempt WHERE last_at >= $1', [began]);
    expect(rows).toEqual([{ failures: 0 }]);
  });
});
