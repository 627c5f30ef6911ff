import { randomUUID } from 'node:crypto';
import { expect } from '@jest/globals';
import { FakeProvider, providerEntry, requestOf, RoamingBrowser, writeProviders } from './identity-providers.js';
import { checkLedger } from './ledger.js';
import { Caller, makeAdmin, type Tokens } from './people.js';
import { startPortal, type Portal } from './portal.js';

export const EXPIRED = [401, 'auth.sso-expired'];
export const FAILED = [401, 'auth.sso-failed'];
export const DOWN = [503, 'auth.sso-unavailable'];

export const newSubject = () => `subject-${randomUUID()}`;

/** What a provider says of somebody who may come in, by two factors. */
export const PERSON = { name: 'Mallory', email: 'mallory@hospital.test', roles: ['nurses'], amr: ['otp'] };

/** An entry whose people come in at once, by the provider's second factor. */
export const STRONG = { justInTime: true, secondFactor: { amr: ['otp'] } };

/** A portal with made-up providers. */
export interface SsoWorld {
  portal: Portal;
  env: { SSO_PROVIDERS_FILE: string; SSO_RETURN_PATHS: string };
  admin: Caller;
  /** What is attacked. */
  fake: FakeProvider;
  /** Another provider, in the hands of an attacker. A third, `gone`, does not answer. */
  evil: FakeProvider;
  close: () => Promise<void>;
}

export async function openSso(): Promise<SsoWorld> {
  const [fake, evil, gone] = await Promise.all([FakeProvider.start(), FakeProvider.start(), FakeProvider.start()]);
  await gone.close();
  const file = writeProviders([
    providerEntry('fake', fake.issuer, STRONG),
    providerEntry('evil', evil.issuer, STRONG),
    providerEntry('gone', gone.issuer),
  ]);
  const env = { SSO_PROVIDERS_FILE: file, SSO_RETURN_PATHS: '/,/records,/charts/*' };
  const portal = await startPortal({ env });
  const close = async () => {
    await checkLedger(portal);
    await Promise.all([portal.close(), fake.close(), evil.close()]);
  };
  return { portal, env, admin: await makeAdmin(portal), fake, evil, close };
}

export const codeIn = (location: string | null): string => new URL(location!).searchParams.get('code')!;

/** Somebody who came in by single sign-on, without a password of their own. */
export const callerOf = (portal: Portal, body: object): Caller =>
  new Caller(portal, body as Tokens, { username: '', password: '' });

/** Begins a sign-in; resolves with where the browser is sent. */
export async function begin(browser: RoamingBrowser, provider = 'fake'): Promise<string> {
  const { location } = await browser.get(`/v1/auth/sso/${provider}/start`);
  return location!;
}

export const back = (browser: RoamingBrowser, answer: Record<string, string>, provider = 'fake') =>
  browser.get(`/v1/auth/sso/${provider}/callback?${new URLSearchParams(answer).toString()}`);

export const exchange = (browser: RoamingBrowser, code: string) => browser.post('/v1/auth/sso/exchange', { code });

/** What the provider `by` has the browser carry back. */
export const answerOf = (by: FakeProvider, location: string, code: string): Record<string, string> => ({
  code,
  state: requestOf(location).state,
  iss: by.issuer,
});

/** Brings somebody back with a code for the front end. */
export async function comeBack(
  { fake }: SsoWorld,
  browser: RoamingBrowser,
  sub: string,
  claims: object = {},
): Promise<string> {
  const location = await begin(browser);
  const granted = fake.grant(location, sub, { ...PERSON, ...claims });
  const answer = await back(browser, answerOf(fake, location, granted));
  expect([answer.status, answer.body.code]).toEqual([302, undefined]);
  return codeIn(answer.location);
}

export async function signIn(world: SsoWorld, sub: string, claims: object = {}): Promise<Caller> {
  const browser = new RoamingBrowser(world.portal);
  const { status, body } = await exchange(browser, await comeBack(world, browser, sub, claims));
  expect([status, body.status]).toEqual([200, 'authenticated']);
  return callerOf(world.portal, body);
}
