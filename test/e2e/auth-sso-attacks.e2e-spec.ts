import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { exportJWK, exportSPKI, generateKeyPair, SignJWT } from 'jose';
import { addKey, createKeyFile } from '../../src/platform/crypto/index.js';
import { cloneDatabase } from '../harness/database.js';
import { said } from '../harness/hospital.js';
import {
  RoamingBrowser,
  CLIENT_ID,
  CLIENT_SECRET,
  FakeProvider,
  LOGOUT_EVENT,
  providerEntry,
  requestOf,
  writeProviders,
  type AuthorizationRequest,
} from '../harness/identity-providers.js';
import { checkLedger } from '../harness/ledger.js';
import { Caller, makeAdmin, makePatient, signInAs, type Tokens } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

let portal: Portal;
let env: { SSO_PROVIDERS_FILE: string; SSO_RETURN_PATHS: string };
let admin: Caller;
/** What is attacked. */
let fake: FakeProvider;
/** Another provider, in the hands of an attacker. */
let evil: FakeProvider;

beforeAll(async () => {
  [fake, evil] = [await FakeProvider.start(), await FakeProvider.start()];
  const gone = await FakeProvider.start();
  await gone.close();
  const strong = { justInTime: true, secondFactor: { amr: ['otp'] } };
  const file = writeProviders([
    providerEntry('fake', fake.issuer, strong),
    providerEntry('evil', evil.issuer, strong),
    providerEntry('gone', gone.issuer),
  ]);
  env = { SSO_PROVIDERS_FILE: file, SSO_RETURN_PATHS: '/,/records,/charts/*' };
  portal = await startPortal({ env });
  admin = await makeAdmin(portal);
});
afterAll(async () => {
  await checkLedger(portal);
  await Promise.all([portal.close(), fake.close(), evil.close()]);
});

const PERSON = { name: 'Mallory', email: 'mallory@hospital.test', roles: ['nurses'], amr: ['otp'] };

const newBrowser = () => new RoamingBrowser(portal);
const newSubject = () => `subject-${randomUUID()}`;

/** Begins a sign-in; resolves with where the browser is sent. */
async function begin(browser: RoamingBrowser, provider = 'fake'): Promise<string> {
  const { location } = await browser.get(`/v1/auth/sso/${provider}/start`);
  return location!;
}

const back = (browser: RoamingBrowser, answer: Record<string, string>, provider = 'fake') =>
  browser.get(`/v1/auth/sso/${provider}/callback?${new URLSearchParams(answer).toString()}`);

const answerTo = (location: string, code: string): Record<string, string> => ({
  code,
  state: requestOf(location).state,
  iss: fake.issuer,
});

const codeIn = (location: string | null): string => new URL(location!).searchParams.get('code')!;
const exchange = (browser: RoamingBrowser, code: string) => browser.post('/v1/auth/sso/exchange', { code });

/** Brings somebody back with a code for the front end. */
async function comeBack(sub: string, claims: object = {}, browser = newBrowser()): Promise<string> {
  const location = await begin(browser);
  const answer = await back(browser, answerTo(location, fake.grant(location, sub, { ...PERSON, ...claims })));
  expect([answer.status, answer.body.code]).toEqual([302, undefined]);
  return codeIn(answer.location);
}

async function signIn(sub: string, claims: object = {}): Promise<Caller> {
  const browser = newBrowser();
  const { status, body } = await exchange(browser, await comeBack(sub, claims, browser));
  expect([status, body.status]).toEqual([200, 'authenticated']);
  return new Caller(portal, body as unknown as Tokens, { username: '', password: '' });
}

const EXPIRED = [401, 'auth.sso-expired'];
const FAILED = [401, 'auth.sso-failed'];

const accounts = async (): Promise<number> =>
  (await portal.owner.query('SELECT 1 FROM auth.federated_identity')).rows.length;

/** Of one table of secrets, everything as text. */
const contents = async (table: string): Promise<string> =>
  JSON.stringify((await portal.owner.query(`SELECT to_jsonb(t)::text AS row FROM ${table} t`)).rows);

