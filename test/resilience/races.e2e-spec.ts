/**
 * What may happen once happens once, and what is limited happens exactly so often, however many ask at the same moment and
 * whichever of two server processes they ask. A small sample runs with `npm test`; the full size is
 *
 *   PORTICO_RACES=50 PORTICO_PARALLEL=100 npm test -- test/resilience/races
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { generate } from 'otplib';
import { assertionOf, JWT_BEARER } from '../harness/assertions.js';
import { cloneDatabase } from '../harness/database.js';
import { addSms, challenge, codeIn, freshNumber, lastText, logIn } from '../harness/factors.js';
import {
  FakeProvider,
  providerEntry,
  requestOf,
  RoamingBrowser,
  writeProviders,
} from '../harness/identity-providers.js';
import { checkLedger } from '../harness/ledger.js';
import { emailOf, Mailbox, withApp } from '../harness/mailbox.js';
import { Device } from '../harness/passkeys.js';
import {
  freshName,
  mailedCode,
  makeAdmin,
  makeChart,
  makeMachine,
  makePatient,
  makeStaff,
  signInAs,
  type Caller,
} from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';
import { checkEvents, Replicas, tally, type Said, type Shot } from '../harness/replicas.js';
import { newUser, openDirectory, TYPE } from '../harness/scim.js';

const ROUNDS = Number(process.env.PORTICO_RACES ?? 2);
const PARALLEL = Number(process.env.PORTICO_PARALLEL ?? 40);
const TIME = 30_000 + ROUNDS * 20_000;

const env = {
  ACCESS_TOKEN_MINUTES: '600',
  STAFF_IDLE_MINUTES: '600',
  STAFF_SESSION_MINUTES: '600',
  TRUSTED_PROXIES: '127.0.0.1',
  SSO_PROVIDERS_FILE: '',
};
/** How long a step-up counts is 5 minutes; every sign-in needs a code of its own half minute. */
const FRESH_MS = 4 * 60_000;

let seed: Portal;
let replicas: Replicas;
let provider: FakeProvider;
let mailbox: Mailbox;
/** Two who may approve, and one who asks. */
const admins: Caller[] = [];
let signedInAt: number;
const figures: string[] = [];

beforeAll(async () => {
  provider = await FakeProvider.start();
  const entry = { justInTime: true, secondFactor: { amr: ['otp'] }, roleClaim: ['roles'] };
  env.SSO_PROVIDERS_FILE = writeProviders([providerEntry('hospital', provider.issuer, entry)]);
  const database = await cloneDatabase();
  seed = await startPortal({ database, env });
  mailbox = new Mailbox(seed);
  admins.push(await makeAdmin(seed));
  admins.push(await makeStaff(seed, admins[0]!, 'admin'), await makeStaff(seed, admins[0]!, 'admin'));
  signedInAt = Date.now();
  replicas = await Replicas.start(seed, database, env);
}, 120_000);
afterAll(async () => {
  await replicas.end();
  await checkLedger(seed);
  await Promise.all([seed.close(), provider.close()]);
  console.info([`${ROUNDS} rounds of ${PARALLEL} requests each:`, ...figures].join('\n'));
});

/** The administrators, with a second factor of the last minutes. */
async function fresh(): Promise<[Caller, Caller, Caller]> {
  if (Date.now() - signedInAt > FRESH_MS) {
    for (const [index, admin] of admins.entries()) admins[index] = await signInAs(seed, admin.credentials);
    signedInAt = Date.now();
  }
  return admins as [Caller, Caller, Caller];
}

const everyone = (shot: (index: number) => Shot): Shot[] => Array.from({ length: PARALLEL }, (_, index) => shot(index));

const one = async <T extends object>(sql: string, parameters: unknown[]): Promise<T> =>
  (await seed.owner.query<T>(sql, parameters)).rows[0]!;
const number = async (sql: string, ...parameters: unknown[]): Promise<number> =>
  (await one<{ n: number }>(`SELECT count(*)::int AS n FROM ${sql}`, parameters)).n;

interface Race {
  /** Audit code. */
  action: string;
  /** `status code` of every refusal that the contract has for who comes too late. */
  refusals: readonly string[];
  /** A round of its own: what is sent, and what must be true afterwards, besides that one won. */
  prepare(): Promise<{ shots: Shot[]; check(winner: Said, answers: Said[]): Promise<void> }>;
}

