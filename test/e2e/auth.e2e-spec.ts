import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { KeyRing, PasswordHasher } from '../../src/platform/crypto/index.js';
import { checkLedger } from '../harness/ledger.js';
import {
  Caller,
  currentCode,
  enrolAndSignIn,
  makeAdmin,
  makePatient,
  makeStaff,
  signInAs,
  type Patient,
} from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

let portal: Portal;
let admin: Caller;

beforeAll(async () => {
  portal = await startPortal();
  admin = await makeAdmin(portal);
});
afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});

const login = (username: string, password: string) => portal.http.post('/v1/auth/login').send({ username, password });
const verify = (mfaToken: string, code: string, method = 'totp') =>
  portal.http.post('/v1/auth/mfa/verify').send({ mfaToken, method, code });
const mfaTokenOf = async ({ credentials }: Caller) =>
  ((await login(credentials.username, credentials.password).expect(200)).body as { mfaToken: string }).mfaToken;
/** One after the other: more than five parallel tries of one password are refused, right or wrong. */
const mfaTokensOf = async (caller: Caller, count: number) => {
  const tokens: string[] = [];
  while (tokens.length < count) tokens.push(await mfaTokenOf(caller));
  return tokens;
};
const statuses = (answers: { status: number }[]) => answers.map(({ status }) => status).sort();

