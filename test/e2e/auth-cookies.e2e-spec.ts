import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Browser } from '../harness/browser.js';
import { checkLedger } from '../harness/ledger.js';
import {
  currentCode,
  makeAdmin,
  makePatient,
  makeStaff,
  signInAs,
  type Caller,
  type Patient,
} from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

const APP = 'https://app.hospital.test';
const ACCESS = '__Host-portico-access';
const REFRESH = '__Host-portico-refresh';
const FORGED = [403, 'auth.csrf'];
const ENDED = [401, 'auth.session-ended'];

let portal: Portal;
let admin: Caller;
let patient: Patient;
let browser: Browser;

beforeAll(async () => {
  portal = await startPortal({ env: { CORS_ORIGINS: APP } });
  admin = await makeAdmin(portal);
  patient = await makePatient(portal, admin);
});
beforeEach(async () => {
  admin = await signInAs(portal, admin.credentials);
  browser = await signedIn();
});
afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});

const credentials = () => ({ username: patient.credentials.username, password: patient.credentials.password });

async function signedIn(): Promise<Browser> {
  const one = new Browser(portal);
  const { status } = await one.send('post', '/v1/auth/login', { ...credentials(), transport: 'cookie' });
  expect(status).toBe(200);
  return one;
}

const said = ({ status, body }: { status: number; body: { code?: string } }) => [status, body.code];
/** A request with the browser's cookies and exactly these headers. */
const withCookies = (method: 'get' | 'post' | 'delete', path: string, headers: Record<string, string> = {}) =>
  portal.http[method](path).set({ Cookie: browser.cookies, ...headers });

describe('a sign-in that asks for cookies', () => {
  it('gives tokens to the browser and to no script', async () => {
    const answer = await portal.http
      .post('/v1/auth/login')
      .send({ ...credentials(), transport: 'cookie' })
      .expect(200);
    const body = answer.body as Record<string, unknown>;
    expect(Object.keys(body).sort()).toEqual(['csrfToken', 'expiresIn', 'session', 'status']);
    const lines = answer.headers['set-cookie'] as unknown as string[];
    const attributes = 'Path=/; HttpOnly; Secure; SameSite=Strict';
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(new RegExp(`^${ACCESS}=[\\w-]+\\.[\\w-]+\\.[\\w-]+; ${attributes}$`));
    expect(lines[1]).toMatch(new RegExp(`^${REFRESH}=[\\w-]{43}; ${attributes}$`));
    for (const line of lines) expect(answer.text).not.toContain(line.slice(line.indexOf('=') + 1, line.indexOf(';')));
  });

  it('is the only one that does', async () => {
    for (const transport of [undefined, 'bearer']) {
      const { headers, body } = await portal.http
        .post('/v1/auth/login')
        .send({ ...credentials(), transport })
        .expect(200);
      expect(headers['set-cookie']).toBeUndefined();
      expect(body).toEqual(
        expect.objectContaining({ accessToken: expect.any(String), refreshToken: expect.any(String) }),
      );
      expect(body).not.toHaveProperty('csrfToken');
    }
    for (const transport of ['Cookie', '', null, 1, ['cookie']])
      expect(said(await portal.http.post('/v1/auth/login').send({ ...credentials(), transport }))[0]).toBe(400);
  });

  it('plants nothing when it is refused, nor before the second factor', async () => {
    const staff = await makeStaff(portal, admin, 'staff');
    const one = new Browser(portal);
    const wrong = await one.send('post', '/v1/auth/login', {
      ...credentials(),
      password: 'wrong',
      transport: 'cookie',
    });
    expect([wrong.status, wrong.headers['set-cookie']]).toEqual([401, undefined]);
    const { username, password, totpSecret } = staff.credentials;
    const half = await one.send('post', '/v1/auth/login', { username, password, transport: 'cookie' });
    expect([half.body.status, half.headers['set-cookie']]).toEqual(['mfa_required', undefined]);
    const code = await currentCode(totpSecret!, portal.clock);
    const { mfaToken } = half.body as { mfaToken: string };
    const whole = await one.send('post', '/v1/auth/mfa/verify', {
      mfaToken,
      method: 'totp',
      code,
      transport: 'cookie',
    });
    expect(whole.body).not.toHaveProperty('accessToken');
    expect([...one.jar.keys()]).toEqual([ACCESS, REFRESH]);
    expect((await one.send('get', '/v1/me')).status).toBe(200);
  });

  it('may follow a sign-in whose cookies are still there, also through enrolment', async () => {
    const staff = await makeStaff(portal, admin, 'staff');
    await portal.owner.query('DELETE FROM auth.totp WHERE account_id = $1', [await staff.accountId()]);
    // The cookies of a session that is over, as a browser keeps them.
    await portal.owner.query(
      `UPDATE auth.session SET ended_at = now(), end_reason = 'revoked' WHERE transport = 'cookie' AND ended_at IS NULL`,
    );
    const { username, password } = staff.credentials;
    const half = await browser.send('post', '/v1/auth/login', { username, password, transport: 'cookie' });
    const { mfaToken, status } = half.body as { mfaToken: string; status: string };
    expect(status).toBe('enrolment_required');
    const totp = await browser.send('post', '/v1/auth/mfa/totp', { mfaToken });
    const code = await currentCode((totp.body as { secret: string }).secret, portal.clock);
    const before = browser.jar.get(REFRESH);
    const { body } = await browser.send('post', '/v1/auth/mfa/totp/confirm', { mfaToken, code, transport: 'cookie' });
    expect(body).toMatchObject({ status: 'authenticated', csrfToken: expect.any(String) });
    expect(body).not.toHaveProperty('refreshToken');
    expect(browser.jar.get(REFRESH)).not.toBe(before);
    expect((await browser.send('get', '/v1/me')).status).toBe(200);
  });

  it('from another site signs nobody in', async () => {
    const login = (headers: Record<string, string>, transport = 'cookie') =>
      portal.http
        .post('/v1/auth/login')
        .set(headers)
        .send({ ...credentials(), transport });
    for (const site of ['cross-site', 'same-site', 'anything']) {
      const { status, body, headers } = await login({ 'Sec-Fetch-Site': site });
      expect([status, body.code, headers['set-cookie']]).toEqual([...FORGED, undefined]);
    }
    for (const origin of ['https://evil.test', 'https://portal.test.evil.test', 'null', 'http://portal.test', APP])
      expect(said(await login({ Origin: origin }))).toEqual(FORGED);
    // With bearer tokens there is nothing that a browser would send by itself.
    await login({ Origin: APP, 'Sec-Fetch-Site': 'cross-site' }, 'bearer').expect(200);
  });
});

