import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { said } from '../harness/hospital.js';
import {
  FakeProvider,
  providerEntry,
  requestOf,
  RoamingBrowser,
  writeProviders,
} from '../harness/identity-providers.js';
import { checkLedger } from '../harness/ledger.js';
import { Caller, currentCode, makeAdmin, makePatient, signInAs, type Tokens } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

let portal: Portal;
let family: FakeProvider;
let patient: Caller;

beforeAll(async () => {
  family = await FakeProvider.start();
  const file = writeProviders([providerEntry('family', family.issuer, { audience: 'patients', roleMap: {} })]);
  portal = await startPortal({ env: { SSO_PROVIDERS_FILE: file } });
  patient = await makePatient(portal, await makeAdmin(portal));
});
afterAll(async () => {
  await checkLedger(portal);
  await Promise.all([portal.close(), family.close()]);
});

const OVER = [401, 'auth.session-ended'];
const sub = `subject-${randomUUID()}`;

/** Brings the provider's answer back to the portal. */
function back(browser: RoamingBrowser, location: string) {
  const code = family.grant(location, sub, { sid: randomUUID() });
  const answer = new URLSearchParams({ code, state: requestOf(location).state, iss: family.issuer }).toString();
  return browser.get(`/v1/auth/sso/family/callback?${answer}`);
}

async function signInBySso(): Promise<Caller> {
  const browser = new RoamingBrowser(portal);
  const { location } = await browser.get('/v1/auth/sso/family/start');
  const answer = await back(browser, location!);
  const code = new URL(answer.location!).searchParams.get('code');
  const { body } = await browser.post('/v1/auth/sso/exchange', { code });
  return new Caller(portal, body as unknown as Tokens, { username: '', password: '' });
}

describe('other sessions of the same person', () => {
  it('end when single sign-on is linked, and when the link is removed; the one that does it goes on', async () => {
    const early = await signInAs(portal, patient.credentials);
    const browser = new RoamingBrowser(portal);
    const authorization = `Bearer ${patient.tokens.accessToken}`;
    const { body } = await browser.post('/v1/auth/sso/family/link', {}, { authorization });
    // Asking for it ends nothing: a way there that is never finished is none.
    await early.get('/v1/me').expect(200);
    await back(browser, body.redirectUrl as string);
    expect(said(await early.get('/v1/me'))).toEqual(OVER);
    await patient.get('/v1/me').expect(200);

    const others = [await signInAs(portal, patient.credentials), await signInBySso()];
    const { body: list } = await patient.get('/v1/auth/sso/identities').expect(200);
    const [item] = (list as { items: { id: string }[] }).items;
    await patient.delete(`/v1/auth/sso/identities/${item!.id}`).expect(204);
    for (const other of others) expect(said(await other.get('/v1/me'))).toEqual(OVER);
    const { body: activity } = await patient.get('/v1/me/activity').expect(200);
    const ended = (activity as { items: { kind: string; detail: string }[] }).items
      .filter(({ kind }) => kind === 'session-ended')
      .map(({ detail }) => detail);
    expect(ended.sort()).toEqual(['factor-changed', 'factor-changed', 'sso-logout']);
  });

  it('are not opened by what was shown before: neither a half-finished sign-in nor a remembered device', async () => {
    const { secret } = (await patient.post('/v1/auth/mfa/totp', {}).expect(200)).body as { secret: string };
    await patient.post('/v1/auth/mfa/totp/confirm', { code: await currentCode(secret, portal.clock) }).expect(200);
    const { username, password } = patient.credentials;
    const login = async (more: object = {}) =>
      (
        await portal.http
          .post('/v1/auth/login')
          .send({ username, password, ...more })
          .expect(200)
      ).body as Record<string, string>;
    const verify = async (mfaToken: string, more: object = {}) =>
      portal.http
        .post('/v1/auth/mfa/verify')
        .send({ mfaToken, method: 'totp', code: await currentCode(secret, portal.clock), ...more });
    const { deviceToken } = (await verify((await login()).mfaToken!, { rememberDevice: true })).body as {
      deviceToken: string;
    };
    const { mfaToken } = await login();
    const browser = new RoamingBrowser(portal);
    const authorization = `Bearer ${patient.tokens.accessToken}`;
    const { body } = await browser.post('/v1/auth/sso/family/link', {}, { authorization });
    await back(browser, body.redirectUrl as string);
    expect(said(await verify(mfaToken!))).toEqual([401, 'auth.sign-in-expired']);
    expect(await login({ deviceToken })).toMatchObject({ status: 'mfa_required' });
  });
});
