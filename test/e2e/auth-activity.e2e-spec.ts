import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { SessionSweeper } from '../../src/modules/auth/sessions/session-sweeper.js';
import { checkLedger } from '../harness/ledger.js';
import { Caller, makeAdmin, makePatient, makeStaff, signInAs, type Patient, type Tokens } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

const FIREFOX = 'Mozilla/5.0 (Windows NT 10.0; rv:140.0) Gecko/20100101 Firefox/140.0';
const SAFARI =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile Safari/604.1';
const DAY = 86_400;

let portal: Portal;
let admin: Caller;
let patient: Patient;

beforeAll(async () => {
  portal = await startPortal({
    env: {
      // So that a test can come from any address.
      TRUSTED_PROXIES: '127.0.0.1',
      KNOWN_NETWORKS: 'Main campus=203.0.113.0/24, Ward 7=203.0.113.64/28, Main campus=2001:db8:7::/48',
    },
  });
  admin = await makeAdmin(portal);
});
beforeEach(async () => {
  admin = await signInAs(portal, admin.credentials);
  patient = await makePatient(portal, admin);
});
afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});

interface Activity {
  id: string;
  at: string;
  kind: string;
  detail: string | null;
  count: number | null;
  sessionId: string | null;
  device: string | null;
  place: string | null;
  current: boolean;
}

const activityOf = async (caller: Caller, query = ''): Promise<Activity[]> =>
  ((await caller.get(`/v1/me/activity${query}`).expect(200)).body as { items: Activity[] }).items;

const login = (address: string, userAgent: string, { username, password } = patient.credentials) =>
  portal.http
    .post('/v1/auth/login')
    .set({ 'X-Forwarded-For': address, 'User-Agent': userAgent })
    .send({ username, password });

async function signInFrom(address: string, userAgent = FIREFOX): Promise<Caller> {
  const { body } = await login(address, userAgent).expect(200);
  return new Caller(portal, body as Tokens, patient.credentials);
}

/** Texts of the notices about new devices that the patient got. */
async function noticesOf(person: Patient): Promise<string[]> {
  await portal.delivered();
  const { rows } = await portal.owner.query<{ email: string }>('SELECT email FROM users.account WHERE username = $1', [
    person.credentials.username,
  ]);
  const { email } = rows[0]!;
  return portal.mails.filter(({ to, text }) => to === email && text.includes('new to us')).map(({ text }) => text);
}

describe('the list of sessions', () => {
  it('says device and place in words: a network of the hospital, a private one, a country', async () => {
    const places: Record<string, string> = {
      '203.0.113.7': 'Main campus',
      '203.0.113.70': 'Ward 7',
      '2001:db8:7::1': 'Main campus',
      '::ffff:203.0.113.7': 'Main campus',
      '10.1.2.3': 'Private network',
      'fd00::1': 'Private network',
      '127.0.0.1': 'Private network',
      '193.0.6.139': 'Netherlands',
      '8.8.8.8': 'United States',
      '2001:67c:2e8:22::c100:68b': 'Netherlands',
      '192.0.2.1': 'Unknown place',
      '100.64.0.1': 'Unknown place',
    };
    let last = patient as Caller;
    for (const address of Object.keys(places)) last = await signInFrom(address, SAFARI);
    const { items } = (await last.get('/v1/auth/sessions').expect(200)).body as {
      items: { address: string; place: string; device: string; current: boolean }[];
    };
    const own = items.filter(({ device }) => device === 'Safari on iPhone').reverse();
    expect(own.map(({ place }) => place)).toEqual(Object.values(places));
    expect(own.at(-1)!.current).toBe(true);
  });

  it('ends all others at once, and only those', async () => {
    const [one, two] = [await signInFrom('8.8.8.8'), await signInFrom('8.8.4.4')];
    const stranger = await makePatient(portal, admin);
    await one.post('/v1/auth/logout-others').expect(204);
    await one.get('/v1/me').expect(200);
    await stranger.get('/v1/me').expect(200);
    for (const caller of [two, patient]) await caller.get('/v1/me').expect(401);
    const { body } = await one.get('/v1/auth/sessions').expect(200);
    expect((body as { items: object[] }).items).toHaveLength(1);
  });

  it('holds at most so many sessions as configured: one more ends the one that was idle longest', async () => {
    const small = await startPortal({ env: { MAX_SESSIONS: '3' } });
    try {
      const { credentials } = await makePatient(small, await makeAdmin(small));
      // Three are open: the one of the beginning and two more; the first is active again.
      const opened: Caller[] = [];
      small.clock.forward(2);
      for (let n = 0; n < 3; n++) {
        opened.push(await signInAs(small, credentials));
        small.clock.forward(2);
      }
      await opened[0]!.get('/v1/me').expect(200);
      const fourth = await signInAs(small, credentials);
      const statuses = [];
      for (const caller of [...opened, fourth]) statuses.push((await caller.get('/v1/me')).status);
      expect(statuses).toEqual([200, 401, 200, 200]);
      const reasons = (await activityOf(fourth)).filter(({ kind }) => kind === 'session-ended');
      expect(reasons.map(({ detail }) => detail)).toEqual(['too-many', 'too-many']);
      await checkLedger(small);
    } finally {
      await small.close();
    }
  });
});

