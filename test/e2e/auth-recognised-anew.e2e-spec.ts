import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { decodeJwt } from 'jose';
import { generate } from 'otplib';
import { Browser } from '../harness/browser.js';
import { cloneDatabase } from '../harness/database.js';
import { checkLedger } from '../harness/ledger.js';
import { Device } from '../harness/passkeys.js';
import { Caller, currentCode, makeAdmin, makePatient, makeStaff, signInAs, type Patient } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

let portal: Portal;
let admin: Caller;
let codesOfAdmin: string[];
let patient: Patient;

beforeAll(async () => {
  portal = await startPortal({ env: { ACCESS_TOKEN_MINUTES: '60' } });
  admin = await makeAdmin(portal);
  codesOfAdmin = admin.recoveryCodes;
});
beforeEach(async () => {
  admin = await signInAs(portal, admin.credentials);
  patient = await makePatient(portal, admin);
});
afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});

const me = (accessToken: string) => portal.http.get('/v1/me').set('Authorization', `Bearer ${accessToken}`);
const codeOf = ({ status, body }: { status: number; body: unknown }) => `${status} ${(body as { code?: string }).code}`;
const stepUp = (caller: Caller, password = caller.credentials.password) =>
  caller.post('/v1/auth/step-up', { method: 'password', password });

describe('a session whose person is recognised anew', () => {
  it('has a new access token, and none of those before: another tab refreshes and goes on', async () => {
    const first = patient.tokens.accessToken;
    const { refreshToken } = patient.tokens;
    const { body } = await stepUp(patient).expect(200);
    const second = (body as { accessToken: string }).accessToken;
    expect(decodeJwt(second).sid).toBe(decodeJwt(first).sid);
    await me(second).expect(200);
    const late = await me(first).expect(401);
    expect(late.body.code).toBe('auth.token-expired');
    expect(late.headers['www-authenticate']).toContain('invalid_token');
    const refreshed = await portal.http.post('/v1/auth/refresh').send({ refreshToken }).expect(200);
    const third = (refreshed.body as { accessToken: string }).accessToken;
    await me(third).expect(200);
    // A refresh is no recognition: what the other tab has goes on.
    await me(second).expect(200);
  });

  it('has it by a second factor, by setting one up, and by another password too', async () => {
    const seen: string[] = [];
    const isRenewed = async () => {
      const before = seen.at(-1);
      const now = patient.tokens.accessToken;
      expect(now).not.toBe(before);
      await me(now).expect(200);
      if (before !== undefined) expect(codeOf(await me(before))).toBe('401 auth.token-expired');
      seen.push(now);
    };
    await isRenewed();
    const { body } = await patient.post('/v1/auth/mfa/totp', {}).expect(200);
    const { secret } = body as { secret: string };
    await patient.post('/v1/auth/mfa/totp/confirm', { code: await currentCode(secret, portal.clock) }).expect(200);
    await isRenewed();
    await patient
      .post('/v1/auth/step-up', { method: 'totp', code: await currentCode(secret, portal.clock) })
      .expect(200);
    await isRenewed();
    const { password } = patient.credentials;
    await patient
      .post('/v1/auth/password/change', { currentPassword: password, newPassword: 'a wholly other password' })
      .expect(200);
    await isRenewed();
  });

  it('has one token that counts after four recognitions at once, and each answer says which', async () => {
    const before = patient.tokens.accessToken;
    const other = new Caller(portal, { ...patient.tokens }, patient.credentials);
    const answers = await Promise.all([1, 2, 3, 4].map(() => stepUp(other)));
    const tokens = answers.flatMap(({ body }) => (body as { accessToken?: string }).accessToken ?? []);
    expect(new Set(tokens).size).toBe(tokens.length);
    const good = (await Promise.all(tokens.map((token) => me(token)))).filter(({ status }) => status === 200);
    expect(good).toHaveLength(1);
    await me(before).expect(401);
  });

  it('gets it as a cookie where its tokens are cookies, and the cookie before is refused', async () => {
    const browser = new Browser(portal);
    const { username, password } = patient.credentials;
    await browser.send('post', '/v1/auth/login', { username, password, transport: 'cookie' });
    const old = browser.jar.get('__Host-portico-access')!;
    const renewed = await browser.send('post', '/v1/auth/step-up', { method: 'password', password });
    expect(renewed.status).toBe(200);
    expect(renewed.body).not.toHaveProperty('accessToken');
    expect(browser.jar.get('__Host-portico-access')).not.toBe(old);
    expect((await browser.send('get', '/v1/me')).status).toBe(200);
    const late = await portal.http.get('/v1/me').set('Cookie', `__Host-portico-access=${old}`).expect(401);
    expect(late.body.code).toBe('auth.token-expired');
  });
});