describe('the state', () => {
  it('is good once, in ten minutes, at its own provider, in the browser that began', async () => {
    const browser = newBrowser();
    const location = await begin(browser);
    const answer = answerTo(location, fake.grant(location, newSubject(), PERSON));
    const stranger = newBrowser();
    await begin(stranger);
    const { state: _, ...withoutState } = answer;
    const refused = [
      // Login CSRF: the attacker's answer in the victim's browser, which began nothing, or something else.
      await back(newBrowser(), answer),
      await back(stranger, answer),
      await back(browser, { ...answer, state: 'A'.repeat(43) }),
      await back(browser, withoutState),
      await back(browser, answer, 'evil'),
      await browser.get(`/v1/auth/sso/fake/callback?${new URLSearchParams(answer).toString()}&state=second`),
      await browser.get('/v1/auth/sso/fake/callback'),
    ];
    expect(refused.map(said)).toEqual(refused.map(() => EXPIRED));
    expect((await back(browser, answer)).status).toBe(302);
    expect(said(await back(browser, answer))).toEqual(EXPIRED);

    const late = await begin(browser);
    const lateAnswer = answerTo(late, fake.grant(late, newSubject(), PERSON));
    portal.clock.forward(599);
    expect((await back(browser, lateAnswer)).status).toBe(302);
    const tooLate = await begin(browser);
    portal.clock.forward(601);
    expect(said(await back(browser, answerTo(tooLate, fake.grant(tooLate, newSubject(), PERSON))))).toEqual(EXPIRED);
  });

  it('is used up by a refusal, and by exactly one of twenty answers at once', async () => {
    const browser = newBrowser();
    const refused = await begin(browser);
    expect(said(await back(browser, answerTo(refused, 'no such code')))).toEqual(FAILED);
    expect(said(await back(browser, answerTo(refused, fake.grant(refused, newSubject(), PERSON))))).toEqual(EXPIRED);

    const location = await begin(browser);
    const answer = answerTo(location, fake.grant(location, newSubject(), PERSON));
    const answers = await Promise.all(Array.from({ length: 20 }, () => back(browser, answer)));
    expect(answers.filter(({ status }) => status === 302)).toHaveLength(1);
    expect(answers.filter(({ body }) => body.code === 'auth.sso-expired')).toHaveLength(19);
  });

  it('serves two tabs of one browser at once', async () => {
    const browser = newBrowser();
    const [one, two] = [await begin(browser), await begin(browser)];
    for (const location of [one, two]) {
      const { status } = await back(browser, answerTo(location, fake.grant(location, newSubject(), PERSON)));
      expect(status).toBe(302);
    }
  });

  it('outlives a rotation of the key that nonce and verifier are computed with', async () => {
    const keyFile = join(mkdtempSync(join(tmpdir(), 'portico-sso-keys-')), 'keys.json');
    await createKeyFile(keyFile);
    const database = await cloneDatabase();
    const { SSO_PROVIDERS_FILE } = env;
    const open = () => startPortal({ database, env: { KEY_FILE: keyFile, SSO_PROVIDERS_FILE } });
    const before = await open();
    const browser = new RoamingBrowser(before);
    const location = await begin(browser);
    await before.close();
    await addKey(keyFile, 'mac');
    const after = await open();
    const later = new RoamingBrowser(after);
    for (const [name, value] of browser.jar('/')) later.jar('/').set(name, value);
    const answer = await back(later, answerTo(location, fake.grant(location, newSubject(), PERSON)));
    expect([answer.status, answer.body]).toEqual([302, {}]);
    expect((await exchange(later, codeIn(answer.location))).status).toBe(200);
    await after.close();
  });

  it('leaves no table with anything that would sign somebody in', async () => {
    const browser = newBrowser();
    const location = await begin(browser);
    const { state, nonce } = requestOf(location);
    const code = codeIn((await back(browser, answerTo(location, fake.grant(location, newSubject(), PERSON)))).location);
    const verifier = fake.tokenRequests.at(-1)!.body.get('code_verifier')!;
    const cookie = [...browser.jar('/').values()][0]!;
    const stored = (await contents('auth.sso_flow')) + (await contents('auth.sso_code'));
    const logged = JSON.stringify(portal.log);
    for (const secret of [state, nonce, verifier, code, cookie]) {
      expect(secret).toHaveLength(43);
      expect(stored).not.toContain(secret);
      expect(stored).not.toContain(Buffer.from(secret, 'base64url').toString('hex'));
      expect(logged).not.toContain(secret);
    }
    expect(logged).not.toContain(CLIENT_SECRET);
  });
});

describe('the code of the address', () => {
  it('is good once, in a minute, in the same browser', async () => {
    const browser = newBrowser();
    const code = await comeBack(newSubject(), {}, browser);
    expect(said(await exchange(newBrowser(), code))).toEqual(EXPIRED);
    const stranger = newBrowser();
    await begin(stranger);
    expect(said(await exchange(stranger, code))).toEqual(EXPIRED);
    expect(said(await exchange(browser, 'A'.repeat(43)))).toEqual(EXPIRED);
    const cookie = new Map(browser.jar('/'));
    expect((await exchange(browser, code)).status).toBe(200);
    for (const [name, value] of cookie) browser.jar('/').set(name, value);
    expect(said(await exchange(browser, code))).toEqual(EXPIRED);

    const late = await comeBack(newSubject(), {}, browser);
    portal.clock.forward(61);
    expect(said(await exchange(browser, late))).toEqual(EXPIRED);
  });

  it('signs in exactly one of twenty at once', async () => {
    const browser = newBrowser();
    const code = await comeBack(newSubject(), {}, browser);
    const answers = await Promise.all(Array.from({ length: 20 }, () => exchange(browser, code)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ body }) => body.code === 'auth.sso-expired')).toHaveLength(19);
  });
});

