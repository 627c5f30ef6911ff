import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { v7 as uuidv7 } from 'uuid';
import { itemsOf, NOBODY, said } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import { emailOf, keptSecrets, Mailbox, withApp } from '../harness/mailbox.js';
import { enrolAndSignIn, makeAdmin, makePatient, makeStaff, signInAs, type Caller } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

let portal: Portal;
let admin: Caller;
let second: Caller;
let mailbox: Mailbox;

beforeAll(async () => {
  // The token outlives the step-up, so that it is the step-up that is missing.
  portal = await startPortal({ env: { ACCESS_TOKEN_MINUTES: '60', TRUSTED_PROXIES: '127.0.0.1' } });
  mailbox = new Mailbox(portal);
  admin = await makeAdmin(portal);
  // Made by the operator, like the first: one whom the first had made could be the same person.
  second = await makeAdmin(portal);
});
afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});

const why = { reason: 'Lost the phone on the train.' };
const identityCheck = () => ({
  method: 'in-person-id-document',
  document: 'passport',
  checkedBy: 'Frieda Desk',
  checkedAt: new Date(portal.clock.now().getTime() - 600_000).toISOString(),
});

let peers = 0;
const login = async (caller: Caller) => {
  const { username, password } = caller.credentials;
  const from = `203.0.113.${++peers % 250}`;
  return portal.http.post('/v1/auth/login').set('X-Forwarded-For', from).send({ username, password });
};
const statusOfLogin = async (caller: Caller) => ((await login(caller)).body as { status: string }).status;

const resetFactors = (by: Caller, id: string, body: object = why) => by.post(`/v1/users/${id}/mfa/reset`, body);
const approve = (by: Caller, id: string) => by.post(`/v1/account-resets/${id}/approve`);
const idOf = (answer: { body: unknown }) => (answer.body as { id: string }).id;

