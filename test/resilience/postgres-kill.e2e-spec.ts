import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { EmbeddedPostgres } from '../../src/platform/database/embedded-postgres.js';
import { checkLedger } from '../harness/ledger.js';
import { checkLoad, Load } from '../harness/load.js';
import { ownPostgres, type OwnPostgres } from '../harness/own-postgres.js';
import { startPortal, type Portal } from '../harness/portal.js';
import { makeTown, type Town } from '../harness/town.js';

/** More with PORTICO_KILLS=200. */
const KILLS = Number(process.env.PORTICO_KILLS ?? 3);
const BACK_MS = 10_000;

let own: OwnPostgres;
let postgres: EmbeddedPostgres;
let portal: Portal;
let town: Town;

beforeAll(async () => {
  own = await ownPostgres();
  postgres = own.postgres;
  portal = await startPortal({
    database: own.database,
    env: { ACCESS_TOKEN_MINUTES: '700', PATIENT_IDLE_MINUTES: '700', STAFF_IDLE_MINUTES: '700' },
  });
  town = await makeTown(portal);
});
afterAll(async () => {
  await portal.close();
  await own.remove();
});

it(
  `PostgreSQL is killed under load ${KILLS} times: no answer without its event, no acknowledged write lost, back by itself`,
  async () => {
    const load = new Load(() => portal.url);
    load.start(town.works(load));
    const back: number[] = [];
    for (let round = 0; round < KILLS; round++) {
      await sleep(300 + Math.random() * 700);
      await postgres.kill();
      await sleep(Math.random() * 600);
      await postgres.start(postgres.port);
      const started = performance.now();
      const times = ['GET', 'POST', 'PATCH'].map((method) => load.firstSuccess(method, started, BACK_MS));
      back.push(Math.max(...(await Promise.all(times))));
    }
    await load.stop();
    await portal.reconnect();
    const { successes, refusals } = await checkLoad(load, portal.owner);
    expect(load.lost).toBe(0);
    expect(refusals).toBeGreaterThan(0);
    expect(load.registered.length).toBeGreaterThan(0);
    const { entries } = await checkLedger(portal);
    back.sort((a, b) => a - b);
    const slowest = Math.round(Math.max(...load.answers.map(({ ms }) => ms)));
    console.info(
      `${KILLS} kills: ${successes} successes, ${refusals} refusals, ${entries} events; back after ${Math.round(back[Math.floor(KILLS / 2)]!)} ms (median), ` +
        `${Math.round(back.at(-1)!)} ms (slowest); slowest answer ${slowest} ms`,
    );
  },
  60_000 + KILLS * 15_000,
);
