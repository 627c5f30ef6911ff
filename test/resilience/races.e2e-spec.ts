/**
 * Whatever lets somebody in once lets in once, however many show it at the same moment and to whichever of two servers.
 * A small sample runs with `npm test`; the full size is
 *
 *   PORTICO_RACES=50 PORTICO_PARALLEL=100 npm test -- test/resilience/races
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { generate } from 'otplib';
import { assertionOf, JWT_BEARER } from '../harness/assertions.js';
import { addSms, challenge, codeIn, freshNumber, lastText, logIn } from '../harness/factors.js';
import {
  FakeProvider,
  providerEntry,
  requestOf,
  RoamingBrowser,
  writeProviders,
} from '../harness/identity-providers.js';
import { withApp } from '../harness/mailbox.js';
import { Device } from '../harness/passkeys.js';
import { freshName, makeMachine, type Caller } from '../harness/people.js';
import { everyone, Races, TIME, type Race } from '../harness/races.js';

let races: Races;
let provider: FakeProvider;
let machine: Awaited<ReturnType<typeof makeMachine>> | undefined;

beforeAll(async () => {
  provider = await FakeProvider.start();
  const entry = { justInTime: true, secondFactor: { amr: ['otp'] }, roleClaim: ['roles'] };
  const file = writeProviders([providerEntry('hospital', provider.issuer, entry)]);
  races = await Races.start({ SSO_PROVIDERS_FILE: file });
}, 120_000);
afterAll(async () => {
  console.info(await races.end());
  await provider.close();
});

const SECOND_FACTOR = ['401 auth.invalid-code', '401 auth.sign-in-expired', '429 auth.too-many-attempts'];

const mfaTokenOf = async (caller: Caller): Promise<string> => (await logIn(races.seed, caller)).mfaToken;

async function fourTokensOf(caller: Caller): Promise<string[]> {
  const tokens: string[] = [];
  for (let n = 0; n < 4; n++) tokens.push(await mfaTokenOf(caller));
  return tokens;
}

const startsSession = async (accountId: string, before: number): Promise<void> =>
  expect(await races.sessionsOf(accountId)).toBe(before + 1);

/** The authenticator app was not used for a long time: its code of this moment is good. */
async function codeOfApp(accountId: string, secret: string): Promise<string> {
  await races.seed.owner.query('UPDATE auth.totp SET last_step = 0 WHERE account_id = $1', [accountId]);
  return generate({ secret, epoch: Math.floor(Date.now() / 1000) });
}

const RACES: Record<string, Race> = {
  'a code of an authenticator app, in four sign-ins': {
    action: 'Session.verify',
    refusals: SECOND_FACTOR,
    prepare: async () => {
      const person = await withApp(await races.patient());
      const accountId = await person.accountId();
      const tokens = await fourTokensOf(person);
      const before = await races.sessionsOf(accountId);
      const code = await codeOfApp(accountId, person.secret);
      const shot = (index: number) => ({
        path: '/v1/auth/mfa/verify',
        body: { mfaToken: tokens[Math.floor(index / 2) % 4], method: 'totp', code },
      });
      return {
        shots: everyone(shot),
        check: async () => {
          await startsSession(accountId, before);
          expect(await races.count('auth.sign_in WHERE account_id = $1 AND used_at IS NOT NULL', accountId)).toBe(1);
        },
      };
    },
  },

  'a recovery code, in four sign-ins': {
    action: 'Session.verify',
    refusals: SECOND_FACTOR,
    prepare: async () => {
      const person = await withApp(await races.patient());
      const accountId = await person.accountId();
      const tokens = await fourTokensOf(person);
      const before = await races.sessionsOf(accountId);
      const shot = (index: number) => ({
        path: '/v1/auth/mfa/verify',
        body: { mfaToken: tokens[Math.floor(index / 2) % 4], method: 'recovery_code', code: person.codes[0] },
      });
      return {
        shots: everyone(shot),
        check: async () => {
          await startsSession(accountId, before);
          expect(await races.count('auth.recovery_code WHERE account_id = $1 AND used_at IS NOT NULL', accountId)).toBe(
            1,
          );
        },
      };
    },
  },

  'a code by text message': {
    action: 'Session.verify',
    refusals: SECOND_FACTOR,
    prepare: async () => {
      const person = await races.patient();
      const mobile = freshNumber();
      await addSms(races.seed, person, mobile);
      const accountId = await person.accountId();
      const mfaToken = await mfaTokenOf(person);
      await challenge(races.seed, mfaToken, 'sms').expect(200);
      const code = codeIn(await lastText(races.seed, mobile));
      const before = await races.sessionsOf(accountId);
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
    prepare: async () => {
      const person = await races.patient();
      const device = new Device(races.seed);
      await device.register(person);
      const accountId = await person.accountId();
      const { challengeToken, options } = await device.beginSignIn();
      const body = { challengeToken, response: device.get(options) };
      const before = await races.sessionsOf(accountId);
      return {
        shots: everyone(() => ({ path: '/v1/auth/passkeys/sign-in', body })),
        check: () => startsSession(accountId, before),
      };
    },
  },

  'an assertion of a service account': {
    action: 'Session.login',
    refusals: ['401 auth.invalid-client'],
    prepare: async () => {
      machine ??= await makeMachine(races.seed, await races.admin(), {
        displayName: 'Record system',
        roles: ['integration'],
        source: 'https://ehr.example/races',
      });
      const audience = races.seed.config.http.publicUrl;
      const assertion = await assertionOf({ ...machine.credentials.machine, audience, now: new Date() });
      const form = {
        grant_type: 'client_credentials',
        client_assertion_type: JWT_BEARER,
        client_assertion: assertion,
      };
      const before = await races.sessionsOf(machine.id);
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
    prepare: async () => {
      const browser = new RoamingBrowser(races.seed);
      const { location } = await browser.get('/v1/auth/sso/hospital/start');
      const sub = freshName('subject');
      const person = { name: 'Nora Nurse', email: `${sub}@hospital.test`, roles: ['nurses'], amr: ['otp'] };
      const query = new URLSearchParams({
        code: provider.grant(location!, sub, person),
        state: requestOf(location!).state,
        iss: provider.issuer,
      });
      const back = await browser.get(`/v1/auth/sso/hospital/callback?${query.toString()}`);
      const code = new URL(back.location!).searchParams.get('code');
      const cookie = [...browser.jar('/')].map(([name, value]) => `${name}=${value}`).join('; ');
      const { id } = await races.one<{ id: string }>(
        'SELECT account_id AS id FROM auth.federated_identity WHERE subject = $1',
        sub,
      );
      return {
        shots: everyone(() => ({ path: '/v1/auth/sso/exchange', body: { code }, headers: { cookie } })),
        check: () => startsSession(id, 0),
      };
    },
  },
};

describe('of all who show it at once, exactly one is let in, by', () => {
  it.each(Object.entries(RACES))('%s', (name, race) => races.race(name, race), TIME);
});
