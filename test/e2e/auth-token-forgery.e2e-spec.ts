import { Agent, createServer, request as httpRequest, type Server } from 'node:http';
import { Socket, type AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Browser } from '../harness/browser.js';
import { forgeries } from '../harness/forgeries.js';
import { encode, forgersBench, type Bench, type Claims, type Forged } from '../harness/forgers-bench.js';
import { checkLedger } from '../harness/ledger.js';
import { makeAdmin, makePatient, makeStaff, signInAs, type Caller, type Patient } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

const PARALLEL = 32;
const LEAST = 5_000;

let portal: Portal;
let patient: Patient;
let stranger: Patient;
let staff: Caller;
/** Where a verifier that believed a token's header would fetch keys: nobody is to come. */
let lure: Server;
let visits = 0;

beforeAll(async () => {
  portal = await startPortal();
  const admin = await makeAdmin(portal);
  patient = await makePatient(portal, admin);
  stranger = await makePatient(portal, admin);
  staff = await makeStaff(portal, admin, 'staff');
  lure = createServer((_, answer) => {
    visits++;
    answer.end('{"keys":[]}');
  });
  await new Promise<void>((done) => lure.listen(0, '127.0.0.1', done));
});
afterAll(async () => {
  agent.destroy();
  lure.close();
  await checkLedger(portal);
  await portal.close();
});

/** Everything else that the portal gives out or takes in. */
async function* otherKinds({ kid, claims, header, signed }: Bench): AsyncGenerator<Forged> {
  const { username, password } = staff.credentials;
  const half = await portal.http.post('/v1/auth/login').send({ username, password }).expect(200);
  const browser = new Browser(portal);
  await browser.send('post', '/v1/auth/login', {
    username: patient.credentials.username,
    password: patient.credentials.password,
    transport: 'cookie',
  });
  const { next } = (await patient.get('/v1/me/activity?limit=1')).body as { next: string | null };
  const given: Record<string, string> = {
    'refresh token': patient.tokens.refreshToken,
    'token of a sign-in': (half.body as { mfaToken: string }).mfaToken,
    'CSRF token': browser.csrfToken!,
    'refresh token of a browser': browser.jar.get('__Host-portico-refresh')!,
    cursor: next ?? 'x',
    'session id': patient.tokens.session.id,
    kid: kid,
  };
  for (const [name, value] of Object.entries(given)) {
    yield [name, value];
    yield [name, `${encode(header)}.${encode(claims)}.${value}`];
    yield [name, `${value}.${value}.${value}`];
  }
  const kinds: [Claims, Claims][] = [
    [
      { alg: 'ES256', typ: 'JWT', kid },
      { ...claims, nonce: 'n', azp: 'portico' },
    ],
    [
      { alg: 'ES256', typ: 'logout+jwt', kid },
      { ...claims, events: { 'http://schemas.openid.net/event/backchannel-logout': {} } },
    ],
    [
      { alg: 'ES256', typ: 'JWT', kid },
      { iss: claims.sub, sub: claims.sub, aud: claims.iss, jti: 'j', exp: claims.exp },
    ],
    [
      { alg: 'ES256', typ: 'dpop+jwt', kid },
      { htm: 'GET', htu: 'https://portal.test', jti: 'j', iat: claims.iat },
    ],
    [
      { alg: 'ES256', typ: 'at+jwt', kid },
      { ...claims, token_use: 'refresh' },
    ],
  ];
  for (const [top, payload] of kinds) yield ['a token of another kind', signed(payload, top)];
}

const agent = new Agent({ keepAlive: true, maxSockets: PARALLEL });

/** By the header or by the browser's cookie; resolves with status and code. What cannot be written in a header is left out. */
function present(token: string, byCookie: boolean): Promise<string> {
  return new Promise((done, fail) => {
    const headers = byCookie ? { cookie: `__Host-portico-access=${token}` } : { authorization: `Bearer ${token}` };
    const { port } = new URL(portal.url);
    const sent = httpRequest({ agent, host: '127.0.0.1', port, path: '/v1/me', headers }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      answer.on('end', () => done(`${answer.statusCode} ${(JSON.parse(text) as { code?: string }).code}`));
    });
    sent.on('error', fail).end();
  });
}