describe('a password in the running session', () => {
  it('is enough for people who hold no second factor, and makes the session no stronger', async () => {
    portal.clock.forward(301);
    const email = { email: 'new@home.test' };
    expect(codeOf(await patient.post('/v1/me/email', email))).toBe('403 auth.step-up-required');
    expect(codeOf(await patient.post('/v1/auth/mfa/totp', {}))).toBe('403 auth.step-up-required');
    expect((await stepUp(patient).expect(200)).body).toMatchObject({ acr: 'aal1', amr: ['pwd'] });
    await patient.post('/v1/auth/mfa/totp', {}).expect(200);
    expect((await patient.post('/v1/me/email', email)).status).toBeLessThan(300);
  });

  it('counts for nothing beside a second factor', async () => {
    await new Device(portal).register(patient);
    expect(codeOf(await stepUp(patient))).toBe('403 auth.method-not-offered');
    expect(codeOf(await stepUp(admin))).toBe('403 auth.method-not-offered');
    const staff = await makeStaff(portal, admin, 'staff');
    expect(codeOf(await stepUp(staff))).toBe('403 auth.method-not-offered');
  });

  it('counts for nothing where a second factor is demanded by now, although none is held', async () => {
    const database = await cloneDatabase();
    const env = { ACCESS_TOKEN_MINUTES: '60' };
    const before = await startPortal({ database, env });
    // The other is opened afterwards: either would deliver the mail of the activation code.
    const { tokens, credentials } = await makePatient(before, await makeAdmin(before));
    const strict = await startPortal({ database, env: { ...env, MFA_PATIENT: 'required' } });
    try {
      const there = new Caller(before, tokens, credentials);
      const here = new Caller(strict, tokens, credentials);
      strict.clock.forward((before.clock.now().getTime() - strict.clock.now().getTime()) / 1000 + 301);
      before.clock.forward(301);
      expect(codeOf(await here.post('/v1/auth/mfa/totp', {}))).toBe('403 auth.step-up-required');
      expect(codeOf(await stepUp(here))).toBe('403 auth.method-not-offered');
      // What sets up the second factor is a sign-in, which leads nowhere else.
      const { username, password } = credentials;
      const { body } = await strict.http.post('/v1/auth/login').send({ username, password }).expect(200);
      expect((body as { status: string }).status).toBe('enrolment_required');
      await stepUp(there).expect(200);
      await checkLedger(before);
    } finally {
      await Promise.all([before.close(), strict.close()]);
    }
  });

  it('that is changed makes no second factor of five minutes ago count as shown just now', async () => {
    const { body } = await patient.post('/v1/auth/mfa/totp', {}).expect(200);
    const { secret } = body as { secret: string };
    await patient.post('/v1/auth/mfa/totp/confirm', { code: await currentCode(secret, portal.clock) }).expect(200);
    await patient
      .post('/v1/auth/step-up', { method: 'totp', code: await currentCode(secret, portal.clock) })
      .expect(200);
    portal.clock.forward(301);
    const { password: currentPassword } = patient.credentials;
    await patient
      .post('/v1/auth/password/change', { currentPassword, newPassword: 'a password that a thief has chosen' })
      .expect(200);
    expect(codeOf(await patient.delete('/v1/auth/mfa/totp'))).toBe('403 auth.step-up-required');
    expect(codeOf(await patient.post('/v1/me/email', { email: 'thief@home.test' }))).toBe('403 auth.step-up-required');
    await patient
      .post('/v1/auth/step-up', { method: 'totp', code: await currentCode(secret, portal.clock) })
      .expect(200);
    await patient.delete('/v1/auth/mfa/totp').expect(204);
  });

  it('is counted together with sign-in, before it is looked at', async () => {
    for (let n = 0; n < 5; n++) expect(codeOf(await stepUp(patient, `wrong ${n}`))).toBe('403 auth.wrong-password');
    expect(codeOf(await stepUp(patient))).toBe('429 auth.too-many-attempts');
    const { username, password } = patient.credentials;
    await portal.http.post('/v1/auth/login').send({ username, password }).expect(401);
    portal.clock.forward(31);
    await stepUp(patient).expect(200);
    expect(codeOf(await patient.post('/v1/auth/step-up', { method: 'password' }))).toMatch(/^400 /);
    await portal.http.post('/v1/auth/step-up').send({ method: 'password', password }).expect(401);
  });
});