describe('password', () => {
  it('lets a patient in, in any case of the username, and no staff further than enrolment', async () => {
    const patient = await makePatient(portal, admin);
    const { username, password } = patient.credentials;
    const { body } = await login(username.toUpperCase(), password).expect(200);
    expect(body).toEqual({
      status: 'authenticated',
      accessToken: expect.any(String),
      refreshToken: expect.stringMatching(/^[\w-]{43}$/),
      expiresIn: 300,
      session: expect.objectContaining({ acr: 'aal1', amr: ['pwd'], idleSeconds: 900 }),
    });
    await patient.get('/v1/me').expect(200);
  });

  it('answers the same bytes for unknown, wrong, locked, disabled and invited', async () => {
    const [wrong, locked, disabled] = [
      await makePatient(portal, admin),
      await makePatient(portal, admin),
      await makePatient(portal, admin),
    ];
    await admin.post(`/v1/users/${await disabled.accountId()}/disable`, { reason: 'Test.' });
    const invited = { username: 'not-yet', displayName: 'N. Yet', email: 'n@x.test', roles: ['staff'] };
    await admin.post('/v1/users', invited).expect(201);
    for (let i = 0; i < 5; i++) await login(locked.credentials.username, 'not this one').expect(401);
    const answers = [
      await login('nobody-knows', 'whatever it may be'),
      await login(wrong.credentials.username, 'not this one'),
      await login(locked.credentials.username, locked.credentials.password),
      await login(disabled.credentials.username, disabled.credentials.password),
      await login('not-yet', 'a password of not-yet'),
      await login('nobody\ud800', 'what\ud800ever'),
    ];
    const bodies = answers.map(({ status, body }) => ({ status, ...(body as object), instance: undefined }));
    for (const body of bodies) expect(body).toEqual(bodies[0]);
    expect(bodies[0]).toMatchObject({ status: 401, code: 'auth.invalid-credentials' });
    expect(
      new Set(
        answers.map(({ headers }) =>
          Object.keys(headers as object)
            .sort()
            .join(),
        ),
      ).size,
    ).toBe(1);
  });

  it('does exactly one hash verification, whatever the answer', async () => {
    const hasher = portal.app.get(PasswordHasher);
    const [real, decoy] = [jest.spyOn(hasher, 'verify'), jest.spyOn(hasher, 'decoy')];
    const patient = await makePatient(portal, admin);
    real.mockClear();
    decoy.mockClear();
    await login('nobody-at-all', 'whatever it may be').expect(401);
    expect([real.mock.calls.length, decoy.mock.calls.length]).toEqual([0, 1]);
    await login(patient.credentials.username, 'not this one').expect(401);
    expect([real.mock.calls.length, decoy.mock.calls.length]).toEqual([1, 1]);
    await login(patient.credentials.username, patient.credentials.password).expect(200);
    expect([real.mock.calls.length, decoy.mock.calls.length]).toEqual([2, 1]);
    real.mockRestore();
    decoy.mockRestore();
  });

  it('lets exactly 5 of 50 parallel guesses reach the hash, and the right password only after the wait', async () => {
    const { credentials } = await makePatient(portal, admin);
    const hasher = portal.app.get(PasswordHasher);
    const real = jest.spyOn(hasher, 'verify');
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, i) => login(credentials.username, `guess number ${i}`)),
    );
    expect(real).toHaveBeenCalledTimes(5);
    real.mockRestore();
    expect(new Set(statuses(answers))).toEqual(new Set([401]));
    await login(credentials.username, credentials.password).expect(401);
    portal.clock.forward(20);
    await login(credentials.username, credentials.password).expect(401);
    portal.clock.forward(11);
    await login(credentials.username, credentials.password).expect(200);
    // Success took the count away: five more are free.
    for (let i = 0; i < 4; i++) await login(credentials.username, 'not this one').expect(401);
    await login(credentials.username, credentials.password).expect(200);
  });

  it('doubles the wait from 30 s to an hour, and stops at 100', async () => {
    const { credentials } = await makePatient(portal, admin);
    const failed = async () => {
      await login(credentials.username, 'not this one').expect(401);
      const { rows } = await portal.owner.query<{ failures: number; seconds: string | null }>(
        'SELECT failures, extract(epoch FROM blocked_until - last_at) AS seconds FROM auth.attempt WHERE window_seconds IS NULL ORDER BY last_at DESC LIMIT 1',
      );
      return [rows[0]!.failures, rows[0]!.seconds === null ? null : Number(rows[0]!.seconds)];
    };
    const seen = [];
    for (let i = 0; i < 14; i++) {
      seen.push(await failed());
      portal.clock.forward(3_601);
    }
    const waits = [null, null, null, null, 30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600];
    expect(seen).toEqual(waits.map((wait, i) => [i + 1, wait]));
    await portal.owner.query('UPDATE auth.attempt SET failures = 100 WHERE failures = 14');
    portal.clock.forward(86_400 * 30);
    await login(credentials.username, credentials.password).expect(401);
    admin = await signInAs(portal, admin.credentials);
  });

  it('stores the hash anew when pepper or cost have moved on', async () => {
    const { credentials } = await makePatient(portal, admin);
    const key = [credentials.username];
    const hashes = () =>
      portal.owner.query<{ password_hash: string }>(
        'SELECT password_hash FROM auth.credential JOIN users.account USING (account_id) WHERE username = $1',
        key,
      );
    const before = (await hashes()).rows[0]!.password_hash;
    const older = new PasswordHasher(portal.app.get(KeyRing), { cost: 5 });
    const other = await older.hash(credentials.password);
    await older.close();
    await portal.owner.query(
      'UPDATE auth.credential SET password_hash = $2 WHERE account_id = (SELECT account_id FROM users.account WHERE username = $1)',
      [...key, other],
    );
    await login(credentials.username, credentials.password).expect(200);
    const after = (await hashes()).rows[0]!.password_hash;
    expect([before, after].map((hash) => /\$2b\$(\d\d)\$/.exec(hash)![1])).toEqual(['04', '04']);
    expect(after).not.toBe(before);
  });

  it('is changed by its holder, ends the other sessions, and obeys the rules', async () => {
    const patient = await makePatient(portal, admin);
    const other = await signInAs(portal, patient.credentials);
    const change = (currentPassword: string, newPassword: string) =>
      patient.post('/v1/auth/password/change', { currentPassword, newPassword });
    const { password } = patient.credentials;
    expect((await change('not this one', 'a quite new password').expect(403)).body.code).toBe('auth.wrong-password');
    expect((await change(password, 'too short').expect(422)).body.code).toBe('auth.password-too-short');
    expect((await change(password, 'passwordpassword').expect(422)).body.code).toBe('auth.password-too-common');
    await change(password, 'a quite new password').expect(200);
    await patient.get('/v1/me').expect(200);
    expect((await other.get('/v1/me').expect(401)).body.code).toBe('auth.session-ended');
    await login(patient.credentials.username, password).expect(401);
    await login(patient.credentials.username, 'a quite new password').expect(200);
    for (let i = 0; i < 5; i++) await change('not this one', 'another new password').expect(403);
    const refused = await change('a quite new password', 'another new password').expect(429);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(25);
    // The same secret, the same count.
    await login(patient.credentials.username, 'a quite new password').expect(401);
  });
});

