import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  RoamingBrowser,
  FakeProvider,
  providerEntry,
  RealProvider,
  requestOf,
  writeProviders,
} from '../harness/identity-providers.js';
import { said } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import { Caller, currentCode, freshName, makeAdmin, type Tokens } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

const PUBLIC_URL = 'https://portal.test';
const TWO_FACTORS = { acr: ['urn:two-factors'], amr: ['otp', 'hwk'] };

let portal: Portal;
let real: RealProvider;
let fake: FakeProvider;
let family: FakeProvider;
let admin: Caller;

beforeAll(async () => {
  real = await RealProvider.start(PUBLIC_URL);
  [fake, family] = [await FakeProvider.start(), await FakeProvider.start()];
  const gone = await FakeProvider.start();
  await gone.close();
  const roleMap = { nurses: 'staff', doctors: 'clinician', records: 'records_officer', bosses: 'admin' };
  const file = writeProviders(
    [
      providerEntry('hospital', real.issuer, {
        clientSecretFile: undefined,
        privateKeyFile: 'key.pem',
        privateKeyId: 'portico-1',
        scopes: ['openid', 'profile', 'email', 'work'],
        roleClaim: ['groups'],
        roleMap,
        npiClaim: 'npi',
        justInTime: true,
        secondFactor: TWO_FACTORS,
        phishingResistant: { amr: ['hwk'] },
      }),
      providerEntry('fake', fake.issuer, {
        roleClaim: ['realm', 'roles'],
        roleMap,
        justInTime: true,
        secondFactor: TWO_FACTORS,
      }),
      providerEntry('family', family.issuer, { audience: 'patients', roleMap: {} }),
      providerEntry('gone', gone.issuer),
    ],
    { 'key.pem': real.clientKey },
  );
  const env = { SSO_PROVIDERS_FILE: file, SSO_RETURN_PATHS: '/,/records,/charts/*' };
  portal = await startPortal({ env });
  await real.tell({ reach: portal.url });
  admin = await makeAdmin(portal);
});
afterAll(async () => {
  await checkLedger(portal);
  await Promise.all([portal.close(), real.close(), fake.close(), family.close()]);
});

let subjects = 0;
/** Somebody new at the real provider. */
async function person(
  claims: Record<string, unknown> = {},
  how: { acr?: string; amr?: string[] } = { amr: ['otp'] },
): Promise<string> {
  const sub = `subject-${++subjects}`;
  const username = freshName('sso');
  const base = {
    preferred_username: username,
    name: 'Nora Nurse',
    email: `${username}@hospital.test`,
    groups: ['nurses'],
  };
  await real.tell({ known: { [sub]: { claims: { ...base, ...claims }, ...how } } });
  return sub;
}

const newBrowser = () => new RoamingBrowser(portal);

/** There and back; resolves with the page of the front end. */
async function visit(sub: string, browser = newBrowser(), query = ''): Promise<URL> {
  await real.tell({ next: sub });
  return browser.follow(`/v1/auth/sso/hospital/start${query}`);
}

const exchange = (browser: RoamingBrowser, page: URL, more: object = {}) =>
  browser.post('/v1/auth/sso/exchange', { code: page.searchParams.get('code'), ...more });

async function signIn(sub: string, browser = newBrowser()): Promise<Caller> {
  const { status, body } = await exchange(browser, await visit(sub, browser));
  expect([status, body.status]).toEqual([200, 'authenticated']);
  return new Caller(portal, body as unknown as Tokens, { username: '', password: '' });
}

interface Account {
  id: string;
  username: string | null;
  email: string;
  status: string;
  roles: string[];
}

const accountOf = async (sub: string, issuer = real.issuer): Promise<Account | undefined> =>
  (
    await portal.owner.query<Account>(
      `SELECT a.account_id AS id, a.username, a.email, a.status,
              ARRAY(SELECT role FROM users.account_role r WHERE r.account_id = a.account_id AND revoked_at IS NULL ORDER BY role) AS roles
         FROM auth.federated_identity f JOIN users.account a USING (account_id) WHERE f.issuer = $1 AND f.subject = $2`,
      [issuer, sub],
    )
  ).rows[0];

