/**
 * Two more sections of the benchmark, both over HTTP against the built server:
 *
 * `--only timing`: does the time of an answer tell whether there is an account? Pairs of requests in random order: a wrong
 * password against an unknown name, a locked and a disabled account, and forgotten passwords of known against unknown names.
 * Printed: medians, and the 95 % bootstrap interval of the median difference. At the lowest bcrypt cost, where nothing hides
 * the rest of the work, and at the cost of production with a tenth of the pairs.
 *
 * `--only signin`: how many sign-ins a second the server does, as a share of what bare bcrypt does at the same cost on all
 * cores in the same run; and what that does to the p99 of record reads that arrive at a steady rate.
 */
import { Agent, request } from 'node:http';
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type pg from 'pg';
import { median, medianInterval, quantile } from './statistics.js';

export interface Person {
  username: string;
  password: string;
}

/** A server of its own process, started with these settings. */
export interface Bench {
  start: (env: Record<string, string>) => Promise<{ url: string; stop: () => Promise<void> }>;
  owner: pg.Client;
  people: readonly Person[];
  /** A record and somebody who may read it. */
  reading: { path: string; headers: Record<string, string> };
}

const round = (number: number, digits = 3): number => Number(number.toFixed(digits));
const agent = new Agent({ keepAlive: true });

interface Answer {
  status: number;
  ms: number;
}

function send(url: string, path: string, body?: object, headers: Record<string, string> = {}): Promise<Answer> {
  const text = body === undefined ? undefined : JSON.stringify(body);
  const options = {
    agent,
    method: text === undefined ? 'GET' : 'POST',
    headers: { ...headers, ...(text === undefined ? {} : { 'content-type': 'application/json' }) },
  };
  return new Promise((done, fail) => {
    const begun = performance.now();
    const sent = request(url + path, options, (response) => {
      response.resume();
      response.once('end', () => done({ status: response.statusCode!, ms: performance.now() - begun }));
    });
    sent.once('error', fail);
    sent.end(text);
  });
}

async function expected(status: number, answer: Promise<Answer>): Promise<number> {
  const { status: got, ms } = await answer;
  if (got !== status) throw new Error(`answered with ${got} in place of ${status}`);
  return ms;
}

const login = (url: string, { username, password }: Person): Promise<Answer> =>
  send(url, '/v1/auth/login', { username, password });

// No limit of a network here: all comes from one.
const UNLIMITED = { SIGN_IN_FAILURES: '1000000', MAX_SESSIONS: '1000000' };

type Ask = () => Promise<number>;

/** Times in pairs; which one of a pair goes first is left to chance. */
async function compare(pairs: number, one: Ask, other: Ask) {
  const times: [number, number][] = [];
  for (let n = 0; n < pairs + 20; n++) {
    const isFirst = Math.random() < 0.5;
    const first = await (isFirst ? one : other)();
    const second = await (isFirst ? other : one)();
    // The first ones warm up.
    if (n >= 20) times.push(isFirst ? [first, second] : [second, first]);
  }
  const differences = times.map(([a, b]) => b - a);
  const [low, high] = medianInterval(differences);
  return {
    pairs,
    medianMs: round(median(times.map(([a]) => a))),
    otherMs: round(median(times.map(([, b]) => b))),
    differenceMs: round(median(differences)),
    lowMs: round(low),
    highMs: round(high),
  };
}

/** Differences of the answers' times, by what is compared. */
export async function timing({ start, owner, people }: Bench, cost: number, pairs: number) {
  const { url, stop } = await start({ ...UNLIMITED, BCRYPT_COST: String(cost) });
  const [known, locked, disabled] = people as [Person, Person, Person];
  const wrong = (username: string): Person => ({ username, password: 'not this one at all' });
  // Nothing of the measured request: each starts with nobody's failures counted.
  const forgotten = () => owner.query('DELETE FROM auth.attempt WHERE window_seconds IS NULL');
  const failing =
    (person: Person, before: () => Promise<unknown> = forgotten): Ask =>
    async () => {
      await before();
      return expected(401, login(url, person));
    };
  // Moves the hash to this cost.
  for (const person of [known, locked]) await expected(200, login(url, person));
  const lockedUntilTomorrow = async () => {
    await forgotten();
    await owner.query(LOCK);
  };
  await forgotten();
  await expected(401, login(url, wrong(locked.username)));
  const LOCKED =
    'CREATE TEMP TABLE IF NOT EXISTS bench_locked AS SELECT * FROM auth.attempt WHERE window_seconds IS NULL';
  await owner.query(LOCKED);
  const LOCK = `INSERT INTO auth.attempt (subject, failures, blocked_until, last_at, since)
    SELECT subject, 50, now() + interval '1 day', now(), now() FROM bench_locked`;
  await owner.query(`UPDATE users.account SET status = 'disabled', disabled_reason = 'bench' WHERE username = $1`, [
    disabled.username,
  ]);
  const reset = async () => {
    await owner.query('DELETE FROM auth.quota');
  };
  const forgot =
    (usernameOrEmail: string): Ask =>
    async () => {
      await reset();
      const { status, ms } = await send(url, '/v1/auth/password/forgot', { usernameOrEmail });
      if (status >= 300) throw new Error(`answered with ${status}`);
      return ms;
    };
  const baseline = failing(wrong(known.username));
  const results = {
    'wrong, unknown': await compare(pairs, baseline, failing(wrong('nobody-at-all'))),
    'wrong, locked': await compare(pairs, baseline, failing(locked, lockedUntilTomorrow)),
    'wrong, disabled': await compare(pairs, baseline, failing(disabled)),
    'forgotten: known, unknown': await compare(pairs, forgot(known.username), forgot('nobody-at-all')),
  };
  await owner.query(`UPDATE users.account SET status = 'active', disabled_reason = NULL WHERE username = $1`, [
    disabled.username,
  ]);
  await owner.query('DROP TABLE bench_locked');
  await stop();
  return results;
}

