import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { PasswordHasher } from '../../src/platform/crypto/index.js';
import { SessionSweeper } from '../../src/modules/auth/sessions/session-sweeper.js';
import { cloneDatabase } from '../harness/database.js';
import { checkLedger } from '../harness/ledger.js';
import {
  Caller,
  currentCode,
  makeAdmin,
  makePatient,
  makeStaff,
  signInAs,
  type Credentials,
  type Patient,
  type Tokens,
} from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

const DAY = 86_400;

let database: Awaited<ReturnType<typeof cloneDatabase>>;
let portal: Portal;
let admin: Caller;
let patient: Patient;
let credentials: Known;

type Known = Credentials & { totpSecret: string };

interface Answer {
  status: string;
  mfaToken: string;
  deviceToken?: string;
  session: Tokens['session'];
}

const login = (deviceToken?: string, password = credentials.password, username = credentials.username) =>
  portal.http.post('/v1/auth/login').send({ username, password, ...(deviceToken ? { deviceToken } : {}) });
const bodyOf = async (request: ReturnType<typeof login>) => (await request.expect(200)).body as Answer;

const verify = async (mfaToken: string, more: object = {}, who = credentials) =>
  portal.http
    .post('/v1/auth/mfa/verify')
    .send({ mfaToken, method: 'totp', code: await currentCode(who.totpSecret, portal.clock), ...more });

/** A complete sign-in, after which the device is remembered. */
const remembered = async (): Promise<string> => {
  const { mfaToken } = await bodyOf(login());
  const { body } = await verify(mfaToken, { rememberDevice: true });
  return (body as { deviceToken: string }).deviceToken;
};

const asksForSecondFactor = async (deviceToken: string) => {
  const body = await bodyOf(login(deviceToken));
  expect(body.status).toBe('mfa_required');
  expect(body).not.toHaveProperty('deviceToken');
};

async function withSecondFactor(one: Caller): Promise<Known> {
  const { body } = await one.post('/v1/auth/mfa/totp', {}).expect(200);
  const totpSecret = (body as { secret: string }).secret;
  const code = await currentCode(totpSecret, portal.clock);
  await one.post('/v1/auth/mfa/totp/confirm', { code }).expect(200);
  return { ...one.credentials, totpSecret };
}

/** The patient in a session of a second factor that was just shown. */
const signedIn = () => signInAs(portal, credentials);

beforeAll(async () => {
  database = await cloneDatabase();
  portal = await startPortal({ database });
  admin = await makeAdmin(portal);
});
afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});
beforeEach(async () => {
  admin = await signInAs(portal, admin.credentials);
  patient = await makePatient(portal, admin);
  credentials = await withSecondFactor(patient);
});

