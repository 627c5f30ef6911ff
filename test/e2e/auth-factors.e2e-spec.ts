import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { addSms, addTotp, challenge, logIn, notices, statuses, verify as show } from '../harness/factors.js';
import { checkLedger } from '../harness/ledger.js';
import { Device } from '../harness/passkeys.js';
import {
  Caller,
  currentCode,
  makeAdmin,
  makePatient,
  makeStaff,
  signInAs,
  type Patient,
  type Tokens,
} from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

let portal: Portal;
let admin: Caller;

beforeAll(async () => {
  portal = await startPortal();
  admin = await makeAdmin(portal);
});
// Tests move the clock.
beforeEach(async () => {
  admin = await signInAs(portal, admin.credentials);
});
afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});

const login = (caller: Caller) => logIn(portal, caller);
const verify = (mfaToken: string, method: string, code: string) => show(portal, mfaToken, { method, code });
const own = async (caller: Caller) => (await caller.get('/v1/auth/mfa').expect(200)).body as Record<string, unknown>;

describe('several factors', () => {
  it('stand side by side, and the sign-in offers each, what cannot be phished first', async () => {
    const patient = await makePatient(portal, admin);
    expect(await own(patient)).toEqual({
      policy: 'optional',
      factors: [],
      available: ['passkey', 'totp', 'sms'],
      unusedRecoveryCodes: 0,
    });
    const { secret } = await addTotp(portal, patient);
    await addSms(portal, patient);
    const device = new Device(portal);
    await device.register(patient, 'Laptop');
    expect(await own(patient)).toEqual({
      policy: 'optional',
      factors: [
        {
          id: expect.any(String),
          method: 'passkey',
          name: 'Laptop',
          createdAt: expect.any(String),
          lastUsedAt: null,
          restricted: false,
        },
        {
          method: 'totp',
          name: 'Authenticator app',
          createdAt: expect.any(String),
          lastUsedAt: expect.any(String),
          restricted: false,
        },
        {
          method: 'sms',
          name: expect.stringMatching(/^•••• \d\d$/),
          createdAt: expect.any(String),
          lastUsedAt: expect.any(String),
          restricted: true,
        },
      ],
      available: ['passkey', 'totp', 'sms'],
      unusedRecoveryCodes: 10,
    });
    const { mfaToken, methods } = await login(patient);
    expect(methods).toEqual(['passkey', 'totp', 'sms', 'recovery_code']);
    await verify(mfaToken, 'totp', await currentCode(secret, portal.clock)).expect(200);
  });

  it('answer only for what the account holds', async () => {
    const patient = await makePatient(portal, admin);
    const { secret } = await addTotp(portal, patient);
    const { mfaToken, methods } = await login(patient);
    expect(methods).toEqual(['totp', 'recovery_code']);
    const ask = (method: string) => portal.http.post('/v1/auth/mfa/challenge').send({ mfaToken, method });
    expect((await ask('passkey').expect(403)).body.code).toBe('auth.method-not-offered');
    expect((await ask('sms').expect(403)).body.code).toBe('auth.method-not-offered');
    expect((await ask('totp').expect(409)).body.code).toBe('auth.no-challenge');
    await ask('email').expect(400);
    expect((await verify(mfaToken, 'sms', '123456').expect(403)).body.code).toBe('auth.method-not-offered');
    const refused = await patient.post('/v1/auth/step-up/challenge', { method: 'sms' }).expect(403);
    expect(refused.body.code).toBe('auth.method-not-offered');
    const unknown = await portal.http.post('/v1/auth/mfa/challenge').send({ mfaToken: 'x'.repeat(43), method: 'totp' });
    expect([unknown.status, unknown.body.code]).toEqual([401, 'auth.sign-in-expired']);
    // None of that used the sign-in up.
    await verify(mfaToken, 'totp', await currentCode(secret, portal.clock)).expect(200);
  });
});

