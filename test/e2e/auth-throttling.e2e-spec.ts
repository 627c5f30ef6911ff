import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { HasherBusyError, PasswordHasher } from '../../src/platform/crypto/index.js';
import { cloneDatabase } from '../harness/database.js';
import { checkLedger } from '../harness/ledger.js';
import { currentCode, makeAdmin, makePatient, signInAs, type Caller, type Patient } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

const FREE = 20;
const WINDOW = 900;
const env = {
  TRUSTED_PROXIES: '127.0.0.1/32',
  SIGN_IN_FAILURES: String(FREE),
  KNOWN_NETWORKS: 'Main campus=192.0.2.0/24,Main campus=2001:db8:aaaa::/48',
};

let portal: Portal;
let replica: Portal;
let admin: Caller;
let patient: Patient;
let verified: ReturnType<typeof spied>;

const spied = () =>
  [portal, replica].map(({ app }) => {
    const hasher = app.get(PasswordHasher);
    return [jest.spyOn(hasher, 'verify'), jest.spyOn(hasher, 'decoy')] as const;
  });
/** How many passwords were looked at: for real, and all together with decoys. */
const looks = () => ({
  real: verified.reduce((sum, [real]) => sum + real.mock.calls.length, 0),
  all: verified.reduce((sum, [real, decoy]) => sum + real.mock.calls.length + decoy.mock.calls.length, 0),
});

beforeAll(async () => {
  const database = await cloneDatabase();
  portal = await startPortal({ database, env });
  replica = await startPortal({ database, env });
  admin = await makeAdmin(portal);
});
afterAll(async () => {
  await checkLedger(portal);
  await replica.close();
  await portal.close();
});
let network = 0;
let here: string;
beforeEach(async () => {
  here = `203.0.113.${++network}`;
  admin = await signInAs(portal, admin.credentials);
  patient = await makePatient(portal, admin);
  // Codes of authenticator apps have moved one clock on; the servers of a hospital tell the same time.
  replica.clock.forward((portal.clock.now().getTime() - replica.clock.now().getTime()) / 1000);
  verified = spied();
});
afterEach(() => verified.flat().forEach((spy) => spy.mockRestore()));

const forward = (seconds: number) => [portal, replica].forEach(({ clock }) => clock.forward(seconds));

let names = 0;
const login = (
  from: string,
  { username = `nobody-${++names}`, password = 'whatever it may be' }: { username?: string; password?: string } = {},
  at = portal,
) => at.http.post('/v1/auth/login').set('X-Forwarded-For', from).send({ username, password });

const exhaust = async (from: string, count = FREE) => {
  for (let n = 0; n < count; n++) await login(from).expect(401);
};