describe('the ID token', () => {
  type Forgery = (request: AuthorizationRequest, sub: string) => Promise<string> | string;

  const right = (request: AuthorizationRequest, sub: string) => fake.claims(request, sub, PERSON);
  const with_ =
    (changes: object): Forgery =>
    (request, sub) =>
      fake.sign({ ...right(request, sub), ...changes });
  const without =
    (name: string): Forgery =>
    (request, sub) => {
      const { [name]: _, ...claims } = right(request, sub);
      return fake.sign(claims);
    };
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const seconds = () => Math.floor(Date.now() / 1000);
  const tampered = async (token: Promise<string>, at: 0 | 1 | 2, change: (text: string) => string): Promise<string> => {
    const parts = (await token).split('.');
    parts[at] = change(parts[at]!);
    return parts.join('.');
  };

  const FORGERIES: Record<string, Forgery> = {
    'a wrong nonce': with_({ nonce: 'A'.repeat(43) }),
    'no nonce': without('nonce'),
    'another issuer': (request, sub) => fake.sign({ ...right(request, sub), iss: evil.issuer }),
    'no issuer': without('iss'),
    'another audience': with_({ aud: 'somebody-else' }),
    'an audience in other letters': with_({ aud: CLIENT_ID.toUpperCase() }),
    'no audience': without('aud'),
    'several audiences and no authorized party': with_({ aud: [CLIENT_ID, 'somebody-else'] }),
    'another authorized party': with_({ aud: [CLIENT_ID, 'somebody-else'], azp: 'somebody-else' }),
    'an end in the past': (request, sub) => fake.sign({ ...right(request, sub), exp: seconds() - 60 }),
    'no end': without('exp'),
    'an end that is a text': (request, sub) => fake.sign({ ...right(request, sub), exp: String(seconds() + 60) }),
    'a beginning in the future': (request, sub) => fake.sign({ ...right(request, sub), nbf: seconds() + 3600 }),
    'no time of issue': without('iat'),
    'no time of the sign-in': without('auth_time'),
    'a sign-in of yesterday': (request, sub) => fake.sign({ ...right(request, sub), auth_time: seconds() - 90_000 }),
    'no subject': without('sub'),
    'an empty subject': with_({ sub: '' }),
    'a subject that is a number': with_({ sub: 7 }),
    'a subject with a control character': with_({ sub: 'a\u0000b' }),
    'a session id that is none': with_({ sid: { a: 1 } }),
    'a flipped bit in the signature': (request, sub) =>
      tampered(fake.sign(right(request, sub)), 2, (text) => {
        const bytes = Buffer.from(text, 'base64url');
        bytes[40]! ^= 1;
        return bytes.toString('base64url');
      }),
    'another payload under the same signature': (request, sub) =>
      tampered(fake.sign(right(request, sub)), 1, () => part({ ...right(request, sub), roles: ['doctors'] })),
    'an empty signature': (request, sub) => tampered(fake.sign(right(request, sub)), 2, () => ''),
    'no signature, alg none': (request, sub) => `${part({ alg: 'none' })}.${part(right(request, sub))}.`,
    'no signature, alg NoNe': (request, sub) => `${part({ alg: 'NoNe' })}.${part(right(request, sub))}.`,
    'a MAC by the client secret': (request, sub) =>
      new SignJWT(right(request, sub))
        .setProtectedHeader({ alg: 'HS256', kid: fake.kid })
        .sign(Buffer.from(CLIENT_SECRET)),
    'a MAC by the public key': async (request, sub) =>
      new SignJWT(right(request, sub))
        .setProtectedHeader({ alg: 'HS256', kid: fake.kid })
        .sign(Buffer.from(await exportSPKI(fake.keys.publicKey))),
    "another key under the provider's name": async (request, sub) => {
      const { privateKey } = await generateKeyPair('RS256');
      return fake.sign(right(request, sub), {}, privateKey);
    },
    'another key that it brings with it': async (request, sub) => {
      const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true });
      return fake.sign(right(request, sub), { jwk: await exportJWK(publicKey), kid: 'new' }, privateKey);
    },
    'another key at an address that it names': async (request, sub) => {
      const { privateKey } = await generateKeyPair('RS256');
      return fake.sign(right(request, sub), { jku: `${evil.issuer}/jwks`, kid: evil.kid }, privateKey);
    },
    'an algorithm that the provider does not announce': (request, sub) => {
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      return new SignJWT(right(request, sub)).setProtectedHeader({ alg: 'ES256', kid: fake.kid }).sign(privateKey);
    },
    'something critical that nobody understands': (request, sub) =>
      new SignJWT(right(request, sub))
        .setProtectedHeader({ alg: 'RS256', kid: fake.kid, crit: ['x'], x: 1 })
        .sign(fake.keys.privateKey, { crit: { x: true } }),
    'a logout token in its place': (request, sub) =>
      fake.sign({ iss: fake.issuer, aud: CLIENT_ID, sub, iat: seconds(), exp: seconds() + 60, events: {} }),
    'no token at all': () => '',
    'a text': () => 'not.a.token',
  };

  it.each(Object.keys(FORGERIES))('is refused with %s', async (name) => {
    const browser = newBrowser();
    const location = await begin(browser);
    const [known, asked] = [await accounts(), evil.asked.length];
    const code = fake.grantWith(location, (request) => FORGERIES[name]!(request, newSubject()));
    expect(said(await back(browser, answerTo(location, code)))).toEqual(FAILED);
    expect(await accounts()).toBe(known);
    expect(evil.asked).toHaveLength(asked);
  });

  it('is taken when nothing is wrong with it', async () => {
    await signIn(newSubject());
  });
});