describe('a forged access token', () => {
  it(`is refused in more than ${LEAST} forms, by header and by cookie, and nobody is asked about it`, async () => {
    const lureUrl = `http://127.0.0.1:${(lure.address() as AddressInfo).port}/keys`;
    const tools = forgersBench(portal, patient.tokens.accessToken, stranger.tokens.accessToken, lureUrl);
    await patient.get('/v1/me').expect(200);
    const forged = forgeries(tools);
    for await (const one of otherKinds(tools)) forged.push(one);
    const writable = forged.filter(([, token]) => /^[\t\x20-\x7e]*$/.test(token) && token !== tools.token);
    expect(new Set(writable.map(([, token]) => token)).size).toBeGreaterThan(LEAST);

    const ports = new Set([new URL(portal.url).port, new URL(portal.config.database.url).port]);
    const outbound: unknown[] = [];
    const connect = Reflect.get(Socket.prototype, 'connect');
    Socket.prototype.connect = function (this: Socket, ...args: unknown[]) {
      // Node calls it with its arguments in one list, others with options, or with a port.
      const [first] = args.flat() as ({ port?: number | string } | number | string)[];
      const target = typeof first === 'object' ? first.port : first;
      if (!ports.has(String(target))) outbound.push(args);
      return Reflect.apply(connect, this, args) as Socket;
    };
    const accepted: string[] = [];
    let at = 0;
    try {
      await Promise.all(
        Array.from({ length: PARALLEL }, async () => {
          for (let own = at++; own < writable.length; own = at++) {
            const [kind, token] = writable[own]!;
            // In a cookie these characters end the value, and white space at the end of a header is none of it.
            const said = await present(token, own % 4 === 0 && !/[;\t ]/.test(token));
            if (!said.startsWith('401 auth.') && !(said.startsWith('431') && token.length > 8_000)) {
              accepted.push(`${kind}: ${said}: ${token.slice(0, 120)}`);
            }
          }
        }),
      );
    } finally {
      Socket.prototype.connect = connect;
    }
    expect(accepted).toEqual([]);
    expect(outbound).toEqual([]);
    expect(visits).toBe(0);
    // The real one is none the worse for it, and the tools were sharp: what they sign rightly is taken.
    await patient.get('/v1/me').expect(200);
    expect(await present(tools.signed(tools.claims), false)).toBe('200 undefined');
  }, 90_000);

  it('of one kind is nothing to those who take another: only its own consumer takes it', async () => {
    const fresh = await signInAs(portal, patient.credentials);
    const browser = new Browser(portal);
    const login = { ...patient.credentials, transport: 'cookie' };
    await browser.send('post', '/v1/auth/login', {
      username: login.username,
      password: login.password,
      transport: 'cookie',
    });
    const { username, password } = staff.credentials;
    const half = (await portal.http.post('/v1/auth/login').send({ username, password })).body as { mfaToken: string };
    const kinds: Record<string, string> = {
      access: fresh.tokens.accessToken,
      refresh: fresh.tokens.refreshToken,
      'sign-in': half.mfaToken,
      csrf: browser.csrfToken!,
    };
    const consumers: Record<string, (token: string) => PromiseLike<{ status: number }>> = {
      access: (token) => portal.http.get('/v1/me').set('Authorization', `Bearer ${token}`),
      refresh: (refreshToken) => portal.http.post('/v1/auth/refresh').send({ refreshToken }),
      'sign-in': (mfaToken) => portal.http.post('/v1/auth/mfa/totp').send({ mfaToken }),
      csrf: (token) => browser.send('post', '/v1/auth/logout-others', undefined, token),
    };
    const taken: string[] = [];
    for (const [kind, token] of Object.entries(kinds))
      for (const [consumer, take] of Object.entries(consumers)) {
        if (kind === consumer) continue;
        const { status } = await take(token);
        if (![400, 401, 403].includes(status)) taken.push(`${kind} as ${consumer}: ${status}`);
      }
    expect(taken).toEqual([]);
    for (const kind of ['access', 'refresh', 'csrf'])
      expect([kind, (await consumers[kind]!(kinds[kind]!)).status]).toEqual([kind, kind === 'csrf' ? 204 : 200]);
  });
});
