/**
 * Guesses are counted and refresh tokens exchanged exactly, however many ask at the same moment and whichever of two servers.
 * A small sample runs with `npm test`; the full size is
 *
 *   PORTICO_RACES=50 PORTICO_PARALLEL=100 npm test -- test/resilience/races
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { generate } from 'otplib';
import { Attempts } from '../../src/modules/auth/throttling/attempts.js';
import { logIn, otherThan } from '../harness/factors.js';
import { withApp } from '../harness/mailbox.js';
import type { Caller, Tokens } from '../harness/people.js';
import { everyone, PARALLEL, Races, TIME } from '../harness/races.js';
import { tally, type Said, type Shot } from '../harness/replicas.js';

/** Written from the requirement: so many failures cost nothing, and after so many nothing is checked any more. */
const FREE = 5;
const STOP = 100;
/** How long after a request was written its connection breaks: at once, while it is worked on, after it was answered. */
const BREAKS_MS = [0, 3, 10, 40];

let races: Races;

beforeAll(async () => {
  races = await Races.start();
}, 120_000);
afterAll(async () => {
  console.info(await races.end());
});

const codeNow = (secret: string): Promise<string> => generate({ secret, epoch: Math.floor(Date.now() / 1000) });

/** What is counted against guessing one secret. */
class Count {
  private readonly subject: Buffer;

  constructor(kind: 'password' | 'totp', name: string) {
    this.subject = races.seed.app.get(Attempts).of(kind, name).subject;
  }

  async failures(): Promise<number> {
    const { rows } = await races.seed.owner.query<{ failures: number }>(
      'SELECT failures FROM auth.attempt WHERE subject = $1',
      [this.subject],
    );
    return rows[0]?.failures ?? 0;
  }