describe('a remembered device', () => {
  it('is what a patient asks for, and stands in for the second factor, with a new token each time', async () => {
    const { mfaToken } = await bodyOf(login());
    expect((await verify(mfaToken)).body).not.toHaveProperty('deviceToken');
    const first = await remembered();
    expect(first).toMatch(/^[\w-]{43}$/);
    const body = await bodyOf(login(first));
    expect(body).toMatchObject({ status: 'authenticated', session: { acr: 'aal1', amr: ['pwd', 'device'] } });
    expect(body.deviceToken).toMatch(/^[\w-]{43}$/);
    expect(body.deviceToken).not.toBe(first);
    await asksForSecondFactor(first);
    expect((await bodyOf(login(body.deviceToken))).status).toBe('authenticated');
    const { rows } = await portal.owner.query<{ mac: string }>('SELECT token_mac::text AS mac FROM auth.device');
    for (const { mac } of rows) expect(mac).toMatch(/^\\x[0-9a-f]{64}$/);
  });

  it('is nothing without the password, and nothing to another account', async () => {
    const token = await remembered();
    const wrong = await login(token, 'not this one at all').expect(401);
    expect(wrong.body).toMatchObject({ code: 'auth.invalid-credentials' });
    const other = await makePatient(portal, admin);
    await withSecondFactor(other);
    const theirs = await bodyOf(login(token, other.credentials.password, other.credentials.username));
    expect(theirs.status).toBe('mfa_required');
    await login(token, 'whatever it may be', 'nobody-at-all').expect(401);
    await portal.http.get('/v1/me').set('Authorization', `Bearer ${token}`).expect(401);
    await portal.http.post('/v1/auth/refresh').send({ refreshToken: token }).expect(401);
    expect((await bodyOf(login(token))).status).toBe('authenticated');
  });

  it('answers wrong passwords the same, whether the token is good, old, foreign or made up', async () => {
    const token = await remembered();
    const other = await makePatient(portal, admin);
    const answers = [
      await login(token, 'not this one at all'),
      await login('x'.repeat(43), 'not this one at all'),
      await login(undefined, 'not this one at all'),
      await login(token, 'not this one at all', other.credentials.username),
      await login(token, 'not this one at all', 'nobody-at-all'),
    ];
    const [first, ...more] = answers.map(({ status, body, headers }) => ({
      status,
      body: { ...(body as object), instance: '' },
      headers: Object.keys(headers as object).sort(),
    }));
    for (const one of more) expect(one).toEqual(first);
  });

  it.each(['UTC', 'Europe/Berlin', 'America/New_York'])(
    'lasts 30 days of 24 hours, also where the clocks of the database change meanwhile: %s',
    async (zone) => {
      const keep = (from: string, hours: number) =>
        portal.owner.query(
          `SET LOCAL TimeZone TO '${zone}';
           INSERT INTO auth.device (device_id, account_id, token_mac, name, created_at, last_used_at, expires_at)
             SELECT id, id, '\\x01', 'Test', t, t, t + interval '${hours} hours' FROM (VALUES (gen_random_uuid(), timestamptz '${from}')) v (id, t);
           DELETE FROM auth.device WHERE token_mac = '\\x01'`,
        );
      for (const from of ['2026-02-25T12:00:00Z', '2026-03-15T12:00:00Z', '2026-10-10T12:00:00Z']) {
        await keep(from, 720);
        await expect(keep(from, 721)).rejects.toThrow('device__term');
      }
    },
  );

  it('is remembered for 30 days from the second factor on, however often it is used', async () => {
    let token = await remembered();
    for (let week = 0; week < 4; week++) {
      portal.clock.forward(7 * DAY);
      token = (await bodyOf(login(token))).deviceToken!;
    }
    portal.clock.forward(2 * DAY - 60);
    token = (await bodyOf(login(token))).deviceToken!;
    portal.clock.forward(61);
    await asksForSecondFactor(token);
    await portal.app.get(SessionSweeper).sweep();
    const { rows } = await portal.owner.query('SELECT 1 FROM auth.device WHERE expires_at < $1', [portal.clock.now()]);
    expect(rows).toEqual([]);
  });

  it('is let in once by one token, though 4 sign-ins show it at once', async () => {
    const token = await remembered();
    const answers = await Promise.all(Array.from({ length: 4 }, () => login(token)));
    const said = answers.map(({ body }) => (body as Answer).status).sort();
    expect(said).toEqual(['authenticated', 'mfa_required', 'mfa_required', 'mfa_required']);
  });

  it('never spares staff the second factor', async () => {
    const staff = await makeStaff(portal, admin, 'staff');
    const who = staff.credentials as Known;
    const { mfaToken } = await bodyOf(login(undefined, who.password, who.username));
    const { body } = await verify(mfaToken, { rememberDevice: true }, who);
    expect(body).toMatchObject({ status: 'authenticated' });
    expect(body).not.toHaveProperty('deviceToken');
    // Not even with a device that the database says is theirs.
    const token = await remembered();
    await portal.owner.query('UPDATE auth.device SET account_id = $1 WHERE account_id = $2', [
      await staff.accountId(),
      await patient.accountId(),
    ]);
    expect((await bodyOf(login(token, who.password, who.username))).status).toBe('mfa_required');
  });

  it('opens what reading needs; whatever asks for the second factor still does', async () => {
    const body = await bodyOf(login(await remembered()));
    const caller = new Caller(portal, body as unknown as Tokens, credentials);
    await caller.get('/v1/me').expect(200);
    const refused = await caller.delete('/v1/auth/mfa/totp').expect(403);
    expect(refused.body.code).toBe('auth.step-up-required');
    const change = { currentPassword: credentials.password, newPassword: 'a quite new password' };
    expect((await caller.post('/v1/auth/password/change', change).expect(403)).body.code).toBe('auth.step-up-required');
    const code = await currentCode(credentials.totpSecret, portal.clock);
    await caller.post('/v1/auth/step-up', { method: 'totp', code }).expect(200);
    await caller.post('/v1/auth/password/change', change).expect(200);
  });
});