/** Verifications a second of bcrypt and nothing else, on so many threads. */
async function bareBcrypt(cost: number, threads: number, seconds: number): Promise<number> {
  const code = `
    import { parentPort, workerData } from 'node:worker_threads';
    import bcrypt from 'bcrypt';
    const hash = bcrypt.hashSync('x'.repeat(64), workerData.cost);
    const until = performance.now() + workerData.seconds * 1000;
    const begun = performance.now();
    let count = 0;
    while (performance.now() < until) { bcrypt.compareSync('y'.repeat(64), hash); count++; }
    parentPort.postMessage(count / ((performance.now() - begun) / 1000));`;
  const file = new URL(
    `data:text/javascript,${encodeURIComponent(code.replace("'bcrypt'", JSON.stringify(import.meta.resolve('bcrypt'))))}`,
  );
  const rates = await Promise.all(
    Array.from(
      { length: threads },
      () =>
        new Promise<number>((done, fail) => {
          const worker = new Worker(file, { workerData: { cost, seconds } });
          worker.once('message', done);
          worker.once('error', fail);
        }),
    ),
  );
  return rates.reduce((sum, rate) => sum + rate, 0);
}

/** Reads that arrive at a steady rate, whether the ones before were answered or not: a stall is felt by all that come in it. */
async function readSteadily(url: string, { path, headers }: Bench['reading'], perSecond: number, seconds: number) {
  const answers: Promise<number>[] = [];
  const begun = performance.now();
  for (let n = 0; n < perSecond * seconds; n++) {
    const due = begun + (n * 1000) / perSecond;
    const early = due - performance.now();
    if (early > 0) await sleep(early);
    // Counted from when it was due: this process may have been held up as well.
    answers.push(expected(200, send(url, path, undefined, headers)).then(() => performance.now() - due));
  }
  return Promise.all(answers);
}

/** Signs in without a pause on so many connections until told to stop; resolves with how many a second. */
async function signInAll(url: string, people: readonly Person[], connections: number, until: Promise<unknown>) {
  let isOver = false;
  void until.then(() => (isOver = true));
  let count = 0;
  const begun = performance.now();
  const one = async (at: number): Promise<void> => {
    for (let n = at; !isOver; n += connections) {
      await expected(200, login(url, people[n % people.length]!));
      count++;
    }
  };
  await Promise.all(Array.from({ length: connections }, (_, at) => one(at)));
  return count / ((performance.now() - begun) / 1000);
}

export async function signInThroughput({ start, people, reading }: Bench, cost: number, seconds: number) {
  const { url, stop } = await start({ ...UNLIMITED, BCRYPT_COST: String(cost) });
  for (const person of people) await expected(200, login(url, person));
  const PER_SECOND = 50;
  await readSteadily(url, reading, PER_SECOND, 2);
  const idle = await readSteadily(url, reading, PER_SECOND, seconds);
  const cores = availableParallelism();
  const before = await bareBcrypt(cost, cores, seconds / 2);
  const alone = await signInAll(url, people, cores * 2, sleep(seconds * 1000));
  const reads = readSteadily(url, reading, PER_SECOND, seconds);
  const beside = await signInAll(url, people, cores * 2, reads);
  const loaded = await reads;
  const after = await bareBcrypt(cost, cores, seconds / 2);
  await stop();
  const bare = (before + after) / 2;
  return {
    cost,
    cores,
    barePerSecond: round(bare, 2),
    signInsPerSecond: round(alone, 2),
    ratio: round(alone / bare),
    besideReadsPerSecond: round(beside, 2),
    readsPerSecond: PER_SECOND,
    idleP99Ms: round(quantile(idle, 0.99), 1),
    loadedP99Ms: round(quantile(loaded, 0.99), 1),
    p99Ratio: round(quantile(loaded, 0.99) / quantile(idle, 0.99), 2),
  };
}