describe('an administrator', () => {
  it("ends all sessions of somebody, who does not see the administrator's device", async () => {
    const staff = await makeStaff(portal, admin, 'staff');
    const id = await staff.accountId();
    const reason = { reason: 'Left the desk open.' };
    await admin.post(`/v1/users/${id}/sessions/end`, reason).set('User-Agent', SAFARI).expect(204);
    await staff.get('/v1/me').expect(401);
    const again = await signInAs(portal, staff.credentials);
    const ended = (await activityOf(again)).filter(({ kind }) => kind === 'session-ended');
    expect(ended).toEqual([
      expect.objectContaining({ detail: 'revoked', sessionId: staff.tokens.session.id, device: 'Unknown device' }),
    ]);
    await patient.post(`/v1/users/${id}/sessions/end`, reason).expect(403);
  });
});

describe('a sign-in from a new device or place', () => {
  it('sends a notice, but not the first ever, nor one that was seen in the last 90 days', async () => {
    expect(await noticesOf(patient)).toEqual([]);
    await signInFrom('8.8.8.8');
    expect(await noticesOf(patient)).toEqual([expect.stringContaining('Firefox on Windows, United States')]);
    await signInFrom('8.8.4.4');
    expect(await noticesOf(patient)).toHaveLength(1);
    await signInFrom('8.8.8.8', SAFARI);
    expect((await noticesOf(patient))[1]).toContain('Safari on iPhone, United States');
    const abroad = await signInFrom('193.0.6.139', SAFARI);
    expect((await noticesOf(patient))[2]).toContain('Safari on iPhone, Netherlands');
    portal.clock.forward(90 * DAY - 60);
    await signInFrom('193.0.6.139', SAFARI);
    expect(await noticesOf(patient)).toHaveLength(3);
    // Not from where it was 91 days ago.
    portal.clock.forward(60);
    await signInFrom('193.0.6.139', SAFARI);
    portal.clock.forward(89 * DAY);
    await signInFrom('8.8.8.8');
    expect(await noticesOf(patient)).toHaveLength(4);
    const notices = (await activityOf(await signInFrom('8.8.8.8'))).filter(({ kind }) => kind === 'new-device');
    expect(notices.map(({ device, place }) => `${device} ${place}`)).toEqual([
      'Firefox on Windows United States',
      'Safari on iPhone Netherlands',
      'Safari on iPhone United States',
      'Firefox on Windows United States',
    ]);
    for (const text of await noticesOf(patient)) expect(text).not.toContain(abroad.tokens.accessToken);
  });

  it('sends none when it is refused', async () => {
    await login('193.0.6.139', SAFARI, { ...patient.credentials, password: 'wrong' }).expect(401);
    expect(await noticesOf(patient)).toEqual([]);
  });
});

