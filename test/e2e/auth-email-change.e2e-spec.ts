import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { said } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import { keptSecrets, Mailbox } from '../harness/mailbox.js';
import { currentCode, freshName, makeAdmin, makePatient, signInAs, type Caller } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

let portal: Portal;
let admin: Caller;
let mailbox: Mailbox;

beforeAll(async () => {
  // The token outlives the step-up, so that it is the step-up that is missing.
  portal = await startPortal({ env: { ACCESS_TOKEN_MINUTES: '60' } });
  mailbox = new Mailbox(portal);
  admin = await makeAdmin(portal);
});
afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});

const freshEmail = () => `${freshName('mailbox')}@home.test`;

const codeFor = (email: string) => mailbox.code(email, 'To confirm it');

const addressOf = async (caller: Caller) =>
  (await caller.get('/v1/me/email').expect(200)).body as {
    email: string;
    verified: boolean;
    pending?: { email: string };
  };

const change = (caller: Caller, email: string) => caller.post('/v1/me/email', { email });
const confirm = (caller: Caller, code: string) => caller.post('/v1/me/email/confirm', { code });

/** Signed in anew, because the address asks for a fresh sign-in. */
const fresh = (caller: Caller): Promise<Caller> => signInAs(portal, caller.credentials);

describe('an own address', () => {
  it('is verified by the mailed activation code, and not by one that was printed', async () => {
    const patient = await makePatient(portal, admin);
    expect(await addressOf(patient)).toMatchObject({ verified: true });
    expect(await addressOf(admin)).toMatchObject({ verified: false });
  });

  it('stays the old one until the code that was mailed to the new one comes back; both are told', async () => {
    const patient = await makePatient(portal, admin);
    const { email: before } = await addressOf(patient);
    const since = await mailbox.count();
    const email = freshEmail();
    await change(patient, email).expect(204);
    expect(await addressOf(patient)).toMatchObject({ email: before, verified: true, pending: { email } });
    expect((await patient.get('/v1/me').expect(200)).body).toMatchObject({ email: before });
    expect((await mailbox.to(before, since)).join()).toContain('Somebody asked for another address');
    expect((await mailbox.to(before, since)).join()).not.toContain(email);

    await confirm(patient, await codeFor(email)).expect(204);
    expect(await addressOf(patient)).toEqual({ email, verified: true });
    for (const address of [before, email])
      expect((await mailbox.to(address, since)).join()).toContain('notices go to the new address');

    // From now on recovery goes to the new one only.
    const count = await mailbox.count();
    await portal.http.post('/v1/auth/username/forgot').send({ email: before }).expect(204);
    await portal.http.post('/v1/auth/username/forgot').send({ email }).expect(204);
    expect([await mailbox.to(before, count), (await mailbox.to(email, count)).length]).toEqual([[], 1]);
  });

  it("is not changed by PATCH /v1/me or by an administrator's PATCH", async () => {
    const patient = await makePatient(portal, admin);
    const { version } = (await patient.get('/v1/me').expect(200)).body as { version: number };
    const send = (caller: Caller, path: string) =>
      caller.patch(path, { email: freshEmail() }).set('If-Match', `"${version}"`);
    expect((await send(patient, '/v1/me')).status).toBe(400);
    expect((await send(admin, `/v1/users/${await patient.accountId()}`)).status).toBe(400);
  });

  it('needs a recent sign-in, and the second factor where there is one', async () => {
    const patient = await makePatient(portal, admin);
    portal.clock.forward(301);
    expect(said(await change(patient, freshEmail()))).toEqual([403, 'auth.step-up-required']);
    const again = await fresh(patient);
    const { secret } = (await again.post('/v1/auth/mfa/totp', {}).expect(200)).body as { secret: string };
    const code = await currentCode(secret, portal.clock);
    await again.post('/v1/auth/mfa/totp/confirm', { code }).expect(200);
    await change(again, freshEmail()).expect(204);

    // A session of one factor beside it is not enough, however fresh.
    await portal.owner.query(`UPDATE auth.session SET acr = 'aal1', amr = '{pwd}' WHERE account_id = $1`, [
      await again.accountId(),
    ]);
    expect(said(await change(again, freshEmail()))).toEqual([403, 'auth.step-up-required']);
    admin = await fresh(admin);
  });

  it('is confirmed with its own newest code, once, within a day, by its own account', async () => {
    const [patient, other] = [await makePatient(portal, admin), await makePatient(portal, admin)];
    const [first, second] = [freshEmail(), freshEmail()];
    await change(patient, first).expect(204);
    const older = await codeFor(first);
    await change(patient, second).expect(204);
    const code = await codeFor(second);
    expect(said(await confirm(patient, older))).toEqual([403, 'auth.wrong-code']);
    expect(said(await confirm(other, code))).toEqual([403, 'auth.wrong-code']);
    expect(said(await confirm(patient, 'nonsense'))).toEqual([403, 'auth.wrong-code']);
    await confirm(patient, code.toLowerCase().replaceAll('-', ' ')).expect(204);
    expect(said(await confirm(patient, code))).toEqual([403, 'auth.wrong-code']);

    await change(patient, freshEmail()).expect(204);
    const third = freshEmail();
    await change(patient, third).expect(204);
    const late = await codeFor(third);
    portal.clock.forward(24 * 3600 + 1);
    const again = await fresh(patient);
    expect((await addressOf(again)).pending).toBeUndefined();
    expect(said(await confirm(again, late))).toEqual([403, 'auth.wrong-code']);
    admin = await fresh(admin);
  });

  it('is not guessed: five tries, over new codes too, then waits', async () => {
    const patient = await makePatient(portal, admin);
    await change(patient, freshEmail()).expect(204);
    const guess = async (i: number) => (await confirm(patient, `0000-0000-0000-000${i}`)).status;
    const parallel = await Promise.all([0, 1, 2].map(guess));
    await change(patient, freshEmail()).expect(204);
    const more = await Promise.all([3, 4, 5, 6].map(guess));
    expect([...parallel, ...more].sort()).toEqual([403, 403, 403, 403, 403, 429, 429]);
  });

  it('lets one of many parallel confirmations win', async () => {
    const patient = await makePatient(portal, admin);
    const email = freshEmail();
    await change(patient, email).expect(204);
    const code = await codeFor(email);
    const answers = await Promise.all(Array.from({ length: 5 }, () => confirm(patient, code)));
    expect(answers.map(({ status }) => status).sort()).toEqual([204, 403, 403, 403, 403]);
  });

  it("fills nobody's mailbox: three codes an hour to one address, five for one account", async () => {
    const [patient, other] = [await makePatient(portal, admin), await makePatient(portal, admin)];
    const victim = freshEmail();
    const statuses = [];
    for (let i = 0; i < 4; i++) statuses.push((await change(i % 2 ? other : patient, victim)).status);
    expect(statuses).toEqual([204, 204, 204, 429]);
    const more = [];
    for (let i = 0; i < 4; i++) more.push((await change(patient, freshEmail())).status);
    expect(more).toEqual([204, 204, 204, 429]);
  });

  it('makes reset links void that were mailed to the address before', async () => {
    const patient = await makePatient(portal, admin);
    const { email: before } = await addressOf(patient);
    await portal.http.post('/v1/auth/password/forgot').send({ usernameOrEmail: before }).expect(204);
    const token = await mailbox.token(before);
    const email = freshEmail();
    await change(patient, email).expect(204);
    await confirm(patient, await codeFor(email)).expect(204);
    const reset = await portal.http.post('/v1/auth/password/reset').send({ token, newPassword: 'a wholly other one' });
    expect(said(reset)).toEqual([401, 'auth.invalid-reset']);
  });

  it('is verified where it was not, without a change and without a notice', async () => {
    admin = await fresh(admin);
    const { email } = await addressOf(admin);
    const since = await mailbox.count();
    await change(admin, email).expect(204);
    await confirm(admin, await codeFor(email)).expect(204);
    expect(await addressOf(admin)).toEqual({ email, verified: true });
    expect(await mailbox.to(email, since)).toHaveLength(1);
    expect(said(await change(admin, email))).toEqual([409, 'auth.address-verified']);
  });
});

