import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { FaultWatch } from '../../src/modules/audit/faults/fault-watch.js';
import { Sequencer } from '../../src/modules/audit/sequencer.js';
import { Sealer } from '../../src/modules/audit/sealing/sealer.js';
import { VerificationJob } from '../../src/modules/audit/verification/verification.job.js';
import { MetricsServer } from '../../src/platform/metrics/metrics-server.js';
import { Logger } from '../../src/platform/logging/logger.js';
import { Metrics } from '../../src/platform/metrics/metrics.js';
import { NOBODY, openHospital, type Hospital } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import { startPortal, type Portal } from '../harness/portal.js';

let hospital: Hospital;
let portal: Portal;

beforeAll(async () => {
  hospital = await openHospital({ METRICS_PORT: '0' });
  ({ portal } = hospital);
});
afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});

const address = (): string => `http://127.0.0.1:${portal.app.get(MetricsServer).port}`;

/** Values by name with labels, as they stand in the text. */
async function scraped(): Promise<Map<string, number>> {
  const answer = await fetch(`${address()}/metrics`);
  expect([answer.status, answer.headers.get('content-type')]).toEqual([200, expect.stringContaining('text/plain')]);
  const lines = (await answer.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(' ');
      return [line.slice(0, at), Number(line.slice(at + 1))];
    }),
  );
}

const answered = (route: string, status: number): string =>
  `portico_http_requests_total{method="GET",route="${route}",status="${status}"}`;

