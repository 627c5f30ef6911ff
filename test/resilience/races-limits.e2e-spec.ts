/**
 * Limits, invitations and refresh tokens while very many ask two server processes at the same moment. A small sample runs with
 * `npm test`; the full size is
 *
 *   PORTICO_RACES=50 PORTICO_PARALLEL=100 npm test -- test/resilience/races
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { generate } from 'otplib';
import { Attempts } from '../../src/modules/auth/throttling/attempts.js';
import { cloneDatabase } from '../harness/database.js';
import { logIn, otherThan } from '../harness/factors.js';
import { checkLedger } from '../harness/ledger.js';
import { codesIn, Mailbox, withApp } from '../harness/mailbox.js';
import { freshName, makeAdmin, makeChart, makePatient, type Caller, type Tokens } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';
import { checkEvents, Replicas, tally, type Said, type Shot } from '../harness/replicas.js';

const ROUNDS = Number(process.env.PORTICO_RACES ?? 2);
const PARALLEL = Number(process.env.PORTICO_PARALLEL ?? 40);
const TIME = 30_000 + ROUNDS * 30_000;
/** Written from the requirement: so many failures cost nothing, and after so many nothing is checked any more. */
const FREE = 5;
const STOP = 100;
/** How long after a request was written its connection breaks: before it is read, while it is worked on, after it was answered. */
const BREAKS_MS = [0, 3, 10, 40];

const env = {
  ACCESS_TOKEN_MINUTES: '600',
  STAFF_IDLE_MINUTES: '600',
  STAFF_SESSION_MINUTES: '600',
  TRUSTED_PROXIES: '127.0.0.1',
};

let seed: Portal;
let replicas: Replicas;
let admin: Caller;
let mailbox: Mailbox;
const figures: string[] = [];

beforeAll(async () => {
  const database = await cloneDatabase();
  seed = await startPortal({ database, env });
  mailbox = new Mailbox(seed);
  admin = await makeAdmin(seed);
  replicas = await Replicas.start(seed, database, env);
}, 120_000);
afterAll(async () => {
  await replicas.end();
  await checkLedger(seed);
  await seed.close();
  console.info([`${ROUNDS} rounds of ${PARALLEL} requests each:`, ...figures].join('\n'));
});

const everyone = (shot: (index: number) => Shot): Shot[] => Array.from({ length: PARALLEL }, (_, index) => shot(index));

/** All at once; every answer has its one event. */
async function rush(shots: Shot[], action: string): Promise<Said[]> {
  const answers = await replicas.rush(shots);
  expect(Object.keys(tally(answers)).filter((said) => said.startsWith('5'))).toEqual([]);
  await checkEvents(seed, shots, answers, action);
  return answers;
}

async function measured(name: string, round: () => Promise<Said[]>): Promise<void> {
  const begun = performance.now();
  const all: Said[] = [];
  for (let n = 0; n < ROUNDS; n++) all.push(...(await round()));
  figures.push(`${name}: ${JSON.stringify(tally(all))}, ${Math.round((performance.now() - begun) / 1000)} s`);
}

const codeNow = (secret: string): Promise<string> => generate({ secret, epoch: Math.floor(Date.now() / 1000) });

/** What is counted against guessing one secret. */
class Count {
  private readonly subject: Buffer;

  constructor(kind: 'password' | 'totp', name: string) {
    this.subject = seed.app.get(Attempts).of(kind, name).subject;
  }

  async failures(): Promise<number> {
    const { rows } = await seed.owner.query<{ failures: number }>(
      'SELECT failures FROM auth.attempt WHERE subject = $1',
      [this.subject],
    );
    return rows[0]?.failures ?? 0;
  }

  /** The wait is over; `failures` as if there had been more of them before it. */
  async wait(failures?: number): Promise<void> {
    await seed.owner.query(
      `UPDATE auth.attempt SET blocked_until = now() - interval '1 second', failures = coalesce($2, failures) WHERE subject = $1`,
      [this.subject, failures ?? null],
    );
  }
}