describe('an address that an administrator changes', () => {
  const replace = (id: string, body: object) => admin.post(`/v1/users/${id}/email`, body);

  it('takes a reason and a fresh second factor; both addresses are told, and recovery waits for the holder', async () => {
    const patient = await makePatient(portal, admin);
    const id = await patient.accountId();
    const { email: before } = await addressOf(patient);
    const email = freshEmail();
    expect((await replace(id, { email })).status).toBe(400);
    const since = await mailbox.count();
    const made = await replace(id, { email, reason: 'Typed wrong at the desk.' }).expect(201);
    expect(made.body).toMatchObject({ kind: 'email', status: 'executed', accountId: id });
    for (const address of [before, email]) {
      const text = (await mailbox.to(address, since)).join();
      expect(text).toContain('This is about the email address of your account.');
      expect(text).toContain('From: an administrator');
    }
    expect(await addressOf(patient)).toMatchObject({ email, verified: false, pending: { email } });

    // One administrator does not take an account over: nothing is mailed to either address.
    const count = await mailbox.count();
    for (const typed of [before, email, patient.credentials.username])
      await portal.http.post('/v1/auth/password/forgot').send({ usernameOrEmail: typed }).expect(204);
    expect(await mailbox.count()).toBe(count);
    // Notices still reach the one that was verified.
    const { password } = patient.credentials;
    await patient
      .post('/v1/auth/password/change', { currentPassword: password, newPassword: 'a wholly other one' })
      .expect(200);
    expect((await mailbox.to(before, count)).join()).toContain('Your password was changed');

    await confirm(patient, await codeFor(email)).expect(204);
    expect(await addressOf(patient)).toEqual({ email, verified: true });
    portal.clock.forward(301);
    expect(said(await replace(id, { email: before, reason: 'Back again.' }))).toEqual([403, 'auth.step-up-required']);
    admin = await fresh(admin);
  });

  it('gets the invitation anew where the account was not activated, and the code before it is void', async () => {
    const [wrong, right] = [freshEmail(), freshEmail()];
    const username = freshName('typo');
    const { id } = (
      await admin.post('/v1/users', { username, displayName: 'T', email: wrong, roles: ['staff'] }).expect(201)
    ).body as { id: string };
    const lost = await mailbox.code(wrong, '/activate');
    await admin.post(`/v1/users/${id}/email`, { email: right, reason: 'Typed wrong.' }).expect(201);
    const activate = (activationCode: string) =>
      portal.http.post('/v1/auth/activate').send({ activationCode, password: 'a long enough password' });
    expect(said(await activate(lost))).toEqual([401, 'auth.invalid-activation']);
    const code = await mailbox.code(right, '/activate');
    await activate(code).expect(204);
  });
});

describe('what the check of an address leaves behind', () => {
  it('is no code in log lines, audit events, tables or subjects', async () => {
    expect(await keptSecrets(portal)).toEqual([]);
  });
});