describe('/metrics', () => {
  it('counts answers by template of the route, method and status, and how long they took', async () => {
    const before = (await scraped()).get(answered('/v1/records/:id', 404)) ?? 0;
    for (let n = 0; n < 3; n++) await hospital.anna.get(`/v1/records/${NOBODY}`).expect(404);
    await portal.http.get('/v1/no-route/of-mine').expect(404);
    const after = await scraped();
    expect(after.get(answered('/v1/records/:id', 404))! - before).toBe(3);
    expect(after.get(answered('none', 404))).toBeGreaterThanOrEqual(1);
    const seconds = 'portico_http_request_duration_seconds';
    const count = after.get(`${seconds}_count{method="GET",route="/v1/records/:id"}`)!;
    expect(after.get(`${seconds}_bucket{le="+Inf",method="GET",route="/v1/records/:id"}`)).toBe(count);
    expect(after.get(`${seconds}_sum{method="GET",route="/v1/records/:id"}`)).toBeGreaterThan(0);
  });

  it('counts what the parser refuses, and takes no word of a client for a label', async () => {
    await new Promise<void>((done) => {
      const sent = request(`${portal.url}/v1/me`, { method: 'PURGE' }, (answer) => answer.resume().on('end', done));
      sent.on('error', () => done()).end();
    });
    const text = [...(await scraped()).keys()].join('\n');
    expect(text).not.toContain('PURGE');
    expect(text).toContain('method="other"');
  });

  it('counts how sign-ins end, by code', async () => {
    const { username, password } = hospital.anna.credentials;
    const of = (result: string): string => `portico_sign_ins_total{step="login",result="${result}"}`;
    const before = await scraped();
    await portal.http.post('/v1/auth/login').send({ username, password: 'wrong, quite wrong' }).expect(401);
    await portal.http.post('/v1/auth/login').send({ username, password }).expect(200);
    const after = await scraped();
    const grown = [...after].filter(
      ([name, value]) => name.includes('step="login"') && value > (before.get(name) ?? 0),
    );
    expect(grown.map(([name]) => name).sort()).toEqual([of('auth.invalid-credentials'), of('opened')]);
  });

  it('tells how the ledger stands', async () => {
    await portal.app.get(Sequencer).sequence();
    await portal.app.get(Sealer).turn(true);
    await portal.app.get(VerificationJob).turn();
    await portal.app.get(FaultWatch).look(true);
    const found = await scraped();
    const log = Number((await portal.owner.query<{ size: string }>('SELECT size FROM audit.head')).rows[0]!.size);
    expect(found.get('portico_audit_log_entries')).toBeGreaterThan(10);
    expect(found.get('portico_audit_log_entries')).toBeLessThanOrEqual(log);
    expect(found.get('portico_audit_checkpoint_entries')).toBeGreaterThan(10);
    expect(found.get('portico_audit_checkpoint_age_seconds')).toBeGreaterThanOrEqual(0);
    expect(found.get('portico_audit_verified')).toBe(1);
    expect(found.get('portico_audit_verified_entries')).toBeGreaterThan(10);
    expect(found.get('portico_audit_intake_open')).toBe(1);
    expect(found.get('portico_audit_inbox_rows')).toBeGreaterThanOrEqual(0);
    expect(found.get('portico_audit_queue')).toBe(0);
    expect(found.get('portico_audit_events_total{result="stored"}')).toBeGreaterThan(10);
    expect(Math.abs(found.get('portico_audit_clock_offset_seconds')!)).toBeLessThan(1);
    expect(found.get('portico_audit_alarm{code="audit.inbox-late"}')).toBe(0);
    expect([...found.keys()].filter((name) => name.startsWith('portico_audit_sealing_problem'))).toEqual([]);
  });

  it('tells of connections and of notices that wait or were given up', async () => {
    await portal.delivered();
    await portal.owner.query(
      `INSERT INTO platform.outbox (outbox_id, kind, payload, next_at, created_at, failed_at) VALUES ($1, 'mail', 'x', now(), now(), now())`,
      [NOBODY],
    );
    const found = await scraped();
    expect(found.get('portico_outbox{state="dead"}')).toBe(1);
    expect(found.get('portico_outbox{state="waiting"}')).toBe(0);
    await portal.owner.query('DELETE FROM platform.outbox WHERE outbox_id = $1', [NOBODY]);
    expect(found.get('portico_db_connections{pool="requests",state="busy"}')).toBeGreaterThanOrEqual(0);
    expect(found.get('portico_db_waiting{pool="reads"}')).toBe(0);
    expect(found.get('nodejs_eventloop_lag_seconds')).toBeGreaterThanOrEqual(0);
  });

  it('holds nothing of a person: no id, no name, no address', async () => {
    await hospital.staff.get(`/v1/patients/${hospital.anna.patientId}`).expect(200);
    const text = [...(await scraped()).keys()].join('\n');
    for (const word of [hospital.anna.patientId, hospital.anna.id, hospital.anna.credentials.username, '127.0.0.1'])
      expect(text).not.toContain(word);
    expect(text).not.toMatch(/[0-9a-f]{8}-[0-9a-f]{4}-/);
  });

  it('goes on while the database is away, without what has to be asked there', async () => {
    await portal.owner.query('REVOKE SELECT ON platform.outbox FROM portico_app');
    const found = await scraped();
    await portal.owner.query('GRANT SELECT ON platform.outbox TO portico_app');
    expect([...found.keys()].filter((name) => name.startsWith('portico_outbox'))).toEqual([]);
    expect(found.get('portico_audit_intake_open')).toBe(1);
    expect((await scraped()).get('portico_metrics_unread_total{metric="portico_outbox"}')).toBe(1);
  });

  it('is on its own port, and that port has nothing else', async () => {
    await portal.http.get('/metrics').expect(404);
    expect((await fetch(`${address()}/v1/me`)).status).toBe(404);
    expect((await fetch(`${address()}/health/ready`)).status).toBe(404);
    expect((await fetch(`${address()}/metrics`, { method: 'POST' })).status).toBe(405);
  });
});

it('is off unless it is set, and then counts nothing', async () => {
  const other = await startPortal();
  await other.http.get('/v1/nothing').expect(404);
  expect(other.app.get(MetricsServer).port).toBeNull();
  expect(await other.app.get(Metrics).registry.getSingleMetricAsString('portico_http_requests_total')).not.toContain(
    'route=',
  );
  await other.close();
});

it('does not let the portal start where its port is taken', async () => {
  const port = portal.app.get(MetricsServer).port!;
  const config = { ...portal.config, metrics: { host: '127.0.0.1', port } };
  const second = new MetricsServer(config, new Metrics(config), Logger.to('silent'));
  await expect(second.onApplicationBootstrap()).rejects.toThrow(/EADDRINUSE/);
});