describe('a session in cookies', () => {
  it('reads with cookies alone, and writes only with its own CSRF token', async () => {
    await withCookies('get', '/v1/me').expect(200);
    const other = await signedIn();
    const wrong: Record<string, Record<string, string>> = {
      none: {},
      empty: { 'X-CSRF-Token': '' },
      'of another session': { 'X-CSRF-Token': other.csrfToken! },
      cut: { 'X-CSRF-Token': browser.csrfToken!.slice(0, -1) },
      longer: { 'X-CSRF-Token': `${browser.csrfToken!}=` },
      'the access token': { 'X-CSRF-Token': browser.jar.get(ACCESS)! },
      'in another header': { 'X-XSRF-Token': browser.csrfToken! },
    };
    for (const [name, headers] of Object.entries(wrong))
      expect([name, ...said(await withCookies('post', '/v1/auth/logout-others', headers))]).toEqual([name, ...FORGED]);
    expect((await other.send('get', '/v1/me')).status).toBe(200);
    expect((await browser.send('post', '/v1/auth/logout-others')).status).toBe(204);
    expect(said(await other.send('get', '/v1/me'))).toEqual(ENDED);
  });

  it('guards every route that changes something', async () => {
    const { paths } = (await portal.http.get('/openapi.json')).body as {
      paths: Record<string, Record<string, object>>;
    };
    const guarded = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods)
        .filter((method) => method !== 'get' && 'security' in methods[method]!)
        .map((method) => [method, path.replace(/\{\w+\}/g, '01a201c5-5562-722f-8078-4cb9f57edf61')] as const),
    );
    expect(guarded.length).toBeGreaterThan(20);
    for (const [method, path] of guarded) {
      const answer = await withCookies(method as 'post', path, { 'If-Match': '"1"' }).send({});
      // Its words, because SCIM writes errors in its own form.
      expect([method, path, answer.status, answer.text.includes('X-CSRF-Token')]).toEqual([method, path, 403, true]);
    }
  });

  it('takes nothing from another site, not even with its token', async () => {
    const token = { 'X-CSRF-Token': browser.csrfToken! };
    const foreign: Record<string, string>[] = [
      { 'Sec-Fetch-Site': 'cross-site' },
      { 'Sec-Fetch-Site': 'same-site' },
      { Origin: APP },
      { Origin: 'null' },
    ];
    for (const from of foreign)
      for (const path of ['/v1/auth/logout-all', '/v1/auth/refresh'])
        expect(said(await withCookies('post', path, { ...from, ...token }))).toEqual(FORGED);
    await withCookies('get', '/v1/me').expect(200);
  });

  it('is renewed by its cookie, once, with the token', async () => {
    const { headers } = await browser.send('get', '/v1/me');
    expect(headers['set-cookie']).toBeUndefined();
    for (const csrf of [null, 'x'.repeat(43)])
      expect(said(await browser.send('post', '/v1/auth/refresh', undefined, csrf))).toEqual(FORGED);
    const [access, refresh] = [browser.jar.get(ACCESS), browser.jar.get(REFRESH)];
    portal.clock.forward(301);
    expect(said(await browser.send('get', '/v1/me'))).toEqual([401, 'auth.token-expired']);
    const renewed = await browser.send('post', '/v1/auth/refresh');
    expect(Object.keys(renewed.body as object).sort()).toEqual(['csrfToken', 'expiresIn', 'session', 'status']);
    expect(browser.jar.get(ACCESS)).not.toBe(access);
    expect(browser.jar.get(REFRESH)).not.toBe(refresh);
    expect((await browser.send('get', '/v1/me')).status).toBe(200);

    // Twice used, and late: the family is dead, but only to somebody who has the token as well.
    portal.clock.forward(11);
    const stale = new Browser(portal);
    stale.jar.set(REFRESH, refresh!);
    expect(said(await stale.send('post', '/v1/auth/refresh', undefined, null))).toEqual(FORGED);
    expect((await browser.send('get', '/v1/me')).status).toBe(200);
    expect(said(await stale.send('post', '/v1/auth/refresh', undefined, browser.csrfToken))).toEqual(ENDED);
    expect(said(await browser.send('get', '/v1/me'))).toEqual(ENDED);
  });

  it('lives through two tabs and a lost answer', async () => {
    const tabs = Array.from({ length: 10 }, () => browser.send('post', '/v1/auth/refresh'));
    expect((await Promise.all(tabs)).map(({ status }) => status)).toEqual(tabs.map(() => 200));
    const before = browser.cookies;
    await browser.send('post', '/v1/auth/refresh');
    const { status } = await portal.http
      .post('/v1/auth/refresh')
      .set({ Cookie: before, 'X-CSRF-Token': browser.csrfToken! });
    expect(status).toBe(200);
    expect((await browser.send('post', '/v1/auth/refresh')).status).toBe(200);
  });

  it('tells its CSRF token to a page that was loaded anew, also when its access token is over', async () => {
    const token = browser.csrfToken!;
    expect((await browser.send('get', '/v1/auth/csrf')).body).toEqual({ csrfToken: token });
    portal.clock.forward(301);
    expect((await browser.send('get', '/v1/auth/csrf')).body).toEqual({ csrfToken: token });
    expect((await browser.send('post', '/v1/auth/refresh', undefined, token)).status).toBe(200);
    await browser.send('post', '/v1/auth/logout');
    browser.jar.set(REFRESH, 'A'.repeat(43));
    expect(said(await browser.send('get', '/v1/auth/csrf'))).toEqual(ENDED);
    expect(said(await portal.http.get('/v1/auth/csrf'))).toEqual([401, 'auth.sign-in-required']);
  });

  it('is over with logout, which takes the cookies away', async () => {
    for (const [path, status] of [
      ['/v1/auth/logout', 200],
      ['/v1/auth/logout-all', 204],
    ] as const) {
      const one = await signedIn();
      const kept = one.cookies;
      expect((await one.send('post', path)).status).toBe(status);
      expect(one.jar.size).toBe(0);
      expect(said(await portal.http.get('/v1/me').set('Cookie', kept))).toEqual(ENDED);
      expect(
        said(await portal.http.post('/v1/auth/refresh').set({ Cookie: kept, 'X-CSRF-Token': one.csrfToken! })),
      ).toEqual(ENDED);
    }
  });
});