describe('the history of an account', () => {
  it('tells of sign-ins, of failures before them, of ended sessions and why, of the password', async () => {
    for (let n = 0; n < 3; n++)
      await login('193.0.6.139', SAFARI, { ...patient.credentials, password: 'wrong' }).expect(401);
    const caller = await signInFrom('203.0.113.7');
    const { password } = patient.credentials;
    await caller
      .post('/v1/auth/password/change', { currentPassword: password, newPassword: 'a wholly other password' })
      .expect(200);
    const [changed, ended, news, signedIn, failed] = await activityOf(caller);
    expect(failed).toMatchObject({ kind: 'failed-sign-ins', count: 3, device: null, place: null, current: false });
    expect(signedIn).toMatchObject({
      kind: 'signed-in',
      detail: 'pwd',
      sessionId: caller.tokens.session.id,
      device: 'Firefox on Windows',
      place: 'Main campus',
      current: true,
    });
    const words = [changed, ended, news].map((one) => `${one!.kind} ${one!.detail ?? ''}`.trim()).sort();
    expect(words).toEqual(['new-device', 'password-changed', 'session-ended password-changed']);
    expect([ended, changed, news].find(({ kind } = {} as Activity) => kind === 'session-ended')).toMatchObject({
      sessionId: patient.tokens.session.id,
      place: 'Private network',
    });
  });

  it('counts no failures twice, and none where there were none', async () => {
    const caller = await signInFrom('8.8.8.8');
    expect((await activityOf(caller)).filter(({ kind }) => kind === 'failed-sign-ins')).toEqual([]);
  });

  it('tells of automatic logout and of a stolen token', async () => {
    const thief = await signInFrom('8.8.8.8');
    const steal = { refreshToken: thief.tokens.refreshToken };
    await portal.http.post('/v1/auth/refresh').send(steal).expect(200);
    portal.clock.forward(11);
    await portal.http.post('/v1/auth/refresh').send(steal).expect(401);
    portal.clock.forward(20 * 60);
    await portal.app.get(SessionSweeper).sweep();
    const again = await signInFrom('8.8.8.8');
    const ended = (await activityOf(again)).filter(({ kind }) => kind === 'session-ended');
    expect(ended.map(({ detail, place }) => `${detail} ${place}`)).toEqual([
      'idle Private network',
      'reuse United States',
    ]);
  });

  it('is read by nobody else, in pages that lose and repeat nothing', async () => {
    const stranger = await makePatient(portal, admin);
    for (let n = 0; n < 6; n++) await signInFrom('8.8.8.8');
    const all = await activityOf(patient);
    expect(all).toHaveLength(8);
    expect(all.every(({ place }) => place !== null)).toBe(true);
    const seen: Activity[] = [];
    let path: string | null = '/v1/me/activity?limit=3';
    while (path) {
      const { body } = await patient.get(path).expect(200);
      const { items, next } = body as { items: Activity[]; next: string | null };
      seen.push(...items);
      path = next && `/v1/me/activity?limit=3&cursor=${next}`;
      // What arrives meanwhile stands before the pages.
      await signInFrom('8.8.8.8');
    }
    expect(seen).toEqual(all);
    const { next } = (await patient.get('/v1/me/activity?limit=3')).body as { next: string };
    await stranger.get(`/v1/me/activity?limit=3&cursor=${next}`).expect(400);
    expect((await activityOf(stranger)).map(({ kind }) => kind)).toEqual(['signed-in']);
    await portal.http.get('/v1/me/activity').expect(401);
  });

  it('is forgotten after 400 days', async () => {
    const id = await patient.accountId();
    const count = async () =>
      (await portal.owner.query('SELECT 1 FROM auth.security_event WHERE account_id = $1', [id])).rowCount;
    portal.clock.forward(399 * DAY);
    await portal.app.get(SessionSweeper).sweep();
    expect(await count()).toBe(2);
    portal.clock.forward(2 * DAY);
    await portal.app.get(SessionSweeper).sweep();
    // The end of its session was noted when it was found.
    expect(await count()).toBe(1);
  });
});
