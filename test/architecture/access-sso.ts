import { randomUUID } from 'node:crypto';
import {
  CLIENT_ID,
  FakeProvider,
  LOGOUT_EVENT,
  providerEntry,
  requestOf,
  RoamingBrowser,
  writeProviders,
} from '../harness/identity-providers.js';
import type { Relation } from './access-matrix.js';
import type { Sent } from './access-requests.js';
import type { World } from './access-world.js';

const PROVIDER = 'hospital';

/** A provider that vouches for everybody, and the settings of a portal that knows it. */
export async function openProvider(): Promise<{ provider: FakeProvider; env: Record<string, string> }> {
  const provider = await FakeProvider.start();
  const entry = providerEntry(PROVIDER, provider.issuer, { audience: 'both', justInTime: true });
  return { provider, env: { SSO_PROVIDERS_FILE: writeProviders([entry]) } };
}

const cookieOf = (browser: RoamingBrowser): Record<string, string> => ({
  Cookie: [...browser.jar('/')].map(([name, value]) => `${name}=${value}`).join('; '),
});

/** There, and half of the way back: what the browser brings. */
async function answered({ portal, provider }: World, sub: string) {
  const browser = new RoamingBrowser(portal);
  const { location } = await browser.get(`/v1/auth/sso/${PROVIDER}/start`);
  const claims = { roles: ['nurses'], name: 'N. Nurse', email: 'nurse@hospital.test' };
  const code = provider.grant(location!, sub, claims);
  const query = new URLSearchParams({ code, state: requestOf(location!).state, iss: provider.issuer }).toString();
  return { browser, query };
}

/** All of the way back: the code for the front end. */
async function back(world: World, sub: string) {
  const { browser, query } = await answered(world, sub);
  const { location } = await browser.get(`/v1/auth/sso/${PROVIDER}/callback?${query}`);
  return { browser, code: new URL(location!).searchParams.get('code')! };
}

/** Somebody whom the provider and the portal know. */
async function vouchedFor(world: World): Promise<{ sub: string; accountId: string }> {
  const sub = randomUUID();
  await back(world, sub);
  const { rows } = await world.portal.owner.query<{ id: string }>(
    'SELECT account_id AS id FROM auth.federated_identity WHERE subject = $1',
    [sub],
  );
  return { sub, accountId: rows[0]!.id };
}

export const ofProvider = (relation: Relation): Sent => ({
  params: { provider: relation === 'none' ? 'nobody' : PROVIDER },
});

export async function callback(world: World, relation: Relation): Promise<Sent> {
  if (relation === 'none') return ofProvider(relation);
  const { sub, accountId } = await vouchedFor(world);
  const { browser, query } = await answered(world, sub);
  return { ...ofProvider(relation), query, headers: cookieOf(browser), recognised: accountId };
}

export async function exchange(world: World): Promise<Sent> {
  const { sub, accountId } = await vouchedFor(world);
  const { browser, code } = await back(world, sub);
  return { body: { code }, headers: cookieOf(browser), recognised: accountId };
}

export async function logout(world: World, relation: Relation): Promise<Sent> {
  if (relation === 'none') return { ...ofProvider(relation), form: { logout_token: 'a.b.c' } };
  const { sub, accountId } = await vouchedFor(world);
  const { provider, portal } = world;
  const iat = Math.floor(portal.clock.now().getTime() / 1000);
  const claims = { iss: provider.issuer, aud: CLIENT_ID, iat, exp: iat + 120, jti: randomUUID(), sub };
  const token = await provider.sign({ ...claims, events: { [LOGOUT_EVENT]: {} } }, { typ: 'logout+jwt' });
  return { ...ofProvider(relation), form: { logout_token: token }, recognised: accountId };
}

/** A link of this account to some provider. */
export async function identityOf({ portal }: World, accountId: string): Promise<string> {
  const { rows } = await portal.owner.query<{ id: string }>(
    `INSERT INTO auth.federated_identity (federated_identity_id, issuer, subject, account_id, kind, is_managed, replaces_password, created_at)
     VALUES (gen_random_uuid(), gen_random_uuid()::text, 'somebody', $1, 'patient', false, false, now()) RETURNING federated_identity_id AS id`,
    [accountId],
  );
  return rows[0]!.id;
}
