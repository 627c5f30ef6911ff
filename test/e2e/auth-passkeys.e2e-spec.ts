import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { logIn, notices, statuses, verify } from '../harness/factors.js';
import { checkLedger } from '../harness/ledger.js';
import { Device, flipped, retold } from '../harness/passkeys.js';
import { Caller, makeAdmin, makePatient, makeStaff, signInAs, type Patient, type Tokens } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

const ANDROID = 'android:apk-key-hash:pNiP5iKyQ8JwgGOaKA1zGPUPJIS-0H1xKCQcfIoGLck';

let portal: Portal;
let admin: Caller;
/** Has a passkey, kept on the device, and nothing else. */
let holder: Caller;
let device: Device;

beforeAll(async () => {
  portal = await startPortal({ env: { WEBAUTHN_ORIGINS: ANDROID } });
  admin = await makeAdmin(portal);
  holder = await makePatient(portal, admin);
  device = new Device(portal);
  await device.register(holder, 'My phone');
});
// Tests move the clock.
beforeEach(async () => {
  admin = await signInAs(portal, admin.credentials);
  holder = new Caller(portal, (await device.signIn()).body as Tokens, holder.credentials);
});
afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});

const beginRegistration = (caller: Caller) => device.beginRegistration(caller);
const register = (caller: Caller, response: object) => caller.post('/v1/auth/passkeys/registration', { response });
const login = (caller: Caller) => logIn(portal, caller);