describe('cookies and bearer tokens', () => {
  it('are never mixed: with an Authorization header, cookies are not looked at', async () => {
    const me = await patient.get('/v1/me');
    const bearer = await signInAs(portal, admin.credentials);
    const authorization = { Authorization: `Bearer ${bearer.tokens.accessToken}` };
    const { body } = await withCookies('get', '/v1/me', authorization).expect(200);
    expect(body.id).not.toBe((me.body as { id: string }).id);
    await withCookies('post', '/v1/auth/logout-others', authorization).expect(204);
    for (const Authorization of ['Bearer x.y.z', 'Bearer', 'Basic YTpi', ''])
      expect(said(await withCookies('get', '/v1/me', { Authorization }))[0]).toBe(401);
    await withCookies('get', '/v1/me').expect(200);
  });

  it('do not stand in for each other', async () => {
    const { accessToken, refreshToken } = patient.tokens;
    const fresh = await signInAs(portal, patient.credentials);
    expect(said(await portal.http.get('/v1/me').set('Authorization', `Bearer ${browser.jar.get(ACCESS)!}`))).toEqual(
      ENDED,
    );
    expect(said(await portal.http.get('/v1/me').set('Cookie', `${ACCESS}=${fresh.tokens.accessToken}`))).toEqual(ENDED);
    expect(said(await portal.http.post('/v1/auth/refresh').send({ refreshToken: browser.jar.get(REFRESH) }))).toEqual(
      ENDED,
    );
    const planted = { Cookie: `${REFRESH}=${fresh.tokens.refreshToken}`, 'X-CSRF-Token': browser.csrfToken! };
    expect(said(await portal.http.post('/v1/auth/refresh').set(planted))).toEqual(ENDED);
    expect([accessToken, refreshToken].some((token) => browser.cookies.includes(token))).toBe(false);
    // Neither try has hurt either session.
    await fresh.get('/v1/me').expect(200);
    expect((await browser.send('post', '/v1/auth/refresh')).status).toBe(200);
  });

  it('are refused when planted beside each other, or by a sibling host under an odd name', async () => {
    const access = browser.jar.get(ACCESS)!;
    const planted = [
      `${ACCESS}=${access}; ${ACCESS}=${access}`,
      `=${ACCESS}=${access}`,
      `\u00a0${ACCESS}=${access}`,
      `x=1,${ACCESS}=${access}`,
      `portico-access=${access}`,
      `__Secure-portico-access=${access}`,
      `${ACCESS}="${access}"x`,
    ];
    for (const Cookie of planted) {
      const { status } = await portal.http.get('/v1/me').set('Cookie', Cookie);
      expect([Cookie.slice(0, 30), status]).toEqual([Cookie.slice(0, 30), 401]);
    }
  });
});

