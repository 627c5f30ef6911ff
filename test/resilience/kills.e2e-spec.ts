import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { verifyDatabase } from '../../src/modules/audit/verification/index.js';
import { checkLoad, Load } from '../harness/load.js';
import { logFacts } from '../harness/log-facts.js';
import { ownPostgres, type OwnPostgres } from '../harness/own-postgres.js';
import { startPortal } from '../harness/portal.js';
import { PortalProcess } from '../harness/process.js';
import { makeTown, type Town } from '../harness/town.js';

/** Two hundred: `PORTICO_KILLS=200 npm test -- test/resilience/kills`. */
const KILLS = Number(process.env.PORTICO_KILLS ?? 3);
const BACK_MS = 10_000;
/** For a machine that is busy with other things; the tenth of a second stands in what is printed. */
const GIVEN_UP_MS = 30_000;
const LONG = { ACCESS_TOKEN_MINUTES: '700', PATIENT_IDLE_MINUTES: '700', STAFF_IDLE_MINUTES: '700' };
const VICTIMS = ['a server', 'PostgreSQL', 'all of them'] as const;

let own: OwnPostgres;
let replicas: PortalProcess[] = [];
let town: Town;

beforeAll(async () => {
  own = await ownPostgres();
  const seed = await startPortal({ database: own.database, env: LONG });
  town = await makeTown(seed);
  await seed.close();
  replicas = await Promise.all([0, 1].map(() => PortalProcess.on(own.database, LONG)));
  await Promise.all(replicas.map(supervised));
}, 120_000);
afterAll(async () => {
  await Promise.all(replicas.map((replica) => replica.end('SIGKILL')));
  // Where nothing could be started, nothing is left behind either.
  await (own as OwnPostgres | undefined)?.remove();
});

type Victim = (typeof VICTIMS)[number];

/** Kills, and brings back as a supervisor does: at once the servers, PostgreSQL after a while. Resolves with when that began, and which servers have to come back. */
async function kill(victim: Victim, round: number): Promise<{ since: number; bases: number[] }> {
  const { postgres } = own;
  const [first, second] = replicas as [PortalProcess, PortalProcess];
  if (victim === 'a server') {
    const base = Math.floor(round / VICTIMS.length) % 2;
    await replicas[base]!.end('SIGKILL');
    const since = performance.now();
    await supervised(replicas[base]!);
    return { since, bases: [base] };
  }
  const isAll = victim === 'all of them';
  await Promise.all([postgres.kill(), ...(isAll ? [first.end('SIGKILL'), second.end('SIGKILL')] : [])]);
  await sleep(Math.random() * 600);
  const since = performance.now();
  await Promise.all([postgres.start(postgres.port), ...(isAll ? [supervised(first), supervised(second)] : [])]);
  return { since, bases: [0, 1] };
}

/** A server that finds no database in time ends, and is started again. */
async function supervised(replica: PortalProcess): Promise<void> {
  for (;;) {
    try {
      return await replica.start();
    } catch (error) {
      if (!/the portal ended/.test((error as Error).message)) throw error;
    }
  }
}

/** Until reads, writes and changes succeed again at each of these servers. */
async function recovered(load: Load, since: number, bases: readonly number[]): Promise<number> {
  const successes = bases.flatMap((base) =>
    ['GET', 'POST', 'PATCH'].map((method) => load.firstSuccess(method, since, GIVEN_UP_MS, base)),
  );
  return Math.max(...(await Promise.all(successes)));
}

const quantile = (sorted: readonly number[], share: number): number =>
  Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!);

it(
  `two servers under load, one of them, PostgreSQL and all killed in turn, ${KILLS} times: nothing that was answered is without its event or lost`,
  async () => {
    const load = new Load(...replicas.map((replica) => () => replica.url));
    load.pauseMs = 25;
    load.start(town.works(load));
    await recovered(load, performance.now(), [0, 1]);
    const back: Record<Victim, number[]> = { 'a server': [], PostgreSQL: [], 'all of them': [] };
    for (let round = 0; round < KILLS; round++) {
      const victim = VICTIMS[round % VICTIMS.length]!;
      await sleep(200 + Math.random() * 600);
      const { since, bases } = await kill(victim, round);
      back[victim].push(await recovered(load, since, bases));
    }
    await load.stop();
    await Promise.all(replicas.map((replica) => replica.end('SIGTERM')));
    await settled(load, back);
  },
  120_000 + KILLS * (GIVEN_UP_MS / 2),
);

/** A portal that comes after everything finds all in order; what it counts is printed. */
async function settled(load: Load, back: Record<Victim, number[]>): Promise<void> {
  const after = await startPortal({ database: own.database });
  try {
    const { successes, refusals, untold, lostWrites } = await checkLoad(load, after.owner);
    const facts = await logFacts(after.owner);
    const verification = { keys: [], from: 0, previous: null, onProgress: () => undefined };
    const { verdict, findings, sealedSize } = await verifyDatabase(after.config, verification);
    const times = Object.entries(back).map(([victim, ms]): [string, number[]] => [victim, ms.sort((a, b) => a - b)]);
    const all = times.flatMap(([, ms]) => ms).sort((a, b) => a - b);
    console.info(
      [
        `${KILLS} kills under load with two servers: ${successes} answers with data, ${refusals} refusals, ${load.lost} connections lost (${load.begun.length} within an answer)`,
        `answers with data and no event ${untold.length}, acknowledged writes lost ${lostWrites.length} of ${load.registered.length} registered and ${load.renames} changed`,
        `log of ${facts.entries} entries, ${sealedSize} sealed: gaps ${facts.gaps}, duplicates ${facts.duplicates}, miscounted ${facts.miscounted}; verified: ${verdict}`,
        ...[...times.filter(([, ms]) => ms.length > 0), ['all', all] as const].map(
          ([victim, ms]) => `back after killing ${victim}: p50 ${quantile(ms, 0.5)} ms, p99 ${quantile(ms, 0.99)} ms`,
        ),
      ].join('\n'),
    );
    expect(facts).toMatchObject({ gaps: 0, duplicates: 0, miscounted: 0, altered: 0, isHeadTrue: true });
    expect({ verdict, findings }).toEqual({ verdict: 'verified', findings: [] });
    expect(load.registered.length).toBeGreaterThan(0);
    if (KILLS >= 100) expect(quantile(all, 0.99)).toBeLessThan(BACK_MS);
  } finally {
    await after.close();
  }
}
