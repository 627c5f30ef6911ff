import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { said } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import { emailOf, keptSecrets, Mailbox, withApp } from '../harness/mailbox.js';
import {
  currentCode,
  makeAdmin,
  makePatient,
  makeStaff,
  signInAs,
  type Caller,
  type Patient,
} from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

let portal: Portal;
let admin: Caller;
let mailbox: Mailbox;

beforeAll(async () => {
  portal = await startPortal({ env: { TRUSTED_PROXIES: '127.0.0.1', HOSPITAL_NAME: 'Saint Example' } });
  mailbox = new Mailbox(portal);
  admin = await makeAdmin(portal);
});
afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});

let peers = 0;
/** Each from a network of its own, unless the network is what is tested. */
const post = (path: string, body: object, from = `198.51.100.${++peers % 250}`) =>
  portal.http.post(`/v1/auth/${path}`).set('X-Forwarded-For', from).send(body);
const mfaTokenOf = async ({ username, password }: { username: string; password: string }): Promise<string> =>
  ((await post('login', { username, password }).expect(200)).body as { mfaToken: string }).mfaToken;

describe('a lost second factor', () => {
  const report = (mfaToken: string) => post('mfa/lost', { mfaToken });
  const confirm = (body: object) => post('mfa/lost/confirm', body);
  const mailedCode = (email: string) => mailbox.code(email, 'take away');

  /** Reported, waited for, and the code mailed. */
  async function waited(patient: Patient): Promise<{ code: string }> {
    const email = await emailOf(patient);
    await report(await mfaTokenOf(patient.credentials)).expect(200);
    portal.clock.forward(24 * 3600 + 1);
    const { body } = await report(await mfaTokenOf(patient.credentials)).expect(200);
    expect(body).toMatchObject({ status: 'code_sent' });
    admin = await signInAs(portal, admin.credentials);
    return { code: await mailedCode(email) };
  }

  it('is replaced at once with the password and a saved recovery code; everything of before is void', async () => {
    const patient = await withApp(await makePatient(portal, admin));
    const email = await emailOf(patient);
    const mfaToken = await mfaTokenOf(patient.credentials);
    const { body } = await confirm({ mfaToken, method: 'recovery_code', code: patient.codes[0] }).expect(200);
    expect(body).toMatchObject({ status: 'enrolment_required' });
    expect((body as { accessToken?: string }).accessToken).toBeUndefined();
    expect(said(await patient.get('/v1/me'))).toEqual([401, 'auth.session-ended']);
    expect((await mailbox.to(email)).some((text) => text.includes('All ways to confirm'))).toBe(true);

    // Setting up a new one finishes the sign-in; until then the password alone leads nowhere else, at any sign-in.
    const { username, password } = patient.credentials;
    const again = await post('login', { username, password }).expect(200);
    expect((again.body as { status: string }).status).toBe('enrolment_required');
    const { mfaToken: enrolment } = again.body as { mfaToken: string };
    const { secret } = (await post('mfa/totp', { mfaToken: enrolment }).expect(200)).body as { secret: string };
    const code = await currentCode(secret, portal.clock);
    const opened = await post('mfa/totp/confirm', { mfaToken: enrolment, code }).expect(200);
    expect(opened.body).toMatchObject({ status: 'authenticated', session: { acr: 'aal2' } });
    const next = await mfaTokenOf(patient.credentials);
    const old = await post('mfa/verify', { mfaToken: next, method: 'recovery_code', code: patient.codes[1] });
    expect(said(old)).toEqual([401, 'auth.invalid-code']);
  });

  it('is replaced with the password and a mailed code, by patients, after a wait of a day that they are told of', async () => {
    const patient = await withApp(await makePatient(portal, admin));
    const email = await emailOf(patient);
    const first = await report(await mfaTokenOf(patient.credentials)).expect(200);
    expect(first.body).toMatchObject({ status: 'waiting' });
    expect((await mailbox.to(email)).at(-1)).toContain('says that your second factor is lost');
    const count = await mailbox.count();
    await report(await mfaTokenOf(patient.credentials)).expect(200);
    expect(await mailbox.count()).toBe(count);

    portal.clock.forward(24 * 3600 + 1);
    const mfaToken = await mfaTokenOf(patient.credentials);
    expect((await report(mfaToken).expect(200)).body).toMatchObject({ status: 'code_sent' });
    const code = await mailedCode(email);
    expect(said(await confirm({ mfaToken, method: 'email', code: '0000-0000-0000-0000' }))).toEqual([
      401,
      'auth.invalid-code',
    ]);
    const { body } = await confirm({ mfaToken, method: 'email', code }).expect(200);
    expect(body).toMatchObject({ status: 'enrolment_required' });
    expect(said(await confirm({ mfaToken, method: 'email', code }))).toEqual([401, 'auth.sign-in-expired']);
    admin = await signInAs(portal, admin.credentials);
  });

  it('is not replaced once the holder has signed in with it: the report is void', async () => {
    const patient = await withApp(await makePatient(portal, admin));
    const { code } = await waited(patient);
    await signInAs(portal, patient.credentials);
    const mfaToken = await mfaTokenOf(patient.credentials);
    expect(said(await confirm({ mfaToken, method: 'email', code }))).toEqual([401, 'auth.invalid-code']);
    // And the wait begins anew.
    expect((await report(mfaToken).expect(200)).body).toMatchObject({ status: 'waiting' });
  });

  const NEW = 'a wholly other password';
  type Holder = Patient & { secret: string };
  const proofOf = async ({ secret }: Holder) => ({ method: 'totp', code: await currentCode(secret, portal.clock) });

  it.each<[string, (holder: Holder) => Promise<unknown>]>([
    [
      'changed',
      (holder) =>
        holder
          .post('/v1/auth/password/change', { currentPassword: holder.credentials.password, newPassword: NEW })
          .expect(200),
    ],
    [
      'replaced by a mailed link',
      async (holder) => {
        const email = await emailOf(holder);
        await post('password/forgot', { usernameOrEmail: email }).expect(204);
        const token = await mailbox.token(email);
        await post('password/reset', { token, newPassword: NEW, ...(await proofOf(holder)) }).expect(204);
      },
    ],
    [
      'said to be known to others, and changed',
      async (holder) => {
        const id = await holder.accountId();
        await admin.post(`/v1/users/${id}/password/expire`, { reason: 'Seen on a note.' }).expect(204);
        const mfaToken = await mfaTokenOf(holder.credentials);
        const { body } = await post('mfa/verify', { mfaToken, ...(await proofOf(holder)) }).expect(200);
        const { token } = body as { token: string };
        await post('password/change-required', { token, newPassword: NEW }).expect(204);
      },
    ],
  ])('was reported with a password: once that is %s, the report is void', async (_, replace) => {
    const holder = await withApp(await makePatient(portal, admin));
    admin = await signInAs(portal, admin.credentials);
    portal.clock.forward(1);
    const first = await report(await mfaTokenOf(holder.credentials)).expect(200);
    expect(first.body).toMatchObject({ status: 'waiting' });
    portal.clock.forward(1);
    await replace(holder);
    portal.clock.forward(24 * 3600 + 1);
    const mfaToken = await mfaTokenOf({ ...holder.credentials, password: NEW });
    expect((await report(mfaToken).expect(200)).body).toMatchObject({ status: 'waiting' });
    admin = await signInAs(portal, admin.credentials);
  });

  it('is not replaced by a code that was mailed for the password before', async () => {
    const holder = await withApp(await makePatient(portal, admin));
    const email = await emailOf(holder);
    const { code } = await waited(holder);
    portal.clock.forward(1);
    await post('password/forgot', { usernameOrEmail: email }).expect(204);
    const token = await mailbox.token(email);
    await post('password/reset', { token, newPassword: NEW, ...(await proofOf(holder)) }).expect(204);
    const mfaToken = await mfaTokenOf({ ...holder.credentials, password: NEW });
    expect(said(await confirm({ mfaToken, method: 'email', code }))).toEqual([401, 'auth.invalid-code']);
  });

  it("does not take an old code, somebody else's, or a seventh guess", async () => {
    const [patient, other] = [
      await withApp(await makePatient(portal, admin)),
      await withApp(await makePatient(portal, admin)),
    ];
    const { code } = await waited(patient);
    const foreign = await mfaTokenOf(other.credentials);
    expect(said(await confirm({ mfaToken: foreign, method: 'email', code }))).toEqual([401, 'auth.invalid-code']);
    const guesses = [];
    for (let i = 0; i < 7; i++) {
      const mfaToken = await mfaTokenOf(patient.credentials);
      guesses.push((await confirm({ mfaToken, method: 'email', code: `0000-0000-0000-000${i}` })).status);
    }
    expect(guesses).toEqual([401, 401, 401, 401, 401, 429, 429]);
    portal.clock.forward(31 * 60);
    const mfaToken = await mfaTokenOf(patient.credentials);
    expect(said(await confirm({ mfaToken, method: 'email', code }))).toEqual([401, 'auth.invalid-code']);
    admin = await signInAs(portal, admin.credentials);
  });

  it('is left to an administrator where staff have no recovery code at hand', async () => {
    const staff = await makeStaff(portal, admin, 'staff');
    const mfaToken = await mfaTokenOf(staff.credentials);
    expect(said(await report(mfaToken))).toEqual([403, 'auth.ask-hospital']);
    expect(said(await confirm({ mfaToken, method: 'email', code: '0000-0000-0000-0000' }))).toEqual([
      403,
      'auth.ask-hospital',
    ]);
    const code = staff.recoveryCodes[0];
    const { body } = await confirm({ mfaToken, method: 'recovery_code', code }).expect(200);
    expect(body).toMatchObject({ status: 'enrolment_required' });
  });

  it('takes one of many parallel confirmations with the same recovery code', async () => {
    const patient = await withApp(await makePatient(portal, admin));
    const mfaTokens = await Promise.all(Array.from({ length: 5 }, () => mfaTokenOf(patient.credentials)));
    const answers = await Promise.all(
      mfaTokens.map((mfaToken) => confirm({ mfaToken, method: 'recovery_code', code: patient.codes[0] })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 401, 401, 401, 401]);
  });

  it('needs the password: neither a token of another purpose nor none opens it', async () => {
    const patient = await makePatient(portal, admin);
    for (const mfaToken of ['A'.repeat(43), patient.tokens.refreshToken, patient.tokens.accessToken.slice(0, 200)])
      expect(said(await report(mfaToken))).toEqual([401, 'auth.sign-in-expired']);
  });
});

describe('what recovery leaves behind', () => {
  it('is no token, code or password in log lines, audit events, tables or subjects', async () => {
    expect(await keptSecrets(portal)).toEqual([]);
  });
});