describe('second factors that an administrator takes away', () => {
  it('go once another administrator has approved; all sessions end, and a new factor is demanded', async () => {
    const staff = await makeStaff(portal, admin, 'staff');
    const [id, email] = [await staff.accountId(), await emailOf(staff)];
    const asked = await resetFactors(admin, id).expect(201);
    expect(asked.body).toMatchObject({ status: 'requested', kind: 'factors', isStaff: true, decidedBy: null, ...why });
    await staff.get('/v1/me').expect(200);
    expect(await statusOfLogin(staff)).toBe('mfa_required');

    const done = await approve(second, idOf(asked)).expect(200);
    expect(done.body).toMatchObject({ status: 'executed', decidedBy: await second.accountId() });
    expect(said(await staff.get('/v1/me'))).toEqual([401, 'auth.session-ended']);
    expect(await statusOfLogin(staff)).toBe('enrolment_required');
    const text = (await mailbox.to(email)).join();
    expect(text).toContain('All ways to confirm your sign-in were removed');
    expect(text).toContain('From: an administrator');
    await enrolAndSignIn(portal, staff.credentials.username, staff.credentials.password);
  });

  it('go at once with a recorded identity check of a patient, who sets up a new one before anything else', async () => {
    const patient = await withApp(await makePatient(portal, admin));
    const { body } = await resetFactors(admin, await patient.accountId(), {
      ...why,
      identityCheck: identityCheck(),
    }).expect(201);
    expect(body).toMatchObject({
      status: 'executed',
      isStaff: false,
      identityCheck: { document: 'passport', checkedBy: 'Frieda Desk' },
    });
    expect(await statusOfLogin(patient)).toBe('enrolment_required');
  });

  it('of somebody who works here take two administrators, whatever was checked', async () => {
    const staff = await makeStaff(portal, admin, 'staff');
    const { body } = await resetFactors(admin, await staff.accountId(), {
      ...why,
      identityCheck: identityCheck(),
    }).expect(201);
    expect(body).toMatchObject({ status: 'requested' });
    expect(await statusOfLogin(staff)).toBe('mfa_required');
  });

  it('are neither approved by who asked, nor asked or decided by whose they are', async () => {
    const own = await resetFactors(admin, await admin.accountId());
    expect(said(own)).toEqual([403, 'auth.another-administrator']);
    const asked = await resetFactors(admin, await second.accountId()).expect(201);
    expect(said(await approve(admin, idOf(asked)))).toEqual([403, 'auth.another-administrator']);
    expect(said(await approve(second, idOf(asked)))).toEqual([403, 'auth.another-administrator']);
    expect((await second.post(`/v1/account-resets/${idOf(asked)}/decline`)).status).toBe(403);
    await admin.post(`/v1/account-resets/${idOf(asked)}/decline`).expect(200);
    await second.get('/v1/me').expect(200);
  });

  it('cannot be taken away past the database either, by one administrator or by a made-up role', async () => {
    const [patient, staff] = [await makePatient(portal, admin), await makeStaff(portal, admin, 'staff')];
    const [adminId, staffId, patientId] = [await admin.accountId(), await staff.accountId(), await patient.accountId()];
    const insert = (row: { account: string; by: string; decided: string | null; checked: boolean; status?: string }) =>
      portal.owner
        .query(
          `INSERT INTO auth.account_reset (account_reset_id, account_id, kind, status, reason, is_staff, needs_proof, identity_method, identity_document,
                  identity_checked_by, identity_checked_at, requested_by, requested_at, expires_at, decided_by, decided_at)
           SELECT $1, $2, 'factors', $6, 'x', false, true, CASE WHEN $5 THEN 'video-id-document' END, CASE WHEN $5 THEN 'passport' END,
                  CASE WHEN $5 THEN 'x' END, CASE WHEN $5 THEN now() END, $3, now(), now(), $4, CASE WHEN $4::uuid IS NOT NULL THEN now() END`,
          [uuidv7(), row.account, row.by, row.decided, row.checked, row.status ?? 'executed'],
        )
        .then(
          () => 'stored',
          (error: { constraint?: string }) => error.constraint,
        );
    const found = [
      await insert({ account: patientId, by: adminId, decided: null, checked: false }),
      await insert({ account: patientId, by: adminId, decided: adminId, checked: false }),
      await insert({ account: staffId, by: adminId, decided: null, checked: true }),
      await insert({ account: staffId, by: adminId, decided: staffId, checked: true }),
      await insert({ account: adminId, by: adminId, decided: null, checked: false, status: 'requested' }),
      await insert({ account: staffId, by: adminId, decided: await second.accountId(), checked: false }),
    ];
    expect(found).toEqual([
      'account_reset__four_eyes',
      'account_reset__four_eyes',
      'account_reset__four_eyes',
      'account_reset__not_ones_own',
      'account_reset__not_ones_own',
      'stored',
    ]);
  });

  it('need an approval within a day; then it is asked for anew', async () => {
    const staff = await makeStaff(portal, admin, 'staff');
    const id = await staff.accountId();
    const asked = await resetFactors(admin, id).expect(201);
    expect(said(await resetFactors(second, id))).toEqual([409, 'auth.reset-asked-already']);
    portal.clock.forward(24 * 3600 + 1);
    admin = await signInAs(portal, admin.credentials);
    second = await signInAs(portal, second.credentials);
    expect(said(await approve(second, idOf(asked)))).toEqual([409, 'auth.reset-closed']);
    const listed = itemsOf(await admin.get('/v1/account-resets').query({ accountId: id }));
    expect(listed.map(({ status }) => status)).toEqual(['expired']);
    const again = await resetFactors(second, id).expect(201);
    await approve(admin, idOf(again)).expect(200);
  });

  it('are decided once, by one of several administrators at the same moment', async () => {
    const staff = await makeStaff(portal, admin, 'staff');
    const third = await makeAdmin(portal);
    const asked = idOf(await resetFactors(admin, await staff.accountId()).expect(201));
    const answers = await Promise.all([
      approve(second, asked),
      approve(third, asked),
      approve(second, asked),
      admin.post(`/v1/account-resets/${asked}/decline`),
    ]);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409, 409]);
  });

  it('take a fresh second factor, a reason, and an identity check of these 24 hours without a number in it', async () => {
    const patient = await makePatient(portal, admin);
    const id = await patient.accountId();
    expect((await resetFactors(admin, id, {})).status).toBe(400);
    const check = identityCheck();
    for (const bad of [
      { ...check, documentNumber: 'X1234567' },
      { ...check, method: 'on-the-phone' },
      { ...check, checkedBy: undefined },
    ])
      expect((await resetFactors(admin, id, { ...why, identityCheck: bad })).status).toBe(400);
    const hours = (n: number) => new Date(portal.clock.now().getTime() + n * 3_600_000).toISOString();
    for (const checkedAt of [hours(-25), hours(1)])
      expect(said(await resetFactors(admin, id, { ...why, identityCheck: { ...check, checkedAt } }))).toEqual([
        422,
        'auth.identity-check-not-recent',
      ]);
    const asked = await resetFactors(admin, id).expect(201);
    portal.clock.forward(301);
    expect(said(await resetFactors(admin, id))).toEqual([403, 'auth.step-up-required']);
    expect(said(await approve(second, idOf(asked)))).toEqual([403, 'auth.step-up-required']);
    admin = await signInAs(portal, admin.credentials);
    second = await signInAs(portal, second.credentials);
  });

  it('are a matter of active accounts that are there', async () => {
    const patient = await makePatient(portal, admin);
    const id = await patient.accountId();
    await admin.post(`/v1/users/${id}/disable`, why).expect(200);
    expect(said(await resetFactors(admin, id))).toEqual([409, 'auth.account-not-active']);
    expect((await resetFactors(admin, NOBODY)).status).toBe(404);
    expect((await approve(admin, NOBODY)).status).toBe(404);
  });
});

