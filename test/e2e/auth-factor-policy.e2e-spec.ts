import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Config } from '../../src/platform/config/config.js';
import { cloneDatabase } from '../harness/database.js';
import { logIn, verify, type HalfSignedIn } from '../harness/factors.js';
import { checkLedger } from '../harness/ledger.js';
import { Device } from '../harness/passkeys.js';
import {
  Caller,
  currentCode,
  mailedCode,
  makeAdmin,
  makeChart,
  makePatient,
  makeStaff,
  signInAs,
  type Tokens,
} from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

/** Under the default rules; `strict` is the same hospital after it has changed its mind. */
let portal: Portal;
let strict: Portal | null = null;
let admin: Caller;
let database: Config['database'];

beforeAll(async () => {
  database = await cloneDatabase();
  portal = await startPortal({ database });
  admin = await makeAdmin(portal);
});
afterEach(async () => {
  if (strict) await checkLedger(strict);
  await strict?.close();
  strict = null;
});
afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});

async function under(env: Record<string, string>): Promise<Portal> {
  strict = await startPortal({ env, database });
  // The same hour of the same day for both.
  strict.clock.forward((portal.clock.now().getTime() - strict.clock.now().getTime()) / 1000);
  return strict;
}

const showTotp = async (at: Portal, mfaToken: string, { credentials }: Caller) =>
  (
    await verify(at, mfaToken, {
      method: 'totp',
      code: await currentCode(credentials.totpSecret!, at.clock),
    }).expect(200)
  ).body as HalfSignedIn;
const beginPasskey = (at: Portal, mfaToken: string) =>
  at.http.post('/v1/auth/passkeys/registration/options').send({ mfaToken });
async function enrolPasskey(at: Portal, mfaToken: string, device: Device) {
  const { body } = await beginPasskey(at, mfaToken).expect(200);
  const response = device.create((body as { options: object }).options);
  return at.http.post('/v1/auth/passkeys/registration').send({ mfaToken, response });
}

describe('a rule that demands what cannot be phished', () => {
  const PHISHING_RESISTANT = { MFA_POLICY: 'clinician:required,staff:required_phishing_resistant' };

  it('leads somebody with an authenticator app to a passkey, after the app was shown, and no further', async () => {
    const staff = await makeStaff(portal, admin, 'staff');
    const now = await under(PHISHING_RESISTANT);
    const first = await logIn(now, staff);
    expect([first.status, first.methods]).toEqual(['mfa_required', ['totp', 'recovery_code']]);
    // With the password alone nobody sets up a passkey.
    expect((await beginPasskey(now, first.mfaToken).expect(401)).body.code).toBe('auth.sign-in-expired');
    const shown = await showTotp(now, first.mfaToken, staff);
    expect(shown).toEqual({ status: 'enrolment_required', mfaToken: expect.any(String), methods: ['passkey'] });
    // Nor does the app do, once more.
    const again = await now.http.post('/v1/auth/mfa/totp').send({ mfaToken: shown.mfaToken }).expect(403);
    expect(again.body.code).toBe('auth.method-not-offered');
    await now.http.get('/v1/me').set('Authorization', `Bearer ${shown.mfaToken}`).expect(401);
    await verify(now, shown.mfaToken, { method: 'totp', code: '123456' }).expect(401);

    const device = new Device(now);
    const { body: opened } = await enrolPasskey(now, shown.mfaToken, device);
    expect(opened).toMatchObject({
      status: 'authenticated',
      session: { acr: 'aal2', amr: ['pwd', 'otp', 'swk', 'user', 'mfa'] },
    });
    const caller = new Caller(now, opened as Tokens, staff.credentials);
    await caller.get('/v1/patients').expect(200);

    // From now on the passkey, and nothing else.
    const next = await logIn(now, staff);
    expect(next.methods).toEqual(['passkey']);
    const code = await currentCode(staff.credentials.totpSecret!, now.clock);
    for (const body of [
      { method: 'totp', code },
      { method: 'recovery_code', code: staff.recoveryCodes[0] },
    ])
      expect((await verify(now, next.mfaToken, body).expect(403)).body.code).toBe('auth.method-not-offered');
    const stepUp = await caller.post('/v1/auth/step-up', { method: 'totp', code }).expect(403);
    expect(stepUp.body.code).toBe('auth.method-not-offered');
    expect((await device.signIn()).body).toMatchObject({ status: 'authenticated' });

    // The passkey stays while the rule does; the app may go.
    const { body } = await caller.get('/v1/auth/passkeys').expect(200);
    const { id } = (body as { items: { id: string }[] }).items[0]!;
    expect((await caller.delete(`/v1/auth/passkeys/${id}`).expect(403)).body.code).toBe('auth.second-factor-mandatory');
    await caller.delete('/v1/auth/mfa/totp').expect(204);
    expect((await caller.get('/v1/auth/mfa').expect(200)).body).toMatchObject({
      policy: 'required_phishing_resistant',
      factors: [{ method: 'passkey' }],
    });
  });

  it('leads somebody without any factor to a passkey and offers nothing else', async () => {
    const staff = await makeStaff(portal, admin, 'staff');
    const accountId = await staff.accountId();
    await portal.owner.query('DELETE FROM auth.totp WHERE account_id = $1', [accountId]);
    const now = await under(PHISHING_RESISTANT);
    const first = await logIn(now, staff);
    expect([first.status, first.methods]).toEqual(['enrolment_required', ['passkey']]);
    const totp = await now.http.post('/v1/auth/mfa/totp').send({ mfaToken: first.mfaToken }).expect(403);
    expect(totp.body.code).toBe('auth.method-not-offered');
    expect((await enrolPasskey(now, first.mfaToken, new Device(now))).body).toMatchObject({ status: 'authenticated' });
  });

  it('is the strictest of all roles that somebody holds', async () => {
    const officer = await makeStaff(portal, admin, 'records_officer');
    const { rows } = await portal.owner.query<{ id: string }>(
      'SELECT account_id AS id FROM users.account WHERE username = $1',
      [officer.credentials.username],
    );
    await portal.owner.query(
      `INSERT INTO users.account_role (account_role_id, account_id, role, reason, granted_at) VALUES (gen_random_uuid(), $1, 'staff', 'test', now())`,
      [rows[0]!.id],
    );
    const now = await under(PHISHING_RESISTANT);
    const { mfaToken } = await logIn(now, officer);
    expect((await showTotp(now, mfaToken, officer)).status).toBe('enrolment_required');
    const other = await logIn(now, admin);
    expect((await showTotp(now, other.mfaToken, admin)).status).toBe('authenticated');
  });

  it('is kept after a passkey was shown for a sign-in that began with it missing', async () => {
    const staff = await makeStaff(portal, admin, 'staff');
    const now = await under(PHISHING_RESISTANT);
    const tokens = [(await logIn(now, staff)).mfaToken, (await logIn(now, staff)).mfaToken];
    const shown = [await showTotp(now, tokens[0]!, staff), await showTotp(now, tokens[1]!, staff)];
    const mine = new Device(now);
    expect((await enrolPasskey(now, shown[0]!.mfaToken, mine)).status).toBe(200);
    // The second had shown the app as well before there was a passkey: it may add one, by then as a second one.
    expect((await enrolPasskey(now, shown[1]!.mfaToken, new Device(now))).status).toBe(200);
    // After that, no sign-in gets as far.
    expect((await logIn(now, staff)).methods).toEqual(['passkey']);
  });
});