describe('of very many guesses at once, exactly as many are checked as one after the other', () => {
  const WRONG = '401 auth.invalid-credentials';

  it(
    'of a password: five, then one after each wait, and none after a hundred, the right one neither',
    async () => {
      await measured('guesses of a password', async () => {
        const { username, password } = (await makePatient(seed, admin)).credentials;
        const count = new Count('password', username);
        const login = (guess: string): Shot => ({ path: '/v1/auth/login', body: { username, password: guess } });
        const guess = () =>
          rush(
            everyone((index) => login(`a wrong password ${index}`)),
            'Session.login',
          );
        const right = async () => (await replicas.ask(0, login(password))).status;
        const answers: Said[] = [];
        for (const expected of [FREE, FREE + 1, FREE + 2]) {
          const now = await guess();
          expect(tally(now)).toEqual({ [WRONG]: PARALLEL });
          expect(await count.failures()).toBe(expected);
          expect(await right()).toBe(401);
          await count.wait();
          answers.push(...now);
        }
        expect(await right()).toBe(200);
        expect(await count.failures()).toBe(0);

        await guess();
        await count.wait(STOP - 1);
        answers.push(...(await guess()));
        expect(await count.failures()).toBe(STOP);
        await count.wait();
        answers.push(...(await guess()));
        expect([await count.failures(), await right()]).toEqual([STOP, 401]);
        return answers;
      });
    },
    TIME,
  );

  it(
    'of a second factor, where the answer says which were',
    async () => {
      const [CHECKED, REFUSED] = ['401 auth.invalid-code', '429 auth.too-many-attempts'];
      await measured('guesses of a second factor', async () => {
        const person = await withApp(await makePatient(seed, admin));
        const count = new Count('totp', await person.accountId());
        const { mfaToken } = await logIn(seed, person);
        // Far from every code that is good about now.
        const none = otherThan(await codeNow(person.secret), 500_000);
        const verify = (code: string): Shot => ({
          path: '/v1/auth/mfa/verify',
          body: { mfaToken, method: 'totp', code },
        });
        const guess = () =>
          rush(
            everyone((index) => verify(otherThan(none, index))),
            'Session.verify',
          );
        const answers: Said[] = [];
        for (const [failures, checked] of [
          [undefined, FREE],
          [undefined, 1],
          [STOP - 1, 1],
          [undefined, 0],
        ] as const) {
          await count.wait(failures);
          const now = await guess();
          const expected = { ...(checked > 0 ? { [CHECKED!]: checked } : {}), [REFUSED!]: PARALLEL - checked };
          expect(tally(now)).toEqual(expected);
          answers.push(...now);
        }
        expect(await count.failures()).toBe(STOP);
        // The right one neither, and no time after which it would be.
        await count.wait();
        await seed.owner.query('UPDATE auth.totp SET last_step = 0 WHERE account_id = $1', [await person.accountId()]);
        const last = await replicas.ask(1, verify(await codeNow(person.secret)));
        expect([last.status, last.body.retryAfterSeconds]).toEqual([429, undefined]);
        return answers;
      });
    },
    TIME,
  );
});

