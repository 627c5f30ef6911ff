import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Config } from '../../src/platform/config/config.js';
import { cloneDatabase } from '../harness/database.js';
import { said } from '../harness/hospital.js';
import {
  RoamingBrowser,
  CLIENT_ID,
  FakeProvider,
  LOGOUT_EVENT,
  providerEntry,
  requestOf,
  writeProviders,
} from '../harness/identity-providers.js';
import { checkLedger } from '../harness/ledger.js';
import {
  Caller,
  currentCode,
  makeAdmin,
  makeFeed,
  makePatient,
  makeStaff,
  signInAs,
  type Tokens,
} from '../harness/people.js';
import { Device } from '../harness/passkeys.js';
import { startPortal, type Portal } from '../harness/portal.js';

let portal: Portal;
let admin: Caller;
let hospital: FakeProvider;
let lenient: FakeProvider;
let family: FakeProvider;
let env: Record<string, string>;
let database: Config['database'];

beforeAll(async () => {
  [hospital, lenient, family] = [await FakeProvider.start(), await FakeProvider.start(), await FakeProvider.start()];
  const file = writeProviders([
    providerEntry('hospital', hospital.issuer),
    providerEntry('lenient', lenient.issuer, { passwordAlso: true }),
    providerEntry('family', family.issuer, { audience: 'patients', roleMap: {} }),
  ]);
  env = { SSO_PROVIDERS_FILE: file };
  database = await cloneDatabase();
  portal = await startPortal({ env, database });
  admin = await makeAdmin(portal);
});
afterAll(async () => {
  await checkLedger(portal);
  await Promise.all([portal.close(), hospital.close(), lenient.close(), family.close()]);
});

const NURSE = { roles: ['nurses'], name: 'N', email: 'n@hospital.test' };
const newBrowser = () => new RoamingBrowser(portal);
const newSubject = () => `subject-${randomUUID()}`;
const freshAdmin = () => signInAs(portal, admin.credentials);

type Id = 'hospital' | 'lenient' | 'family';
const providers = (): Record<Id, FakeProvider> => ({ hospital, lenient, family });

/** Brings the provider's answer back; the page of the front end, or the refusal. */
async function back(browser: RoamingBrowser, id: Id, location: string, sub: string) {
  const provider = providers()[id];
  const code = provider.grant(location, sub, { ...NURSE, sid: randomUUID() });
  const { state } = requestOf(location);
  const answer = new URLSearchParams({ code, state, iss: provider.issuer }).toString();
  return browser.get(`/v1/auth/sso/${id}/callback?${answer}`);
}

const askLink = (caller: Caller, browser: RoamingBrowser, id: Id) =>
  browser.post(`/v1/auth/sso/${id}/link`, {}, { authorization: `Bearer ${caller.tokens.accessToken}` });

async function link(caller: Caller, id: Id, sub: string, browser = newBrowser()) {
  const { status, body } = await askLink(caller, browser, id);
  expect(status).toBe(200);
  return back(browser, id, body.redirectUrl as string, sub);
}

async function signIn(id: Id, sub: string) {
  const browser = newBrowser();
  const { location } = await browser.get(`/v1/auth/sso/${id}/start`);
  const answer = await back(browser, id, location!, sub);
  if (answer.status !== 302) return answer;
  const code = new URL(answer.location!).searchParams.get('code');
  return browser.post('/v1/auth/sso/exchange', { code });
}

const callerOf = (body: object) => new Caller(portal, body as Tokens, { username: '', password: '' });
const login = ({ credentials: { username, password } }: Caller) =>
  portal.http.post('/v1/auth/login').send({ username, password });
const mailsTo = async (caller: Caller): Promise<string[]> => {
  await portal.delivered();
  const { email } = (await caller.get('/v1/me').expect(200)).body as { email: string };
  return portal.mails.filter((mail) => mail.to === email).map((mail) => mail.text);
};

