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
import {
  Caller,
  enrolAndSignIn,
  freshName,
  mailedCode,
  makeAdmin,
  makePatient,
  makeStaff,
  signInAs,
  type Tokens,
} from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';
import { openDirectory, type Directory, type ScimUser } from '../harness/scim.js';

/**
 * One issuer each. `hospital` is matched by externalId and opens accounts, `names` by userName and opens none, `plain` is not
 * matched and opens some.
 */
type Id = 'hospital' | 'names' | 'plain';
const IDS = ['hospital', 'names', 'plain'] as const;

let portal: Portal;
let database: Config['database'];
let admin: Caller;
let directory: Directory;
let providers: Record<Id, FakeProvider>;
let entries: (more?: object) => object[];

beforeAll(async () => {
  const started = await Promise.all(IDS.map(() => FakeProvider.start()));
  providers = Object.fromEntries(IDS.map((id, at) => [id, started[at]!])) as typeof providers;
  const roleMap = { nurses: 'staff', doctors: 'clinician', bosses: 'admin' };
  const entry = (id: Id, more: object) =>
    providerEntry(id, providers[id].issuer, { roleMap, secondFactor: { amr: ['otp'] }, ...more });
  entries = (more = {}) => [
    entry('hospital', { justInTime: true, scimMatch: { claim: 'oid', attribute: 'externalId', ...more } }),
    entry('names', { userInfo: true, scimMatch: { claim: 'upn', attribute: 'userName' } }),
    entry('plain', { justInTime: true }),
  ];
  database = await cloneDatabase();
  portal = await startPortal({ database, env: { SSO_PROVIDERS_FILE: writeProviders(entries()) } });
  admin = await makeAdmin(portal);
  directory = await openDirectory(portal, admin);
  const { names } = providers;
  names.metadata = { userinfo_endpoint: `${names.issuer}/userinfo` };
  names.intercept = (path, response) => {
    if (path !== '/userinfo') return false;
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(userInfo));
    return true;
  };
});
afterAll(async () => {
  await checkLedger(portal);
  await Promise.all([portal.close(), ...Object.values(providers).map((one) => one.close())]);
});

/** What the UserInfo endpoint of `names` says. */
let userInfo: object = {};

const NURSE = { roles: ['nurses'], name: 'Nora Nurse', email: 'nora@hospital.test', amr: ['otp'] };
const NOT_ALLOWED = [403, 'auth.sso-not-allowed'];
const newSubject = () => `subject-${randomUUID()}`;
const freshAdmin = () => signInAs(portal, admin.credentials);

/** There and back; the answer that a front end gets for its code, or the refusal. */
async function signIn(id: Id, sub: string, claims: object, at: Portal = portal) {
  const provider = providers[id];
  const browser = new RoamingBrowser(at);
  const { location } = await browser.get(`/v1/auth/sso/${id}/start`);
  userInfo = { ...userInfo, sub };
  const code = provider.grant(location!, sub, { ...NURSE, sid: randomUUID(), ...claims });
  const query = new URLSearchParams({ code, state: requestOf(location!).state, iss: provider.issuer }).toString();
  const answer = await browser.get(`/v1/auth/sso/${id}/callback?${query}`);
  if (answer.status !== 302) return answer;
  return browser.post('/v1/auth/sso/exchange', { code: new URL(answer.location!).searchParams.get('code') });
}

async function comesIn(id: Id, sub: string, claims: object, at: Portal = portal): Promise<Caller> {
  const { status, body } = await signIn(id, sub, claims, at);
  expect([status, body.status]).toEqual([200, 'authenticated']);
  return new Caller(at, body as unknown as Tokens, { username: '', password: '' });
}

/** Somebody whom the directory has provisioned, and what the provider says of them. */
async function provisioned(over: object = {}): Promise<{ user: ScimUser; oid: string; upn: string }> {
  const oid = randomUUID();
  const user = await directory.user({ externalId: oid, ...over });
  return { user, oid, upn: user.userName };
}

/** The same, who has activated the account and signed in with a password and an app. */
async function activated() {
  const person = await provisioned();
  const activationCode = await mailedCode(portal, person.user.emails[0]!.value);
  const password = `a password of ${person.user.userName}`;
  await portal.http.post('/v1/auth/activate').send({ activationCode, password }).expect(204);
  await (
    await freshAdmin()
  )
    .post(`/v1/users/${person.user.id}/roles`, { role: 'staff', reason: 'Works at the desk.' })
    .expect(200);
  return { ...person, password, caller: await enrolAndSignIn(portal, person.user.userName, password) };
}