describe('a passkey as first factor', () => {
  it('is demanded of staff who have no factor yet, and can be the first', async () => {
    const staff = await newStaff();
    const { status, mfaToken, methods } = await login(staff);
    expect([status, methods]).toEqual(['enrolment_required', ['passkey', 'totp']]);
    const begin = () => portal.http.post('/v1/auth/passkeys/registration/options').send({ mfaToken });
    const { body } = await begin().expect(200);
    const key = new Device(portal);
    const response = key.create((body as { options: object }).options);
    const answers = await Promise.all(
      Array.from({ length: 5 }, () =>
        portal.http.post('/v1/auth/passkeys/registration').send({ mfaToken, response, name: 'Ward' }),
      ),
    );
    expect(statuses(answers)).toEqual([200, 401, 401, 401, 401]);
    const { body: opened } = answers.find(({ status }) => status === 200)!;
    expect(opened).toMatchObject({
      status: 'authenticated',
      session: { acr: 'aal2', amr: ['pwd', 'swk', 'user', 'mfa'] },
    });
    expect((opened as { recoveryCodes: string[] }).recoveryCodes).toHaveLength(10);
    expect((await begin()).status).toBe(401);
    const next = await login(staff);
    const asked = await challenge(portal, next.mfaToken, 'passkey').expect(200);
    const shown = key.get((asked.body as { options: object }).options);
    await show(portal, next.mfaToken, { method: 'passkey', response: shown }).expect(200);
  });

  it('is not set up by a second sign-in that has only the password, once there is one', async () => {
    const staff = await newStaff();
    const [first, second] = [await login(staff), await login(staff)];
    const begin = async (mfaToken: string) =>
      (
        (await portal.http.post('/v1/auth/passkeys/registration/options').send({ mfaToken }).expect(200)).body as {
          options: object;
        }
      ).options;
    const finish = (mfaToken: string, response: object) =>
      portal.http.post('/v1/auth/passkeys/registration').send({ mfaToken, response });
    const responses = [
      new Device(portal).create(await begin(first.mfaToken)),
      new Device(portal).create(await begin(second.mfaToken)),
    ];
    const answers = await Promise.all([finish(first.mfaToken, responses[0]!), finish(second.mfaToken, responses[1]!)]);
    expect(statuses(answers)).toEqual([200, 401]);
    const { rows } = await portal.owner.query(
      'SELECT 1 FROM auth.passkey JOIN users.account USING (account_id) WHERE username = $1',
      [staff.credentials.username],
    );
    expect(rows).toHaveLength(1);
  });

  /** Invited and activated, never signed in. */
  async function newStaff(): Promise<Caller> {
    const known = await makeStaff(portal, admin, 'staff');
    const owner = [await known.accountId()];
    for (const table of ['totp', 'recovery_code'])
      await portal.owner.query(`DELETE FROM auth.${table} WHERE account_id = $1`, owner);
    return known;
  }
});

