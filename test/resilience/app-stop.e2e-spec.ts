import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Config } from '../../src/platform/config/config.js';
import { cloneDatabase } from '../harness/database.js';
import { newPatient } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import { checkLoad, Load, type Checked } from '../harness/load.js';
import { startPortal } from '../harness/portal.js';
import { PortalProcess } from '../harness/process.js';
import { makeTown, type Town } from '../harness/town.js';

const LONG = { ACCESS_TOKEN_MINUTES: '700', PATIENT_IDLE_MINUTES: '700', STAFF_IDLE_MINUTES: '700' };

let database: Config['database'];
let portal: PortalProcess;
let town: Town;

beforeAll(async () => {
  database = await cloneDatabase();
  const seed = await startPortal({ database, env: LONG });
  town = await makeTown(seed);
  await seed.close();
  portal = await PortalProcess.on(database, LONG);
});
afterAll(async () => {
  await portal.end('SIGKILL');
});

async function check(load: Load): Promise<Checked> {
  const after = await startPortal({ database });
  try {
    const counts = await checkLoad(load, after.owner);
    await checkLedger(after);
    return counts;
  } finally {
    await after.close();
  }
}

describe('the process', () => {
  it('answers what is under way after SIGTERM, and ends with 0', async () => {
    const owner = await startPortal({ database });
    await portal.start();
    const load = new Load(() => portal.url);
    load.start(town.works(load));
    await load.firstSuccess('POST', performance.now(), 10_000);
    await load.stop();
    // Their connections stay open and idle, and must not hold it up.
    await owner.owner.query('BEGIN; LOCK TABLE users.patient IN EXCLUSIVE MODE');
    const slow = fetch(`${portal.url}/v1/patients`, {
      method: 'POST',
      headers: { authorization: `Bearer ${town.staff.tokens.accessToken}`, 'content-type': 'application/json' },
      body: JSON.stringify(newPatient()),
    });
    await sleep(500);
    const ended = portal.end('SIGTERM');
    await sleep(500);
    await expect(fetch(`${portal.url}/health/live`)).rejects.toThrow();
    await owner.owner.query('COMMIT');
    const answer = await slow;
    expect(answer.status).toBe(201);
    const { id } = (await answer.json()) as { id: string };
    const { code, ms } = await ended;
    expect(code).toBe(0);
    expect(ms).toBeLessThan(10_000);
    const { rows } = await owner.owner.query('SELECT 1 FROM users.patient WHERE patient_id = $1', [id]);
    expect(rows).toHaveLength(1);
    await owner.close();
    await check(load);
  });

  it('ends within its time under load, too', async () => {
    await portal.start();
    const load = new Load(() => portal.url);
    load.start(town.works(load));
    await load.firstSuccess('POST', performance.now(), 10_000);
    const { code, ms } = await portal.end('SIGTERM');
    await load.stop();
    expect([code, ms < 10_000]).toEqual([0, true]);
    const { refusals } = await check(load);
    expect(refusals).toBe(0);
  });
});