describe('another origin', () => {
  const preflight = (origin: string, method = 'POST') =>
    portal.http.options('/v1/me').set({ Origin: origin, 'Access-Control-Request-Method': method });

  it('of the configuration may call with bearer tokens, and gets no credentials of a browser', async () => {
    const { status, headers } = await preflight(APP, 'PATCH');
    expect(status).toBe(204);
    expect(headers).toMatchObject({ 'access-control-allow-origin': APP, vary: 'Origin', 'cache-control': 'no-store' });
    expect(headers['access-control-allow-methods']).toContain('PATCH');
    expect(headers['access-control-allow-headers']).not.toMatch(/csrf|\*/i);
    expect(headers['access-control-allow-credentials']).toBeUndefined();
    const fresh = await signInAs(portal, patient.credentials);
    const answer = await fresh.get('/v1/me').set('Origin', APP).expect(200);
    expect(answer.headers['access-control-allow-origin']).toBe(APP);
    expect(answer.headers['access-control-expose-headers']).toContain('etag');
    const refused = await portal.http.get('/v1/me').set('Origin', APP).expect(401);
    expect(refused.headers['access-control-allow-origin']).toBe(APP);
  });

  it('of nobody gets nothing', async () => {
    for (const origin of ['https://evil.test', `${APP}.evil.test`, 'null', 'http://app.hospital.test', '']) {
      const { status, headers } = await preflight(origin);
      expect([origin, status]).toEqual([origin, 404]);
      expect(Object.keys(headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
      const got = await portal.http.get('/openapi.json').set('Origin', origin).expect(200);
      expect(got.headers['access-control-allow-origin']).toBeUndefined();
    }
  });
});
