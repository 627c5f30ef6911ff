import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Config } from '../../src/platform/config/config.js';
import { cloneDatabase } from '../harness/database.js';
import { said } from '../harness/hospital.js';
import {
  FakeProvider,
  providerEntry,
  requestOf,
  RoamingBrowser,
  writeProviders,
} from '../harness/identity-providers.js';
import { checkLedger } from '../harness/ledger.js';
import { Caller, makeAdmin, signInAs, type Tokens } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

let portal: Portal;
let database: Config['database'];
let env: Record<string, string>;
let admin: Caller;
let fake: FakeProvider;
let evil: FakeProvider;

beforeAll(async () => {
  [fake, evil] = [await FakeProvider.start(), await FakeProvider.start()];
  const strong = { justInTime: true, secondFactor: { amr: ['otp'] } };
  env = { SSO_PROVIDERS_FILE: writeProviders([providerEntry('fake', fake.issuer, strong)]) };
  database = await cloneDatabase();
  portal = await startPortal({ env, database });
  admin = await makeAdmin(portal);
});
afterAll(async () => {
  await checkLedger(portal);
  await Promise.all([portal.close(), fake.close(), evil.close()]);
});

const PERSON = { name: 'Mallory', email: 'mallory@hospital.test', roles: ['nurses'], amr: ['otp'] };

/** Where signing out at the provider is what is attacked; that it works, the real one shows (auth-sso). */
describe('signing out', () => {
  const logout = async (caller: Caller) => (await caller.post('/v1/auth/logout').expect(200)).body as object;
  const NOWHERE = { providerLogout: null };
  /** The provider says something else of itself from now on. */
  const saying = async (metadata: object): Promise<Portal> => {
    fake.metadata = { ...metadata };
    return startPortal({ env, database });
  };
  const signInAt = async (at: Portal): Promise<Caller> => {
    const browser = new RoamingBrowser(at);
    const { location } = await browser.get('/v1/auth/sso/fake/start');
    const code = fake.grant(location!, randomUUID(), PERSON);
    const answer = new URLSearchParams({ code, state: requestOf(location!).state, iss: fake.issuer }).toString();
    const page = await browser.get(`/v1/auth/sso/fake/callback?${answer}`);
    const ours = new URL(page.location!).searchParams.get('code');
    const { body } = await browser.post('/v1/auth/sso/exchange', { code: ours });
    return new Caller(at, body as unknown as Tokens, { username: '', password: '' });
  };

  it.each<[string, () => object]>([
    ['names no page for it', () => ({})],
    ['names one of another host', () => ({ end_session_endpoint: `${evil.issuer}/end` })],
    ['names a script', () => ({ end_session_endpoint: 'javascript:alert(1)' })],
    ['names one of its host with a password', () => ({ end_session_endpoint: fake.issuer.replace('//', '//a:b@') })],
  ])('sends nobody anywhere when the provider %s, and ends the session all the same', async (_, metadata) => {
    const other = await saying(metadata());
    const caller = await signInAt(other);
    expect(await logout(caller)).toEqual(NOWHERE);
    expect(said(await caller.get('/v1/me'))).toEqual([401, 'auth.session-ended']);
    await other.close();
    fake.metadata = {};
  });

  it('sends there whoever came by the provider, with nothing of them but its own name for them, and nobody else', async () => {
    const other = await saying({ end_session_endpoint: `${fake.issuer}/end?realm=a` });
    const { providerLogout } = (await logout(await signInAt(other))) as { providerLogout: { url: string } };
    const { searchParams } = new URL(providerLogout.url);
    expect([...searchParams.keys()].sort()).toEqual(
      ['client_id', 'logout_hint', 'post_logout_redirect_uri', 'realm', 'state'].sort(),
    );
    expect(providerLogout.url).not.toMatch(/mallory|eyJ/i);
    expect(await logout(await signInAs(portal, admin.credentials))).toEqual(NOWHERE);
    await other.close();
    fake.metadata = {};
  });

  it('does not wait for a provider that does not answer, nor for one that is configured no more', async () => {
    const other = await saying({ end_session_endpoint: `${fake.issuer}/end` });
    const [late, gone] = [await signInAt(other), await signInAt(other)];
    const { id } = gone.tokens.session;
    await portal.owner.query("UPDATE auth.sso_session SET issuer = 'https://gone.example' WHERE session_id = $1", [id]);
    expect(await logout(gone)).toEqual(NOWHERE);
    await other.close();
    const hanging = await startPortal({ env, database });
    fake.intercept = () => true;
    // Answered although the provider never does.
    const { body } = await hanging.http
      .post('/v1/auth/logout')
      .set('Authorization', `Bearer ${late.tokens.accessToken}`)
      .expect(200);
    expect(body).toEqual(NOWHERE);
    fake.intercept = () => false;
    await hanging.close();
    fake.metadata = {};
  });
});