describe('a network that fails too often', () => {
  it('waits from the limit on, whatever names it tries, and no password is looked at', async () => {
    await exhaust(here);
    const before = looks();
    const refused = await login(here).expect(429);
    expect(refused.body.code).toBe('auth.too-many-attempts');
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(25);
    expect(Number(refused.headers['retry-after'])).toBeLessThanOrEqual(30);
    await login(here, patient.credentials).expect(429);
    expect(looks()).toEqual(before);
    // Elsewhere nobody is the wiser, nor is anybody's account.
    await login('198.51.100.1', patient.credentials).expect(200);
  });

  it('adds nothing to the failures of an account while it waits', async () => {
    await exhaust(here);
    for (let n = 0; n < 10; n++) {
      const guess = { username: patient.credentials.username, password: `guess number ${n}` };
      await login(here, guess).expect(429);
    }
    await login('198.51.100.1', patient.credentials).expect(200);
  });

  it('waits longer each time, up to the window, and begins anew after it', async () => {
    await exhaust(here);
    const waits: number[] = [];
    for (let n = 0; n < 4; n++) {
      const seconds = Number((await login(here).expect(429)).headers['retry-after']);
      waits.push(seconds);
      forward(seconds);
      await login(here).expect(401);
    }
    [30, 60, 120, 240].forEach((wait, n) => {
      expect(waits[n]).toBeGreaterThan(wait - 5);
      expect(waits[n]).toBeLessThanOrEqual(wait);
    });
    forward(WINDOW);
    await exhaust(here);
    await login(here).expect(429);
  });

  it('has exactly its limit also of 100 tries at once over two servers', async () => {
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, n) => login(here, {}, n % 2 === 0 ? portal : replica)),
    );
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(FREE);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(100 - FREE);
    expect(looks().all).toBe(FREE);
  });

  it('is a /64 of IPv6, and one address of IPv4 however it is written', async () => {
    const half = (n: number) => `2001:db8:${network}:1::${n.toString(16)}`;
    for (let n = 1; n <= FREE; n++) await login(half(n)).expect(401);
    await login(half(999)).expect(429);
    await login(`2001:db8:${network}:2::1`).expect(401);
    await exhaust(`::ffff:${here}`);
    await login(here).expect(429);
  });

  it('is made up for by no success: an account of the guesser buys no more guesses', async () => {
    const { credentials } = patient;
    for (let n = 0; n < FREE; n++) {
      await login(here, credentials).expect(200);
      await login(here).expect(401);
    }
    await login(here).expect(429);
    await login(here, credentials).expect(429);
  });

  it('has as many guesses, and no more, when sign-ins of the guesser run beside them on two servers', async () => {
    const { credentials } = patient;
    const results: number[] = [];
    for (let round = 0; round < 6; round++) {
      const tries = Array.from({ length: 10 }, async (_, n) => {
        const at = n % 4 < 2 ? portal : replica;
        if (n % 2 === 0) return login(here, credentials, at);
        const answer = await login(here, {}, at);
        results.push(answer.status);
        return answer;
      });
      await Promise.all(tries);
    }
    expect(results).toHaveLength(30);
    expect(results.filter((status) => status === 401).length).toBeLessThanOrEqual(FREE);
    // Nothing is left of the successes: the failures alone stand.
    forward(WINDOW);
    for (let round = 0; round < 3; round++) {
      const at = (n: number) => (n % 2 === 0 ? portal : replica);
      const answers = await Promise.all([0, 1, 2, 3].map((n) => login(here, credentials, at(n))));
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    }
    const { headers } = await login(here).expect(401);
    expect(headers.ratelimit).toMatch(new RegExp(`^"sign-in";r=${FREE - 1};t=`));
  });

  it('does not lock a hospital out: successes cost nothing, and its own network has a hundred times as many', async () => {
    const { credentials } = patient;
    for (let n = 0; n < FREE * 2; n++) await login(here, credentials).expect(200);
    const { headers } = await login(here).expect(401);
    expect(headers.ratelimit).toMatch(new RegExp(`^"sign-in";r=${FREE - 1};t=`));
    for (let n = 0; n < FREE * 2; n++) await login('192.0.2.9').expect(401);
    await login('192.0.2.9', credentials).expect(200);
    for (const own of ['192.0.2.7', '2001:db8:aaaa:1::1']) {
      const answer = await login(own).expect(401);
      expect(answer.headers['ratelimit-policy']).toBe(`"sign-in";q=${FREE * 100};w=${WINDOW}`);
    }
  });

  it('does not hold up a patient on a remembered device', async () => {
    const { body: totp } = await patient.post('/v1/auth/mfa/totp', {}).expect(200);
    const { secret } = totp as { secret: string };
    const code = () => currentCode(secret, portal.clock);
    await patient.post('/v1/auth/mfa/totp/confirm', { code: await code() }).expect(200);
    const { mfaToken } = (await login(here, patient.credentials).expect(200)).body as { mfaToken: string };
    const { body } = await portal.http
      .post('/v1/auth/mfa/verify')
      .send({ mfaToken, method: 'totp', code: await code(), rememberDevice: true })
      .expect(200);
    const { deviceToken } = body as { deviceToken: string };
    await exhaust(here);
    await login(here, patient.credentials).expect(429);
    const { username, password } = patient.credentials;
    const answer = await portal.http
      .post('/v1/auth/login')
      .set('X-Forwarded-For', here)
      .send({ username, password, deviceToken })
      .expect(200);
    expect(answer.body).toMatchObject({ status: 'authenticated' });
    // What passed uncounted takes nothing back: the network waits as long as before.
    const refused = await login(here).expect(429);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(20);
    forward(31);
    await login(here).expect(401);
    expect(Number((await login(here).expect(429)).headers['retry-after'])).toBeGreaterThan(50);
  });
});