describe('a provider that lies', () => {
  it('cannot answer for another one (RFC 9207), nor leave away who it is', async () => {
    const browser = newBrowser();
    for (const iss of [evil.issuer, `${fake.issuer}/`, '', null]) {
      const location = await begin(browser);
      const { iss: _, ...rest } = answerTo(location, fake.grant(location, newSubject(), PERSON));
      const asked = fake.tokenRequests.length;
      expect(said(await back(browser, iss === null ? rest : { ...rest, iss }))).toEqual(FAILED);
      // The code was not even shown to the token endpoint.
      expect(fake.tokenRequests).toHaveLength(asked);
    }
  });

  it("cannot sign in another provider's person: the same subject is somebody else there", async () => {
    const sub = newSubject();
    await signIn(sub);
    const browser = newBrowser();
    const location = await begin(browser, 'evil');
    const code = evil.grant(location, sub, PERSON);
    const answer = await back(browser, { ...answerTo(location, code), iss: evil.issuer }, 'evil');
    const { body } = await exchange(browser, codeIn(answer.location));
    expect(body.status).toBe('authenticated');
    const { rows } = await portal.owner.query(
      'SELECT count(DISTINCT account_id)::int AS n FROM auth.federated_identity WHERE subject = $1',
      [sub],
    );
    expect(rows).toEqual([{ n: 2 }]);
  });

  it('has none of its words shown', async () => {
    const browser = newBrowser();
    const words = { error_description: '<script>alert(1)</script>', error_uri: 'https://evil.example/' };
    const refused = async (error: string) => {
      const location = await begin(browser);
      return back(browser, { state: requestOf(location).state, iss: fake.issuer, error, ...words });
    };
    expect(said(await refused('access_denied'))).toEqual([403, 'auth.sso-declined']);
    expect(said(await refused('temporarily_unavailable'))).toEqual([503, 'auth.sso-unavailable']);
    expect(said(await refused('<b>made up</b>'))).toEqual([403, 'auth.sso-declined']);
    const location = await begin(browser);
    const noCode = await back(browser, answerTo(location, 'x'));
    expect(noCode.text).not.toMatch(/free text|script|evil/);
    expect(JSON.stringify(portal.log)).not.toMatch(/free text|alert\(1\)/);
  });

  it('sends a browser back to the front end with a code, and the trail says that it was refused', async () => {
    const browser = newBrowser();
    const html = { accept: 'text/html,application/xhtml+xml' };
    const answer = await browser.get('/v1/auth/sso/fake/callback?state=x&code=y', html);
    expect([answer.status, answer.location]).toEqual([302, 'https://portal.test/sign-in?error=auth.sso-expired']);
    const requestId = answer.headers.get('x-request-id');
    const { rows } = await portal.owner.query(
      `SELECT outcome, event::jsonb ->> 'err' AS err FROM audit.inbox WHERE request_id = $1
        UNION ALL SELECT outcome, leaf::jsonb -> 'e' ->> 'err' FROM audit.entry WHERE request_id = $1`,
      [requestId],
    );
    expect(rows).toEqual([{ outcome: 4, err: 'auth.sso-expired' }]);
  });
});

