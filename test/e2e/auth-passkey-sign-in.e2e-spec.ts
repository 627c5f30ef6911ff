import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { challenge as ask, logIn, notices, statuses, verify as show } from '../harness/factors.js';
import { checkLedger } from '../harness/ledger.js';
import { Device, flipped, retold, WITHOUT_CHECK, type Assertion, type RequestOptions } from '../harness/passkeys.js';
import { Caller, makeAdmin, makePatient, makeStaff, signInAs, type Tokens } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

let portal: Portal;
let admin: Caller;
/** Has a passkey, kept on the device, and nothing else. */
let holder: Caller;
let device: Device;

beforeAll(async () => {
  portal = await startPortal();
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
const challenge = async (mfaToken: string) =>
  ((await ask(portal, mfaToken, 'passkey').expect(200)).body as { options: RequestOptions }).options;
const verify = (mfaToken: string, response: object) => show(portal, mfaToken, { method: 'passkey', response });
const signInWith = (challengeToken: string, response: object) =>
  portal.http.post('/v1/auth/passkeys/sign-in').send({ challengeToken, response });

describe('a passkey as second factor', () => {
  it('finishes a sign-in, and says in amr that it cannot be phished', async () => {
    const { status, mfaToken, methods } = await login(holder);
    expect([status, methods]).toEqual(['mfa_required', ['passkey', 'recovery_code']]);
    const options = await challenge(mfaToken);
    expect(options).toMatchObject({ rpId: 'portal.test', userVerification: 'preferred' });
    expect(options.allowCredentials).toHaveLength(1);
    const { body } = await verify(mfaToken, device.get(options)).expect(200);
    expect(body).toMatchObject({
      status: 'authenticated',
      session: { acr: 'aal2', amr: ['pwd', 'swk', 'user', 'mfa'] },
    });
  });

  it('is enough without a check of its holder, because the password was known', async () => {
    const patient = await makePatient(portal, admin);
    const key = new Device(portal, WITHOUT_CHECK);
    const options = await beginRegistration(patient);
    const authenticatorSelection = { userVerification: 'discouraged' };
    await register(patient, key.create({ ...options, authenticatorSelection })).expect(200);
    const { mfaToken } = await login(patient);
    const asked = await challenge(mfaToken);
    await verify(mfaToken, key.get({ ...asked, userVerification: 'discouraged' })).expect(200);
  });

  it('may be a security key that holds nothing itself: hwk, and no sign-in without a username', async () => {
    const patient = await makePatient(portal, admin);
    const key = new Device(portal, { stateless: true });
    expect(await key.register(patient)).toMatchObject({ session: { amr: ['pwd', 'hwk', 'user', 'mfa'] } });
    const { mfaToken } = await login(patient);
    const options = await challenge(mfaToken);
    await verify(mfaToken, key.get(options)).expect(200);
    const { challengeToken, options: anybody } = await key.beginSignIn();
    const response = key.get({ ...anybody, allowCredentials: options.allowCredentials });
    await signInWith(challengeToken, response).expect(401);
  });

  it.each<[string, (mfaToken: string) => Promise<object>]>([
    ['of another sign-in', async () => device.get(await challenge((await login(holder)).mfaToken))],
    ['of a sign-in without password', async () => device.get((await device.beginSignIn()).options)],
    [
      "by somebody else's passkey",
      async (mfaToken) => {
        const thief = new Device(portal);
        await thief.register(await makePatient(portal, admin));
        return thief.get({ ...(await challenge(mfaToken)), allowCredentials: undefined });
      },
    ],
    ['made at another site', async (mfaToken) => device.get(await challenge(mfaToken), 'https://portal-test.example')],
    [
      'too late',
      async (mfaToken) => {
        const options = await challenge(mfaToken);
        portal.clock.forward(299);
        return { ...device.get(options), late: true };
      },
    ],
  ])('refuses an answer %s', async (what, forge) => {
    const { mfaToken } = await login(holder);
    const response = (await forge(mfaToken)) as Assertion & { late?: boolean };
    if (response.late) {
      delete response.late;
      portal.clock.forward(2);
    }
    const { body } = await verify(mfaToken, response).expect(401);
    expect((body as { code: string }).code).toBe(what === 'too late' ? 'auth.sign-in-expired' : 'auth.passkey-refused');
  });

  it('takes each answer once, also of 20 at once', async () => {
    const { mfaToken } = await login(holder);
    const response = device.get(await challenge(mfaToken));
    const answers = await Promise.all(Array.from({ length: 20 }, () => verify(mfaToken, response)));
    expect(statuses(answers)).toEqual([200, ...Array<number>(19).fill(401)]);
  });

  it('wants the part of the answer that the method has', async () => {
    const { mfaToken } = await login(holder);
    const send = (body: object) =>
      portal.http
        .post('/v1/auth/mfa/verify')
        .send({ mfaToken, ...body })
        .expect(400);
    expect((await send({ method: 'passkey', code: '123456' })).body.errors).toMatchObject([{ pointer: '/response' }]);
    expect((await send({ method: 'recovery_code' })).body.errors).toMatchObject([{ pointer: '/code' }]);
    const response = device.get(await challenge(mfaToken));
    expect((await send({ method: 'passkey', response: { ...response, more: 1 } })).body.errors).toMatchObject([
      { pointer: '/response/more', code: 'unknown' },
    ]);
  });

  it('steps a session up', async () => {
    const signedIn = await device.signIn();
    const caller = new Caller(portal, signedIn.body as Tokens, holder.credentials);
    const { body } = await caller.post('/v1/auth/step-up/challenge', { method: 'passkey' }).expect(200);
    const response = device.get((body as { options: object }).options);
    portal.clock.forward(60);
    const stepped = await caller.post('/v1/auth/step-up', { method: 'passkey', response }).expect(200);
    expect(stepped.body).toMatchObject({ acr: 'aal2', amr: ['swk', 'user', 'mfa'] });
    expect(Date.parse((stepped.body as { authTime: string }).authTime)).toBeGreaterThan(
      Date.parse((signedIn.body as Tokens).session.authTime) + 50_000,
    );
    const replayed = await caller.post('/v1/auth/step-up', { method: 'passkey', response }).expect(403);
    expect(replayed.body.code).toBe('auth.wrong-passkey');
  });

  it('steps up the session that asked, and no other', async () => {
    const [one, two] = [await device.signIn(), await device.signIn()];
    const [first, second] = [one, two].map(({ body }) => new Caller(portal, body as Tokens, holder.credentials)) as [
      Caller,
      Caller,
    ];
    const { body } = await first.post('/v1/auth/step-up/challenge', { method: 'passkey' }).expect(200);
    const response = device.get((body as { options: object }).options);
    await second.post('/v1/auth/step-up', { method: 'passkey', response }).expect(403);
    await first.post('/v1/auth/step-up', { method: 'passkey', response }).expect(200);
  });
});

describe('signing in with nothing but a passkey', () => {
  it('asks for a check of the holder, names nobody, and counts as two factors', async () => {
    const { options } = await device.beginSignIn();
    expect(options).toMatchObject({ userVerification: 'required', rpId: 'portal.test' });
    expect(options).not.toHaveProperty('allowCredentials');
    const { body } = await device.signIn();
    expect(body).toMatchObject({ status: 'authenticated', session: { acr: 'aal2', amr: ['swk', 'user', 'mfa'] } });
    await new Caller(portal, body as Tokens, holder.credentials).get('/v1/me').expect(200);
  });

  it('lets staff in, with the shorter session', async () => {
    const staff = await makeStaff(portal, admin, 'records_officer');
    const key = new Device(portal);
    await key.register(staff);
    const { body } = await key.signIn();
    await new Caller(portal, body as Tokens, staff.credentials).get('/v1/patients').expect(200);
  });

  it('answers the same bytes for whatever is wrong', async () => {
    const disabled = await makePatient(portal, admin);
    const theirs = new Device(portal);
    await theirs.register(disabled);
    await admin.post(`/v1/users/${await disabled.accountId()}/disable`, { reason: 'Test.' }).expect(200);

    const unverified = new Device(portal, WITHOUT_CHECK);
    const careless = await makePatient(portal, admin);
    const registration = await beginRegistration(careless);
    await register(
      careless,
      unverified.create({
        ...registration,
        authenticatorSelection: { residentKey: 'required', userVerification: 'discouraged' },
      }),
    ).expect(200);

    const attacks: Record<string, (options: object) => Assertion> = {
      'a disabled account': (options) => theirs.get(options),
      'no check of the holder': (options) => unverified.get({ ...options, userVerification: 'discouraged' }),
      'another site': (options) => device.get(options, 'https://evil.example'),
      'a passkey that nobody knows': (options) => {
        const stranger = new Device(portal);
        stranger.create({ ...registration, excludeCredentials: [] });
        return stranger.get(options);
      },
      'another signature': (options) => {
        const signed = device.get(options);
        return { ...signed, response: { ...signed.response, signature: flipped(signed.response.signature) } };
      },
      'another counter than was signed': (options) => {
        const signed = device.get(options);
        const authenticatorData = flipped(signed.response.authenticatorData);
        return { ...signed, response: { ...signed.response, authenticatorData } };
      },
      'another challenge': (options) =>
        device.get({ ...options, challenge: Buffer.alloc(32, 7).toString('base64url') }),
      'another handle': (options) => {
        const signed = device.get(options);
        return { ...signed, response: { ...signed.response, userHandle: flipped(signed.response.userHandle!) } };
      },
      'no handle': (options) => {
        const { userHandle: _, ...response } = device.get(options).response;
        return { ...device.get(options), response };
      },
      'a frame of another site': (options) => {
        const signed = device.get(options);
        const clientDataJSON = retold(signed.response.clientDataJSON, { crossOrigin: true });
        return { ...signed, response: { ...signed.response, clientDataJSON } };
      },
      'client data that is none': (options) => {
        const signed = device.get(options);
        return { ...signed, response: { ...signed.response, clientDataJSON: 'bm9uZQ' } };
      },
      "somebody else's credential id": (options) => {
        const signed = device.get(options);
        return { ...signed, id: theirs.get(options).id, rawId: theirs.get(options).id };
      },
    };
    const answers: object[] = [];
    for (const [what, attack] of Object.entries(attacks)) {
      const { challengeToken, options } = await device.beginSignIn();
      const { status, body } = await signInWith(challengeToken, attack(options));
      answers.push({ what, status, ...(body as object), instance: null });
    }
    const { challengeToken } = await device.beginSignIn();
    const elsewhere = await device.beginSignIn();
    const crossed = await signInWith(challengeToken, device.get(elsewhere.options));
    answers.push({
      what: "another browser's token",
      status: crossed.status,
      ...(crossed.body as object),
      instance: null,
    });
    for (const answer of answers) expect(answer).toEqual({ ...answers[0], what: (answer as { what: string }).what });
    expect(answers[0]).toMatchObject({ status: 401, code: 'auth.passkey-refused' });
    expect((await device.signIn()).status).toBe(200);
  });

  it('takes each challenge once and for five minutes', async () => {
    const { challengeToken, options } = await device.beginSignIn();
    const response = device.get(options);
    const answers = await Promise.all(Array.from({ length: 20 }, () => signInWith(challengeToken, response)));
    expect(statuses(answers)).toEqual([200, ...Array<number>(19).fill(401)]);
    const late = await device.beginSignIn();
    const signed = device.get(late.options);
    portal.clock.forward(301);
    await signInWith(late.challengeToken, signed).expect(401);
    // A wrong answer uses it up as well: one challenge, one check.
    const wrong = await device.beginSignIn();
    const right = device.get(wrong.options);
    const signature = flipped(right.response.signature);
    await signInWith(wrong.challengeToken, { ...right, response: { ...right.response, signature } }).expect(401);
    await signInWith(wrong.challengeToken, right).expect(401);
  });

  it('refuses a counter that did not move on, and tells the owner', async () => {
    const copied = await makePatient(portal, admin);
    const key = new Device(portal);
    await key.register(copied);
    expect((await key.signIn()).status).toBe(200);
    // The copy signed meanwhile, further on than the original.
    const accountId = await copied.accountId();
    await portal.owner.query('UPDATE auth.passkey SET counter = 40 WHERE account_id = $1', [accountId]);
    const before = (await notices(portal)).length;
    const refused = await key.signIn();
    expect([refused.status, (refused.body as { code: string }).code]).toEqual([403, 'auth.passkey-copied']);
    expect((await notices(portal)).slice(before)).toEqual([expect.stringContaining('seems to have been copied')]);
    const { rows } = await portal.owner.query<{ counter: string }>(
      'SELECT counter FROM auth.passkey WHERE account_id = $1',
      [accountId],
    );
    expect(rows[0]!.counter).toBe('40');
    const events = await portal.owner.query<{ actor: string }>(
      `SELECT event::jsonb -> 'actor' ->> 'id' AS actor FROM audit.inbox WHERE event::jsonb ->> 'err' = 'auth.passkey-copied'
        UNION ALL SELECT leaf::jsonb -> 'e' -> 'actor' ->> 'id' FROM audit.entry WHERE leaf::jsonb -> 'e' ->> 'err' = 'auth.passkey-copied'`,
    );
    expect(events.rows).toEqual([{ actor: accountId }]);
  });

  it('takes an authenticator that never counts, again and again', async () => {
    const patient = await makePatient(portal, admin);
    const key = new Device(portal, { signCounterIncrement: 0 });
    await key.register(patient);
    for (let i = 0; i < 3; i++) expect((await key.signIn()).status).toBe(200);
  });

  it('opens no more than 300 challenges to one network in five minutes', async () => {
    const begin = () => portal.http.post('/v1/auth/passkeys/sign-in/options').send({});
    portal.clock.forward(301);
    const answers = [];
    for (let i = 0; i < 31; i++) answers.push(...(await Promise.all(Array.from({ length: 10 }, begin))));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(300);
    const refused = answers.find(({ status }) => status !== 200)!;
    expect([refused.status, refused.body.code]).toEqual([429, 'auth.too-many-challenges']);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(200);
    portal.clock.forward(301);
    await begin().expect(200);
  });
});