describe('a device that is forgotten', () => {
  it('is listed and forgotten by its owner, one or all, and by nobody else', async () => {
    const [one, two] = [await remembered(), await remembered()];
    const caller = await signedIn();
    const { body } = await caller.get('/v1/auth/devices').expect(200);
    const { items } = body as { items: { id: string }[] };
    expect(items).toEqual(
      [0, 1].map(() => expect.objectContaining({ name: 'Unknown device', id: expect.any(String) })),
    );
    expect(JSON.stringify(items)).not.toContain(two.slice(0, 10));
    const other = await makePatient(portal, admin);
    expect((await other.get('/v1/auth/devices').expect(200)).body.items).toEqual([]);
    await other.delete(`/v1/auth/devices/${items[0]!.id}`).expect(404);
    await caller.delete(`/v1/auth/devices/${items[0]!.id}`).expect(204);
    await caller.delete(`/v1/auth/devices/${items[0]!.id}`).expect(404);
    await asksForSecondFactor(two);
    const next = (await bodyOf(login(one))).deviceToken!;
    await (await signedIn()).delete('/v1/auth/devices').expect(204);
    await asksForSecondFactor(next);
  });

  it.each([
    [
      'the password is changed',
      async () => {
        const change = { currentPassword: credentials.password, newPassword: 'a quite new password' };
        await (await signedIn()).post('/v1/auth/password/change', change).expect(200);
        credentials.password = change.newPassword;
      },
    ],
    [
      'the account was disabled',
      async () => {
        const id = await patient.accountId();
        await admin.post(`/v1/users/${id}/disable`, { reason: 'Lost phone.' }).expect(200);
        await admin.post(`/v1/users/${id}/enable`).expect(200);
      },
    ],
    [
      'the second factor is another one',
      async () => {
        const caller = await signedIn();
        await caller.delete('/v1/auth/mfa/totp').expect(204);
        credentials = await withSecondFactor(caller);
      },
    ],
  ])('when %s', async (_, happens) => {
    const token = await remembered();
    await happens();
    await asksForSecondFactor(token);
  });

  it('stays when its person merely signs out everywhere', async () => {
    const token = await remembered();
    await (await signedIn()).post('/v1/auth/logout-all').expect(204);
    expect((await bodyOf(login(token))).status).toBe('authenticated');
  });

  it('is the one that was used longest ago, beyond ten', async () => {
    const oldest = await remembered();
    portal.clock.forward(60);
    for (let n = 0; n < 10; n++) await remembered();
    await asksForSecondFactor(oldest);
    const { body } = await (await signedIn()).get('/v1/auth/devices').expect(200);
    expect((body as { items: object[] }).items).toHaveLength(10);
  });
});

