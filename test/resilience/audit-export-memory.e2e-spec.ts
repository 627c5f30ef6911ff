import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Config } from '../../src/platform/config/config.js';
import { cloneDatabase } from '../harness/database.js';
import type { ExportAnswer } from '../harness/exports.js';
import { fillLog } from '../harness/filled-log.js';
import { openHospital } from '../harness/hospital.js';
import type { Caller } from '../harness/people.js';
import { PortalProcess } from '../harness/process.js';

/** PORTICO_EXPORT_EVENTS=1000000 for the measurement; a small sample otherwise. */
const EVENTS = Number(process.env.PORTICO_EXPORT_EVENTS ?? 8_000);
/** What exporting ten times as much may need more (MB). */
const GROWTH_MB = 60;
const HEAP = '--max-old-space-size=192 --max-semi-space-size=8';
const LONG = { ACCESS_TOKEN_MINUTES: '700', STAFF_IDLE_MINUTES: '700' };

let database: Config['database'];
let officer: Caller;
let server: PortalProcess;

beforeAll(async () => {
  database = await cloneDatabase();
  const { portal, complianceOfficer } = await openHospital(LONG, database);
  officer = complianceOfficer;
  await fillLog(portal.owner, EVENTS);
  await portal.owner.query('ANALYZE audit.entry');
  await portal.close();
  // Little room: what is held on to ends the process, and what is only not collected yet is.
  server = await PortalProcess.on(database, { ...LONG, NODE_OPTIONS: HEAP });
  await server.start();
}, 1_800_000);

afterAll(() => server.end('SIGKILL'));

async function call(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = { authorization: `Bearer ${officer.tokens.accessToken}`, 'content-type': 'application/json' };
  const answer = await fetch(`${server.url}/v1/audit/exports${path}`, { ...init, headers });
  if (!answer.ok) throw new Error(await answer.text());
  return answer;
}

/** Asks for it, waits as a client does, fetches the bundle; the server's largest memory meanwhile, and how long each took. */
async function measured(body: object) {
  let [peak, isOver] = [server.memory.now, false];
  const watch = (async () => {
    for (; !isOver; await sleep(25)) peak = Math.max(peak, server.memory.now);
  })();
  const begun = performance.now();
  const asked = (await (
    await call('', { method: 'POST', body: JSON.stringify({ reason: 'Memory', ...body }) })
  ).json()) as ExportAnswer;
  let made = asked;
  for (; made.state !== 'ready'; await sleep(100)) {
    made = (await (await call(`/${asked.id}`)).json()) as ExportAnswer;
    if (made.state === 'failed') throw new Error(made.failure!);
  }
  const ready = performance.now();
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of (await call(`/${asked.id}/bundle`)).body!) {
    bytes += chunk.length;
    hash.update(chunk);
  }
  isOver = true;
  await watch;
  const seconds = (performance.now() - ready) / 1000;
  const { lines } = made.progress;
  return { lines, megabytes: bytes / 1e6, peak, waited: (ready - begun) / 1000, seconds, rate: lines / seconds };
}

describe('memory', () => {
  it(`does not grow with the export: ${EVENTS} events in all forms, with their proofs`, async () => {
    const formats = ['csv', 'fhir'];
    const aFew = { formats, disclosures: true, filter: { subjectType: 'Record', toSeq: EVENTS / 10 } };
    const aRange = { formats, filter: { toSeq: EVENTS / 10 } };
    // More than once: what is loaded and compiled at first use is there then, and the heap has the room that small ones take.
    for (const body of [aFew, aRange, aFew, aRange]) await measured(body);
    const small = await measured(aFew);
    const range = await measured(aRange);
    const chosen = await measured({ formats, disclosures: true, filter: { subjectType: 'Record' } });
    const whole = await measured({ formats });
    if (process.env.PORTICO_EXPORT_EVENTS) console.table({ small, range, chosen, whole });
    expect(whole.lines).toBeGreaterThanOrEqual(EVENTS);
    expect(Math.max(chosen.peak, whole.peak) - Math.max(small.peak, range.peak)).toBeLessThan(GROWTH_MB);
  }, 3_600_000);
});
