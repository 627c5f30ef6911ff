import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { NOBODY } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import { emailOf, Mailbox, withApp } from '../harness/mailbox.js';
import { Caller, currentCode, makeAdmin, makePatient, makeStaff, signInAs, type Patient } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

let portal: Portal;
let admin: Caller;
let patient: Patient;

beforeAll(async () => {
  portal = await startPortal({ env: { HOSPITAL_NAME: 'Saint Mary' } });
  admin = await makeAdmin(portal);
});
afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});
beforeEach(async () => {
  admin = await signInAs(portal, admin.credentials);
  patient = await makePatient(portal, admin);
});

const login = (username: string, password: string) => portal.http.post('/v1/auth/login').send({ username, password });
const statusOf = async (username: string, password: string) =>
  ((await login(username, password).expect(200)).body as { status: string }).status;
const codeOf = ({ status, body }: { status: number; body: unknown }) =>
  status < 400 ? null : (body as { code: string }).code;

describe('a password that others may know', () => {
  const expire = (id: string, by = admin) =>
    by.post(`/v1/users/${id}/password/expire`, { reason: 'Found on a note at the desk.' });
  const changeRequired = (token: string, newPassword: string) =>
    portal.http.post('/v1/auth/password/change-required').send({ token, newPassword });
  const verify = async (mfaToken: string, secret: string) =>
    portal.http
      .post('/v1/auth/mfa/verify')
      .send({ mfaToken, method: 'totp', code: await currentCode(secret, portal.clock) });
  const CHANGE = { status: 'password_change_required', changeBy: 'token', token: expect.any(String) };
  /** After the password and the second factor. */
  const tokenFor = async ({ username, password, totpSecret }: Caller['credentials']) => {
    const { mfaToken } = (await login(username, password).expect(200)).body as { mfaToken: string };
    const { body } = await verify(mfaToken, totpSecret!);
    expect(body).toEqual(CHANGE);
    return (body as { token: string }).token;
  };
  let holder: Patient;
  beforeEach(async () => {
    holder = await withApp(patient);
  });

  it('ends all sessions and opens nothing but its own change', async () => {
    const { username, password } = holder.credentials;
    const id = await holder.accountId();
    await expire(id).expect(204);
    expect(codeOf(await holder.get('/v1/me'))).toBe('auth.session-ended');
    expect(codeOf(await portal.http.post('/v1/auth/refresh').send({ refreshToken: holder.tokens.refreshToken }))).toBe(
      'auth.session-ended',
    );
    await login(username, 'not this one at all').expect(401);
    const token = await tokenFor(holder.credentials);
    await portal.http.get('/v1/me').set('Authorization', `Bearer ${token}`).expect(401);
    await portal.http.post('/v1/auth/mfa/totp').send({ mfaToken: token }).expect(401);
    expect(codeOf(await changeRequired(token, password))).toBe('auth.password-is-current');
    expect(codeOf(await changeRequired(token, 'too short'))).toBe('auth.password-too-short');
    await changeRequired(token, 'a quite new password').expect(204);
    expect(codeOf(await changeRequired(token, 'another new password'))).toBe('auth.sign-in-expired');
    await login(username, password).expect(401);
    expect(await statusOf(username, 'a quite new password')).toBe('mfa_required');
    const { rows } = await portal.owner.query(
      'SELECT expired_by AS by, expired_reason AS reason FROM auth.credential WHERE account_id = $1',
      [id],
    );
    expect(rows).toEqual([{ by: await admin.accountId(), reason: 'Found on a note at the desk.' }]);
  });

  it('is told to its owner, as is the change', async () => {
    await expire(await holder.accountId()).expect(204);
    await changeRequired(await tokenFor(holder.credentials), 'a quite new password').expect(204);
    await portal.delivered();
    const texts = portal.mails.slice(-2).map(({ text }) => text);
    expect(texts[0]).toContain('Somebody else may know your password');
    expect(texts[0]).toContain('an administrator of Saint Mary');
    expect(texts[1]).toContain('Your password was changed');
    expect(texts.join()).not.toContain('note at the desk');
  });

  it('is changed only after the second factor where there is one', async () => {
    const staff = await makeStaff(portal, admin, 'staff');
    await expire(await staff.accountId()).expect(204);
    const { username, password, totpSecret } = staff.credentials;
    const { body } = await login(username, password).expect(200);
    expect(body).toMatchObject({ status: 'mfa_required' });
    const { mfaToken } = body as { mfaToken: string };
    expect(codeOf(await changeRequired(mfaToken, 'a quite new password'))).toBe('auth.sign-in-expired');
    const second = await verify(mfaToken, totpSecret!);
    expect(second.body).toEqual(CHANGE);
    await changeRequired((second.body as { token: string }).token, 'a quite new password').expect(204);
    await signInAs(portal, { username, password: 'a quite new password', totpSecret: totpSecret! });
  });

  it('voids sign-ins that were half-way when it was found out', async () => {
    const staff = await makeStaff(portal, admin, 'staff');
    const { username, password, totpSecret } = staff.credentials;
    const { mfaToken } = (await login(username, password).expect(200)).body as { mfaToken: string };
    await expire(await staff.accountId()).expect(204);
    expect(codeOf(await verify(mfaToken, totpSecret!))).toBe('auth.sign-in-expired');
  });

  it('is changed once, of 10 changes at once and of two sign-ins', async () => {
    await expire(await holder.accountId()).expect(204);
    const tokens = [await tokenFor(holder.credentials), await tokenFor(holder.credentials)];
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, n) => changeRequired(tokens[n % 2]!, `a quite new password ${n}`)),
    );
    expect(answers.filter(({ status }) => status === 204)).toHaveLength(1);
    expect(new Set(answers.map(codeOf))).toEqual(new Set([null, 'auth.sign-in-expired']));
  });

  it('alone changes nothing, where there is no second factor: the link goes to the verified address', async () => {
    const alone = await makePatient(portal, admin);
    const { username, password } = alone.credentials;
    const [email, mailbox] = [await emailOf(alone), new Mailbox(portal)];
    await expire(await alone.accountId()).expect(204);
    const since = await mailbox.count();
    // Four times: nobody's mailbox is filled by it.
    for (let i = 0; i < 4; i++) {
      const { body } = await login(username, password).expect(200);
      expect(body).toEqual({ status: 'password_change_required', changeBy: 'mail' });
    }
    const mails = await mailbox.to(email, since);
    expect(mails).toHaveLength(3);
    expect(mails[0]).toContain('may be known to others');
    const token = await mailbox.token(email);
    expect(codeOf(await changeRequired(token, 'a quite new password'))).toBe('auth.sign-in-expired');
    const reset = (newPassword: string) => portal.http.post('/v1/auth/password/reset').send({ token, newPassword });
    expect(codeOf(await reset(password))).toBe('auth.password-is-current');
    await reset('a quite new password').expect(204);
    expect(await statusOf(username, 'a quite new password')).toBe('authenticated');
  });

  it('alone changes nothing without a verified address either: the hospital does', async () => {
    const alone = await makePatient(portal, admin);
    const { username, password } = alone.credentials;
    const id = await alone.accountId();
    await expire(id).expect(204);
    await portal.owner.query('DELETE FROM auth.verified_address WHERE account_id = $1', [id]);
    const since = await new Mailbox(portal).count();
    const { body } = await login(username, password).expect(200);
    expect(body).toEqual({ status: 'password_change_required', changeBy: 'hospital' });
    expect(await new Mailbox(portal).count()).toBe(since);
  });

  it('sets up no second factor where one is demanded and none is there', async () => {
    const staff = await makeStaff(portal, admin, 'staff');
    const { username, password } = staff.credentials;
    const id = await staff.accountId();
    await expire(id).expect(204);
    await portal.owner.query('DELETE FROM auth.totp WHERE account_id = $1', [id]);
    const { body } = await login(username, password).expect(200);
    expect(body).toEqual({ status: 'password_change_required', changeBy: 'hospital' });
  });

  it('is not changed on a remembered device without the second factor', async () => {
    const { username, password, totpSecret } = holder.credentials;
    const id = await holder.accountId();
    const first = (await login(username, password).expect(200)).body as { mfaToken: string };
    const { body } = await portal.http.post('/v1/auth/mfa/verify').send({
      mfaToken: first.mfaToken,
      method: 'totp',
      code: await currentCode(totpSecret!, portal.clock),
      rememberDevice: true,
    });
    const { deviceToken } = body as { deviceToken: string };
    expect(deviceToken).toEqual(expect.any(String));
    const { rows: devices } = await portal.owner.query('SELECT * FROM auth.device WHERE account_id = $1', [id]);
    expect(devices).toHaveLength(1);
    // Not by the route, which forgets devices as well: this one stands by itself.
    await portal.owner.query(
      `UPDATE auth.credential SET expired_at = $2, expired_by = $1, expired_reason = 'x' WHERE account_id = $1`,
      [id, portal.clock.now()],
    );
    const again = await portal.http.post('/v1/auth/login').send({ username, password, deviceToken }).expect(200);
    expect(again.body).toMatchObject({ status: 'mfa_required' });
  });

  it('gives five minutes for the change', async () => {
    await expire(await holder.accountId()).expect(204);
    const token = await tokenFor(holder.credentials);
    portal.clock.forward(301);
    expect(codeOf(await changeRequired(token, 'a quite new password'))).toBe('auth.sign-in-expired');
  });

  it('is for administrators to say, of others, freshly confirmed and with a reason', async () => {
    const id = await patient.accountId();
    expect(codeOf(await expire(await admin.accountId()))).toBe('auth.own-password');
    expect(codeOf(await expire(NOBODY))).toBe('http.not-found');
    expect(codeOf(await expire(id, patient))).toBe('access.forbidden');
    expect(codeOf(await admin.post(`/v1/users/${id}/password/expire`, {}))).toBe('http.invalid');
    portal.clock.forward(200);
    const { body } = await portal.http.post('/v1/auth/refresh').send({ refreshToken: admin.tokens.refreshToken });
    portal.clock.forward(150);
    const later = new Caller(portal, body as Caller['tokens'], admin.credentials);
    expect(codeOf(await expire(id, later))).toBe('auth.step-up-required');
  });
});