describe('of very many invitations at once, one stands', () => {
  it(
    'to one chart: the last code alone opens an account',
    async () => {
      await measured('invitations to one chart', async () => {
        const chart = await makeChart(admin);
        const [path, token] = [`/v1/patients/${chart.id}/invitations`, admin.tokens.accessToken];
        const answers = await rush(
          everyone(() => ({ path, token, body: { email: chart.email } })),
          'Patient.invite',
        );
        expect(tally(answers)).toEqual({ '204': PARALLEL });
        const codes = (await mailbox.to(chart.email)).flatMap(codesIn);
        expect(new Set(codes).size).toBe(PARALLEL);
        const { rows } = await seed.owner.query(
          'SELECT 1 FROM auth.invitation WHERE patient_id = $1 AND used_at IS NULL AND expires_at > now()',
          [chart.id],
        );
        expect(rows).toHaveLength(1);
        const more = { dateOfBirth: chart.birthDate, password: 'the password of everybody' };
        const uses = await rush(
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

const refresh = (refreshToken: string): Shot => ({ path: '/v1/auth/refresh', body: { refreshToken } });
const tokensOf = ({ body }: Said): Tokens => body as unknown as Tokens;

async function logInOf({ credentials: { username, password } }: Caller): Promise<Tokens> {
  return (await seed.http.post('/v1/auth/login').send({ username, password }).expect(200)).body as Tokens;
}

async function isOpen({ accessToken }: Tokens): Promise<boolean[]> {
  const look = { method: 'GET', path: '/v1/me', token: accessToken } as const;
  const answers = [await replicas.ask(0, look), await replicas.ask(1, look)];
  return answers.map(({ status }) => status === 200);
}

/** Tokens of a session's family that were made, and those of them that were used. */
async function family(sessionId: string): Promise<{ made: number; used: number }> {
  const { rows } = await seed.owner.query<{ made: number; used: number }>(
    'SELECT count(*)::int AS made, count(used_at)::int AS used FROM auth.refresh_token WHERE session_id = $1',
    [sessionId],
  );
  return rows[0]!;
}

/** The one successor that all of these were given. */
function sameOf(answers: readonly Said[]): Tokens {
  expect(tally(answers)).toEqual({ '200': answers.length });
  expect(new Set(answers.map((answer) => tokensOf(answer).refreshToken)).size).toBe(1);
  return tokensOf(answers[0]!);
}

async function reasonOf(sessionId: string): Promise<string | null> {
  const { rows } = await seed.owner.query<{ reason: string | null }>(
    'SELECT end_reason AS reason FROM auth.session WHERE session_id = $1',
    [sessionId],
  );
  return rows[0]!.reason;
}

describe('a refresh token', () => {
  let patient: Caller;
  beforeAll(async () => {
    patient = await makePatient(seed, admin);
  });

  it(
    'is exchanged once by all who show it at once; each gets the same successor, which works once',
    async () => {
      await measured('refreshing', async () => {
        const first = await logInOf(patient);
        const answers = await rush(
          everyone(() => refresh(first.refreshToken)),
          'Session.refresh',
        );
        const second = sameOf(answers);
        expect(second.refreshToken).not.toBe(first.refreshToken);
        expect(await family(first.session.id)).toEqual({ made: 2, used: 1 });
        const again = await rush(
          everyone(() => refresh(second.refreshToken)),
          'Session.refresh',
        );
        const third = sameOf(again);
        expect(await family(first.session.id)).toEqual({ made: 3, used: 2 });
        expect([await isOpen(first), await isOpen(third)]).toEqual([
          [true, true],
          [true, true],
        ]);
        return [...answers, ...again];
      });
    },
    TIME,
  );

  it(
    'signs nobody out whose tabs refresh at once while answers are lost on the way',
    async () => {
      const lost: string[] = [];
      await measured('refreshing with lost answers', async () => {
        let tokens = await logInOf(patient);
        const { id } = tokens.session;
        const answers: Said[] = [];
        for (const [step, afterMs] of BREAKS_MS.entries()) {
          const [here, there] = [step % 2, (step + 1) % 2];
          const shot = refresh(tokens.refreshToken);
          // One answer is lost before anybody asks again, and one while the other tab asks.
          lost.push((await replicas.lose(here, shot, afterMs)).requestId);
          const tabs = [replicas.ask(there, shot), replicas.ask(here, shot), replicas.ask(there, shot)];
          const [broken, ...got] = await Promise.all([replicas.lose(there, shot, afterMs), ...tabs]);
          lost.push(broken.requestId);
          tokens = sameOf(got);
          answers.push(...got);
          expect(await isOpen(tokens)).toEqual([true, true]);
          expect(await family(id)).toEqual({ made: step + 2, used: step + 1 });
        }
        return answers;
      });
      const { rows } = await seed.owner.query<{ outcome: number }>(
        `SELECT outcome FROM audit.inbox WHERE request_id = ANY($1) UNION ALL SELECT outcome FROM audit.entry WHERE request_id = ANY($1)`,
        [lost],
      );
      const worked = rows.filter(({ outcome }) => outcome === 0).length;
      expect(worked).toBeGreaterThan(0);
      figures.push(`lost answers: ${lost.length}, of which the work was done: ${worked}`);
    },
    TIME,
  );

  it(
    'that was stolen ends its family for everybody, on both servers, while the owner goes on',
    async () => {
      await measured('a stolen token beside its owner', async () => {
        const stolen = await logInOf(patient);
        const { id } = stolen.session;
        const second = tokensOf(await replicas.ask(0, refresh(stolen.refreshToken)));
        const third = tokensOf(await replicas.ask(1, refresh(second.refreshToken)));
        expect(await isOpen(third)).toEqual([true, true]);
        // Every other one is the thief; which of them comes first is left to chance.
        const shots = everyone((index) => refresh((index % 4 < 2 ? stolen : third).refreshToken));
        const answers = await rush(shots, 'Session.refresh');
        const thieves = answers.filter(({ shot }) => shot % 4 < 2);
        expect(tally(thieves)).toEqual({ '401 auth.session-ended': thieves.length });
        const owner = answers.filter(({ status }) => status === 200).map(tokensOf);
        expect(new Set(owner.map(({ refreshToken }) => refreshToken)).size).toBeLessThanOrEqual(1);
        expect(await reasonOf(id)).toBe('reuse');

        const held = [stolen, second, third, ...owner.slice(0, 1)];
        for (const tokens of held) expect(await isOpen(tokens)).toEqual([false, false]);
        const next = await rush(
          everyone((index) => refresh(held[index % held.length]!.refreshToken)),
          'Session.refresh',
        );
        expect(tally(next)).toEqual({ '401 auth.session-ended': PARALLEL });
        return answers;
      });
    },
    TIME,
  );
});