describe('a second factor that is mandatory for patients', () => {
  it('is asked for at the next sign-in of those who have none', async () => {
    const patient = await makePatient(portal, (admin = await signInAs(portal, admin.credentials)));
    const now = await under({ MFA_PATIENT: 'required' });
    const { status, mfaToken, methods } = await logIn(now, patient);
    expect([status, methods]).toEqual(['enrolment_required', ['passkey', 'totp']]);
    const device = new Device(now);
    const { body } = await enrolPasskey(now, mfaToken, device);
    expect(body).toMatchObject({ status: 'authenticated', session: { acr: 'aal2' } });
    const caller = new Caller(now, body as Tokens, patient.credentials);
    const passkeys = await caller.get('/v1/auth/passkeys').expect(200);
    const { id } = (passkeys.body as { items: { id: string }[] }).items[0]!;
    expect((await caller.delete(`/v1/auth/passkeys/${id}`).expect(403)).body.code).toBe('auth.second-factor-mandatory');
    // Under the old rules it is the patient's own choice again.
    const again = new Caller(portal, (await device.signIn(portal)).body as Tokens, patient.credentials);
    await again.delete(`/v1/auth/passkeys/${id}`).expect(204);
  });

  it('makes eight characters enough for a password, fifteen where it stands alone', async () => {
    admin = await signInAs(portal, admin.credentials);
    const invite = async (at: Portal) => {
      const by = new Caller(at, (await signInAs(at, admin.credentials)).tokens, admin.credentials);
      const chart = await makeChart(by);
      await by.post(`/v1/patients/${chart.id}/invitations`, { email: chart.email }).expect(204);
      return { activationCode: await mailedCode(at, chart.email), dateOfBirth: chart.birthDate };
    };
    const password = 'tulip-37x';
    const alone = { ...(await invite(portal)), username: 'short-alone', password };
    expect((await portal.http.post('/v1/auth/activate').send(alone).expect(422)).body.code).toBe(
      'auth.password-too-short',
    );
    const now = await under({ MFA_PATIENT: 'required' });
    const withFactor = { ...(await invite(now)), username: 'short-with-factor', password };
    await now.http.post('/v1/auth/activate').send(withFactor).expect(204);
    const { body } = await now.http
      .post('/v1/auth/login')
      .send({ username: 'short-with-factor', password })
      .expect(200);
    expect((body as HalfSignedIn).status).toBe('enrolment_required');
  });
});