describe('a patient', () => {
  it('links their account, signed in as themselves, and then comes in by the provider and by the password', async () => {
    const patient = await makePatient(portal, await freshAdmin());
    const sub = newSubject();
    expect(said(await signIn('family', sub))).toEqual([403, 'auth.sso-not-allowed']);
    const answer = await link(patient, 'family', sub);
    expect([answer.status, answer.location]).toEqual([302, 'https://portal.test/sign-in?linked=family']);
    expect((await mailsTo(patient)).at(-1)).toContain('single sign-on by Provider family');

    const { status, body } = await signIn('family', sub);
    expect([status, body.status]).toEqual([200, 'authenticated']);
    expect(body.session).toMatchObject({ acr: 'aal1', amr: ['sso'] });
    const bySso = callerOf(body);
    expect(await bySso.accountId()).toBe(await patient.accountId());
    expect((await login(patient).expect(200)).body).toMatchObject({ status: 'authenticated' });

    const { body: list } = await patient.get('/v1/auth/sso/identities').expect(200);
    const [item] = (list as { items: { id: string }[] }).items;
    expect(item).toMatchObject({ provider: 'family', name: 'Provider family', managed: false });
    const other = await makePatient(portal, await freshAdmin());
    await other.delete(`/v1/auth/sso/identities/${item!.id}`).expect(404);
    await patient.delete(`/v1/auth/sso/identities/${item!.id}`).expect(204);
    expect(said(await bySso.get('/v1/me'))).toEqual([401, 'auth.session-ended']);
    expect(said(await signIn('family', sub))).toEqual([403, 'auth.sso-not-allowed']);
    expect((await mailsTo(patient)).at(-1)).toContain('removed: single sign-on by Provider family');
  });

  it('needs a fresh sign-in, a provider of patients, the same browser, and an open session', async () => {
    const patient = await makePatient(portal, await freshAdmin());
    expect(said(await askLink(patient, newBrowser(), 'hospital'))).toEqual([403, 'auth.sso-not-allowed']);

    const browser = newBrowser();
    const { body } = await askLink(patient, browser, 'family');
    const location = body.redirectUrl as string;
    expect(requestOf(location)).toMatchObject({ prompt: 'login', max_age: '0' });
    // Whoever makes a victim's browser finish it would tie their own person to the victim's account, or the other way round.
    expect(said(await back(newBrowser(), 'family', location, newSubject()))).toEqual([401, 'auth.sso-expired']);
    await patient.post('/v1/auth/logout').expect(200);
    expect(said(await back(browser, 'family', location, newSubject()))).toEqual([401, 'auth.sso-expired']);

    const again = await signInAs(portal, patient.credentials);
    portal.clock.forward(240);
    const { refreshToken } = again.tokens;
    const { body: renewed } = await portal.http.post('/v1/auth/refresh').send({ refreshToken }).expect(200);
    portal.clock.forward(61);
    expect(said(await askLink(callerOf(renewed as object), newBrowser(), 'family'))).toEqual([
      403,
      'auth.step-up-required',
    ]);
  });

  it('has one link to a provider, and a person at a provider has one account', async () => {
    const [one, two] = [await makePatient(portal, await freshAdmin()), await makePatient(portal, await freshAdmin())];
    const sub = newSubject();
    expect((await link(one, 'family', sub)).status).toBe(302);
    expect(said(await link(two, 'family', sub))).toEqual([409, 'auth.sso-link-taken']);
    expect(said(await link(one, 'family', newSubject()))).toEqual([409, 'auth.sso-link-taken']);
    const contested = newSubject();
    const three = await makePatient(portal, await freshAdmin());
    const answers = await Promise.all([two, three].map((caller) => link(caller, 'family', contested)));
    expect(answers.map(({ status }) => status).sort()).toEqual([302, 409]);
  });

  it('does not come into an account that works for the hospital by now', async () => {
    const patient = await makePatient(portal, await freshAdmin());
    const sub = newSubject();
    await link(patient, 'family', sub);
    const id = await patient.accountId();
    await (await freshAdmin()).post(`/v1/users/${id}/roles`, { role: 'staff', reason: 'Hired.' }).expect(200);
    expect(said(await signIn('family', sub))).toEqual([403, 'auth.sso-not-allowed']);
  });
});

