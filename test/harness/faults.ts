import { jest } from '@jest/globals';
import { FaultWatch } from '../../src/modules/audit/faults/fault-watch.js';
import { Sequencer } from '../../src/modules/audit/sequencer.js';
import { HealthChecks, type HealthState } from '../../src/platform/health/health-checks.js';
import { checkLedger } from './ledger.js';
import { makeAdmin, makeStaff, type Caller } from './people.js';
import type { Portal } from './portal.js';
import { closeAll, portalOn } from './sealing.js';

/** A portal that nobody watches but the test, look by look. */
export interface Watched {
  portal: Portal;
  officer: Caller;
}

export async function watched(env: Record<string, string> = {}): Promise<Watched> {
  const portal = await portalOn({ env });
  await portal.app.get(FaultWatch).beforeApplicationShutdown();
  const officer = await makeStaff(portal, await makeAdmin(portal), 'compliance_officer');
  // What the set-up has left in the inbox is no part of any test.
  await portal.app.get(Sequencer).sequence();
  return { portal, officer };
}

/** After each test. */
export async function checked(portal: Portal): Promise<void> {
  jest.restoreAllMocks();
  await checkLedger(portal);
  await closeAll();
}

/** Two looks, as it takes for an alarm. */
export async function look(portal: Portal, times = 2): Promise<void> {
  for (let n = 0; n < times; n++) await portal.app.get(FaultWatch).look(true);
}

export interface Told {
  sub: string;
  err?: string;
  out: number;
  actor: object;
  src: string;
  det: Record<string, unknown>;
}

/** System events of this kind, in their order. */
export async function told(portal: Portal, code: string): Promise<Told[]> {
  await portal.app.get(Sequencer).sequence();
  const { rows } = await portal.owner.query<{ event: Told }>(
    `SELECT (leaf::json -> 'e') AS event FROM audit.entry WHERE action = $1 ORDER BY idx`,
    [code],
  );
  return rows.map(({ event }) => event);
}

/** How often the trail tells that this alarm began, and that it was over. */
export async function alarmed(portal: Portal, code: string): Promise<[begun: number, over: number]> {
  const count = async (kind: string) => (await told(portal, kind)).filter(({ err }) => err === code).length;
  return [await count('Alarm.begin'), await count('Alarm.end')];
}

/** What the health page says of it. */
export const check = (portal: Portal, name: string): HealthState | null => portal.app.get(HealthChecks).of(name);

export interface Health {
  alarms: { code: string; detail: string[] }[];
  inbox: { rows: number; oldestSeconds: number; open: boolean };
  sealed: { size: number | null; waiting: number; problem: string | null };
  replicas: { name: string; state: string; version: string; refused: number; clockOffsetMs: number | null }[];
}

export const healthFor = async (officer: Caller): Promise<Health> =>
  (await officer.get('/v1/audit/health').expect(200)).body as Health;

/** The sequencer can do nothing, as when its login is lost; events wait in the inbox. */
export async function withoutSequencer<T>({ owner }: Portal, work: () => Promise<T>): Promise<T> {
  await owner.query('REVOKE EXECUTE ON FUNCTION audit.sequence FROM portico_sequencer');
  try {
    return await work();
  } finally {
    await owner.query('GRANT EXECUTE ON FUNCTION audit.sequence TO portico_sequencer');
  }
}

/** As if what waits had been put there so long ago, by the database's clock. */
export const aged = ({ owner }: Portal, interval: string): Promise<unknown> =>
  owner.query(`UPDATE audit.inbox SET placed_at = placed_at - $1::interval`, [interval]);

/** A request that leaves an event. */
export const something = ({ http }: Portal): Promise<unknown> => http.get('/v1/nothing').expect(404);