describe('other sessions of the same person', () => {
  const reasonsOf = async (caller: Caller) => {
    const { body } = await caller.get('/v1/me/activity').expect(200);
    const { items } = body as { items: { kind: string; detail: string }[] };
    return items.filter(({ kind }) => kind === 'session-ended').map(({ detail }) => detail);
  };

  it('end when a second factor is added, when its codes are renewed, and when it is removed', async () => {
    const another = async (totpSecret?: string) =>
      signInAs(portal, { ...patient.credentials, ...(totpSecret ? { totpSecret } : {}) });
    const isOver = async (caller: Caller) => expect(codeOf(await caller.get('/v1/me'))).toBe('401 auth.session-ended');
    const early = await another();
    const { body } = await patient.post('/v1/auth/mfa/totp', {}).expect(200);
    const { secret } = body as { secret: string };
    await early.get('/v1/me').expect(200);
    await patient.post('/v1/auth/mfa/totp/confirm', { code: await currentCode(secret, portal.clock) }).expect(200);
    await isOver(early);
    const second = await another(secret);
    await patient.post('/v1/auth/mfa/recovery-codes').expect(200);
    await isOver(second);
    const third = await another(secret);
    await patient.delete('/v1/auth/mfa/totp').expect(204);
    await isOver(third);
    await patient.get('/v1/me').expect(200);
    expect(await reasonsOf(patient)).toEqual(['factor-changed', 'factor-changed', 'factor-changed']);
  });

  it('are ended only by somebody who was recognised in the last fifteen minutes', async () => {
    const other = await signInAs(portal, patient.credentials);
    const ends = () => [
      patient.post('/v1/auth/logout-others'),
      patient.post('/v1/auth/logout-all'),
      patient.delete(`/v1/auth/sessions/${other.tokens.session.id}`),
    ];
    portal.clock.forward(600);
    for (const caller of [patient, other]) await caller.get('/v1/me').expect(200);
    portal.clock.forward(301);
    for (const end of ends()) expect(codeOf(await end)).toBe('403 auth.step-up-required');
    await other.get('/v1/me').expect(200);
    await stepUp(patient).expect(200);
    await patient.delete(`/v1/auth/sessions/${other.tokens.session.id}`).expect(204);
    await other.get('/v1/me').expect(401);
    await patient.post('/v1/auth/logout-others').expect(204);
    // Signing out oneself needs nothing.
    portal.clock.forward(800);
    await patient.post('/v1/auth/logout').expect(200);
  });

  it('are never more than the limit, however many sign-ins come at once', async () => {
    const small = await startPortal({ env: { MAX_SESSIONS: '3' } });
    try {
      const { credentials } = await makePatient(small, await makeAdmin(small));
      const { username, password } = credentials;
      const open = async () =>
        (
          await small.owner.query(
            `SELECT 1 FROM auth.session s JOIN users.account a USING (account_id) WHERE a.username = $1 AND s.ended_at IS NULL`,
            [username],
          )
        ).rowCount;
      for (let round = 0; round < 3; round++) {
        const answers = await Promise.all(
          [1, 2, 3, 4, 5].map(() => small.http.post('/v1/auth/login').send({ username, password })),
        );
        expect(answers.some(({ status }) => status === 200)).toBe(true);
        expect(await open()).toBeLessThanOrEqual(3);
        small.clock.forward(60);
      }
      expect(await open()).toBe(3);
      await checkLedger(small);
    } finally {
      await small.close();
    }
  });
});

describe('a sign-in after guesses', () => {
  const told = async () => {
    await portal.delivered();
    return portal.mails.filter(({ text }) => text.includes('attempts with a wrong password')).map(({ text }) => text);
  };
  const signIn = (password: string) =>
    portal.http.post('/v1/auth/login').send({ username: patient.credentials.username, password });
  const guess = async (times: number) => {
    for (let n = 0; n < times; n++) await signIn(`guess ${n}`).expect(401);
    portal.clock.forward(31);
  };

  it('is told to its owner, from five on, once a day, and never of a name that nobody has', async () => {
    const before = (await told()).length;
    const { password } = patient.credentials;
    await guess(4);
    await signIn(password).expect(200);
    expect(await told()).toHaveLength(before);
    await guess(5);
    expect(await told()).toHaveLength(before);
    await signIn(password).expect(200);
    expect((await told()).slice(before)).toEqual([expect.stringContaining('after 5 attempts with a wrong password')]);
    await guess(5);
    await signIn(password).expect(200);
    expect(await told()).toHaveLength(before + 1);
    portal.clock.forward(86_400);
    await guess(5);
    await signIn(password).expect(200);
    expect(await told()).toHaveLength(before + 2);
    for (let n = 0; n < 7; n++)
      await portal.http.post('/v1/auth/login').send({ username: 'nobody at all', password: 'x' }).expect(401);
    expect(await told()).toHaveLength(before + 2);
  });
});

describe('recovery codes', () => {
  it('have 120 bits: six groups of four', () => {
    expect(codesOfAdmin).toHaveLength(10);
    for (const code of codesOfAdmin) expect(code).toMatch(/^([0-9A-HJKMNP-TV-Z]{4}-){5}[0-9A-HJKMNP-TV-Z]{4}$/);
    expect(24 * Math.log2(32)).toBe(120);
  });
});

describe('the time that a one-time code counts at', () => {
  it("is the server's own, whatever the client says of the time", async () => {
    const { username, password, totpSecret } = admin.credentials;
    const ahead = new Date(portal.clock.now().getTime() + 600_000);
    const code = await generate({ secret: totpSecret!, epoch: Math.floor(ahead.getTime() / 1000) });
    const { body } = await portal.http.post('/v1/auth/login').send({ username, password }).expect(200);
    const { mfaToken } = body as { mfaToken: string };
    const verify = (shown: string) =>
      portal.http
        .post('/v1/auth/mfa/verify')
        .set('Date', ahead.toUTCString())
        .send({ mfaToken, method: 'totp', code: shown });
    await verify(code).expect(401);
    await verify(await currentCode(totpSecret!, portal.clock)).expect(200);
  });
});