describe('a password that an administrator has replaced', () => {
  const resetPassword = (by: Caller, id: string, body: object = why) => by.post(`/v1/users/${id}/password/reset`, body);
  const reset = (body: object) => portal.http.post('/v1/auth/password/reset').send(body);
  const newPassword = 'a wholly other one';

  it('is chosen by the holder, with a link to the verified address; the administrator sees neither', async () => {
    const patient = await makePatient(portal, admin);
    const email = await emailOf(patient);
    const answer = await resetPassword(admin, await patient.accountId()).expect(201);
    expect(answer.body).toMatchObject({ kind: 'password', status: 'executed' });
    const token = await mailbox.token(email);
    expect(answer.text).not.toContain(token);
    await reset({ token, newPassword }).expect(204);
    await signInAs(portal, { ...patient.credentials, password: newPassword });
  });

  it('still takes the second factor of whoever has one', async () => {
    const patient = await withApp(await makePatient(portal, admin));
    await resetPassword(admin, await patient.accountId()).expect(201);
    const token = await mailbox.token(await emailOf(patient));
    expect(said(await reset({ token, newPassword }))).toEqual([403, 'auth.second-proof-needed']);
  });

  it('takes two administrators where the link would be all that stands before a staff account', async () => {
    const staff = await makeStaff(portal, admin, 'staff');
    const [id, email] = [await staff.accountId(), await emailOf(staff)];
    const factors = await resetFactors(admin, id).expect(201);
    await approve(second, idOf(factors)).expect(200);
    const since = portal.mails.length;
    const asked = await resetPassword(admin, id, { ...why, identityCheck: identityCheck() }).expect(201);
    expect(asked.body).toMatchObject({ status: 'requested' });
    expect((await mailbox.to(email, since)).filter((text) => text.includes('#token='))).toEqual([]);
    await approve(second, idOf(asked)).expect(200);
    await reset({ token: await mailbox.token(email, since), newPassword }).expect(204);
    await enrolAndSignIn(portal, staff.credentials.username, newPassword);
  });

  it('is not mailed by one administrator alone to an address that the holder never confirmed', async () => {
    const patient = await makePatient(portal, admin);
    const [id, before] = [await patient.accountId(), await emailOf(patient)];
    const email = `attacker-${id.slice(-6)}@evil.test`;
    await admin.post(`/v1/users/${id}/email`, { email, ...why }).expect(201);
    const since = portal.mails.length;
    const asked = await resetPassword(admin, id).expect(201);
    expect(asked.body).toMatchObject({ status: 'requested' });
    expect((await mailbox.to(email, since)).filter((text) => text.includes('#token='))).toEqual([]);
    await approve(second, idOf(asked)).expect(200);
    expect((await mailbox.to(before, since)).join()).toContain('A link to choose a new password was mailed');
    // The link that was read there confirms the address.
    await reset({ token: await mailbox.token(email, since), newPassword }).expect(204);
    const again = await signInAs(portal, { ...patient.credentials, password: newPassword });
    expect((await again.get('/v1/me/email').expect(200)).body).toEqual({ email, verified: true });
  });
});