describe('a redirect', () => {
  const start = (query: string) => newBrowser().get(`/v1/auth/sso/fake/start?${query}`);

  it.each([
    'https://evil.example/',
    '//evil.example/',
    '///evil.example',
    '/\\evil.example',
    '\\\\evil.example',
    'javascript:alert(1)',
    'evil.example',
    '/%2f%2fevil.example',
    '/charts/../../evil',
    '/charts/..%2fevil/../x',
    '/charts/%2e%2e/x',
    '/records/',
    '/recordsX',
    '/charts',
    '/admin',
    '/\t/evil.example',
    '/records\n',
    '/@evil.example',
    'https://portal.test/records',
  ])('does not lead on to %j', async (path) => {
    expect(said(await start(`returnTo=${encodeURIComponent(path)}`))).toEqual([422, 'auth.sso-return-not-allowed']);
  });

  it('leads on to what the configuration names', async () => {
    for (const path of ['/', '/records', '/records?from=2026#top', '/charts/12', '/charts/a/b'])
      expect((await start(`returnTo=${encodeURIComponent(path)}`)).status).toBe(302);
    expect(said(await start('returnTo=/records&returnTo=//evil.example'))).toEqual([400, 'http.invalid']);
    expect(said(await start('redirect_uri=https://evil.example'))).toEqual([400, 'http.invalid']);
  });

  it('never takes the host from the request', async () => {
    const { location } = await newBrowser().get('/v1/auth/sso/fake/start', {
      'x-forwarded-host': 'evil.example',
      'x-forwarded-proto': 'https',
    });
    expect(requestOf(location!).redirect_uri).toBe('https://portal.test/v1/auth/sso/fake/callback');
  });
});

describe('calls to a provider', () => {
  /** The metadata are kept for an hour. */
  async function afresh<T>(work: () => Promise<T>): Promise<T> {
    portal.clock.forward(3_601);
    try {
      return await work();
    } finally {
      fake.metadata = {};
      fake.intercept = () => false;
      portal.clock.forward(3_601);
    }
  }
  const start = (provider = 'fake') => newBrowser().get(`/v1/auth/sso/${provider}/start`);
  const DOWN = [503, 'auth.sso-unavailable'];

  it('answer 503 where it is down, and everything else goes on', async () => {
    const refused = await start('gone');
    expect(said(refused)).toEqual(DOWN);
    expect(refused.headers.get('retry-after')).not.toBeNull();
    expect(refused.headers.getSetCookie()).toEqual([]);
    const { username, password } = admin.credentials;
    const { body } = await portal.http.post('/v1/auth/login').send({ username, password }).expect(200);
    expect(body).toMatchObject({ status: 'mfa_required' });
    expect((await start('fake')).status).toBe(302);
    const html = await newBrowser().get('/v1/auth/sso/gone/start', { accept: 'text/html' });
    expect(html.location).toBe('https://portal.test/sign-in?error=auth.sso-unavailable');
  });

  it('recover as soon as it answers again, and fetch what it says of itself once for many', async () => {
    await afresh(async () => {
      fake.intercept = (_, response) => Boolean(response.writeHead(500).end());
      expect(said(await start())).toEqual(DOWN);
      fake.intercept = () => false;
      fake.asked.length = 0;
      const answers = await Promise.all(Array.from({ length: 10 }, () => start()));
      expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(302));
      expect(fake.asked).toEqual(['/.well-known/openid-configuration']);
    });
  });

  it('refuse metadata of another issuer, and of hosts that are not configured', async () => {
    for (const metadata of [
      { issuer: evil.issuer },
      { issuer: `${fake.issuer}/` },
      { jwks_uri: `${evil.issuer}/jwks` },
      { jwks_uri: undefined },
      { jwks_uri: 'file:///etc/passwd' },
      { jwks_uri: `${fake.issuer.replace('127.0.0.1', 'localhost')}/jwks` },
      { authorization_endpoint: `${evil.issuer}/authorize` },
      { authorization_endpoint: 'javascript:alert(1)' },
    ]) {
      await afresh(async () => {
        fake.metadata = metadata;
        evil.asked.length = 0;
        expect([metadata, ...said(await start())]).toEqual([metadata, ...DOWN]);
        expect(evil.asked).toEqual([]);
      });
    }
  });

  it('never go to a token endpoint elsewhere, nor follow a redirect, with the code or without', async () => {
    await afresh(async () => {
      fake.metadata = { token_endpoint: `${evil.issuer}/token` };
      const browser = newBrowser();
      const location = await begin(browser);
      evil.asked.length = 0;
      expect((await back(browser, answerTo(location, fake.grant(location, newSubject(), PERSON)))).status).toBe(503);
      expect(evil.asked).toEqual([]);
    });
    for (const path of ['/.well-known/openid-configuration', '/token', '/jwks']) {
      await afresh(async () => {
        evil.asked.length = 0;
        fake.intercept = (asked, response) => {
          if (asked !== path) return false;
          response.writeHead(307, { location: `${evil.issuer}${path}` }).end();
          return true;
        };
        const browser = newBrowser();
        const { location, status } = await browser.get('/v1/auth/sso/fake/start');
        if (path.startsWith('/.')) expect(status).toBe(503);
        else {
          const answer = await back(browser, answerTo(location!, fake.grant(location!, newSubject(), PERSON)));
          expect([path, answer.status]).toEqual([path, 503]);
        }
        expect(evil.asked).toEqual([]);
      });
    }
  });

  it('do not read without end', async () => {
    await afresh(async () => {
      fake.intercept = (_, response) => {
        response.writeHead(200, { 'content-type': 'application/json' });
        const more = () => {
          while (!response.destroyed && response.write(' '.repeat(65_536)));
        };
        response.on('drain', more);
        more();
        return true;
      };
      expect(said(await start())).toEqual(DOWN);
    });
  });

  it('answer what does not exist like anything that does not', async () => {
    for (const provider of ['nobody', 'constructor', '__proto__']) {
      const { status } = await start(encodeURIComponent(provider));
      expect([400, 404]).toContain(status);
    }
  });
});