async function run(name: string, { action, refusals, prepare }: Race): Promise<void> {
  const all: Said[] = [];
  const wins = [0, 0];
  const begun = performance.now();
  for (let round = 0; round < ROUNDS; round++) {
    const { shots, check } = await prepare();
    const answers = await replicas.rush(shots);
    const winners = answers.filter(({ status }) => status < 300);
    const losers = answers.filter(({ status }) => status >= 300);
    expect(Object.keys(tally(losers)).filter((said) => !refusals.includes(said))).toEqual([]);
    expect([tally(answers), winners.length]).toEqual([expect.anything(), 1]);
    await checkEvents(seed, shots, answers, action);
    await check(winners[0]!, answers);
    wins[winners[0]!.replica]!++;
    all.push(...answers);
  }
  const seconds = Math.round((performance.now() - begun) / 1000);
  figures.push(`${name}: ${JSON.stringify(tally(all))}, won here ${wins[0]}, there ${wins[1]}, ${seconds} s`);
}

const SECOND_FACTOR = ['401 auth.invalid-code', '401 auth.sign-in-expired', '429 auth.too-many-attempts'];
const sessionsOf = (accountId: string) => number('auth.session WHERE account_id = $1', accountId);
const patient = async (): Promise<Caller> => makePatient(seed, (await fresh())[0]);
const mfaTokenOf = async (caller: Caller): Promise<string> => (await logIn(seed, caller)).mfaToken;
async function fourTokensOf(caller: Caller): Promise<string[]> {
  const tokens: string[] = [];
  for (let n = 0; n < 4; n++) tokens.push(await mfaTokenOf(caller));
  return tokens;
}
const startsSession = async (accountId: string, before: number): Promise<void> =>
  expect(await sessionsOf(accountId)).toBe(before + 1);
const signInTo = (caller: Caller, password: string) =>
  seed.http.post('/v1/auth/login').send({ username: caller.credentials.username, password });

/** The authenticator app was not used for a long time: its code of this moment is good. */
async function codeOfApp(accountId: string, secret: string): Promise<string> {
  await seed.owner.query('UPDATE auth.totp SET last_step = 0 WHERE account_id = $1', [accountId]);
  return generate({ secret, epoch: Math.floor(Date.now() / 1000) });
}