describe('whose network it is', () => {
  it('is the word of a trusted proxy and of nobody else', async () => {
    // The client wrote the first one itself; the proxy added where it really came from.
    for (let n = 0; n < FREE; n++) await login(`198.51.100.${n}, ${here}`).expect(401);
    await login(`198.51.100.99, ${here}`).expect(429);
    await login('198.51.100.3').expect(401);
    const direct = await startPortal({ env: { SIGN_IN_FAILURES: '5' } });
    try {
      const answers = await Promise.all(Array.from({ length: 4 }, (_, n) => login(`198.51.100.${n}`, {}, direct)));
      const left = answers.map(({ headers }) => (headers as Record<string, string>).ratelimit).sort();
      // One network, whatever they say; and not this machine's own, which has a hundred times as many: a proxy carries strangers.
      expect(left.map((text) => /r=(\d+)/.exec(text!)![1])).toEqual(['1', '2', '3', '4']);
      const { username, password } = { username: 'nobody-here', password: 'whatever it may be' };
      const plain = await direct.http.post('/v1/auth/login').send({ username, password }).expect(401);
      expect(plain.headers['ratelimit-policy']).toBe(`"sign-in";q=500;w=${WINDOW}`);
      // The operator is told, once.
      const warned = ({ log }: Portal) => log.filter(({ msg }) => msg.includes('TRUSTED_PROXIES'));
      expect(warned(direct)).toMatchObject([{ level: 40, address: '127.0.0.1' }]);
      expect(warned(portal)).toEqual([]);
    } finally {
      await checkLedger(direct);
      await direct.close();
    }
  });
});

describe('the headers of a sign-in', () => {
  it('say what is left to the network, and nothing of the account', async () => {
    const [wrong, locked, disabled] = [patient, await makePatient(portal, admin), await makePatient(portal, admin)];
    await admin.post(`/v1/users/${await disabled.accountId()}/disable`, { reason: 'Test.' }).expect(200);
    for (let n = 0; n < 5; n++)
      await login('198.51.100.2', { ...locked.credentials, password: 'not this one' }).expect(401);
    const answers = [
      await login(here),
      await login(here, { ...wrong.credentials, password: 'not this one' }),
      await login(here, locked.credentials),
      await login(here, disabled.credentials),
    ];
    expect(answers.map(({ status }) => status)).toEqual([401, 401, 401, 401]);
    const said = answers.map(({ headers }) => headers as Record<string, string>);
    expect(said.map((one) => one.ratelimit)).toEqual(
      [1, 2, 3, 4].map((used) => expect.stringMatching(new RegExp(`^"sign-in";r=${FREE - used};t=(900|89\\d)$`))),
    );
    expect(new Set(said.map((one) => one['ratelimit-policy']))).toEqual(new Set([`"sign-in";q=${FREE};w=${WINDOW}`]));
    const names = said.map((one) => Object.keys(one).sort().join());
    expect(new Set(names).size).toBe(1);
    const { headers } = await login(here, wrong.credentials).expect(200);
    expect(headers.ratelimit).toMatch(/^"sign-in";r=15;/);
    await exhaust(here, FREE - 4);
    const refused = (await login(here).expect(429)).headers;
    expect(refused.ratelimit).toBe(`"sign-in";r=0;t=${refused['retry-after']}`);
  });
});

describe('an account', () => {
  it('has 100 failures in a row and no more, right or wrong, with all their waits', async () => {
    const { username, password } = patient.credentials;
    for (let n = 0; n < 105; n++) {
      await login('192.0.2.1', { username, password: `guess number ${n}` }).expect(401);
      forward(3_601);
    }
    expect(looks().real).toBe(100);
    forward(30 * 86_400);
    await login('192.0.2.1', { username, password }).expect(401);
    expect(looks().real).toBe(100);
  });

  it('has exactly five of 100 guesses at once over two servers', async () => {
    const { username } = patient.credentials;
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, n) =>
        login('192.0.2.1', { username, password: `guess number ${n}` }, n % 2 === 0 ? portal : replica),
      ),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([401]));
    expect(looks()).toEqual({ real: 5, all: 100 });
  });

  it('is not locked, nor its network, by a rush that kept passwords from being looked at', async () => {
    for (const [real, decoy] of verified) {
      real.mockRejectedValue(new HasherBusyError());
      decoy.mockRejectedValue(new HasherBusyError());
    }
    const busy = await login(here, patient.credentials).expect(503);
    expect(busy.body.code).toBe('auth.busy');
    expect(busy.headers['retry-after']).toBeDefined();
    for (let n = 0; n < FREE; n++) await login(here, patient.credentials).expect(503);
    for (let n = 0; n < FREE; n++) await login(here).expect(503);
    verified.flat().forEach((spy) => spy.mockRestore());
    await login(here, patient.credentials).expect(200);
  });
});