describe('strangers who guess', () => {
  it('lock out nobody from a remembered device, though they use up all of the 100 failures', async () => {
    const token = await remembered();
    const hasher = portal.app.get(PasswordHasher);
    const verified = jest.spyOn(hasher, 'verify');
    for (let n = 0; n < 110; n++) {
      await login(undefined, `guess number ${n}`).expect(401);
      portal.clock.forward(3_601);
    }
    expect(verified).toHaveBeenCalledTimes(100);
    verified.mockRestore();
    const refused = await login().expect(401);
    expect(refused.body.code).toBe('auth.invalid-credentials');
    const body = await bodyOf(login(token));
    expect(body.status).toBe('authenticated');
    // The guessers' count stands: signing in on the device gave them no new guesses.
    await login().expect(401);
    expect((await bodyOf(login(body.deviceToken))).status).toBe('authenticated');
  });

  it('with a stolen device token have ten guesses more, and no device any longer; other devices know nothing of it', async () => {
    const [stolen, kept] = [await remembered(), await remembered()];
    const hasher = portal.app.get(PasswordHasher);
    const verified = jest.spyOn(hasher, 'verify');
    const guesses = Array.from({ length: 30 }, (_, n) => login(stolen, `guess number ${n}`));
    expect((await Promise.all(guesses)).every(({ status }) => status === 401)).toBe(true);
    // Five of the device, and five of the name that it fell back to.
    expect(verified).toHaveBeenCalledTimes(10);
    for (let n = 0; n < 110; n++) {
      portal.clock.forward(3_601);
      await login(stolen, `guess number ${n}`).expect(401);
    }
    expect(verified).toHaveBeenCalledTimes(10 + 100);
    verified.mockRestore();
    await login(stolen).expect(401);
    expect((await bodyOf(login(kept))).status).toBe('authenticated');
  });

  it('with a stolen device token take nothing but the device from its owner', async () => {
    const stolen = await remembered();
    for (let n = 0; n < 5; n++) await login(stolen, `guess number ${n}`).expect(401);
    await asksForSecondFactor(stolen);
    portal.clock.forward(31);
    expect((await bodyOf(login(stolen))).status).toBe('authenticated');
  });
});

describe('by configuration', () => {
  const inPortal = async (env: Record<string, string>, work: (one: Portal) => Promise<void>) => {
    const usual = [portal, admin] as const;
    portal = await startPortal({ env });
    try {
      admin = await makeAdmin(portal);
      patient = await makePatient(portal, admin);
      credentials = await withSecondFactor(patient);
      await work(portal);
    } finally {
      await checkLedger(portal);
      await portal.close();
      [portal, admin] = usual;
    }
  };

  it('no device is remembered', async () => {
    await inPortal({ DEVICE_REMEMBER_DAYS: '0' }, async () => {
      const { mfaToken } = await bodyOf(login());
      expect((await verify(mfaToken, { rememberDevice: true })).body).not.toHaveProperty('deviceToken');
    });
  });

  it('devices are remembered for a shorter time', async () => {
    await inPortal({ DEVICE_REMEMBER_DAYS: '7' }, async () => {
      const token = (await bodyOf(login(await remembered()))).deviceToken!;
      portal.clock.forward(7 * DAY);
      await asksForSecondFactor(token);
    });
  });

  it('no device stands in where patients must show what cannot be phished', async () => {
    const deviceToken = await remembered();
    const strict = await startPortal({ database, env: { MFA_PATIENT: 'required_phishing_resistant' } });
    try {
      const { username, password } = credentials;
      const { body } = await strict.http.post('/v1/auth/login').send({ username, password, deviceToken }).expect(200);
      expect(body).toMatchObject({ status: 'mfa_required' });
      expect(body).not.toHaveProperty('accessToken');
    } finally {
      await strict.close();
    }
  });

  it('browsers carry the token in a cookie that scripts cannot read', async () => {
    const { mfaToken } = await bodyOf(login());
    const transport = 'cookie';
    const first = await verify(mfaToken, { rememberDevice: true, transport });
    expect(first.body).not.toHaveProperty('deviceToken');
    const cookieIn = ({ headers }: { headers: Record<string, unknown> }) =>
      (headers['set-cookie'] as string[]).find((line) => line.startsWith('__Host-portico-device='))!;
    expect(cookieIn(first)).toMatch(/; Max-Age=2592000; Path=\/; HttpOnly; Secure; SameSite=Strict$/);
    const cookie = cookieIn(first).split(';')[0]!;
    const { username, password } = credentials;
    const again = await portal.http
      .post('/v1/auth/login')
      .set('Cookie', cookie)
      .send({ username, password, transport });
    expect(again.body).toMatchObject({ status: 'authenticated', session: { acr: 'aal1' } });
    expect(cookieIn(again)).not.toContain(cookie);
  });
});