const RACES: Record<string, Race> = {
  'a code of an authenticator app, in four sign-ins': {
    action: 'Session.verify',
    refusals: SECOND_FACTOR,
    async prepare() {
      const person = await withApp(await patient());
      const accountId = await person.accountId();
      const tokens = await fourTokensOf(person);
      const before = await sessionsOf(accountId);
      const code = await codeOfApp(accountId, person.secret);
      const shot = (index: number) => ({
        path: '/v1/auth/mfa/verify',
        body: { mfaToken: tokens[Math.floor(index / 2) % 4], method: 'totp', code },
      });
      return {
        shots: everyone(shot),
        check: async () => {
          await startsSession(accountId, before);
          expect(await number('auth.sign_in WHERE account_id = $1 AND used_at IS NOT NULL', accountId)).toBe(1);
        },
      };
    },
  },

  'a recovery code, in four sign-ins': {
    action: 'Session.verify',
    refusals: SECOND_FACTOR,
    async prepare() {
      const person = await withApp(await patient());
      const accountId = await person.accountId();
      const tokens = await fourTokensOf(person);
      const before = await sessionsOf(accountId);
      const shot = (index: number) => ({
        path: '/v1/auth/mfa/verify',
        body: { mfaToken: tokens[Math.floor(index / 2) % 4], method: 'recovery_code', code: person.codes[0] },
      });
      return {
        shots: everyone(shot),
        check: async () => {
          await startsSession(accountId, before);
          expect(await number('auth.recovery_code WHERE account_id = $1 AND used_at IS NOT NULL', accountId)).toBe(1);
        },
      };
    },
  },

  'a code by text message': {
    action: 'Session.verify',
    refusals: SECOND_FACTOR,
    async prepare() {
      const person = await patient();
      const mobile = freshNumber();
      await addSms(seed, person, mobile);
      const accountId = await person.accountId();
      const mfaToken = await mfaTokenOf(person);
      await challenge(seed, mfaToken, 'sms').expect(200);
      const code = codeIn(await lastText(seed, mobile));
      const before = await sessionsOf(accountId);
      const body = { mfaToken, method: 'sms', code };
      return {
        shots: everyone(() => ({ path: '/v1/auth/mfa/verify', body })),
        check: () => startsSession(accountId, before),
      };
    },
  },

  'a challenge to a passkey': {
    action: 'Session.login',
    refusals: ['401 auth.passkey-refused'],
    async prepare() {
      const person = await patient();
      const device = new Device(seed);
      await device.register(person);
      const accountId = await person.accountId();
      const { challengeToken, options } = await device.beginSignIn();
      const body = { challengeToken, response: device.get(options) };
      const before = await sessionsOf(accountId);
      return {
        shots: everyone(() => ({ path: '/v1/auth/passkeys/sign-in', body })),
        check: () => startsSession(accountId, before),
      };
    },
  },

  'a link to a new password': {
    action: 'Password.reset',
    refusals: ['401 auth.invalid-reset', '409 auth.password-changed-meanwhile'],
    async prepare() {
      const person = await patient();
      const email = await emailOf(person);
      const usernameOrEmail = person.credentials.username;
      const from = `10.200.${rushes >> 8}.${rushes++ & 255}`;
      await seed.http
        .post('/v1/auth/password/forgot')
        .set('X-Forwarded-For', from)
        .send({ usernameOrEmail })
        .expect(204);
      const token = await mailbox.token(email);
      const passwordOf = (index: number) => `the password of request ${index}`;
      return {
        shots: everyone((index) => ({
          path: '/v1/auth/password/reset',
          body: { token, newPassword: passwordOf(index) },
        })),
        check: async ({ shot }) => {
          await person.get('/v1/me').expect(401);
          const other = (shot + 1) % PARALLEL;
          await signInTo(person, passwordOf(other)).expect(401);
          await signInTo(person, passwordOf(shot)).expect(200);
          expect((await mailbox.to(email)).filter((text) => text.includes('password was')).length).toBe(1);
        },
      };
    },
  },

  'an activation code of a staff account': {
    action: 'Account.activate',
    refusals: ['401 auth.invalid-activation', '429 auth.too-many-attempts'],
    async prepare() {
      const [admin] = await fresh();
      const username = freshName('staff');
      const email = `${username}@hospital.test`;
      await admin.post('/v1/users', { username, email, displayName: 'Sam Staff', roles: ['staff'] }).expect(201);
      const activationCode = await mailedCode(seed, email);
      const passwordOf = (index: number) => `the password of request ${index}`;
      return {
        shots: everyone((index) => ({
          path: '/v1/auth/activate',
          body: { activationCode, password: passwordOf(index) },
        })),
        check: async ({ shot }) => {
          const login = (password: string) => seed.http.post('/v1/auth/login').send({ username, password });
          await login(passwordOf((shot + 1) % PARALLEL)).expect(401);
          await login(passwordOf(shot)).expect(200);
        },
      };
    },
  },

  'an invitation to a chart, under as many names': {
    action: 'Account.activate',
    refusals: ['401 auth.invalid-activation', '429 auth.too-many-attempts'],
    async prepare() {
      const [admin] = await fresh();
      const chart = await makeChart(admin);
      await admin.post(`/v1/patients/${chart.id}/invitations`, { email: chart.email }).expect(204);
      const activationCode = await mailedCode(seed, chart.email);
      const names = everyone(() => ({ path: freshName('rush') })).map(({ path }) => path);
      const more = { activationCode, dateOfBirth: chart.birthDate, password: 'the password of everybody' };
      return {
        shots: names.map((username) => ({ path: '/v1/auth/activate', body: { ...more, username } })),
        check: async ({ shot }) => {
          const { rows } = await seed.owner.query(
            `SELECT a.username, p.account_id IS NOT NULL AS linked FROM users.account a LEFT JOIN users.patient p USING (account_id)
              WHERE a.username = ANY($1)`,
            [names],
          );
          expect(rows).toEqual([{ username: names[shot], linked: true }]);
        },
      };
    },
  },

  'a name for an account': {
    action: 'Account.create',
    refusals: ['409 users.username-taken'],
    async prepare() {
      const [first, second] = await fresh();
      const username = freshName('staff');
      const shot = (index: number) => ({
        path: '/v1/users',
        token: (index % 4 < 2 ? first : second).tokens.accessToken,
        body: { username, email: `${username}-${index}@hospital.test`, displayName: 'Sam', roles: ['staff'] },
      });
      return {
        shots: everyone(shot),
        check: async (winner) => {
          expect(await number('users.account WHERE username = $1', username)).toBe(1);
          expect(await number('auth.invitation WHERE account_id = $1', winner.body.id)).toBe(1);
        },
      };
    },
  },

  'a userName of the directory': {
    action: 'ScimUser.create',
    refusals: ['409 uniqueness'],
    async prepare() {
      directory ??= await openDirectory(seed, (await fresh())[0]);
      const user = newUser() as { userName: string };
      const { token } = directory;
      return {
        shots: everyone(() => ({ path: '/scim/v2/Users', token, body: user, headers: { 'content-type': TYPE } })),
        check: async () => {
          expect(await number('users.account WHERE username = $1', user.userName)).toBe(1);
        },
      };
    },
  },

  'an assertion of a service account': {
    action: 'Session.login',
    refusals: ['401 auth.invalid-client'],
    async prepare() {
      machine ??= await makeMachine(seed, (await fresh())[0], {
        displayName: 'Record system',
        roles: ['integration'],
        source: 'https://ehr.example/races',
      });
      const audience = seed.config.http.publicUrl;
      const assertion = await assertionOf({ ...machine.credentials.machine, audience, now: new Date() });
      const form = {
        grant_type: 'client_credentials',
        client_assertion_type: JWT_BEARER,
        client_assertion: assertion,
      };
      const before = await sessionsOf(machine.id);
      const { id } = machine;
      return {
        shots: everyone(() => ({ path: '/v1/auth/token', form })),
        check: () => startsSession(id, before),
      };
    },
  },

  'a code of a single sign-on': {
    action: 'Session.login',
    refusals: ['401 auth.sso-expired'],
    async prepare() {
      const browser = new RoamingBrowser(seed);
      const { location } = await browser.get('/v1/auth/sso/hospital/start');
      const sub = freshName('subject');
      const person = { name: 'Nora Nurse', email: `${sub}@hospital.test`, roles: ['nurses'], amr: ['otp'] };
      const query = new URLSearchParams({
        code: provider.grant(location!, sub, person),
        state: requestOf(location!).state!,
        iss: provider.issuer,
      });
      const back = await browser.get(`/v1/auth/sso/hospital/callback?${query.toString()}`);
      const code = new URL(back.location!).searchParams.get('code');
      const cookie = [...browser.jar('/')].map(([name, value]) => `${name}=${value}`).join('; ');
      const { id } = await one<{ id: string }>(
        'SELECT account_id AS id FROM auth.federated_identity WHERE subject = $1',
        [sub],
      );
      return {
        shots: everyone(() => ({ path: '/v1/auth/sso/exchange', body: { code }, headers: { cookie } })),
        check: () => startsSession(id, 0),
      };
    },
  },

  'the decision of another administrator': {
    action: 'AccountReset.approve',
    refusals: ['409 auth.reset-closed'],
    async prepare() {
      const [asker, ...others] = await fresh();
      helped ??= await withApp(await patient());
      const asked = await asker.post(`/v1/users/${await idOf(helped)}/mfa/reset`, { reason: 'Lost the phone.' });
      const { id, status } = asked.body as { id: string; status: string };
      expect([asked.status, status]).toEqual([201, 'requested']);
      // Two approve, and who asked takes it back.
      const shot = (index: number) => {
        const who = Math.floor(index / 2) % 3;
        const [verb, by] = who === 2 ? ['decline', asker] : ['approve', others[who]!];
        return {
          path: `/v1/account-resets/${id}/${verb}`,
          token: (by as Caller).tokens.accessToken,
          action: `AccountReset.${verb as string}`,
        };
      };
      const shots = everyone(shot);
      return {
        shots,
        check: async (winner) => {
          const row = await one('SELECT status, decided_by AS by FROM auth.account_reset WHERE account_reset_id = $1', [
            id,
          ]);
          const status = shots[winner.shot]!.action === 'AccountReset.approve' ? 'executed' : 'declined';
          expect([winner.body.status, row]).toEqual([status, { status, by: winner.body.decidedBy }]);
        },
      };
    },
  },
};

let rushes = 0;
let directory: Awaited<ReturnType<typeof openDirectory>> | undefined;
let machine: Awaited<ReturnType<typeof makeMachine>> | undefined;
let helped: Caller | undefined;
const idOf = async (caller: Caller): Promise<string> =>
  (
    await one<{ id: string }>('SELECT account_id AS id FROM users.account WHERE username = $1', [
      caller.credentials.username,
    ])
  ).id;

describe('of all who use at once, exactly one wins', () => {
  it.each(Object.keys(RACES))('%s', (name) => run(name, RACES[name]!), TIME);
});