describe('second factor', () => {
  let staff: Caller;
  beforeAll(async () => {
    staff = await makeStaff(portal, admin, 'staff');
  });

  it('stands before everything for staff', async () => {
    const email = 'fresh@hospital.test';
    await admin.post('/v1/users', { username: 'fresh', displayName: 'F. Resh', email, roles: ['staff'] }).expect(201);
    await portal.delivered();
    const code = /[0-9A-Z]{4}(-[0-9A-Z]{4}){3}/.exec(portal.mails.findLast((mail) => mail.to === email)!.text)![0];
    await portal.http.post('/v1/auth/activate').send({ activationCode: code, password: 'short of 15' }).expect(204);
    const { body } = await login('fresh', 'short of 15').expect(200);
    expect(body).toEqual({
      status: 'enrolment_required',
      mfaToken: expect.any(String),
      methods: ['passkey', 'totp'],
    });
    const { mfaToken } = body as { mfaToken: string };
    await portal.http.get('/v1/me').set('Authorization', `Bearer ${mfaToken}`).expect(401);
    await portal.http.post('/v1/auth/refresh').send({ refreshToken: mfaToken }).expect(401);
    await verify(mfaToken, '123456').expect(401);
    const { body: totp } = await portal.http.post('/v1/auth/mfa/totp').send({ mfaToken }).expect(200);
    expect(totp).toEqual({
      secret: expect.stringMatching(/^[A-Z2-7]{32}$/),
      otpauthUri: expect.stringContaining('fresh'),
      qrSvg: expect.stringMatching(/^<svg /),
    });
    // Not confirmed yet: the next sign-in asks for enrolment again, and codes of the app open nothing.
    expect((await login('fresh', 'short of 15')).body.status).toBe('enrolment_required');
    const caller = await enrolAndSignIn(portal, 'fresh', 'short of 15');
    expect(caller.tokens.session).toMatchObject({ acr: 'aal2', amr: ['pwd', 'otp', 'mfa'] });
    expect(caller.recoveryCodes).toHaveLength(10);
    // What was given out before is nothing now.
    await portal.http.post('/v1/auth/mfa/totp').send({ mfaToken }).expect(409);
  });

  it('takes a code once, also from 20 sign-ins at once', async () => {
    const secret = staff.credentials.totpSecret!;
    const tokens = await mfaTokensOf(staff, 20);
    const code = await currentCode(secret, portal.clock);
    const answers = await Promise.all(tokens.map((token) => verify(token, code)));
    expect(statuses(answers).filter((status) => status === 200)).toHaveLength(1);
    const left = tokens[answers.findIndex(({ status }) => status !== 200)]!;
    portal.clock.forward(31);
    await verify(left, code).expect(401);
  });

  it('takes an mfaToken once and for five minutes', async () => {
    portal.clock.forward(3_600);
    const secret = staff.credentials.totpSecret!;
    const token = await mfaTokenOf(staff);
    await verify(token, await currentCode(secret, portal.clock)).expect(200);
    expect((await verify(token, await currentCode(secret, portal.clock)).expect(401)).body.code).toBe(
      'auth.sign-in-expired',
    );
    const late = await mfaTokenOf(staff);
    portal.clock.forward(301);
    expect((await verify(late, await currentCode(secret, portal.clock)).expect(401)).body.code).toBe(
      'auth.sign-in-expired',
    );
  });

  it.each(['12345', '1234567', 'abcdef', '１２３４５６', 'x'])('counts %j as a failure', async (code) => {
    portal.clock.forward(3_600);
    const token = await mfaTokenOf(staff);
    expect((await verify(token, code).expect(401)).body.code).toBe('auth.invalid-code');
  });

  it('locks after five failures for 30 s, apart from the password', async () => {
    portal.clock.forward(3_600);
    const secret = staff.credentials.totpSecret!;
    await verify(await mfaTokenOf(staff), await currentCode(secret, portal.clock)).expect(200);
    const token = await mfaTokenOf(staff);
    const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => verify(token, String(100_000 + i))));
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(5);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(45);
    expect(answers.find(({ status }) => status === 429)!.body.code).toBe('auth.too-many-attempts');
    portal.clock.forward(31);
    await verify(token, await currentCode(secret, portal.clock)).expect(200);
  });

  it('takes each recovery code once, also from 10 sign-ins at once', async () => {
    portal.clock.forward(3_600);
    const [code, next] = staff.recoveryCodes as [string, string];
    const tokens = await mfaTokensOf(staff, 10);
    const answers = await Promise.all(tokens.map((token) => verify(token, code.toLowerCase(), 'recovery_code')));
    expect(statuses(answers).filter((status) => status === 200)).toHaveLength(1);
    portal.clock.forward(3_600);
    await verify(await mfaTokenOf(staff), code, 'recovery_code').expect(401);
    // The nine that came too late count as failures, and this one may have been the one too many.
    portal.clock.forward(3_600);
    await verify(await mfaTokenOf(staff), `${next.replaceAll('-', ' ')}`, 'recovery_code').expect(200);
    const { rows } = await portal.owner.query<{ text: string }>(
      'SELECT code_mac::text AS text FROM auth.recovery_code LIMIT 1',
    );
    expect(rows[0]!.text).toMatch(/^\\x[0-9a-f]{64}$/);
  });

  it('opens one session from one mfaToken, though five codes are right at once', async () => {
    portal.clock.forward(3_600);
    const token = await mfaTokenOf(staff);
    const codes = staff.recoveryCodes.slice(2, 7);
    const answers = await Promise.all(codes.map((code) => verify(token, code, 'recovery_code')));
    expect(statuses(answers)).toEqual([200, 401, 401, 401, 401]);
  });

  it('is renewed by step-up, and needed fresh for removing it; staff keep theirs', async () => {
    portal.clock.forward(3_600);
    const patient: Patient = await makePatient(portal, (admin = await signInAs(portal, admin.credentials)));
    await patient.post('/v1/auth/step-up', { method: 'totp', code: '123456' }).expect(403);
    const { body: totp } = await patient.post('/v1/auth/mfa/totp', {}).expect(200);
    const { secret } = totp as { secret: string };
    const confirmed = await patient
      .post('/v1/auth/mfa/totp/confirm', { code: await currentCode(secret, portal.clock) })
      .expect(200);
    expect(confirmed.body).toMatchObject({
      status: 'confirmed',
      session: { acr: 'aal2' },
      recoveryCodes: expect.any(Array),
    });
    await patient.post('/v1/auth/mfa/totp', {}).expect(409);
    const again = await signInAs(portal, { ...patient.credentials, totpSecret: secret });
    portal.clock.forward(301 - 31);
    const fresh = await portal.http
      .post('/v1/auth/refresh')
      .send({ refreshToken: again.tokens.refreshToken })
      .expect(200);
    const later = new Caller(portal, fresh.body, patient.credentials);
    portal.clock.forward(40);
    expect((await later.delete('/v1/auth/mfa/totp').expect(403)).body.code).toBe('auth.step-up-required');
    await later.post('/v1/auth/step-up', { method: 'totp', code: '000000' }).expect(403);
    await later.post('/v1/auth/step-up', { method: 'totp', code: await currentCode(secret, portal.clock) }).expect(200);
    await later.delete('/v1/auth/mfa/totp').expect(204);
    expect((await login(patient.credentials.username, patient.credentials.password)).body.status).toBe('authenticated');
    const person = await signInAs(portal, staff.credentials);
    expect((await person.delete('/v1/auth/mfa/totp').expect(403)).body.code).toBe('auth.second-factor-mandatory');
  });

  it('is kept sealed', async () => {
    const { rows } = await portal.owner.query<{ secret: Buffer }>('SELECT secret FROM auth.totp');
    for (const { secret } of rows) expect(secret.toString('latin1')).not.toContain(staff.credentials.totpSecret!);
  });
});
