import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { said } from '../harness/hospital.js';
import { type FakeProvider, RoamingBrowser } from '../harness/identity-providers.js';
import { type Caller } from '../harness/people.js';
import { type Portal } from '../harness/portal.js';
import { answerOf, back, begin, DOWN, newSubject, openSso, PERSON, type SsoWorld } from '../harness/sso.js';

let world: SsoWorld;
let portal: Portal;
let admin: Caller;
let fake: FakeProvider;
let evil: FakeProvider;

beforeAll(async () => {
  world = await openSso();
  ({ portal, admin, fake, evil } = world);
});
afterAll(() => world.close());

const newBrowser = () => new RoamingBrowser(portal);

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
      expect((await back(browser, answerOf(fake, location, fake.grant(location, newSubject(), PERSON)))).status).toBe(
        503,
      );
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
          const answer = await back(browser, answerOf(fake, location!, fake.grant(location!, newSubject(), PERSON)));
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