describe('back-channel logout', () => {
  const send = (body: string | URLSearchParams, provider = 'fake', type = 'application/x-www-form-urlencoded') =>
    portal.http.post(`/v1/auth/sso/${provider}/backchannel-logout`).set('Content-Type', type).send(body.toString());
  const sendToken = (logout_token: string, provider?: string) => send(new URLSearchParams({ logout_token }), provider);

  const now = () => Math.floor(portal.clock.now().getTime() / 1000);
  const claims = (more: object): Record<string, unknown> => ({
    iss: fake.issuer,
    aud: CLIENT_ID,
    iat: now(),
    exp: now() + 120,
    jti: randomUUID(),
    events: { [LOGOUT_EVENT]: {} },
    ...more,
  });
  const sign = (payload: object, header: object = {}) => fake.sign(payload, { typ: 'logout+jwt', ...header });

  it('ends the sessions of the subject, or of its one session, on the next request', async () => {
    const sub = newSubject();
    const [one, two] = [await signIn(sub, { sid: 'one' }), await signIn(sub, { sid: 'two' })];
    const other = await signIn(newSubject(), { sid: 'one' });
    const answer = await sendToken(await sign(claims({ sid: 'two' })));
    expect([answer.status, answer.text, answer.headers['cache-control']]).toEqual([200, '', 'no-store']);
    expect(said(await two.get('/v1/me'))).toEqual([401, 'auth.session-ended']);
    await one.get('/v1/me').expect(200);
    await sendToken(await sign(claims({ sub: newSubject(), sid: 'one' }))).expect(200);
    await one.get('/v1/me').expect(200);
    const three = await signIn(sub);
    await sendToken(await sign(claims({ sub }))).expect(200);
    for (const caller of [one, three]) expect(said(await caller.get('/v1/me'))).toEqual([401, 'auth.session-ended']);
    await other.get('/v1/me').expect(200);
    const { refreshToken } = one.tokens;
    await portal.http.post('/v1/auth/refresh').send({ refreshToken }).expect(401);
  });

  it('refuses what is forged, old, used or something else', async () => {
    const sub = newSubject();
    const caller = await signIn(sub, { sid: 'mine' });
    const good = (more: object = {}) => claims({ sub, sid: 'mine', ...more });
    const without = (name: string) => {
      const { [name]: _, ...rest } = good();
      return sign(rest);
    };
    const { privateKey } = await generateKeyPair('RS256');
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const bits = (await sign(good())).split('.');
    const forged: Record<string, Promise<string> | string> = {
      'another key': fake.sign(good(), { typ: 'logout+jwt' }, privateKey),
      "another provider's": evil.sign(claims({ iss: evil.issuer, sub }), { typ: 'logout+jwt' }),
      'another issuer': sign(good({ iss: evil.issuer })),
      'another audience': sign(good({ aud: 'somebody-else' })),
      'no issuer': without('iss'),
      'no audience': without('aud'),
      'no jti': without('jti'),
      'a jti that is none': sign(good({ jti: 7 })),
      'no iat': without('iat'),
      'no exp': without('exp'),
      expired: sign(good({ iat: now() - 100, exp: now() - 40 })),
      'too old': sign(good({ iat: now() - 200, exp: now() + 500 })),
      'from the future': sign(good({ iat: now() + 300, exp: now() + 400 })),
      'no event': without('events'),
      'another event': sign(good({ events: { 'urn:other': {} } })),
      'an event that is no object': sign(good({ events: { [LOGOUT_EVENT]: 'yes' } })),
      'a nonce': sign(good({ nonce: 'n' })),
      'nobody named': sign(claims({})),
      'a subject that is none': sign(good({ sub: ['a'] })),
      'no typ': fake.sign(good()),
      'the typ of an ID token': sign(good(), { typ: 'JWT' }),
      'alg none': `${part({ alg: 'none', typ: 'logout+jwt' })}.${part(good())}.`,
      'a MAC': new SignJWT(good())
        .setProtectedHeader({ alg: 'HS256', typ: 'logout+jwt' })
        .sign(Buffer.from(CLIENT_SECRET)),
      'another payload': [bits[0], part(good({ sub: 'x' })), bits[2]].join('.'),
      'an ID token': fake.sign(fake.claims({ nonce: 'n' }, sub)),
      nothing: '',
      text: 'x'.repeat(500),
    };
    for (const [name, token] of Object.entries(forged)) {
      const answer = await sendToken(await token);
      expect([name, ...said(answer), answer.headers['cache-control']]).toEqual([
        name,
        400,
        'auth.logout-token-refused',
        'no-store',
      ]);
    }
    const token = await sign(good());
    expect(said(await sendToken(token, 'evil'))).toEqual([400, 'auth.logout-token-refused']);
    expect(
      said(
        await send(
          new URLSearchParams([
            ['logout_token', token],
            ['logout_token', token],
          ]),
        ),
      )[0],
    ).toBe(400);
    expect(said(await send('a=b'))[0]).toBe(400);
    expect(said(await send(`logout_token=${'x'.repeat(20_000)}`))).toEqual([400, 'auth.logout-token-refused']);
    expect(said(await send(JSON.stringify({ logout_token: token }), 'fake', 'application/json'))[0]).toBe(415);
    expect(said(await send(token, 'fake', 'text/plain'))[0]).toBe(415);
    expect(said(await sendToken(token, 'nobody'))[0]).toBe(404);
    expect(said(await sendToken(await sign(good()), 'gone'))).toEqual([503, 'auth.sso-unavailable']);
    await caller.get('/v1/me').expect(200);

    // Replayed at once, one of twenty counts.
    const answers = await Promise.all(Array.from({ length: 20 }, () => sendToken(token)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(said(await caller.get('/v1/me'))).toEqual([401, 'auth.session-ended']);
  });

  it('takes forms nowhere else', async () => {
    const form = 'application/x-www-form-urlencoded';
    const login = portal.http.post('/v1/auth/login').set('Content-Type', form).send('username=a&password=b');
    expect(said(await login)).toEqual([415, 'http.media-type']);
  });

  it('comes in time for whoever is half-way in', async () => {
    const sub = newSubject();
    const browser = newBrowser();
    const code = await comeBack(sub, { sid: 'half' }, browser);
    await sendToken(await sign(claims({ sid: 'half' }))).expect(200);
    expect(said(await exchange(browser, code))).toEqual(EXPIRED);

    // Between the provider and our own second factor.
    const { body } = await exchange(browser, await comeBack(sub, { sid: 'half-2', amr: ['pwd'] }, browser));
    expect(body.status).toBe('enrolment_required');
    await sendToken(await sign(claims({ sid: 'half-2' }))).expect(200);
    const enrol = await portal.http.post('/v1/auth/mfa/totp').send({ mfaToken: body.mfaToken });
    expect(said(enrol)).toEqual([401, 'auth.sign-in-expired']);

    // Still at the provider, whose session is gone when the person comes back.
    const location = await begin(browser);
    const late = fake.grant(location, sub, { ...PERSON, sid: 'half-3' });
    await sendToken(await sign(claims({ sid: 'half-3' }))).expect(200);
    expect(said(await back(browser, answerTo(location, late)))).toEqual(EXPIRED);
    await signIn(sub, { sid: 'half-4' });
  });

  it('leaves no session in fifty races with a sign-in', async () => {
    const sub = newSubject();
    await signIn(sub);
    for (let round = 0; round < 50; round++) {
      const browser = newBrowser();
      const sid = `race-${round}`;
      const code = await comeBack(sub, { sid }, browser);
      const token = await sign(claims({ sid }));
      const [answer] = await Promise.all([exchange(browser, code), sendToken(token).expect(200)]);
      if (answer.status !== 200) continue;
      const caller = new Caller(portal, answer.body as unknown as Tokens, { username: '', password: '' });
      expect([round, ...said(await caller.get('/v1/me'))]).toEqual([round, 401, 'auth.session-ended']);
    }
  });
});

describe('a provider that the configuration names no more', () => {
  const STRONG = { justInTime: true, secondFactor: { amr: ['otp'] } };
  const BOSSES = { ...STRONG, roleMap: { nurses: 'staff', bosses: 'admin' } };
  const rolesOf = async (at: Portal, accountId: string) =>
    (
      await at.owner.query<{ role: string }>(
        'SELECT role FROM users.account_role WHERE account_id = $1 AND revoked_at IS NULL ORDER BY role',
        [accountId],
      )
    ).rows.map(({ role }) => role);

  /** Portals on one database, each with a configuration of its own. */
  async function on(work: (open: (...entries: object[]) => Promise<Portal>) => Promise<void>): Promise<void> {
    const database = await cloneDatabase();
    const opened: Portal[] = [];
    const open = async (...entries: object[]) => {
      const at = await startPortal({ database, env: { SSO_PROVIDERS_FILE: writeProviders(entries) } });
      opened.push(at);
      return at;
    };
    try {
      await work(open);
      await checkLedger(opened[0]!);
    } finally {
      await Promise.all(opened.map((at) => at.close()));
    }
  }

  async function bySso(at: Portal, id: 'fake' | 'evil', group: string): Promise<Caller & { id: string }> {
    const provider = id === 'fake' ? fake : evil;
    const browser = new RoamingBrowser(at);
    const location = await begin(browser, id);
    const code = provider.grant(location, newSubject(), { ...PERSON, roles: [group] });
    const { state } = requestOf(location);
    const page = await back(browser, { code, state, iss: provider.issuer }, id);
    const { status, body } = await exchange(browser, codeIn(page.location));
    expect([status, body.status]).toEqual([200, 'authenticated']);
    const caller = new Caller(at, body as unknown as Tokens, { username: '', password: '' });
    return Object.assign(caller, { id: await caller.accountId() });
  }

  it('takes the roles that it gave along at the next start, and leaves those of other hands', () =>
    on(async (open) => {
      const before = await open(providerEntry('fake', fake.issuer, STRONG), providerEntry('evil', evil.issuer, BOSSES));
      const byHand = await makeAdmin(before);
      const [nurse, boss, stays] = [
        await bySso(before, 'evil', 'nurses'),
        await bySso(before, 'evil', 'bosses'),
        await bySso(before, 'fake', 'nurses'),
      ];
      await byHand.post(`/v1/users/${nurse.id}/roles`, { role: 'records_officer', reason: 'Covers.' }).expect(200);
      const after = await open(providerEntry('fake', fake.issuer, STRONG));
      expect(await rolesOf(after, nurse.id)).toEqual(['records_officer']);
      expect(await rolesOf(after, boss.id)).toEqual([]);
      expect(await rolesOf(after, stays.id)).toEqual(['staff']);
      // On a replica, too, that was not started anew.
      expect(said(await boss.get('/v1/users'))).toEqual([401, 'auth.session-ended']);
      await stays.get('/v1/me').expect(200);
      const { rows } = await after.owner.query(
        `SELECT kind, via, via_name, changed_by, reason FROM users.role_change WHERE account_id = $1 AND kind = 'revoked'`,
        [boss.id],
      );
      const reason = 'Single sign-on: the provider is not configured to give this role any more.';
      expect(rows).toEqual([{ kind: 'revoked', via: 'sso', via_name: 'evil', changed_by: null, reason }]);
      const { rows: events } = await after.owner.query(
        `SELECT err FROM (SELECT event::jsonb ->> 'err' AS err, action, actor FROM audit.inbox
           UNION ALL SELECT leaf::jsonb -> 'e' ->> 'err', action, actor FROM audit.entry) e
          WHERE action = 'Account.revoke' AND actor = $1`,
        [boss.id],
      );
      expect(events).toEqual([{ err: 'auth.sso-role-orphaned' }]);
    }));

  it('takes a role along, too, that its map gives no more', () =>
    on(async (open) => {
      const before = await open(providerEntry('evil', evil.issuer, BOSSES));
      await makeAdmin(before);
      const [nurse, boss] = [await bySso(before, 'evil', 'nurses'), await bySso(before, 'evil', 'bosses')];
      const after = await open(providerEntry('evil', evil.issuer, STRONG));
      expect(await rolesOf(after, nurse.id)).toEqual(['staff']);
      expect(await rolesOf(after, boss.id)).toEqual([]);
      await nurse.get('/v1/me').expect(200);
      expect(said(await boss.get('/v1/me'))).toEqual([401, 'auth.session-ended']);
    }));

  it('leaves the last administrators, says so, and takes them along once there is another', () =>
    on(async (open) => {
      const before = await open(providerEntry('evil', evil.issuer, BOSSES));
      const bosses = [await bySso(before, 'evil', 'bosses'), await bySso(before, 'evil', 'bosses')];
      const after = await open();
      for (const { id } of bosses) expect(await rolesOf(after, id)).toEqual(['admin']);
      expect(after.log.filter(({ reason }) => reason === 'auth.sso-role-orphaned')).toMatchObject([
        { level: 40, msg: expect.stringContaining('last administrators') },
      ]);
      await makeAdmin(after);
      const last = await open();
      for (const { id } of bosses) expect(await rolesOf(last, id)).toEqual([]);
    }));
});

describe('a patient', () => {
  it('is not let in by a provider of staff, whatever it says of their address', async () => {
    const patient = await makePatient(portal, await signInAs(portal, admin.credentials), { email: 'pat@home.test' });
    const browser = newBrowser();
    const location = await begin(browser);
    const code = fake.grant(location, newSubject(), { ...PERSON, roles: ['patient'], email: 'pat@home.test' });
    expect(said(await back(browser, answerTo(location, code)))).toEqual([403, 'auth.sso-not-allowed']);
    await patient.get('/v1/me').expect(200);
  });
});