const linksOf = async (accountId: string) =>
  (
    await portal.owner.query<{ issuer: string; subject: string; is_managed: boolean }>(
      'SELECT issuer, subject, is_managed FROM auth.federated_identity WHERE account_id = $1 ORDER BY created_at',
      [accountId],
    )
  ).rows;

const accountOf = async (subject: string) =>
  (
    await portal.owner.query<{ id: string }>(
      'SELECT account_id AS id FROM auth.federated_identity WHERE subject = $1',
      [subject],
    )
  ).rows[0]?.id;

const accounts = async (): Promise<number> =>
  (await portal.owner.query<{ n: number }>('SELECT count(*)::int AS n FROM users.account')).rows[0]!.n;

/** Refused, with this reason for the operator, and no account and no link the more. */
async function isRefused(id: Id, sub: string, claims: object, reason: string, at: Portal = portal): Promise<void> {
  const [before, logged] = [await accounts(), at.log.length];
  expect(said(await signIn(id, sub, claims, at))).toEqual(NOT_ALLOWED);
  expect(await accounts()).toBe(before);
  expect(await accountOf(sub)).toBeUndefined();
  expect(at.log.slice(logged).map((line) => [line.component, line.reason])).toContainEqual([id, reason]);
}

describe('somebody whom the directory has provisioned', () => {
  it('is one person with whom the provider vouches for, at their first single sign-on', async () => {
    const { user, oid } = await provisioned();
    const email = user.emails[0]!.value;
    const activationCode = await mailedCode(portal, email);
    const [sub, before] = [newSubject(), await accounts()];
    const caller = await comesIn('hospital', sub, { oid });

    expect(await accounts()).toBe(before);
    const { body: me } = await caller.get('/v1/me').expect(200);
    expect(me).toMatchObject({ id: user.id, username: user.userName, email, roles: ['staff'] });
    expect(await linksOf(user.id)).toEqual([{ issuer: providers.hospital.issuer, subject: sub, is_managed: true }]);
    // Told to them, in their history, and to the directory.
    await portal.delivered();
    const [mail] = portal.mails.filter((one) => one.to === email).slice(-1);
    expect(mail!.text).toContain('A way to confirm your sign-in was added: single sign-on by Provider hospital.');
    expect(mail!.text).toContain(
      "Provider hospital knows you as the person whom the hospital's directory has entered.",
    );
    const { body: history } = await caller.get('/v1/me/activity').expect(200);
    const kinds = (history as { items: { kind: string; detail: string }[] }).items.map(({ kind, detail }) => [
      kind,
      detail,
    ]);
    expect(kinds).toContainEqual(['factor-added', 'single sign-on by Provider hospital']);
    expect(await directory.read(user.id)).toMatchObject({ active: true, roles: [{ value: 'staff' }] });
    // The code that was mailed before is another way into the same account no more.
    const activate = { activationCode, password: 'a password of somebody else' };
    expect(said(await portal.http.post('/v1/auth/activate').send(activate))).toEqual([401, 'auth.invalid-activation']);
    // From now on they are known by issuer and subject.
    expect(await (await comesIn('hospital', sub, { oid: randomUUID() })).accountId()).toBe(user.id);
  });

  it('keeps an account that was activated already, with what stands in it, and no longer its password', async () => {
    const { user, oid, password, caller } = await activated();
    const sub = newSubject();
    expect(await (await comesIn('hospital', sub, { oid })).accountId()).toBe(user.id);
    expect(await linksOf(user.id)).toEqual([{ issuer: providers.hospital.issuer, subject: sub, is_managed: false }]);
    expect(said(await caller.get('/v1/me'))).toEqual([401, 'auth.session-ended']);
    await portal.delivered();
    expect(portal.mails.findLast((one) => one.to === user.emails[0]!.value)!.text).toContain(
      'It is your only way in: no password is asked for.',
    );
    const login = { username: user.userName, password };
    expect(said(await portal.http.post('/v1/auth/login').send(login))).toEqual([401, 'auth.invalid-credentials']);
  });

  it('is out when the directory deactivates them, and in again when it does not any more', async () => {
    const { user, oid } = await provisioned();
    const sub = newSubject();
    const caller = await comesIn('hospital', sub, { oid });
    const active = (value: boolean) =>
      directory.patch(`/Users/${user.id}`, { op: 'replace', path: 'active', value }).expect(200);
    await active(false);
    expect(said(await caller.get('/v1/me'))).toEqual([401, 'auth.session-ended']);
    expect(said(await signIn('hospital', sub, { oid }))).toEqual(NOT_ALLOWED);
    await active(true);
    expect(await (await comesIn('hospital', sub, { oid })).accountId()).toBe(user.id);
  });

  it('is refused, and opened no other account, while deactivated or after they were removed', async () => {
    const idle = await provisioned({ active: false });
    await isRefused('hospital', newSubject(), { oid: idle.oid }, 'disabled-or-administrator');
    const gone = await provisioned();
    await directory.send('delete', `/Users/${gone.user.id}`).expect(204);
    await isRefused('hospital', newSubject(), { oid: gone.oid }, 'removed');
    await isRefused('names', newSubject(), { upn: gone.upn }, 'removed');
    // Provisioned anew, they are somebody again.
    const { id } = await directory.user({ externalId: gone.oid, userName: gone.upn });
    expect(await (await comesIn('hospital', newSubject(), { oid: gone.oid })).accountId()).toBe(id);
  });

  it('is refused when the provider gives them no role, and stays as they were', async () => {
    const { user, oid } = await provisioned();
    const sub = newSubject();
    expect(said(await signIn('hospital', sub, { oid, roles: ['choir'] }))).toEqual(NOT_ALLOWED);
    expect(await linksOf(user.id)).toEqual([]);
    const { rows } = await portal.owner.query('SELECT status FROM users.account WHERE account_id = $1', [user.id]);
    expect(rows).toEqual([{ status: 'invited' }]);
  });

  it('is linked once by many first sign-ins at once, and by one alone of many people with one claim', async () => {
    const { user, oid } = await provisioned();
    const [sub, before] = [newSubject(), await accounts()];
    const same = await Promise.all(Array.from({ length: 8 }, () => signIn('hospital', sub, { oid })));
    expect(same.map(({ status }) => status)).toEqual(Array(8).fill(200));
    expect(await linksOf(user.id)).toHaveLength(1);

    const contested = await provisioned();
    const subjects = Array.from({ length: 8 }, newSubject);
    const each = await Promise.all(subjects.map((one) => signIn('hospital', one, { oid: contested.oid })));
    expect(each.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(each.filter(({ status }) => status !== 200).map(said)).toEqual(Array(7).fill(NOT_ALLOWED));
    expect(await linksOf(contested.user.id)).toHaveLength(1);
    expect(await accounts()).toBe(before + 1);
  });

  it('has a link of their own at each provider', async () => {
    const { user, oid, upn } = await provisioned();
    const [here, there] = [newSubject(), newSubject()];
    await comesIn('hospital', here, { oid });
    expect(await (await comesIn('names', there, { upn: upn.toUpperCase() })).accountId()).toBe(user.id);
    expect((await linksOf(user.id)).map(({ subject, is_managed }) => [subject, is_managed])).toEqual([
      [here, true],
      [there, false],
    ]);
  });
});

describe("an account is nobody else's for what a provider says", () => {
  it('when it was not provisioned, whatever its name is: of staff, of a patient, of the last administrator', async () => {
    const by = await freshAdmin();
    const staff = await makeStaff(portal, by, 'staff');
    const patient = await makePatient(portal, await freshAdmin());
    for (const { credentials } of [staff, patient, admin]) {
      const before = await accounts();
      expect(said(await signIn('names', newSubject(), { upn: credentials.username }))).toEqual(NOT_ALLOWED);
      expect(await accounts()).toBe(before);
    }
    for (const caller of [staff, patient]) expect(await linksOf(await caller.accountId())).toEqual([]);
    // Nor does an id of ours serve for the directory's.
    const sub = newSubject();
    expect(await (await comesIn('hospital', sub, { oid: await staff.accountId() })).accountId()).not.toBe(
      await staff.accountId(),
    );
  });

  it('when the claim says nothing, or more than one thing, or not exactly this', async () => {
    const { user, oid, upn } = await provisioned();
    const unusable = [undefined, null, '', ' ', [], [oid], [oid, oid], { oid }, 7, true, ` ${oid}`, `${oid}\u0000`];
    for (const value of unusable) await isRefused('hospital', newSubject(), { oid: value }, 'claim-unusable');
    // Another person, as far as the directory goes.
    for (const value of [oid.toUpperCase(), oid.slice(1), `${oid}x`, `${oid}%`]) {
      const caller = await comesIn('hospital', newSubject(), { oid: value });
      expect(await caller.accountId()).not.toBe(user.id);
    }
    // Equal only in a compatibility form, which another person may have at the provider.
    const wide = upn.replace('scim', 'ｓcim');
    expect(said(await signIn('names', newSubject(), { upn: wide }))).toEqual(NOT_ALLOWED);
    expect(said(await signIn('names', newSubject(), { upn: [upn] }))).toEqual(NOT_ALLOWED);
    expect(await linksOf(user.id)).toEqual([]);
  });

  it('when only the UserInfo endpoint says it: the ID token is what the provider has signed', async () => {
    const { user, upn } = await provisioned();
    userInfo = { upn };
    const sub = newSubject();
    expect(said(await signIn('names', sub, {}))).toEqual(NOT_ALLOWED);
    expect(await linksOf(user.id)).toEqual([]);
    userInfo = {};
    expect(await (await comesIn('names', sub, { upn })).accountId()).toBe(user.id);
  });

  it("when it stands for somebody else at the provider already, or their claim becomes another person's", async () => {
    const [one, two] = [await provisioned(), await provisioned()];
    const sub = newSubject();
    await comesIn('hospital', sub, { oid: one.oid });
    await isRefused('hospital', newSubject(), { oid: one.oid }, 'linked-to-another');
    // The first person's claim is now that of the second: they stay who they are, and the second is nobody's.
    expect(await (await comesIn('hospital', sub, { oid: two.oid })).accountId()).toBe(one.user.id);
    expect(await linksOf(two.user.id)).toEqual([]);
  });

  it('when the provider is not configured for it', async () => {
    const { user, oid, upn } = await provisioned();
    const sub = newSubject();
    await comesIn('plain', sub, {
      oid,
      upn,
      sub,
      externalId: oid,
      preferred_username: upn,
      email: user.emails[0]!.value,
    });
    expect(await accountOf(sub)).not.toBe(user.id);
    expect(await linksOf(user.id)).toEqual([]);
  });

  it('when several are provisioned as the same person', async () => {
    const [{ oid }] = [await provisioned()];
    await directory.user({ externalId: oid });
    await isRefused('hospital', newSubject(), { oid }, 'ambiguous');
  });

  it("when it is an administrator's, now or later, unless the operator has said so", async () => {
    const [now, later] = [await provisioned(), await provisioned()];
    const by = await freshAdmin();
    const grant = (id: string, period: object) =>
      by.post(`/v1/users/${id}/roles`, { role: 'admin', reason: 'Runs the portal.', ...period }).expect(200);
    await grant(now.user.id, {});
    const startsAt = new Date(portal.clock.now().getTime() + 3_600_000).toISOString();
    await grant(later.user.id, { startsAt });
    for (const { oid } of [now, later]) await isRefused('hospital', newSubject(), { oid }, 'disabled-or-administrator');
    for (const { user } of [now, later]) expect(await linksOf(user.id)).toEqual([]);

    const file = writeProviders(entries({ administrators: true }));
    const trusting = await startPortal({ database, env: { SSO_PROVIDERS_FILE: file } });
    const caller = await comesIn('hospital', newSubject(), { oid: now.oid }, trusting);
    expect(await caller.accountId()).toBe(now.user.id);
    await trusting.close();
  });

  it('when another directory has provisioned it than the one that is named', async () => {
    const other = await openDirectory(portal, await freshAdmin());
    const { user, oid } = await provisioned();
    const theirs = await other.user({ externalId: oid });
    await isRefused('hospital', newSubject(), { oid }, 'ambiguous');
    const alone = randomUUID();
    await other.user({ externalId: alone });

    const file = writeProviders(entries({ directory: directory.id }));
    const strict = await startPortal({ database, env: { SSO_PROVIDERS_FILE: file } });
    expect(await (await comesIn('hospital', newSubject(), { oid }, strict)).accountId()).toBe(user.id);
    expect(await linksOf(theirs.id)).toEqual([]);
    const sub = newSubject();
    await comesIn('hospital', sub, { oid: alone }, strict);
    expect((await linksOf((await accountOf(sub))!)).map(({ is_managed }) => is_managed)).toEqual([true]);
    await strict.close();
  });
});

describe('a link that an administrator took away', () => {
  it('is not made again for the same person; the right one is linked, or gets a code, because nobody else is in', async () => {
    const { user, oid } = await provisioned();
    const wrong = newSubject();
    const thief = await comesIn('hospital', wrong, { oid });
    const by = await freshAdmin();
    const { body } = await by.get(`/v1/users/${user.id}/sso/identities`).expect(200);
    const [found] = (body as { items: { id: string }[] }).items;
    expect(found).toMatchObject({ managed: true, subject: wrong });
    const reason = "The claim was another person's.";
    await by.post(`/v1/users/${user.id}/sso/identities/${found!.id}/revoke`, { reason }).expect(201);

    expect(said(await thief.get('/v1/me'))).toEqual([401, 'auth.session-ended']);
    expect((await by.get(`/v1/users/${user.id}`).expect(200)).body).toMatchObject({ status: 'invited', roles: [] });
    await isRefused('hospital', wrong, { oid }, 'link-removed');

    await by.post(`/v1/users/${user.id}/roles`, { role: 'staff', reason: 'Works at the desk.' }).expect(200);
    await by.post(`/v1/users/${user.id}/invitations`, {}).expect(204);
    const activationCode = await mailedCode(portal, user.emails[0]!.value);
    const password = `a password of ${user.userName}`;
    await portal.http.post('/v1/auth/activate').send({ activationCode, password }).expect(204);
    const caller = await enrolAndSignIn(portal, user.userName, password);
    expect(await caller.accountId()).toBe(user.id);
    expect(await (await comesIn('hospital', newSubject(), { oid })).accountId()).toBe(user.id);
    await isRefused('hospital', wrong, { oid }, 'link-removed');
  });

  it('was not the way in of the last administrator', async () => {
    const sub = newSubject();
    const boss = await comesIn('plain', sub, { roles: ['bosses'] });
    const id = await boss.accountId();
    const by = await freshAdmin();
    const { body } = await by.get(`/v1/users/${id}/sso/identities`).expect(200);
    const [found] = (body as { items: { id: string }[] }).items;
    // Whoever asks is an administrator for today only.
    const before = await portal.owner.query<{ id: string }>(
      `UPDATE users.account_role SET ends_at = now() + interval '1 day'
        WHERE role = 'admin' AND revoked_at IS NULL AND ends_at IS NULL AND account_id <> $1 RETURNING account_role_id AS id`,
      [id],
    );
    const reason = 'Left.';
    const answer = await by.post(`/v1/users/${id}/sso/identities/${found!.id}/revoke`, { reason });
    expect(said(answer)).toEqual([409, 'users.last-admin']);
    expect(await linksOf(id)).toHaveLength(1);
    await portal.owner.query('UPDATE users.account_role SET ends_at = NULL WHERE account_role_id = ANY ($1)', [
      before.rows.map((row) => row.id),
    ]);
  });
});

describe("what the database tells of the directory's people", () => {
  it('is whose account it is, for one exact value, and to the portal alone', async () => {
    const { user, oid, upn } = await provisioned();
    const find = async (...values: unknown[]) =>
      (await portal.owner.query('SELECT * FROM users.provisioned_as($1, $2, $3)', values)).rows;
    const row = { account_id: user.id, is_removed: false };
    expect(await find('externalId', oid, null)).toEqual([row]);
    expect(await find('userName', upn, directory.id)).toEqual([row]);
    expect(await find('userName', upn, randomUUID())).toEqual([]);
    for (const value of ['', '%', `${oid}%`, null]) expect(await find('externalId', value, null)).toEqual([]);
    for (const attribute of ['email', 'emails', '', null]) expect(await find(attribute, oid, null)).toEqual([]);
    expect(await find('email', user.emails[0]!.value, null)).toEqual([]);
  });
});

describe('a person whom the directory does not know', () => {
  it('is opened an account where the provider may, and refused where it may not', async () => {
    const sub = newSubject();
    const caller = await comesIn('hospital', sub, { oid: randomUUID(), email: `${freshName('jit')}@hospital.test` });
    expect(await linksOf(await caller.accountId())).toMatchObject([{ subject: sub, is_managed: true }]);
    expect(said(await signIn('names', newSubject(), { upn: freshName('nobody') }))).toEqual(NOT_ALLOWED);
  });
});
