/**
 * Accounts are opened, taken back and named once, however many ask at the same moment and whichever of two servers.
 * A small sample runs with `npm test`; the full size is
 *
 *   PORTICO_RACES=50 PORTICO_PARALLEL=100 npm test -- test/resilience/races
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { codesIn, emailOf, withApp } from '../harness/mailbox.js';
import { freshName, mailedCode, makeChart } from '../harness/people.js';
import { everyone, PARALLEL, Races, TIME, type Race } from '../harness/races.js';
import { tally } from '../harness/replicas.js';
import { newUser, openDirectory, TYPE } from '../harness/scim.js';

let races: Races;
let directory: Awaited<ReturnType<typeof openDirectory>> | undefined;
let requests = 0;

beforeAll(async () => {
  races = await Races.start();
}, 120_000);
afterAll(async () => {
  console.info(await races.end());
});

const signIn = (username: string, password: string) =>
  races.seed.http.post('/v1/auth/login').send({ username, password });
const passwordOf = (index: number): string => `the password of request ${index}`;

/** Of all passwords that were asked for, the winner's is the one. */
async function isPasswordOf(username: string, shot: number): Promise<void> {
  await signIn(username, passwordOf((shot + 1) % PARALLEL)).expect(401);
  await signIn(username, passwordOf(shot)).expect(200);
}