describe('an account that is locked', () => {
  it('is opened again by an administrator, who says why; its holder is told', async () => {
    const patient = await withApp(await makePatient(portal, admin));
    const { username } = patient.credentials;
    const email = await emailOf(patient);
    const guess = () =>
      portal.http
        .post('/v1/auth/login')
        .set('X-Forwarded-For', `203.0.113.${++peers % 250}`)
        .send({ username, password: 'not it at all' });
    for (let i = 0; i < 7; i++) await guess().expect(401);
    expect((await login(patient)).status).toBe(401);
    const id = await patient.accountId();
    expect((await admin.post(`/v1/users/${id}/unlock`, {})).status).toBe(400);
    const { body } = await admin.post(`/v1/users/${id}/unlock`, { reason: 'Was on the phone.' }).expect(201);
    expect(body).toMatchObject({ kind: 'unlock', status: 'executed', reason: 'Was on the phone.' });
    expect(await statusOfLogin(patient)).toBe('mfa_required');
    expect((await mailbox.to(email)).join()).toContain('failed attempts to sign in were forgotten');
    expect(said(await admin.post(`/v1/users/${await admin.accountId()}/unlock`, why))).toEqual([
      403,
      'auth.another-administrator',
    ]);
  });
});

describe('the list of what administrators did', () => {
  it('is kept for good, newest first, by state and account, and seen by administrators alone', async () => {
    const patient = await makePatient(portal, admin);
    const accountId = await patient.accountId();
    await admin.post(`/v1/users/${accountId}/unlock`, { reason: 'First.' }).expect(201);
    await resetFactors(second, accountId, { reason: 'Second.' }).expect(201);
    const list = async (query: object) => itemsOf(await admin.get('/v1/account-resets').query(query));
    expect((await list({ accountId })).map(({ reason }) => reason)).toEqual(['Second.', 'First.']);
    expect((await list({ accountId, status: 'requested' })).map(({ kind }) => kind)).toEqual(['factors']);
    const pages: string[] = [];
    for (let next: string | null = ''; next !== null;) {
      const { body } = await admin.get('/v1/account-resets').query({ limit: 3, ...(next ? { cursor: next } : {}) });
      pages.push(...(body as { items: { id: string }[] }).items.map(({ id }) => id));
      ({ next } = body as { next: string | null });
    }
    expect(new Set(pages).size).toBe(pages.length);
    expect([...pages].sort().reverse()).toEqual(pages);
    expect((await patient.get('/v1/account-resets')).status).toBe(403);
  });
});

describe('what helping leaves behind', () => {
  it('is no token or code in log lines, audit events, tables or subjects', async () => {
    expect(await keptSecrets(portal)).toEqual([]);
  });
});