describe('somebody of the staff', () => {
  const bySso = async (caller: Caller, id: Id, sub: string): Promise<Caller> => {
    const { body } = await signIn(id, sub);
    expect(body.status).toBe('mfa_required');
    const code = await currentCode(caller.credentials.totpSecret!, portal.clock);
    const { mfaToken } = body as { mfaToken: string };
    const answer = await portal.http.post('/v1/auth/mfa/verify').send({ mfaToken, method: 'totp', code }).expect(200);
    return callerOf(answer.body as object);
  };

  it('comes in by the provider and our own second factor, and no longer by the password or a passkey', async () => {
    const staff = await makeStaff(portal, await freshAdmin(), 'staff');
    const sub = newSubject();
    const device = new Device(portal);
    await device.register(staff);
    const unknown = said(
      await portal.http.post('/v1/auth/login').send({ username: 'nobody', password: 'x'.repeat(16) }),
    );
    expect((await link(staff, 'hospital', sub)).status).toBe(302);
    expect((await mailsTo(staff)).at(-1)).toContain('your password is not asked for any more');
    const caller = await bySso(staff, 'hospital', sub);
    expect(caller.tokens.session).toMatchObject({ acr: 'aal2', amr: ['sso', 'otp', 'mfa'] });
    expect(said(await login(staff))).toEqual(unknown);
    expect(said(await device.signIn())).toEqual([401, 'auth.passkey-refused']);
    const { username } = staff.credentials;
    const sent = (await mailsTo(caller)).length;
    await portal.http
      .post('/v1/auth/password/forgot')
      .send({ username })
      .expect(({ status }) => status < 300);
    expect(await mailsTo(caller)).toHaveLength(sent);

    // What the provider opened ends with it; the link stays.
    const now = Math.floor(portal.clock.now().getTime() / 1000);
    const events = { [LOGOUT_EVENT]: {} };
    const { rows } = await portal.owner.query<{ sid: string }>(
      'SELECT sid FROM auth.sso_session WHERE session_id = $1',
      [caller.tokens.session.id],
    );
    const { sid } = rows[0]!;
    const token = { iss: hospital.issuer, aud: CLIENT_ID, iat: now, exp: now + 60, jti: randomUUID(), sid, events };
    const logout_token = await hospital.sign(token, { typ: 'logout+jwt' });
    await portal.http.post('/v1/auth/sso/hospital/backchannel-logout').type('form').send({ logout_token }).expect(200);
    expect(said(await caller.get('/v1/me'))).toEqual([401, 'auth.session-ended']);

    // Without the link the password counts again.
    const again = await bySso(staff, 'hospital', sub);
    const { body } = await again.get('/v1/auth/sso/identities').expect(200);
    const [item] = (body as { items: { id: string }[] }).items;
    await again.delete(`/v1/auth/sso/identities/${item!.id}`).expect(204);
    expect((await login(staff).expect(200)).body).toMatchObject({ status: 'mfa_required' });
  });

  it('keeps the password where the provider is configured so', async () => {
    const staff = await makeStaff(portal, await freshAdmin(), 'staff');
    const sub = newSubject();
    await link(staff, 'lenient', sub);
    await bySso(staff, 'lenient', sub);
    expect((await login(staff).expect(200)).body).toMatchObject({ status: 'mfa_required' });
  });

  it('gets the password back when the provider is configured away, and loses it when it is back', async () => {
    const staff = await makeStaff(portal, await freshAdmin(), 'staff');
    await link(staff, 'hospital', newSubject());
    await login(staff).expect(401);
    const without = await startPortal({ database });
    expect((await login(staff).expect(200)).body).toMatchObject({ status: 'mfa_required' });
    await without.close();
    const withIt = await startPortal({ database, env });
    await login(staff).expect(401);
    await withIt.close();
  });

  it('cannot link by a provider of patients, nor remove the only way in', async () => {
    const staff = await makeStaff(portal, await freshAdmin(), 'staff');
    expect(said(await askLink(staff, newBrowser(), 'family'))).toEqual([403, 'auth.sso-not-allowed']);
    const sub = newSubject();
    await link(staff, 'hospital', sub);
    const { rows } = await portal.owner.query<{ id: string }>(
      'UPDATE auth.federated_identity SET is_managed = true WHERE subject = $1 RETURNING federated_identity_id AS id',
      [sub],
    );
    const caller = await bySso(staff, 'hospital', sub);
    expect(said(await caller.delete(`/v1/auth/sso/identities/${rows[0]!.id}`))).toEqual([409, 'auth.sso-only-way-in']);
  });

  it('is never opened an account by a provider that is not to', async () => {
    expect(said(await signIn('hospital', newSubject()))).toEqual([403, 'auth.sso-not-allowed']);
  });
});

