import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { HasherBusyError, PasswordHasher } from '../../src/platform/crypto/index.js';
import { said } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import { emailOf, keptSecrets, Mailbox, withApp } from '../harness/mailbox.js';
import { currentCode, makeAdmin, makePatient, makeStaff, signInAs, type Caller } from '../harness/people.js';
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
const forgot = (usernameOrEmail: string, from?: string) => post('password/forgot', { usernameOrEmail }, from);
const reset = (body: object) => post('password/reset', body);
const NEW = 'a wholly other password';

/** Asks for a link and takes it out of the mail. */
async function tokenFor(caller: Caller): Promise<string> {
  const email = await emailOf(caller);
  await forgot(caller.credentials.username).expect(204);
  return mailbox.token(email);
}

const mfaTokenOf = async ({ username, password }: { username: string; password: string }): Promise<string> =>
  ((await post('login', { username, password }).expect(200)).body as { mfaToken: string }).mfaToken;

describe('the second proof of a new password', () => {
  it("is no way round the second factor: without it, with a wrong one, with somebody else's", async () => {
    const [patient, other] = [
      await withApp(await makePatient(portal, admin)),
      await withApp(await makePatient(portal, admin)),
    ];
    const token = await tokenFor(patient);
    const { methods } = (await post('password/reset/check', { token }).expect(200)).body as { methods: string[] };
    expect([...methods].sort()).toEqual(['recovery_code', 'totp']);
    expect(said(await reset({ token, newPassword: NEW }))).toEqual([403, 'auth.second-proof-needed']);
    const wrong = [
      { method: 'totp', code: '000000' },
      { method: 'totp', code: await currentCode(other.secret, portal.clock) },
      { method: 'recovery_code', code: other.codes[0] },
    ];
    for (const proof of wrong)
      expect(said(await reset({ token, newPassword: NEW, ...proof }))).toEqual([401, 'auth.invalid-code']);
    expect(said(await reset({ token, newPassword: NEW, method: 'passkey' }))).toEqual([403, 'auth.method-not-offered']);
    const code = await currentCode(patient.secret, portal.clock);
    await reset({ token, newPassword: NEW, method: 'totp', code }).expect(204);
    patient.credentials.password = NEW;
    await signInAs(portal, patient.credentials);
  });

  it('takes a saved recovery code as the second proof, once', async () => {
    const patient = await withApp(await makePatient(portal, admin));
    const code = patient.codes[3];
    await reset({ token: await tokenFor(patient), newPassword: NEW, method: 'recovery_code', code }).expect(204);
    const token = await tokenFor(await signInAs(portal, { ...patient.credentials, password: NEW }));
    const again = await reset({ token, newPassword: `${NEW}!`, method: 'recovery_code', code });
    expect(said(again)).toEqual([401, 'auth.invalid-code']);
  });

  it('takes a code by text message as the second proof, asked for with this very token', async () => {
    const patient = await makePatient(portal, admin);
    const number = '+4915112999001';
    const lastText = async () => {
      await portal.delivered();
      return /^\d{6}/.exec(portal.texts.findLast(({ to }) => to === number)!.text)![0];
    };
    await patient.post('/v1/auth/mfa/sms', { number }).expect(200);
    await patient.post('/v1/auth/mfa/sms/confirm', { code: await lastText() }).expect(200);
    const challenge = (token: string) => post('password/reset/challenge', { token, method: 'sms' });

    const older = await tokenFor(patient);
    await challenge(older).expect(200);
    const foreign = await lastText();
    const token = await tokenFor(patient);
    expect(said(await challenge(older))).toEqual([401, 'auth.invalid-reset']);
    expect(said(await reset({ token, newPassword: NEW, method: 'sms', code: foreign }))[0]).toBe(401);
    portal.clock.forward(61);
    const { body } = await challenge(token).expect(200);
    expect(body).toMatchObject({ method: 'sms', sentTo: '•••• 01' });
    await reset({ token, newPassword: NEW, method: 'sms', code: await lastText() }).expect(204);
  });

  it('counts wrong second proofs as failures of that factor, over several tokens', async () => {
    const patient = await withApp(await makePatient(portal, admin));
    const codes: (string | undefined)[] = [];
    for (const tries of [3, 4]) {
      const token = await tokenFor(patient);
      for (let i = 0; i < tries; i++)
        codes.push(said(await reset({ token, newPassword: NEW, method: 'totp', code: '000000' }))[1]);
    }
    expect(codes).toEqual([
      ...Array<string>(5).fill('auth.invalid-code'),
      ...Array<string>(2).fill('auth.too-many-attempts'),
    ]);
  });

  it('is looked at before anything is hashed: guesses cost no hash, and ten uses of a link are looked at', async () => {
    const patient = await withApp(await makePatient(portal, admin));
    const token = await tokenFor(patient);
    const hash = jest.spyOn(PasswordHasher.prototype, 'hash');
    try {
      const wrong = () => reset({ token, newPassword: NEW, method: 'totp', code: '000000' });
      const codes: (string | undefined)[] = [];
      for (let i = 0; i < 7; i++) codes.push(said(await wrong())[1]);
      for (let i = 0; i < 4; i++) codes.push(said(await reset({ token, newPassword: NEW }))[1]);
      expect(codes).toEqual([
        ...Array<string>(5).fill('auth.invalid-code'),
        ...Array<string>(2).fill('auth.too-many-attempts'),
        ...Array<string>(3).fill('auth.second-proof-needed'),
        'auth.too-many-attempts',
      ]);
      // A password that breaks a rule uses nothing up and is still said.
      expect(said(await reset({ token, newPassword: 'short' }))).toEqual([422, 'auth.password-too-short']);
      expect(hash).not.toHaveBeenCalled();
    } finally {
      hash.mockRestore();
    }
    // Another link has its own.
    expect(said(await reset({ token: await tokenFor(patient), newPassword: NEW }))).toEqual([
      403,
      'auth.second-proof-needed',
    ]);
  });

  it('is not counted as wrong when it was right and the hasher was busy', async () => {
    const patient = await withApp(await makePatient(portal, admin));
    const token = await tokenFor(patient);
    const hash = jest.spyOn(PasswordHasher.prototype, 'hash').mockRejectedValue(new HasherBusyError());
    try {
      for (let i = 0; i < 7; i++) {
        const code = await currentCode(patient.secret, portal.clock);
        expect(said(await reset({ token, newPassword: NEW, method: 'totp', code }))).toEqual([503, 'auth.busy']);
      }
    } finally {
      hash.mockRestore();
    }
    const code = await currentCode(patient.secret, portal.clock);
    await reset({ token, newPassword: NEW, method: 'totp', code }).expect(204);
    admin = await signInAs(portal, admin.credentials);
  });

  it('also works for staff, with the second factor that they must have', async () => {
    const staff = await makeStaff(portal, admin, 'staff');
    const token = await tokenFor(staff);
    expect(said(await reset({ token, newPassword: 'short phrase' }))).toEqual([403, 'auth.second-proof-needed']);
    const code = await currentCode(staff.credentials.totpSecret!, portal.clock);
    await reset({ token, newPassword: 'short phrase', method: 'totp', code }).expect(204);
    await signInAs(portal, { ...staff.credentials, password: 'short phrase' });
  });

  it('is not opened by a mailbox alone where a second factor is demanded and none is set up', async () => {
    const staff = await makeStaff(portal, admin, 'staff');
    const token = await tokenFor(staff);
    await portal.owner.query('DELETE FROM auth.totp WHERE account_id = $1', [await staff.accountId()]);
    expect(said(await reset({ token, newPassword: NEW }))).toEqual([403, 'auth.ask-hospital']);
  });

  it('ends sign-ins half-way and forgets remembered devices', async () => {
    const patient = await withApp(await makePatient(portal, admin));
    const half = await mfaTokenOf(patient.credentials);
    const token = await tokenFor(patient);
    await portal.owner.query(
      `INSERT INTO auth.device (device_id, account_id, token_mac, name, created_at, last_used_at, expires_at)
       VALUES (gen_random_uuid(), $1, '\\x00', 'Test', now(), now(), now() + interval '9 days')`,
      [await patient.accountId()],
    );
    const code = await currentCode(patient.secret, portal.clock);
    const id = await patient.accountId();
    await reset({ token, newPassword: NEW, method: 'totp', code }).expect(204);
    const late = await currentCode(patient.secret, portal.clock);
    expect(said(await post('mfa/verify', { mfaToken: half, method: 'totp', code: late }))).toEqual([
      401,
      'auth.sign-in-expired',
    ]);
    const { rows } = await portal.owner.query('SELECT 1 FROM auth.device WHERE account_id = $1', [id]);
    expect(rows).toEqual([]);
  });
});

describe('what recovery leaves behind', () => {
  it('is no token, code or password in log lines, audit events, tables or subjects', async () => {
    expect(await keptSecrets(portal, [NEW])).toEqual([]);
  });
});