describe('setting up a passkey', () => {
  it('gives options that say nothing of the account but its username, and ask for no attestation', async () => {
    const options = await beginRegistration(holder);
    const accountId = await holder.accountId();
    expect(options).toMatchObject({
      rp: { id: 'portal.test', name: portal.config.hospital.name },
      user: { name: holder.credentials.username },
      attestation: 'none',
      timeout: 300_000,
      excludeCredentials: [{ id: expect.any(String), type: 'public-key' }],
      authenticatorSelection: { residentKey: 'preferred', userVerification: 'preferred' },
    });
    const handle = Buffer.from(options.user.id, 'base64url');
    expect(handle).toHaveLength(32);
    expect(handle.toString('hex')).not.toContain(accountId.replaceAll('-', ''));
    expect(Buffer.from(options.challenge, 'base64url')).toHaveLength(32);
    // The same handle each time: one account, one entry in the authenticator.
    const [again, other] = [await beginRegistration(holder), await beginRegistration(await makePatient(portal, admin))];
    expect(again.user.id).toBe(options.user.id);
    expect(other.user.id).not.toBe(options.user.id);
    expect(again.challenge).not.toBe(options.challenge);
  });

  it('stores the public key and what is known of it, no challenge, tells the owner, and gives recovery codes once', async () => {
    const patient = await makePatient(portal, admin);
    const first = await new Device(portal).register(patient, '  My laptop ');
    expect(first).toMatchObject({
      status: 'confirmed',
      session: { acr: 'aal2', amr: ['pwd', 'swk', 'user', 'mfa'] },
      recoveryCodes: expect.any(Array),
    });
    expect(first.recoveryCodes).toHaveLength(10);
    expect(await new Device(portal).register(patient)).not.toHaveProperty('recoveryCodes');
    const { rows } = await portal.owner.query<Record<string, unknown>>(
      'SELECT * FROM auth.passkey WHERE account_id = $1 ORDER BY passkey_id',
      [await patient.accountId()],
    );
    expect(rows[0]).toMatchObject({
      name: 'My laptop',
      counter: '0',
      transports: ['usb'],
      is_backup_eligible: true,
      aaguid: expect.stringMatching(/^[0-9a-f-]{36}$/),
      last_used_at: null,
    });
    const { rows: open } = await portal.owner.query<{ text: string }>(
      'SELECT c::text AS text FROM auth.challenge c WHERE account_id = $1',
      [await patient.accountId()],
    );
    expect(open).toHaveLength(1);
    expect(open[0]!.text).toMatch(/^\(passkey-registration,"\\\\x[0-9a-f]{64}"/);
    expect((await notices(portal)).filter((text) => text.includes('was added: a passkey'))).not.toHaveLength(0);
  });

  it('takes the app of the hospital as well as its website, and nobody else', async () => {
    const patient = await makePatient(portal, admin);
    const options = await beginRegistration(patient);
    const app = new Device(portal).create(options);
    const response = (origin: string) => ({
      ...app,
      response: { ...app.response, clientDataJSON: retold(app.response.clientDataJSON, { origin }) },
    });
    // With attestation none the registration is not signed: the origin alone is looked at.
    await register(patient, response(`${ANDROID}x`)).expect(403);
    const again = new Device(portal).create(await beginRegistration(patient));
    await register(patient, {
      ...again,
      response: { ...again.response, clientDataJSON: retold(again.response.clientDataJSON, { origin: ANDROID }) },
    }).expect(200);
  });

  it.each<[string, (patient: Patient, fresh: Device) => Promise<object>]>([
    [
      'made at another site',
      async (patient, fresh) => fresh.create(await beginRegistration(patient), 'https://portal.test.evil.example'),
    ],
    [
      'made for another site',
      async (patient, fresh) => {
        const options = await beginRegistration(patient);
        return fresh.create({ ...options, rp: { ...options.rp, id: 'evil.example' } });
      },
    ],
    [
      'to another challenge',
      async (patient, fresh) =>
        fresh.create({ ...(await beginRegistration(patient)), challenge: Buffer.alloc(32).toString('base64url') }),
    ],
    ["to another account's challenge", async (_, fresh) => fresh.create(await beginRegistration(holder))],
    [
      'to a challenge that a newer one took the place of',
      async (patient, fresh) => {
        const options = await beginRegistration(patient);
        await beginRegistration(patient);
        return fresh.create(options);
      },
    ],
    [
      'under another name than its own',
      async (patient, fresh) => {
        const made = fresh.create(await beginRegistration(patient));
        return { ...made, id: flipped(made.id), rawId: flipped(made.id) };
      },
    ],
    [
      'that is an answer to a sign-in',
      async (patient) => {
        const options = await beginRegistration(patient);
        const signed = device.get({ challenge: options.challenge, rpId: 'portal.test' });
        const made = new Device(portal).create(options);
        return { ...made, response: { ...made.response, clientDataJSON: signed.response.clientDataJSON } };
      },
    ],
    [
      'in a frame of another site',
      async (patient, fresh) => {
        const made = fresh.create(await beginRegistration(patient));
        const clientDataJSON = retold(made.response.clientDataJSON, { crossOrigin: true });
        return { ...made, response: { ...made.response, clientDataJSON } };
      },
    ],
    [
      'whose parts are garbage',
      async (patient, fresh) => {
        const made = fresh.create(await beginRegistration(patient));
        return { ...made, response: { ...made.response, attestationObject: 'AAAA' } };
      },
    ],
  ])('refuses one %s', async (_, forge) => {
    const patient = await makePatient(portal, admin);
    const answer = await register(patient, await forge(patient, new Device(portal))).expect(403);
    expect(answer.body.code).toBe('auth.wrong-passkey');
    expect((await login(patient)).status).toBe('authenticated');
  });

  it('refuses one that comes too late', async () => {
    const patient = await makePatient(portal, admin);
    const response = new Device(portal).create(await beginRegistration(patient));
    const sent = { refreshToken: patient.tokens.refreshToken };
    portal.clock.forward(200);
    const { body } = await portal.http.post('/v1/auth/refresh').send(sent).expect(200);
    portal.clock.forward(101);
    await register(new Caller(portal, body as Tokens, patient.credentials), response).expect(403);
  });

  it('refuses the same answer a second time, and one credential for two accounts', async () => {
    const [patient, other] = [await makePatient(portal, admin), await makePatient(portal, admin)];
    const fresh = new Device(portal);
    const response = fresh.create(await beginRegistration(patient));
    const answers = await Promise.all(Array.from({ length: 10 }, () => register(patient, response)));
    expect(statuses(answers)).toEqual([200, ...Array<number>(9).fill(403)]);
    // Attestation none lets a client claim a credential that it only heard of.
    const claimed = { ...response, response: { ...response.response } };
    claimed.response.clientDataJSON = fresh.create(await beginRegistration(other)).response.clientDataJSON;
    expect((await register(other, claimed).expect(409)).body.code).toBe('auth.passkey-exists');
  });

  it('is for ten at most, also when many come at once', async () => {
    const patient = await makePatient(portal, admin);
    for (let i = 0; i < 9; i++) await new Device(portal).register(patient);
    const sessions = [patient, await signedInWithCode(patient), await signedInWithCode(patient)];
    const responses: object[] = [];
    for (const session of sessions) responses.push(new Device(portal).create(await beginRegistration(session)));
    const answers = await Promise.all(sessions.map((session, i) => register(session, responses[i]!)));
    expect(statuses(answers)).toEqual([200, 409, 409]);
    const refused = await patient.post('/v1/auth/passkeys/registration/options', {}).expect(409);
    expect(refused.body.code).toBe('auth.too-many-passkeys');
  });

  /** Another session of somebody with recovery codes, opened with one of them. */
  async function signedInWithCode(patient: Patient): Promise<Caller> {
    const { body } = await patient.post('/v1/auth/mfa/recovery-codes').expect(200);
    const { mfaToken } = await login(patient);
    const code = (body as { recoveryCodes: string[] }).recoveryCodes[0];
    const answer = await verify(portal, mfaToken, { method: 'recovery_code', code }).expect(200);
    return new Caller(portal, answer.body as Tokens, patient.credentials);
  }

  it('wants a sign-in of the last five minutes', async () => {
    const patient = await makePatient(portal, admin);
    portal.clock.forward(240);
    await patient.get('/v1/me').expect(200);
    const { body } = await portal.http
      .post('/v1/auth/refresh')
      .send({ refreshToken: patient.tokens.refreshToken })
      .expect(200);
    portal.clock.forward(61);
    const later = new Caller(portal, body as Tokens, patient.credentials);
    const refused = await later.post('/v1/auth/passkeys/registration/options', {}).expect(403);
    expect(refused.body.code).toBe('auth.step-up-required');
  });

  it('is not for a session that was opened with the password before there was another factor', async () => {
    const patient = await makePatient(portal, admin);
    const { username, password } = patient.credentials;
    const { body } = await portal.http.post('/v1/auth/login').send({ username, password }).expect(200);
    const thief = new Caller(portal, body as Tokens, patient.credentials);
    const begun = new Device(portal).create(await beginRegistration(thief));
    await new Device(portal).register(patient);
    // Begun before, finished after; and begun after.
    expect((await register(thief, begun).expect(403)).body.code).toBe('auth.step-up-required');
    await thief.post('/v1/auth/passkeys/registration/options', {}).expect(403);
    await thief.post('/v1/auth/mfa/totp', {}).expect(403);
    await thief.post('/v1/auth/mfa/sms', { number: '+4915112345678' }).expect(403);
  });

  it('lets one of two sessions with nothing but the password set up the first factor', async () => {
    for (let round = 0; round < 5; round++) {
      const patient = await makePatient(portal, admin);
      const { username, password } = patient.credentials;
      const { body } = await portal.http.post('/v1/auth/login').send({ username, password }).expect(200);
      const both = [patient, new Caller(portal, body as Tokens, patient.credentials)];
      const responses: object[] = [];
      for (const session of both) responses.push(new Device(portal).create(await beginRegistration(session)));
      const answers = await Promise.all(both.map((session, i) => register(session, responses[i]!)));
      expect(statuses(answers)).toEqual([200, 403]);
    }
  });
});

describe('own passkeys', () => {
  let patient: Patient;
  let key: Device;
  beforeEach(async () => {
    patient = await makePatient(portal, admin);
    key = new Device(portal);
    await key.register(patient, 'First');
  });
  const list = async () =>
    (await patient.get('/v1/auth/passkeys').expect(200)).body as {
      items: { id: string; name: string; version: number }[];
      next: string | null;
    };

  it('are listed a page at a time, read and renamed under their version', async () => {
    await new Device(portal).register(patient, 'Second');
    const first = await patient.get('/v1/auth/passkeys?limit=1').expect(200);
    expect(first.body).toMatchObject({ items: [{ name: 'First' }], next: expect.any(String) });
    const second = await patient.get(`/v1/auth/passkeys?limit=1&cursor=${(first.body as { next: string }).next}`);
    expect(second.body).toMatchObject({ items: [{ name: 'Second' }], next: null });
    const { id } = (await list()).items[0]!;
    const read = await patient.get(`/v1/auth/passkeys/${id}`).expect(200);
    expect(read.headers.etag).toBe('"1"');
    const rename = (version: string, name: string) =>
      patient.patch(`/v1/auth/passkeys/${id}`, { name }).set('If-Match', version);
    expect((await rename('"1"', 'Renamed').expect(200)).body).toMatchObject({ name: 'Renamed', version: 2 });
    await rename('"1"', 'Lost').expect(412);
    await patient.patch(`/v1/auth/passkeys/${id}`, { name: 'x' }).expect(428);
    expect(Object.keys((await list()).items[0]!).sort()).toEqual([
      'aaguid',
      'createdAt',
      'id',
      'lastUsedAt',
      'name',
      'synced',
      'version',
    ]);
  });

  it("do not exist when they are somebody else's", async () => {
    const { id } = (await list()).items[0]!;
    const none = '01a20263-cf94-718a-8498-26b2c9b0c7dc';
    for (const path of [`/v1/auth/passkeys/${id}`, `/v1/auth/passkeys/${none}`]) {
      const answers = [
        await holder.get(path),
        await holder.patch(path, { name: 'Mine' }).set('If-Match', '"1"'),
        await holder.delete(path),
      ];
      expect(statuses(answers)).toEqual([404, 404, 404]);
    }
    expect((await list()).items).toHaveLength(1);
  });
  it('are removed, the last one with the recovery codes, and the owner is told', async () => {
    const { id } = (await list()).items[0]!;
    const before = (await notices(portal)).length;
    await patient.delete(`/v1/auth/passkeys/${id}`).expect(204);
    expect((await notices(portal)).slice(before)).toEqual([expect.stringContaining('was removed: a passkey')]);
    await patient.delete(`/v1/auth/passkeys/${id}`).expect(404);
    expect((await key.signIn()).status).toBe(401);
    expect((await login(patient)).status).toBe('authenticated');
    const { rows } = await portal.owner.query('SELECT 1 FROM auth.recovery_code WHERE account_id = $1', [
      await patient.accountId(),
    ]);
    expect(rows).toHaveLength(0);
  });

  it('are not removed without a fresh second factor', async () => {
    const { id } = (await list()).items[0]!;
    portal.clock.forward(240);
    const { body } = await portal.http
      .post('/v1/auth/refresh')
      .send({ refreshToken: patient.tokens.refreshToken })
      .expect(200);
    portal.clock.forward(120);
    const later = new Caller(portal, body as Tokens, patient.credentials);
    expect((await later.delete(`/v1/auth/passkeys/${id}`).expect(403)).body.code).toBe('auth.step-up-required');
  });

  it('of staff stay while they are the last factor, also when two are removed at once', async () => {
    const staff = await makeStaff(portal, admin, 'staff');
    await new Device(portal).register(staff);
    const { body } = await staff.get('/v1/auth/passkeys').expect(200);
    const { id } = (body as { items: { id: string }[] }).items[0]!;
    const answers = await Promise.all([staff.delete(`/v1/auth/passkeys/${id}`), staff.delete('/v1/auth/mfa/totp')]);
    expect(statuses(answers)).toEqual([204, 403]);
    expect(answers.find(({ status }) => status === 403)!.body.code).toBe('auth.second-factor-mandatory');
  });
});