  /** The wait is over; `failures` as if there had been more of them before it. */
  async wait(failures?: number): Promise<void> {
    await races.seed.owner.query(
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
      await races.measured('guesses of a password', async () => {
        const { username, password } = (await races.patient()).credentials;
        const count = new Count('password', username);
        const login = (guess: string): Shot => ({ path: '/v1/auth/login', body: { username, password: guess } });
        const guess = () =>
          races.rush(
            everyone((index) => login(`a wrong password ${index}`)),
            'Session.login',
          );
        const right = async () => (await races.replicas.ask(0, login(password))).status;
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
      await races.measured('guesses of a second factor', async () => {
        const person = await withApp(await races.patient());
        const count = new Count('totp', await person.accountId());
        const { mfaToken } = await logIn(races.seed, person);
        // Far from every code that is good about now.
        const none = otherThan(await codeNow(person.secret), 500_000);
        const verify = (code: string): Shot => ({
          path: '/v1/auth/mfa/verify',
          body: { mfaToken, method: 'totp', code },
        });
        const guess = () =>
          races.rush(
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
          const expected = { ...(checked > 0 ? { [CHECKED]: checked } : {}), [REFUSED]: PARALLEL - checked };
          expect(tally(now)).toEqual(expected);
          answers.push(...now);
        }
        expect(await count.failures()).toBe(STOP);
        // The right one neither, and no time after which it would be.
        await count.wait();
        await races.seed.owner.query('UPDATE auth.totp SET last_step = 0 WHERE account_id = $1', [
          await person.accountId(),
        ]);
        const last = await races.replicas.ask(1, verify(await codeNow(person.secret)));
        expect([last.status, last.body.retryAfterSeconds]).toEqual([429, undefined]);
        return answers;
      });
    },
    TIME,
  );
});

const refresh = (refreshToken: string): Shot => ({ path: '/v1/auth/refresh', body: { refreshToken } });
const tokensOf = ({ body }: Said): Tokens => body as unknown as Tokens;

async function logInOf({ credentials: { username, password } }: Caller): Promise<Tokens> {
  return (await races.seed.http.post('/v1/auth/login').send({ username, password }).expect(200)).body as Tokens;
}

async function isOpen({ accessToken }: Tokens): Promise<boolean[]> {
  const look = { method: 'GET', path: '/v1/me', token: accessToken } as const;
  const answers = [await races.replicas.ask(0, look), await races.replicas.ask(1, look)];
  return answers.map(({ status }) => status === 200);
}

/** Tokens of a session's family that were made, and those of them that were used. */
async function family(sessionId: string): Promise<{ made: number; used: number }> {
  const { rows } = await races.seed.owner.query<{ made: number; used: number }>(
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
  const { rows } = await races.seed.owner.query<{ reason: string | null }>(
    'SELECT end_reason AS reason FROM auth.session WHERE session_id = $1',
    [sessionId],
  );
  return rows[0]!.reason;
}

describe('a refresh token', () => {
  let patient: Caller;
  beforeAll(async () => {
    patient = await races.patient();
  });

  it(
    'is exchanged once by all who show it at once; each gets the same successor, which works once',
    async () => {
      await races.measured('refreshing', async () => {
        const first = await logInOf(patient);
        const answers = await races.rush(
          everyone(() => refresh(first.refreshToken)),
          'Session.refresh',
        );
        const second = sameOf(answers);
        expect(second.refreshToken).not.toBe(first.refreshToken);
        expect(await family(first.session.id)).toEqual({ made: 2, used: 1 });
        const again = await races.rush(
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
      await races.measured('refreshing with lost answers', async () => {
        let tokens = await logInOf(patient);
        const { id } = tokens.session;
        const answers: Said[] = [];
        for (const [step, afterMs] of BREAKS_MS.entries()) {
          const [here, there] = [step % 2, (step + 1) % 2];
          const shot = refresh(tokens.refreshToken);
          // One answer is lost before anybody asks again, and one while the other tab asks.
          lost.push((await races.replicas.lose(here, shot, afterMs)).requestId);
          const tabs = [
            races.replicas.ask(there, shot),
            races.replicas.ask(here, shot),
            races.replicas.ask(there, shot),
          ];
          const [broken, ...got] = await Promise.all([races.replicas.lose(there, shot, afterMs), ...tabs]);
          lost.push(broken.requestId);
          tokens = sameOf(got);
          answers.push(...got);
          expect(await isOpen(tokens)).toEqual([true, true]);
          expect(await family(id)).toEqual({ made: step + 2, used: step + 1 });
        }
        return answers;
      });
      const { rows } = await races.seed.owner.query<{ outcome: number }>(
        `SELECT outcome FROM audit.inbox WHERE request_id = ANY($1) UNION ALL SELECT outcome FROM audit.entry WHERE request_id = ANY($1)`,
        [lost],
      );
      const worked = rows.filter(({ outcome }) => outcome === 0).length;
      expect(worked).toBeGreaterThan(0);
      races.note(`lost answers: ${lost.length}, of which the work was done: ${worked}`);
    },
    TIME,
  );

  it(
    'that was stolen ends its family for everybody, on both servers, while the owner goes on',
    async () => {
      await races.measured('a stolen token beside its owner', async () => {
        const stolen = await logInOf(patient);
        const { id } = stolen.session;
        const second = tokensOf(await races.replicas.ask(0, refresh(stolen.refreshToken)));
        const third = tokensOf(await races.replicas.ask(1, refresh(second.refreshToken)));
        expect(await isOpen(third)).toEqual([true, true]);
        // Every other one is the thief; which of them comes first is left to chance.
        const shots = everyone((index) => refresh((index % 4 < 2 ? stolen : third).refreshToken));
        const answers = await races.rush(shots, 'Session.refresh');
        const thieves = answers.filter(({ shot }) => shot % 4 < 2);
        expect(tally(thieves)).toEqual({ '401 auth.session-ended': thieves.length });
        const owner = answers.filter(({ status }) => status === 200).map(tokensOf);
        expect(new Set(owner.map(({ refreshToken }) => refreshToken)).size).toBeLessThanOrEqual(1);
        expect(await reasonOf(id)).toBe('reuse');

        const held = [stolen, second, third, ...owner.slice(0, 1)];
        for (const tokens of held) expect(await isOpen(tokens)).toEqual([false, false]);
        const next = await races.rush(
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
