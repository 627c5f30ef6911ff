import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { SEAL_SECONDS } from '../../src/modules/audit/sealing/sealer.js';
import { checkLedger } from '../harness/ledger.js';
import { startPortal, type Portal } from '../harness/portal.js';

/** A little more than one checkpoint's time, so that some events wait all of it. */
const ASKED_MS = (SEAL_SECONDS + 2) * 1_000;
const GIVEN_UP_MS = 60_000;

let portal: Portal;
beforeAll(async () => {
  portal = await startPortal();
});
afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});

/** Of each event that was answered, how long no checkpoint covered it, in milliseconds; null while none does. */
async function uncovered(answeredAt: ReadonlyMap<string, number>): Promise<(number | null)[]> {
  const { rows } = await portal.owner.query<{ id: string; at: Date | null }>(
    `SELECT e.request_id AS id, (SELECT min(c.signed_at) FROM audit.checkpoint c WHERE c.size > e.idx) AS at
       FROM audit.entry e WHERE e.request_id = ANY($1)`,
    [[...answeredAt.keys()]],
  );
  const signed = new Map(rows.map(({ id, at }) => [id, at]));
  return [...answeredAt].map(([id, ms]) => {
    const at = signed.get(id);
    return at ? at.getTime() - ms : null;
  });
}

it(
  'after its answer an event can be changed unseen until the next checkpoint, and no longer: so many seconds',
  async () => {
    const answeredAt = new Map<string, number>();
    for (const begun = performance.now(); performance.now() - begun < ASKED_MS; await sleep(50)) {
      const id = randomUUID();
      await portal.http.get('/v1/nothing').set('x-request-id', id).expect(404);
      answeredAt.set(id, Date.now());
    }
    const until = performance.now() + GIVEN_UP_MS;
    let waits = await uncovered(answeredAt);
    while (waits.includes(null) && performance.now() < until) {
      await sleep(200);
      waits = await uncovered(answeredAt);
    }
    expect(waits).not.toContain(null);
    const seconds = waits.map((ms) => ms! / 1_000).sort((a, b) => a - b);
    const [median, longest] = [seconds[Math.floor(seconds.length / 2)]!, seconds.at(-1)!];
    console.info(
      `the window in which a change cannot be seen, of ${seconds.length} events: at most ${longest.toFixed(1)} s, half of them less than ${median.toFixed(1)} s`,
    );
  },
  ASKED_MS + GIVEN_UP_MS + 20_000,
);