describe('a link that was taken away', () => {
  type Link = { id: string; issuer: string; subject: string; provider: string };
  const linksOf = async (by: Caller, id: string): Promise<Link[]> =>
    ((await by.get(`/v1/users/${id}/sso/identities`).expect(200)).body as { items: Link[] }).items;
  const reason = { reason: "Somebody else's account at the provider." };
  const revoke = (by: Caller, id: string, link: string) =>
    by.post(`/v1/users/${id}/sso/identities/${link}/revoke`, reason);
  const rolesOf = async (id: string) =>
    ((await (await freshAdmin()).get(`/v1/users/${id}`).expect(200)).body as { roles: string[] }).roles;

  it('by an administrator ends all sessions, is told to the holder, stands with its reason, and does not come back by itself', async () => {
    const staff = await makeStaff(portal, await freshAdmin(), 'staff');
    const [id, sub] = [await staff.accountId(), newSubject()];
    await link(staff, 'lenient', sub);
    const by = await freshAdmin();
    const [found] = await linksOf(by, id);
    expect(found).toMatchObject({ provider: 'lenient', issuer: lenient.issuer, subject: sub, managed: false });

    const { body } = await revoke(by, id, found!.id).expect(201);
    expect(body).toMatchObject({ kind: 'sso-link', status: 'executed', accountId: id, ...reason });
    expect(said(await staff.get('/v1/me'))).toEqual([401, 'auth.session-ended']);
    const again = await signInAs(portal, staff.credentials);
    const mail = (await mailsTo(again)).findLast((text) => text.includes('removed: single sign-on'))!;
    expect(mail).toContain('single sign-on by Provider lenient');
    expect(mail).toContain('From: an administrator of');
    const { body: kept } = await by.get(`/v1/account-resets?accountId=${id}`).expect(200);
    expect((kept as { items: object[] }).items).toMatchObject([{ id: (body as { id: string }).id, kind: 'sso-link' }]);
    expect(await linksOf(by, id)).toEqual([]);
    expect(said(await revoke(by, id, found!.id))).toEqual([404, 'http.not-found']);
    expect(said(await signIn('lenient', sub))).toEqual([403, 'auth.sso-not-allowed']);
  });

  it('gives the password back where the provider had replaced it', async () => {
    const staff = await makeStaff(portal, await freshAdmin(), 'staff');
    const id = await staff.accountId();
    await link(staff, 'hospital', newSubject());
    await login(staff).expect(401);
    const by = await freshAdmin();
    await revoke(by, id, (await linksOf(by, id))[0]!.id).expect(201);
    expect((await login(staff).expect(200)).body).toMatchObject({ status: 'mfa_required' });
  });

  it('takes along what its provider gave, whoever removes it, and nothing that a person gave', async () => {
    const officer = () => freshAdmin().then((by) => makeStaff(portal, by, 'records_officer'));
    for (const isOwn of [true, false]) {
      const staff = await officer();
      const [id, sub] = [await staff.accountId(), newSubject()];
      await link(staff, 'lenient', sub);
      await signIn('lenient', sub);
      expect(await rolesOf(id)).toEqual(['records_officer', 'staff']);
      const by = await freshAdmin();
      const [found] = await linksOf(by, id);
      const own = await signInAs(portal, staff.credentials);
      await (isOwn
        ? own.delete(`/v1/auth/sso/identities/${found!.id}`).expect(204)
        : revoke(by, id, found!.id).expect(201));
      expect(await rolesOf(id)).toEqual(['records_officer']);
      expect(said(await own.get('/v1/me'))).toEqual([401, 'auth.session-ended']);
    }
  });

  it('is taken by one of two administrators at once, never by oneself, and not without a reason', async () => {
    const staff = await makeStaff(portal, await freshAdmin(), 'staff');
    const id = await staff.accountId();
    await link(staff, 'lenient', newSubject());
    const by = await freshAdmin();
    const [found] = await linksOf(by, id);
    expect(said(await by.post(`/v1/users/${id}/sso/identities/${found!.id}/revoke`, {}))[0]).toBe(400);
    const answers = await Promise.all(Array.from({ length: 8 }, () => revoke(by, id, found!.id)));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array(7).fill(404)]);

    const second = await makeStaff(portal, await freshAdmin(), 'admin');
    await link(second, 'lenient', newSubject());
    const ownId = await second.accountId();
    const [own] = await linksOf(second, ownId);
    expect(said(await revoke(second, ownId, own!.id))).toEqual([403, 'auth.another-administrator']);
  });
});

describe('a feed', () => {
  it('has nobody who could link it', async () => {
    const feed = await makeFeed(portal, await freshAdmin(), 'https://ehr.example/sso');
    expect(said(await askLink(feed, newBrowser(), 'hospital'))).toEqual([403, 'access.forbidden']);
  });
});