describe('recovery codes', () => {
  it('are renewed on request: ten, shown once, the old ones void, and the owner is told', async () => {
    const patient = await makePatient(portal, admin);
    const { recoveryCodes } = await addTotp(portal, patient);
    const before = (await notices(portal)).length;
    const { body } = await patient.post('/v1/auth/mfa/recovery-codes').expect(200);
    const { recoveryCodes: fresh } = body as { recoveryCodes: string[] };
    expect(fresh).toHaveLength(10);
    expect(fresh.filter((code) => recoveryCodes.includes(code))).toEqual([]);
    expect((await notices(portal)).slice(before)).toEqual([expect.stringContaining('You have new recovery codes')]);
    const { mfaToken } = await login(patient);
    await verify(mfaToken, 'recovery_code', recoveryCodes[0]!).expect(401);
    await verify(mfaToken, 'recovery_code', fresh[0]!).expect(200);
    expect(await own(patient)).toMatchObject({ unusedRecoveryCodes: 9 });
    const told = (await notices(portal)).slice(before + 1);
    expect(told.filter((text) => text.includes('One of your recovery codes was used'))).toHaveLength(1);
    for (const text of told) for (const code of fresh) expect(text).not.toContain(code);
  });

  it('are not given without a fresh second factor, nor to somebody who has none', async () => {
    const patient = await makePatient(portal, admin);
    expect((await patient.post('/v1/auth/mfa/recovery-codes').expect(409)).body.code).toBe('auth.no-second-factor');
    await addTotp(portal, patient);
    const sent = { refreshToken: patient.tokens.refreshToken };
    portal.clock.forward(200);
    const { body } = await portal.http.post('/v1/auth/refresh').send(sent).expect(200);
    portal.clock.forward(120);
    const later = new Caller(portal, body as Tokens, patient.credentials);
    expect((await later.post('/v1/auth/mfa/recovery-codes').expect(403)).body.code).toBe('auth.step-up-required');
  });

  it('never run out: whoever uses the last one gets ten new ones', async () => {
    const staff = await makeStaff(portal, admin, 'staff');
    for (const [i, code] of staff.recoveryCodes.entries()) {
      const { mfaToken } = await login(staff);
      const { body } = await verify(mfaToken, 'recovery_code', code).expect(200);
      expect((body as { recoveryCodes?: string[] }).recoveryCodes?.length).toBe(i === 9 ? 10 : undefined);
    }
    expect(await own(staff)).toMatchObject({ unusedRecoveryCodes: 10 });
  });

  it('never run out in a running session either, also when the last two are used at once', async () => {
    const staff = await makeStaff(portal, admin, 'staff');
    let codes = staff.recoveryCodes;
    for (let round = 0; round < 5; round++) {
      const use = (code: string) => staff.post('/v1/auth/step-up', { method: 'recovery_code', code });
      for (const code of codes.slice(0, 8))
        expect((await use(code).expect(200)).body).not.toHaveProperty('recoveryCodes');
      const answers = await Promise.all(codes.slice(8).map(use));
      expect(statuses(answers)).toEqual([200, 200]);
      codes = answers.flatMap(({ body }) => (body as { recoveryCodes?: string[] }).recoveryCodes ?? []);
      expect(codes).toHaveLength(10);
    }
  });

  it('are no second factor of their own', async () => {
    const patient = await makePatient(portal, admin);
    const { recoveryCodes } = await addTotp(portal, patient);
    await portal.owner.query('DELETE FROM auth.totp WHERE account_id = $1', [await patient.accountId()]);
    expect((await login(patient)).status).toBe('authenticated');
    const refused = await patient.post('/v1/auth/step-up', { method: 'recovery_code', code: recoveryCodes[0] });
    expect([refused.status, refused.body.code]).toEqual([403, 'auth.method-not-offered']);
  });
});

describe('removing a factor', () => {
  let patient: Patient;
  beforeEach(async () => {
    patient = await makePatient(portal, admin);
  });

  it('leaves the others and the recovery codes, tells the owner, and ends sign-ins half-way', async () => {
    const { secret } = await addTotp(portal, patient);
    await addSms(portal, patient);
    const before = (await notices(portal)).length;
    const { mfaToken } = await login(patient);
    await patient.delete('/v1/auth/mfa/totp').expect(204);
    expect((await notices(portal)).slice(before)).toEqual([
      expect.stringContaining('was removed: an authenticator app'),
    ]);
    expect((await verify(mfaToken, 'totp', await currentCode(secret, portal.clock)).expect(401)).body.code).toBe(
      'auth.sign-in-expired',
    );
    expect((await login(patient)).methods).toEqual(['sms', 'recovery_code']);
    expect((await patient.delete('/v1/auth/mfa/totp').expect(409)).body.code).toBe('auth.totp-missing');
  });

  it('is answered as refused, and changes nothing, when the role needs it', async () => {
    const staff = await makeStaff(portal, admin, 'staff');
    const before = (await notices(portal)).length;
    expect((await staff.delete('/v1/auth/mfa/totp').expect(403)).body.code).toBe('auth.second-factor-mandatory');
    expect((await notices(portal)).slice(before)).toEqual([]);
    expect((await login(staff)).methods).toEqual(['totp', 'recovery_code']);
    await new Device(portal).register(staff);
    await staff.delete('/v1/auth/mfa/totp').expect(204);
    expect((await login(staff)).methods).toEqual(['passkey', 'recovery_code']);
  });
});