/** The events of a kind that were stored last, newest first. */
async function events(action: string, limit = 1): Promise<{ actor: string; outcome: number; err?: string }[]> {
  const { rows } = await portal.owner.query<{ actor: string; outcome: number; err?: string }>(
    `SELECT actor, outcome, event ->> 'err' AS err FROM (
       SELECT actor, outcome, occurred, event::jsonb AS event FROM audit.inbox WHERE action = $1
       UNION ALL SELECT actor, outcome, occurred, leaf::jsonb -> 'e' FROM audit.entry WHERE action = $1) e
     ORDER BY occurred DESC LIMIT $2`,
    [action, limit],
  );
  return rows;
}

describe('single sign-on by a real provider', () => {
  it('lists the providers to everybody', async () => {
    const { body } = await portal.http.get('/v1/auth/sso').expect(200);
    expect((body as { items: object[] }).items.slice(0, 3)).toEqual([
      { id: 'hospital', name: 'Provider hospital', audience: 'staff' },
      { id: 'fake', name: 'Provider fake', audience: 'staff' },
      { id: 'family', name: 'Provider family', audience: 'patients' },
    ]);
  });

  it('sends the browser with PKCE, state and nonce, and ties it to the browser by a cookie', async () => {
    const { status, location, headers } = await newBrowser().get('/v1/auth/sso/hospital/start');
    expect(status).toBe(302);
    expect(location!.startsWith(`${real.issuer}/auth?`)).toBe(true);
    expect(requestOf(location!)).toEqual({
      client_id: 'portico',
      response_type: 'code',
      redirect_uri: `${PUBLIC_URL}/v1/auth/sso/hospital/callback`,
      scope: 'openid profile email work',
      state: expect.stringMatching(/^[\w-]{43}$/),
      nonce: expect.stringMatching(/^[\w-]{43}$/),
      code_challenge: expect.stringMatching(/^[\w-]{43}$/),
      code_challenge_method: 'S256',
      max_age: '43200',
    });
    expect(headers.getSetCookie()).toEqual([
      expect.stringMatching(/^__Host-portico-sso=[\w-]{43}; Max-Age=900; Path=\/; HttpOnly; Secure; SameSite=Lax$/),
    ]);
  });

  it('opens an account just in time, with the roles of the claim, and a session of two factors', async () => {
    const sub = await person({ groups: ['nurses', 'records', 'choir'] });
    const browser = newBrowser();
    const page = await visit(sub, browser, '?returnTo=/charts/12');
    expect([...page.searchParams.keys()]).toEqual(['code']);
    const { body, headers } = await exchange(browser, page);
    expect(body).toMatchObject({ status: 'authenticated', returnTo: '/charts/12' });
    expect(body.session).toMatchObject({ acr: 'aal2', amr: ['sso', 'mfa'] });
    expect(headers.getSetCookie().some((line) => line.startsWith('__Host-portico-sso=; Max-Age=0'))).toBe(true);
    const account = (await accountOf(sub))!;
    expect(account).toMatchObject({ status: 'active', roles: ['records_officer', 'staff'] });
    const caller = new Caller(portal, body as unknown as Tokens, { username: '', password: '' });
    expect((await caller.get('/v1/me').expect(200)).body).toMatchObject({ id: account.id, displayName: 'Nora Nurse' });
    const { rows } = await portal.owner.query(
      'SELECT reason, granted_by, granted_via, granted_from FROM users.account_role WHERE account_id = $1',
      [account.id],
    );
    const granted = { reason: 'Single sign-on: Provider hospital', granted_by: null, granted_via: 'sso' };
    expect(rows).toEqual(Array(2).fill({ ...granted, granted_from: 'hospital' }));
    expect(await events('IdentityProvider.verify')).toMatchObject([{ actor: account.id, outcome: 0 }]);
    expect(await events('Session.login')).toMatchObject([{ actor: account.id, outcome: 0 }]);
  });

  it('takes a role away that the provider no longer gives, and ends the sessions that had it', async () => {
    const sub = await person({ groups: ['nurses', 'records'] });
    const before = await signIn(sub);
    const { id } = (await accountOf(sub))!;
    await real.tell({ known: { [sub]: { claims: { groups: ['nurses'] }, amr: ['otp'] } } });
    const after = await signIn(sub);
    expect((await accountOf(sub))!.roles).toEqual(['staff']);
    expect(said(await before.get('/v1/me'))).toEqual([401, 'auth.session-ended']);
    expect((await after.get('/v1/me').expect(200)).body).toMatchObject({ id, roles: ['staff'] });
    // Nothing changed this time: nobody is signed out.
    await signIn(sub);
    await after.get('/v1/me').expect(200);
    const { rows } = await portal.owner.query(
      `SELECT revoked_by, revoked_via, revoked_from, revoke_reason FROM users.account_role WHERE account_id = $1 AND role = 'records_officer'`,
      [id],
    );
    const revoked = { revoked_by: null, revoked_via: 'sso', revoked_from: 'hospital' };
    expect(rows).toEqual([{ ...revoked, revoke_reason: 'Single sign-on: Provider hospital' }]);
  });

  it('takes everything away from whom the provider gives nothing any more, although it refuses them', async () => {
    const sub = await person();
    const before = await signIn(sub);
    const { id } = (await accountOf(sub))!;
    await real.tell({ known: { [sub]: { claims: { groups: ['choir'] }, amr: ['otp'] } } });
    const page = await visit(sub);
    expect(Object.fromEntries(page.searchParams)).toEqual({ error: 'auth.sso-not-allowed' });
    expect(await events('IdentityProvider.verify')).toMatchObject([
      { actor: id, outcome: 4, err: 'auth.sso-not-allowed' },
    ]);
    expect((await accountOf(sub))!.roles).toEqual([]);
    expect(said(await before.get('/v1/me'))).toEqual([401, 'auth.session-ended']);
  });

  it('leaves what an administrator has granted, and adds what the provider gives now', async () => {
    const sub = await person();
    await signIn(sub);
    const { id } = (await accountOf(sub))!;
    await admin
      .post(`/v1/users/${id}/roles`, { role: 'records_officer', reason: 'Covers for a colleague.' })
      .expect(200);
    await real.tell({ known: { [sub]: { claims: { groups: ['doctors'] }, amr: ['otp'] } } });
    await signIn(sub);
    expect((await accountOf(sub))!.roles).toEqual(['clinician', 'records_officer']);
  });

  it('does not give back what an administrator took away, of whoever had given it, until an administrator does', async () => {
    const sub = await person({ groups: ['nurses', 'records'] });
    await signIn(sub);
    const { id } = (await accountOf(sub))!;
    const reason = 'Under investigation.';
    const revoke = (role: string) => admin.post(`/v1/users/${id}/roles/${role}/revoke`, { reason }).expect(200);
    await revoke('records_officer');
    for (let times = 0; times < 2; times++) {
      await signIn(sub);
      expect((await accountOf(sub))!.roles).toEqual(['staff']);
    }
    // Nor by way of a provider that has taken it away in between, nor what a person had given in its place.
    await real.tell({ known: { [sub]: { claims: { groups: ['nurses'] }, amr: ['otp'] } } });
    await signIn(sub);
    await admin.post(`/v1/users/${id}/roles`, { role: 'records_officer', reason: 'Cleared.' }).expect(200);
    await real.tell({ known: { [sub]: { claims: { groups: ['nurses', 'records'] }, amr: ['otp'] } } });
    await signIn(sub);
    expect((await accountOf(sub))!.roles).toEqual(['records_officer', 'staff']);
    await revoke('records_officer');
    await signIn(sub);
    expect((await accountOf(sub))!.roles).toEqual(['staff']);
  });

  it('refuses a mapping that joins duties which exclude each other, and leaves nothing behind', async () => {
    const sub = await person({ groups: ['records', 'bosses'] });
    const page = await visit(sub);
    expect(page.searchParams.get('error')).toMatch(/^users\./);
    expect(await events('IdentityProvider.verify')).toMatchObject([{ actor: '', outcome: 4 }]);
    expect(await accountOf(sub)).toBeUndefined();
  });

  it('makes an administrator only of whom the map names one, and never takes the last', async () => {
    const sub = await person({ groups: ['bosses'] });
    await signIn(sub);
    expect((await accountOf(sub))!.roles).toEqual(['admin']);
    const adminId = await admin.accountId();
    await portal.owner.query(
      `UPDATE users.account SET status = 'disabled', disabled_reason = 'test' WHERE account_id = $1`,
      [adminId],
    );
    await real.tell({ known: { [sub]: { claims: { groups: [] }, amr: ['otp'] } } });
    expect((await visit(sub)).searchParams.get('error')).toBe('users.last-admin');
    expect((await accountOf(sub))!.roles).toEqual(['admin']);
    await portal.owner.query(
      `UPDATE users.account SET status = 'active', disabled_reason = NULL WHERE account_id = $1`,
      [adminId],
    );
    expect((await visit(sub)).searchParams.get('error')).toBe('auth.sso-not-allowed');
    expect((await accountOf(sub))!.roles).toEqual([]);
  });

  it("ties a clinician to the practitioner with the same NPI, makes one where there is none, and takes nobody else's", async () => {
    const practitioner = (npi: string) =>
      admin.post('/v1/practitioners', { family: 'Entered', given: ['E'], specialty: 'Cardiology', npi }).expect(201);
    const found = (await practitioner('1234567893')).body as { id: string };
    const entryOf = async (sub: string) =>
      (
        await portal.owner.query<{ id: string; family: string }>(
          'SELECT practitioner_id AS id, family FROM users.practitioner WHERE account_id = $1',
          [(await accountOf(sub))!.id],
        )
      ).rows;
    const doctor = (npi: unknown) => person({ groups: ['doctors'], npi, family_name: 'Doe', given_name: 'Dana' });
    const [tied, made, thief, none] = [
      await doctor('1234567893'),
      await doctor('1245319599'),
      await doctor('1245319599'),
      await doctor('not a number'),
    ];
    for (const sub of [tied, made, thief, none]) await signIn(sub);
    expect(await entryOf(tied)).toEqual([{ id: found.id, family: 'Entered' }]);
    expect(await entryOf(made)).toEqual([{ id: expect.any(String), family: 'Doe' }]);
    expect(await entryOf(thief)).toEqual([]);
    expect(await entryOf(none)).toEqual([]);
  });

  it('never ties to an account by address or username: the other account stays as it is', async () => {
    const { rows } = await portal.owner.query<{ email: string }>(
      'SELECT email FROM users.account WHERE username = $1',
      [admin.credentials.username],
    );
    const sub = await person({ email: rows[0]!.email, preferred_username: admin.credentials.username });
    await signIn(sub);
    const account = (await accountOf(sub))!;
    expect(account.id).not.toBe(await admin.accountId());
    expect(account).toMatchObject({ email: rows[0]!.email, username: null, roles: ['staff'] });
  });

  it('refuses whom it does not know and the provider gives no role, and whom it has no address of', async () => {
    for (const claims of [
      { groups: ['choir'] },
      { groups: undefined },
      { groups: ['constructor'] },
      { email: 'nowhere' },
    ]) {
      const sub = await person(claims);
      expect((await visit(sub)).searchParams.get('error')).toBe('auth.sso-not-allowed');
      expect(await accountOf(sub)).toBeUndefined();
    }
    expect(await events('IdentityProvider.verify', 4)).toEqual(
      Array(4).fill({ actor: '', outcome: 4, err: 'auth.sso-not-allowed' }),
    );
  });

  it('keeps a disabled account out', async () => {
    const sub = await person();
    const caller = await signIn(sub);
    const { id } = (await accountOf(sub))!;
    // Its way back was open already when it was disabled.
    const browser = newBrowser();
    const late = await visit(sub, browser);
    await admin.post(`/v1/users/${id}/disable`, { reason: 'Left.' }).expect(200);
    expect(said(await caller.get('/v1/me'))).toEqual([401, 'auth.session-ended']);
    expect(said(await exchange(browser, late))).toEqual([403, 'auth.sso-not-allowed']);
    expect((await visit(sub)).searchParams.get('error')).toBe('auth.sso-not-allowed');
    expect(await events('IdentityProvider.verify')).toMatchObject([{ actor: id, outcome: 4 }]);
  });

  it('opens one account for twenty first sign-ins at once', async () => {
    const sub = await person();
    await real.tell({ next: sub });
    const pages = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const browser = newBrowser();
        return { browser, page: await browser.follow('/v1/auth/sso/hospital/start') };
      }),
    );
    const answers = await Promise.all(pages.map(({ browser, page }) => exchange(browser, page)));
    expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200));
    const { rows } = await portal.owner.query('SELECT 1 FROM auth.federated_identity WHERE subject = $1', [sub]);
    expect(rows).toHaveLength(1);
    const { rows: accounts } = await portal.owner.query('SELECT 1 FROM users.account WHERE email = $1', [
      (await accountOf(sub))!.email,
    ]);
    expect(accounts).toHaveLength(1);
  });

  it("counts the provider's second factor only as configured; else our own is asked for", async () => {
    const assured = async (how: { acr?: string; amr?: string[] }) => {
      const sub = await person({}, how);
      const browser = newBrowser();
      return (await exchange(browser, await visit(sub, browser))).body.status;
    };
    expect(await assured({ amr: ['pwd'] })).toBe('enrolment_required');
    expect(await assured({ amr: ['mfa'] })).toBe('enrolment_required');
    expect(await assured({})).toBe('enrolment_required');
    expect(await assured({ acr: 'urn:something-else' })).toBe('enrolment_required');
    expect(await assured({ acr: 'urn:two-factors' })).toBe('authenticated');
    expect(await assured({ amr: ['pwd', 'hwk'] })).toBe('authenticated');
  });

  it('gives the session the time of the sign-in at the provider: an old one is no step-up, a fresh one is', async () => {
    const bySso = async (query: string, secondsAgo: number) => {
      const browser = newBrowser();
      const { location } = await browser.get(`/v1/auth/sso/fake/start${query}`);
      const authTime = Math.floor(Date.now() / 1000) - secondsAgo;
      const claims = { realm: { roles: ['bosses'] }, name: 'B. Boss', email: 'boss@hospital.test', amr: ['otp'] };
      const code = fake.grant(location!, 'the boss', { ...claims, auth_time: authTime });
      const { state } = requestOf(location!);
      const answer = new URLSearchParams({ code, state, iss: fake.issuer }).toString();
      const page = await browser.get(`/v1/auth/sso/fake/callback?${answer}`);
      if (page.status !== 302) return { asked: requestOf(location!), said: said(page) };
      const { body } = await exchange(browser, new URL(page.location!));
      const caller = new Caller(portal, body as unknown as Tokens, { username: '', password: '' });
      const account = { displayName: 'New', email: 'new@hospital.test', roles: ['staff'] };
      return { asked: requestOf(location!), said: said(await caller.post('/v1/users', account)) };
    };
    expect((await bySso('', 400)).said).toEqual([403, 'auth.step-up-required']);
    expect((await bySso('', 5)).said).toEqual([201, undefined]);
    expect(await bySso('?fresh=true', 5)).toEqual({
      asked: expect.objectContaining({ prompt: 'login', max_age: '0' }),
      said: [201, undefined],
    });
    // Asked for anew, and answered with an old one all the same.
    expect((await bySso('?fresh=true', 400)).said).toEqual([401, 'auth.sso-failed']);
    expect((await bySso('', 13 * 3600)).said).toEqual([401, 'auth.sso-failed']);
  });

  it('carries the session in cookies where the front end asks for them', async () => {
    const sub = await person();
    const browser = newBrowser();
    const page = await visit(sub, browser);
    const { status, body, headers } = await exchange(browser, page, { transport: 'cookie' });
    expect([status, body.status, body.accessToken, body.refreshToken]).toEqual([
      200,
      'authenticated',
      undefined,
      undefined,
    ]);
    expect(headers.getSetCookie().some((line) => line.startsWith('__Host-portico-access='))).toBe(true);
    expect((await browser.get('/v1/me')).status).toBe(200);
  });

  it('has no password: signing in by one and forgetting it answer as for an unknown name', async () => {
    const sub = await person();
    await signIn(sub);
    const { username, email } = (await accountOf(sub))!;
    const login = (name: string) =>
      portal.http.post('/v1/auth/login').send({ username: name, password: 'whatever it may be' });
    expect(said(await login(username!))).toEqual(said(await login('nobody-of-that-name')));
    portal.mails.length = 0;
    await portal.http
      .post('/v1/auth/password/forgot')
      .send({ username })
      .expect(({ status }) => status < 300);
    await portal.delivered();
    expect(portal.mails.filter(({ to }) => to === email)).toEqual([]);
  });

  it('fails when PKCE was taken out of the request on the way to the provider', async () => {
    const sub = await person();
    await real.tell({ next: sub });
    const browser = newBrowser();
    const location = new URL((await browser.get('/v1/auth/sso/hospital/start')).location!);
    location.searchParams.delete('code_challenge');
    location.searchParams.delete('code_challenge_method');
    const page = await browser.follow(location.href);
    expect(Object.fromEntries(page.searchParams)).toEqual({ error: 'auth.sso-failed' });
    expect(await accountOf(sub)).toBeUndefined();
  });

  it("ends what the provider's session has opened when that ends, on the next request, and nothing else", async () => {
    const sub = await person({}, { amr: ['pwd'] });
    const [here, elsewhere] = [newBrowser(), newBrowser()];
    // Through our own second factor: the session still knows where it came from.
    const { body } = await exchange(here, await visit(sub, here));
    const { mfaToken } = body as { mfaToken: string };
    const { body: totp } = await portal.http.post('/v1/auth/mfa/totp').send({ mfaToken }).expect(200);
    const code = await currentCode((totp as { secret: string }).secret, portal.clock);
    const { body: tokens } = await portal.http.post('/v1/auth/mfa/totp/confirm').send({ mfaToken, code }).expect(200);
    const callerHere = new Caller(portal, tokens as Tokens, { username: '', password: '' });
    await real.tell({ known: { [sub]: { claims: { groups: ['nurses'] }, amr: ['otp'] } } });
    const callerElsewhere = await signIn(sub, elsewhere);
    await callerHere.get('/v1/me').expect(200);

    const form = await here.get(`${real.issuer}/session/end`);
    const xsrf = /name="xsrf" value="([^"]+)"/.exec(form.text)![1]!;
    await here.postForm(`${real.issuer}/session/end/confirm`, { xsrf, logout: 'yes' });
    expect(said(await callerHere.get('/v1/me'))).toEqual([401, 'auth.session-ended']);
    await callerElsewhere.get('/v1/me').expect(200);
    const { id } = (await accountOf(sub))!;
    expect(await events('IdentityProvider.logout')).toMatchObject([{ actor: id, outcome: 0 }]);
    expect(await events('Session.end')).toMatchObject([{ actor: id, err: 'auth.session-ended:sso-logout' }]);
  });

  it('is told where to sign out there too; who goes there is out on both sides, and back at the page that they began at', async () => {
    const sub = await person();
    const browser = newBrowser();
    const here = await signIn(sub, browser);
    const sibling = await signIn(sub, browser);
    const { body } = await here.post('/v1/auth/logout').expect(200);
    const { providerLogout } = body as { providerLogout: { url: string; state: string } };
    expect(said(await here.get('/v1/me'))).toEqual([401, 'auth.session-ended']);
    // Until the provider ends its own session, what else that has opened goes on.
    await sibling.get('/v1/me').expect(200);

    const { origin, pathname, searchParams } = new URL(providerLogout.url);
    expect(`${origin}${pathname}`).toBe(`${real.issuer}/session/end`);
    expect(Object.fromEntries(searchParams)).toEqual({
      client_id: 'portico',
      logout_hint: sub,
      post_logout_redirect_uri: `${PUBLIC_URL}/sign-in`,
      state: providerLogout.state,
    });
    expect(providerLogout.state).toMatch(/^[\w-]{43}$/);
    const form = await browser.get(providerLogout.url);
    const xsrf = /name="xsrf" value="([^"]+)"/.exec(form.text)![1]!;
    const { location } = await browser.postForm(`${real.issuer}/session/end/confirm`, { xsrf, logout: 'yes' });
    expect(location).toBe(`${PUBLIC_URL}/sign-in?state=${providerLogout.state}`);
    // Its word by the back channel ended the rest, and its session is over: the next sign-in asks who it is.
    expect(said(await sibling.get('/v1/me'))).toEqual([401, 'auth.session-ended']);
    const { location: away } = await browser.get('/v1/auth/sso/hospital/start');
    expect((await browser.get(away!)).location).toMatch(/\/interaction\//);
  });
});
