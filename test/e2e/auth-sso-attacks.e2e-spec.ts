import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { addKey, createKeyFile } from '../../src/platform/crypto/index.js';
import { cloneDatabase } from '../harness/database.js';
import { said } from '../harness/hospital.js';
import { CLIENT_SECRET, type FakeProvider, requestOf, RoamingBrowser } from '../harness/identity-providers.js';
import { makePatient, signInAs, type Caller } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';
import {
  answerOf,
  back,
  begin,
  codeIn,
  comeBack,
  exchange,
  EXPIRED,
  FAILED,
  newSubject,
  openSso,
  PERSON,
  signIn,
  type SsoWorld,
} from '../harness/sso.js';

let world: SsoWorld;
let portal: Portal;
let env: SsoWorld['env'];
let admin: Caller;
let fake: FakeProvider;
let evil: FakeProvider;

beforeAll(async () => {
  world = await openSso();
  ({ portal, env, admin, fake, evil } = world);
});
afterAll(() => world.close());

const newBrowser = () => new RoamingBrowser(portal);

/** Of one table of secrets, everything as text. */
const contents = async (table: string): Promise<string> =>
  JSON.stringify((await portal.owner.query(`SELECT to_jsonb(t)::text AS row FROM ${table} t`)).rows);

describe('the state', () => {
  it('is good once, in ten minutes, at its own provider, in the browser that began', async () => {
    const browser = newBrowser();
    const location = await begin(browser);
    const answer = answerOf(fake, location, fake.grant(location, newSubject(), PERSON));
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
    const lateAnswer = answerOf(fake, late, fake.grant(late, newSubject(), PERSON));
    portal.clock.forward(599);
    expect((await back(browser, lateAnswer)).status).toBe(302);
    const tooLate = await begin(browser);
    portal.clock.forward(601);
    expect(said(await back(browser, answerOf(fake, tooLate, fake.grant(tooLate, newSubject(), PERSON))))).toEqual(
      EXPIRED,
    );
  });

  it('is used up by a refusal, and by exactly one of twenty answers at once', async () => {
    const browser = newBrowser();
    const refused = await begin(browser);
    expect(said(await back(browser, answerOf(fake, refused, 'no such code')))).toEqual(FAILED);
    expect(said(await back(browser, answerOf(fake, refused, fake.grant(refused, newSubject(), PERSON))))).toEqual(
      EXPIRED,
    );

    const location = await begin(browser);
    const answer = answerOf(fake, location, fake.grant(location, newSubject(), PERSON));
    const answers = await Promise.all(Array.from({ length: 20 }, () => back(browser, answer)));
    expect(answers.filter(({ status }) => status === 302)).toHaveLength(1);
    expect(answers.filter(({ body }) => body.code === 'auth.sso-expired')).toHaveLength(19);
  });

  it('serves two tabs of one browser at once', async () => {
    const browser = newBrowser();
    const [one, two] = [await begin(browser), await begin(browser)];
    for (const location of [one, two]) {
      const { status } = await back(browser, answerOf(fake, location, fake.grant(location, newSubject(), PERSON)));
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
    const answer = await back(later, answerOf(fake, location, fake.grant(location, newSubject(), PERSON)));
    expect([answer.status, answer.body]).toEqual([302, {}]);
    expect((await exchange(later, codeIn(answer.location))).status).toBe(200);
    await after.close();
  });

  it('leaves no table with anything that would sign somebody in', async () => {
    const browser = newBrowser();
    const location = await begin(browser);
    const { state, nonce } = requestOf(location);
    const code = codeIn(
      (await back(browser, answerOf(fake, location, fake.grant(location, newSubject(), PERSON)))).location,
    );
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
    const code = await comeBack(world, browser, newSubject());
    expect(said(await exchange(newBrowser(), code))).toEqual(EXPIRED);
    const stranger = newBrowser();
    await begin(stranger);
    expect(said(await exchange(stranger, code))).toEqual(EXPIRED);
    expect(said(await exchange(browser, 'A'.repeat(43)))).toEqual(EXPIRED);
    const cookie = new Map(browser.jar('/'));
    expect((await exchange(browser, code)).status).toBe(200);
    for (const [name, value] of cookie) browser.jar('/').set(name, value);
    expect(said(await exchange(browser, code))).toEqual(EXPIRED);

    const late = await comeBack(world, browser, newSubject());
    portal.clock.forward(61);
    expect(said(await exchange(browser, late))).toEqual(EXPIRED);
  });

  it('is void once an administrator has ended the sessions of everybody', async () => {
    const browser = newBrowser();
    const code = await comeBack(world, browser, newSubject());
    const by = await signInAs(portal, admin.credentials);
    await by.post('/v1/sessions/end-all', { reason: 'A provider was broken into.' }).expect(200);
    expect(said(await exchange(browser, code))).toEqual(EXPIRED);
  });

  it('signs in exactly one of twenty at once', async () => {
    const browser = newBrowser();
    const code = await comeBack(world, browser, newSubject());
    const answers = await Promise.all(Array.from({ length: 20 }, () => exchange(browser, code)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ body }) => body.code === 'auth.sso-expired')).toHaveLength(19);
  });
});

describe('a provider that lies', () => {
  it('cannot answer for another one (RFC 9207), nor leave away who it is', async () => {
    const browser = newBrowser();
    for (const iss of [evil.issuer, `${fake.issuer}/`, '', null]) {
      const location = await begin(browser);
      const { iss: _, ...rest } = answerOf(fake, location, fake.grant(location, newSubject(), PERSON));
      const asked = fake.tokenRequests.length;
      expect(said(await back(browser, iss === null ? rest : { ...rest, iss }))).toEqual(FAILED);
      // The code was not even shown to the token endpoint.
      expect(fake.tokenRequests).toHaveLength(asked);
    }
  });

  it("cannot sign in another provider's person: the same subject is somebody else there", async () => {
    const sub = newSubject();
    await signIn(world, sub);
    const browser = newBrowser();
    const location = await begin(browser, 'evil');
    const code = evil.grant(location, sub, PERSON);
    const answer = await back(browser, { ...answerOf(fake, location, code), iss: evil.issuer }, 'evil');
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
    const noCode = await back(browser, answerOf(fake, location, 'x'));
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

  it('asks for openid alone where the configuration names no scopes', async () => {
    expect(requestOf(await begin(newBrowser())).scope).toBe('openid');
  });

  it('never takes the host from the request', async () => {
    const { location } = await newBrowser().get('/v1/auth/sso/fake/start', {
      'x-forwarded-host': 'evil.example',
      'x-forwarded-proto': 'https',
    });
    expect(requestOf(location!).redirect_uri).toBe('https://portal.test/v1/auth/sso/fake/callback');
  });
});

describe('a patient', () => {
  it('is not let in by a provider of staff, whatever it says of their address', async () => {
    const patient = await makePatient(portal, await signInAs(portal, admin.credentials), { email: 'pat@home.test' });
    const browser = newBrowser();
    const location = await begin(browser);
    const code = fake.grant(location, newSubject(), { ...PERSON, roles: ['patient'], email: 'pat@home.test' });
    expect(said(await back(browser, answerOf(fake, location, code)))).toEqual([403, 'auth.sso-not-allowed']);
    await patient.get('/v1/me').expect(200);
  });
});
