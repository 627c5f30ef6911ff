import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { RelyingParty } from '../../src/modules/auth/factors/relying-party.js';
import { attested, attestedByAndroidKey } from '../harness/attestations.js';
import { Certificates, hasOpenssl } from '../harness/certificates.js';
import { addTotp, logIn, notices, statuses, verify } from '../harness/factors.js';
import { checkLedger } from '../harness/ledger.js';
import { Device, flipped, retold } from '../harness/passkeys.js';
import { Caller, currentCode, makeAdmin, makePatient, signInAs, type Patient, type Tokens } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

const ANDROID = 'android:apk-key-hash:pNiP5iKyQ8JwgGOaKA1zGPUPJIS-0H1xKCQcfIoGLck';

type Made = { id: string; response: { clientDataJSON: string; attestationObject: string } };

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

  it.each<[string, (made: Made, at: string) => Made]>([
    ['android-key', (made, at) => attestedByAndroidKey(made, new Certificates(), `${at}/revoked`)],
    ['fido-u2f', (made) => attested(made, 'fido-u2f', new Map([['x5c', []]]))],
    ['packed with certificates', (made) => attested(made, 'packed', new Map([['x5c', []]]))],
    ['none', (made) => attested(made, 'none', new Map([['x5c', []]]))],
  ])('refuses an attestation that nobody asked for, and fetches nothing that it names: %s', async (fmt, forge) => {
    if (fmt === 'android-key' && !hasOpenssl) return;
    let hits = 0;
    const listener = createServer((_, answer) => {
      hits++;
      answer.end();
    });
    await once(listener.listen(0, '127.0.0.1'), 'listening');
    try {
      const patient = await makePatient(portal, admin);
      const { port } = listener.address() as AddressInfo;
      const made = new Device(portal).create(await beginRegistration(patient)) as Made;
      const answer = await register(patient, forge(made, `http://127.0.0.1:${port}`)).expect(403);
      expect(answer.body.code).toBe('auth.wrong-passkey');
      expect(hits).toBe(0);
    } finally {
      listener.close();
    }
  });

  it('looks at nothing of an answer to a challenge that is not open', async () => {
    const verify = jest.spyOn(portal.app.get(RelyingParty), 'verifyRegistration');
    try {
      const patient = await makePatient(portal, admin);
      const response = new Device(portal).create(await beginRegistration(patient));
      await register(patient, response).expect(200);
      await register(patient, response).expect(403);
      expect(verify).toHaveBeenCalledTimes(1);
    } finally {
      verify.mockRestore();
    }
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
    const { recoveryCodes } = await new Device(portal).register(patient);
    for (let i = 0; i < 8; i++) await new Device(portal).register(patient);
    // Each new passkey has ended all other sessions: these are opened after the ninth.
    const sessions: Caller[] = [patient];
    for (const code of recoveryCodes!.slice(0, 2)) {
      const { mfaToken } = await login(patient);
      const { body } = await verify(portal, mfaToken, { method: 'recovery_code', code }).expect(200);
      sessions.push(new Caller(portal, body as Tokens, patient.credentials));
    }
    const responses: object[] = [];
    for (const session of sessions) responses.push(new Device(portal).create(await beginRegistration(session)));
    const answers = await Promise.all(sessions.map((session, i) => register(session, responses[i]!)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    for (const { status } of answers) expect([200, 401, 409]).toContain(status);
    const last = sessions[answers.findIndex(({ status }) => status === 200)]!;
    const refused = await last.post('/v1/auth/passkeys/registration/options', {}).expect(409);
    expect(refused.body.code).toBe('auth.too-many-passkeys');
  });

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

  it('ends sessions that were opened with the password before there was another factor', async () => {
    const patient = await makePatient(portal, admin);
    const { username, password } = patient.credentials;
    const { body } = await portal.http.post('/v1/auth/login').send({ username, password }).expect(200);
    const thief = new Caller(portal, body as Tokens, patient.credentials);
    const begun = new Device(portal).create(await beginRegistration(thief));
    await new Device(portal).register(patient);
    expect((await register(thief, begun).expect(401)).body.code).toBe('auth.session-ended');
  });

  it('is not for a session that a remembered device opened with the password alone', async () => {
    const patient = await makePatient(portal, admin);
    const { secret } = await addTotp(portal, patient);
    const { mfaToken } = await login(patient);
    const code = await currentCode(secret, portal.clock);
    const shown = await portal.http
      .post('/v1/auth/mfa/verify')
      .send({ mfaToken, method: 'totp', code, rememberDevice: true })
      .expect(200);
    const { deviceToken } = shown.body as { deviceToken: string };
    const { body } = await portal.http
      .post('/v1/auth/login')
      .send({ ...patient.credentials, deviceToken })
      .expect(200);
    expect(body).toMatchObject({ status: 'authenticated', session: { acr: 'aal1' } });
    const fresh = new Caller(portal, body as Tokens, patient.credentials);
    for (const [path, input] of [
      ['/v1/auth/passkeys/registration/options', {}],
      ['/v1/auth/mfa/sms', { number: '+4915112345678' }],
    ] as const)
      expect((await fresh.post(path, input).expect(403)).body.code).toBe('auth.step-up-required');
    await fresh.post('/v1/auth/step-up', { method: 'totp', code: await currentCode(secret, portal.clock) }).expect(200);
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
      expect(statuses(answers)[0]).toBe(200);
      // Refused in its turn, or ended before.
      expect([401, 403]).toContain(statuses(answers)[1]);
    }
  });
});
