import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { checkLedger } from '../harness/ledger.js';
import { makeAdmin, makePatient, type Patient, type Tokens } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

/** Of each kind, so 300 in all. */
const ROUNDS = Number(process.env.PORTICO_REFRESH_ROUNDS ?? 60);
const SEED = 20_261_122;
/** Written from the requirement: so long the same successor is answered again. */
const SAME_ANSWER_MS = 10_000;

let portal: Portal;
let patient: Patient;

beforeAll(async () => {
  // Nobody is idle here, and nobody's token grows old: only what refreshing does is looked at.
  portal = await startPortal({
    env: { PATIENT_IDLE_MINUTES: '100000', PATIENT_SESSION_MINUTES: '100000', ACCESS_TOKEN_MINUTES: '1000' },
  });
  patient = await makePatient(portal, await makeAdmin(portal));
});
afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});

const nowMs = () => portal.clock.now().getTime();
/** The whole pipeline without the wire: thousands of requests in a few seconds. */
async function send(method: 'GET' | 'POST', url: string, body?: object, token?: string) {
  const fastify = portal.app.getHttpAdapter().getInstance();
  const answer = await fastify.inject({
    method,
    url,
    headers: { host: 'portal.test', ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
    ...(body ? { payload: body } : {}),
  });
  return { status: answer.statusCode, tokens: answer.json<Tokens>() };
}
const refresh = (refreshToken: string) => send('POST', '/v1/auth/refresh', { refreshToken });

interface Link {
  usedAt: number | null;
  next: string | null;
}

/** What must happen, by the requirement alone: a chain of tokens of which one is good, and a death that is for ever. */
class Family {
  isDead = false;
  private readonly links = new Map<string, Link>();

  constructor(first: string) {
    this.links.set(first, { usedAt: null, next: null });
  }

  /** `fresh`: a new token; a text: that very token again; `dead`: none, now and ever. */
  expects(token: string): string {
    const link = this.links.get(token)!;
    if (this.isDead) return 'dead';
    if (link.usedAt === null) return 'fresh';
    const isTimely = nowMs() - link.usedAt <= SAME_ANSWER_MS;
    if (isTimely && this.links.get(link.next!)!.usedAt === null) return link.next!;
    this.isDead = true;
    return 'dead';
  }

  used(token: string, next: string): void {
    const link = this.links.get(token)!;
    if (link.next === null) this.links.set(token, { usedAt: nowMs(), next });
    if (!this.links.has(next)) this.links.set(next, { usedAt: null, next: null });
  }

  /** Keeps away from the very border of ten seconds: the server's clock goes on while a request is under way. */
  avoidBorder(token: string): void {
    const { usedAt } = this.links.get(token)!;
    if (usedAt !== null && Math.abs(nowMs() - usedAt - SAME_ANSWER_MS) < 1_500) portal.clock.forward(3);
  }
}

async function openFamily(): Promise<{ family: Family; tokens: Tokens }> {
  const { username, password } = patient.credentials;
  const { status, tokens } = await send('POST', '/v1/auth/login', { username, password });
  expect(status).toBe(200);
  return { family: new Family(tokens.refreshToken), tokens };
}

/** The same token from so many places at once; resolves with what each of them got. */
async function present(family: Family, token: string, times: number): Promise<Tokens | null> {
  family.avoidBorder(token);
  const expected = family.expects(token);
  const answers = await Promise.all(Array.from({ length: times }, () => refresh(token)));
  const got = new Set(answers.map(({ status, tokens }) => (status === 200 ? tokens.refreshToken : `none: ${status}`)));
  if (expected === 'dead') {
    expect(got).toEqual(new Set(['none: 401']));
    return null;
  }
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
  expect(got.size).toBe(1);
  const [next] = [...got] as [string];
  if (expected === 'fresh') expect(next).not.toBe(token);
  else expect(next).toBe(expected);
  family.used(token, next);
  return answers[0]!.tokens;
}

const isOpen = async ({ accessToken }: Tokens) => (await send('GET', '/v1/me', undefined, accessToken)).status === 200;

const seconds = fc.oneof(fc.constantFrom(0, 1, 5), fc.integer({ min: 12, max: 600 }));

describe('a refresh token family', () => {
  it(`never dies of two tabs, lost answers and waits, in any order (${ROUNDS} histories)`, async () => {
    const step = fc.record({
      tabs: fc.integer({ min: 1, max: 4 }),
      // The answer never came; how long until the client asks again.
      lost: fc.option(fc.integer({ min: 0, max: 8 }), { freq: 2 }),
      wait: seconds,
    });
    const histories = fc.sample(fc.array(step, { minLength: 1, maxLength: 4 }), { numRuns: ROUNDS, seed: SEED });
    for (const history of histories) {
      let { tokens } = await openFamily();
      for (const { tabs, lost, wait } of history) {
        if (lost !== null) {
          expect((await refresh(tokens.refreshToken)).status).toBe(200);
          portal.clock.forward(lost);
        }
        const answers = await Promise.all(Array.from({ length: tabs }, () => refresh(tokens.refreshToken)));
        expect(new Set(answers.map((one) => `${one.status} ${one.tokens.refreshToken}`)).size).toBe(1);
        expect(answers[0]!.status).toBe(200);
        tokens = answers[0]!.tokens;
        portal.clock.forward(wait);
      }
      expect(await isOpen(tokens)).toBe(true);
    }
  }, 180_000);

  it(`dies for everybody as soon as a stolen token shows, in any order of thief and owner (${ROUNDS} histories)`, async () => {
    const step = fc.record({
      who: fc.constantFrom('owner' as const, 'thief' as const),
      times: fc.integer({ min: 1, max: 3 }),
      wait: seconds,
    });
    const plan = fc.record({
      before: fc.integer({ min: 0, max: 2 }),
      steps: fc.array(step, { minLength: 2, maxLength: 6 }),
    });
    let detected = 0;
    for (const { before, steps } of fc.sample(plan, { numRuns: ROUNDS, seed: SEED })) {
      const { family, tokens: first } = await openFamily();
      let owner: Tokens = first;
      for (let n = 0; n < before; n++) {
        owner = (await present(family, owner.refreshToken, 1))!;
        portal.clock.forward(20);
      }
      let thief = owner;
      for (const { who, times, wait } of steps) {
        const held = who === 'owner' ? owner : thief;
        const got = await present(family, held.refreshToken, times);
        if (got === null) break;
        if (who === 'owner') owner = got;
        else thief = got;
        portal.clock.forward(wait);
      }
      if (!family.isDead && owner.refreshToken !== thief.refreshToken) {
        // Both go on: whoever of them holds the older one gives it away, and with it everything.
        portal.clock.forward(20);
        for (const held of [owner, thief, owner, thief]) {
          if ((await present(family, held.refreshToken, 1)) === null) break;
          portal.clock.forward(20);
        }
        expect(family.isDead).toBe(true);
      }
      if (!family.isDead) continue;
      detected++;
      for (const held of [owner, thief, first]) {
        expect(await isOpen(held)).toBe(false);
        expect((await refresh(held.refreshToken)).status).toBe(401);
      }
    }
    expect(detected).toBeGreaterThan(ROUNDS / 2);
  }, 180_000);
});