const RACES: Record<string, Race> = {
  'a link to a new password': {
    action: 'Password.reset',
    refusals: ['401 auth.invalid-reset', '409 auth.password-changed-meanwhile', '429 auth.too-many-attempts'],
    prepare: async () => {
      const person = await races.patient();
      const email = await emailOf(person);
      const { username } = person.credentials;
      const from = `10.200.${requests >> 8}.${requests++ & 255}`;
      await races.seed.http
        .post('/v1/auth/password/forgot')
        .set('X-Forwarded-For', from)
        .send({ usernameOrEmail: username })
        .expect(204);
      const token = await races.mailbox.token(email);
      return {
        shots: everyone((index) => ({
          path: '/v1/auth/password/reset',
          body: { token, newPassword: passwordOf(index) },
        })),
        check: async ({ shot }) => {
          await person.get('/v1/me').expect(401);
          await isPasswordOf(username, shot);
          expect((await races.mailbox.to(email)).filter((text) => text.includes('password was')).length).toBe(1);
        },
      };
    },
  },

  'an activation code of a staff account': {
    action: 'Account.activate',
    refusals: ['401 auth.invalid-activation', '429 auth.too-many-attempts'],
    prepare: async () => {
      const admin = await races.admin();
      const username = freshName('staff');
      const email = `${username}@hospital.test`;
      await admin.post('/v1/users', { username, email, displayName: 'Sam Staff', roles: ['staff'] }).expect(201);
      const activationCode = await mailedCode(races.seed, email);
      return {
        shots: everyone((index) => ({
          path: '/v1/auth/activate',
          body: { activationCode, password: passwordOf(index) },
        })),
        check: ({ shot }) => isPasswordOf(username, shot),
      };
    },
  },

  'an invitation to a chart, under as many names': {
    action: 'Account.activate',
    refusals: ['401 auth.invalid-activation', '429 auth.too-many-attempts'],
    prepare: async () => {
      const admin = await races.admin();
      const chart = await makeChart(admin);
      await admin.post(`/v1/patients/${chart.id}/invitations`, { email: chart.email }).expect(204);
      const activationCode = await mailedCode(races.seed, chart.email);
      const names = Array.from({ length: PARALLEL }, () => freshName('rush'));
      const more = { activationCode, dateOfBirth: chart.birthDate, password: 'the password of everybody' };
      return {
        shots: names.map((username) => ({ path: '/v1/auth/activate', body: { ...more, username } })),
        check: async ({ shot }) => {
          const { rows } = await races.seed.owner.query(
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
    prepare: async () => {
      const [first, second] = await races.administrators();
      const username = freshName('staff');
      const shot = (index: number) => ({
        path: '/v1/users',
        token: (index % 4 < 2 ? first : second).tokens.accessToken,
        body: { username, email: `${username}-${index}@hospital.test`, displayName: 'Sam', roles: ['staff'] },
      });
      return {
        shots: everyone(shot),
        check: async (winner) => {
          expect(await races.count('users.account WHERE username = $1', username)).toBe(1);
          expect(await races.count('auth.invitation WHERE account_id = $1', winner.body.id)).toBe(1);
        },
      };
    },
  },

  'a userName of the directory': {
    action: 'ScimUser.create',
    refusals: ['409 uniqueness'],
    prepare: async () => {
      directory ??= await openDirectory(races.seed, await races.admin());
      const user = newUser() as { userName: string };
      const { token } = directory;
      return {
        shots: everyone(() => ({ path: '/scim/v2/Users', token, body: user, headers: { 'content-type': TYPE } })),
        check: async () => {
          expect(await races.count('users.account WHERE username = $1', user.userName)).toBe(1);
        },
      };
    },
  },

  'the decision of another administrator': {
    action: 'AccountReset.approve',
    refusals: ['409 auth.reset-closed'],
    prepare: async () => {
      const [asker, ...others] = await races.administrators();
      const helped = await (await withApp(await races.patient())).accountId();
      const asked = await asker.post(`/v1/users/${helped}/mfa/reset`, { reason: 'Lost the phone.' });
      const { id, status } = asked.body as { id: string; status: string };
      expect([asked.status, status]).toEqual([201, 'requested']);
      // Two approve, and who asked takes it back.
      const shot = (index: number) => {
        const who = Math.floor(index / 2) % 3;
        const verb = who === 2 ? 'decline' : 'approve';
        const { tokens } = others[who] ?? asker;
        return {
          path: `/v1/account-resets/${id}/${verb}`,
          token: tokens.accessToken,
          action: `AccountReset.${verb}`,
        };
      };
      const shots = everyone(shot);
      return {
        shots,
        check: async (winner) => {
          const row = await races.one(
            'SELECT status, decided_by AS by FROM auth.account_reset WHERE account_reset_id = $1',
            id,
          );
          const status = shots[winner.shot]!.action === 'AccountReset.approve' ? 'executed' : 'declined';
          expect([winner.body.status, row]).toEqual([status, { status, by: winner.body.decidedBy }]);
        },
      };
    },
  },
};

describe('of all who ask at once, exactly one gets', () => {
  it.each(Object.entries(RACES))('%s', (name, race) => races.race(name, race), TIME);
});

describe('of very many invitations at once, one stands', () => {
  it(
    'to one chart: the last code alone opens an account',
    async () => {
      await races.measured('invitations to one chart', async () => {
        const admin = await races.admin();
        const chart = await makeChart(admin);
        const [path, token] = [`/v1/patients/${chart.id}/invitations`, admin.tokens.accessToken];
        const answers = await races.rush(
          everyone(() => ({ path, token, body: { email: chart.email } })),
          'Patient.invite',
        );
        expect(tally(answers)).toEqual({ '204': PARALLEL });
        const codes = (await races.mailbox.to(chart.email)).flatMap(codesIn);
        expect(new Set(codes).size).toBe(PARALLEL);
        const { rows } = await races.seed.owner.query(
          'SELECT 1 FROM auth.invitation WHERE patient_id = $1 AND used_at IS NULL AND expires_at > now()',
          [chart.id],
        );
        expect(rows).toHaveLength(1);
        const more = { dateOfBirth: chart.birthDate, password: 'the password of everybody' };
        const uses = await races.rush(
          codes.map((activationCode) => ({
            path: '/v1/auth/activate',
            body: { activationCode, username: freshName('rush'), ...more },
          })),
          'Account.activate',
        );
        expect(tally(uses)).toEqual({ '204': 1, '401 auth.invalid-activation': PARALLEL - 1 });
        return [...answers, ...uses];
      });
    },
    TIME,
  );
});
