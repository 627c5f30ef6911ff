import { hostname } from 'node:os';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { FaultWatch } from '../../src/modules/audit/faults/fault-watch.js';
import { Heartbeat } from '../../src/modules/audit/faults/heartbeat.js';
import { Anchoring } from '../../src/modules/audit/sealing/anchors/anchoring.js';
import { Sequencer } from '../../src/modules/audit/sequencer.js';
import { VerificationJob } from '../../src/modules/audit/verification/verification.job.js';
import type { Verification } from '../../src/modules/audit/verification/verification.repository.js';
import { HealthChecks } from '../../src/platform/health/health-checks.js';
import { VERSION } from '../../src/platform/version.js';
import { cloneDatabase } from '../harness/database.js';
import {
  aged,
  alarmed,
  check,
  checked,
  healthFor,
  look,
  something,
  told,
  watched,
  withoutSequencer,
} from '../harness/faults.js';
import type { Caller } from '../harness/people.js';
import type { Portal } from '../harness/portal.js';
import { close, closeAll, portalOn, sealed, sealer } from '../harness/sealing.js';

const ME = `${hostname()}:${process.pid}`;

let portal: Portal;
let officer: Caller;

async function open(env: Record<string, string> = {}): Promise<void> {
  ({ portal, officer } = await watched(env));
}

afterEach(() => checked(portal));

const logged = (code: string): string[] =>
  portal.log.filter((line) => line.component === 'alarms' && line.code === code).map(({ msg }) => msg);

describe('a server process', () => {
  it('tells when it begins and stops, and between that it is alive, with what it could not store', async () => {
    const database = await cloneDatabase();
    portal = await portalOn({ database });
    const other = await portalOn({ database, env: { AUDIT_HEARTBEAT_SECONDS: '60' } });
    await other.app.get(FaultWatch).look();
    const heart = other.app.get(Heartbeat);
    await heart.beat();
    // A request that cannot be told of is refused, and counted.
    await portal.owner.query('REVOKE EXECUTE ON FUNCTION audit.submit FROM portico_app');
    await other.http.get('/v1/nothing').expect(503);
    await heart.beat();
    await portal.owner.query('GRANT EXECUTE ON FUNCTION audit.submit TO portico_app');
    await heart.beat();
    await heart.beat();
    await close(other);
    expect((await told(portal, 'System.start')).map(({ src }) => src)).toEqual([ME]);
    const beats = await told(portal, 'System.heartbeat');
    expect(beats.map(({ det, out, actor }) => [det.queued, det.refused, det.version, out, actor])).toEqual([
      [0, 0, VERSION, 0, {}],
      [0, 1, VERSION, 0, {}],
      [0, 0, VERSION, 0, {}],
    ]);
    for (const { det } of beats) expect(Math.abs(det.offset as number)).toBeLessThan(1_000);
    expect((await told(portal, 'System.stop')).length).toBe(1);
  });

  it('that falls silent is seen, and one that said that it stops is not missed', async () => {
    await open({ AUDIT_HEARTBEAT_SECONDS: '60' });
    const put = (replica: string, minutes: number, isStopped: boolean) =>
      portal.owner.query(
        `INSERT INTO audit.replica SELECT $1, '1.0.0', t, t, CASE WHEN $3 THEN t END, 0, 0, 3
           FROM (SELECT now() - $2 * interval '1 minute') AS s(t)`,
        [replica, minutes, isStopped],
      );
    await put('ward:1', 4, false);
    await put('ward:2', 4, true);
    await put('ward:3', 2, false);
    await put('ward:4', 600, false);
    await look(portal);
    const seen = await healthFor(officer);
    expect(seen.alarms).toContainEqual(
      expect.objectContaining({ code: 'audit.replica-silent', detail: ['replicas=ward:1'] }),
    );
    expect(Object.fromEntries(seen.replicas.map(({ name, state }) => [name, state]))).toEqual({
      [ME]: 'running',
      'ward:1': 'silent',
      'ward:2': 'stopped',
      'ward:3': 'running',
      'ward:4': 'silent',
    });
    await portal.owner.query(`UPDATE audit.replica SET heard_at = now() WHERE replica = 'ward:1'`);
    await look(portal, 1);
    expect((await healthFor(officer)).alarms).toEqual([]);
    expect(await alarmed(portal, 'audit.replica-silent')).toEqual([1, 1]);
  });

  it('whose clock is wrong is told of', async () => {
    await open();
    await look(portal);
    expect(check(portal, 'audit-clock')).toMatchObject({ status: 'ok' });
    const now = Date.now.bind(Date);
    jest.spyOn(Date, 'now').mockImplementation(() => now() + 5_000);
    await look(portal);
    expect(check(portal, 'audit-clock')).toMatchObject({ status: 'alarm', code: 'audit.clock-offset' });
    jest.restoreAllMocks();
    await look(portal, 1);
    expect(check(portal, 'audit-clock')).toMatchObject({ status: 'ok' });
    const [one] = (await told(portal, 'Alarm.begin')).filter(({ err }) => err === 'audit.clock-offset');
    expect(one).toMatchObject({ out: 8, det: { ms: expect.any(Number) } });
    expect(one!.det.ms).toBeGreaterThan(4_000);
  });
});

describe('an alarm', () => {
  it('is told once when it begins and once when it is over: log, event, health page, officers', async () => {
    await open();
    await withoutSequencer(portal, async () => {
      await something(portal);
      await aged(portal, '6 seconds');
      await look(portal, 1);
      expect(check(portal, 'audit-inbox')).toMatchObject({ status: 'ok' });
      await look(portal, 4);
      expect(logged('audit.inbox-late')).toEqual(['an alarm has begun']);
      expect(check(portal, 'audit-inbox')).toMatchObject({ status: 'alarm', code: 'audit.inbox-late' });
      const { body } = await portal.http.get('/health/ready').expect(200);
      expect(body).toMatchObject({
        status: 'alarm',
        checks: expect.arrayContaining([
          expect.objectContaining({ name: 'audit-inbox', status: 'alarm', code: 'audit.inbox-late' }),
        ]),
      });
      const seen = await healthFor(officer);
      expect(seen.alarms.map(({ code }) => code)).toEqual(['audit.inbox-late']);
      expect(seen.inbox).toMatchObject({ open: true });
      expect(seen.inbox.oldestSeconds).toBeGreaterThanOrEqual(6);
    });
    await portal.app.get(Sequencer).sequence();
    await look(portal, 3);
    expect(logged('audit.inbox-late')).toEqual(['an alarm has begun', 'an alarm is over']);
    expect(check(portal, 'audit-inbox')).toMatchObject({ status: 'ok' });
    expect(await alarmed(portal, 'audit.inbox-late')).toEqual([1, 1]);
  });

  it('is told of when the trail can be written again', async () => {
    await open();
    await withoutSequencer(portal, async () => {
      await something(portal);
      await aged(portal, '6 seconds');
      await portal.owner.query('REVOKE EXECUTE ON FUNCTION audit.submit FROM portico_app');
      await look(portal, 3);
      expect(check(portal, 'audit-inbox')).toMatchObject({ status: 'alarm' });
      await portal.owner.query('GRANT EXECUTE ON FUNCTION audit.submit TO portico_app');
    });
    await portal.app.get(Sequencer).sequence();
    await look(portal);
    expect(await alarmed(portal, 'audit.inbox-late')).toEqual([1, 1]);
  });

  it('is what a verification, the anchors or the archive say of themselves', async () => {
    await open();
    const { app } = portal;
    const found = { verdict: 'refused', id: 7 } as Verification;
    const last = jest.spyOn(app.get(VerificationJob), 'last', 'get').mockReturnValue(found);
    const anchor = { target: 'folder', generation: 1, size: 3, anchoredAt: null, failedAt: new Date() };
    const states = [
      { ...anchor, failures: 3, failure: 'audit.anchor-failed: ENOSPC' },
      { ...anchor, target: 'webhook', failures: 2, failure: 'audit.anchor-failed: ETIMEDOUT' },
      { ...anchor, target: 'officer.example/w1', failures: 1, failure: 'audit.witness-conflict: another root' },
    ];
    const report = jest.spyOn(app.get(Anchoring), 'report').mockResolvedValue(states);
    app.get(HealthChecks).add('audit-retention', () => ({ status: 'alarm', code: 'audit.archive-unavailable' }));
    await look(portal);
    expect(check(portal, 'audit-anchors')).toMatchObject({ status: 'alarm', code: 'audit.anchors-failing' });
    const seen = await healthFor(officer);
    expect(seen.alarms.map(({ code, detail }) => [code, ...detail])).toEqual([
      ['audit.anchors-failing', 'targets=folder officer.example/w1'],
      ['audit.verification-failed', 'verdict=refused', 'number=7'],
      ['audit.archiving-failed', 'why=audit.archive-unavailable'],
    ]);
    last.mockReturnValue({ ...found, verdict: 'verified' });
    report.mockResolvedValue([]);
    app.get(HealthChecks).add('audit-retention', () => ({ status: 'ok' }));
    await look(portal, 1);
    expect((await healthFor(officer)).alarms).toEqual([]);
  });

  it('is none of times that only events or the clock of the portal say', async () => {
    await open();
    await withoutSequencer(portal, async () => {
      portal.clock.forward(30 * 86_400);
      await something(portal);
      portal.clock.forward(30 * 86_400);
      await look(portal, 4);
      expect(check(portal, 'audit-inbox')).toMatchObject({ status: 'ok' });
      expect(check(portal, 'audit-intake')).toMatchObject({ status: 'ok' });
      expect(check(portal, 'audit-clock')).toMatchObject({ status: 'ok' });
      await something(portal);
    });
  });

  it('is a log that is not signed any more', async () => {
    await open();
    await sealed(portal);
    await portal.owner.query(
      `SET session_replication_role = replica; UPDATE audit.head SET peaks = array_fill(sha256('x'), ARRAY[32]); RESET session_replication_role`,
    );
    expect(await sealer(portal).turn(true)).toBeNull();
    await look(portal);
    expect(check(portal, 'audit-sealing-refusal')).toMatchObject({ status: 'alarm', code: 'audit.sealing-refused' });
    const seen = await healthFor(officer);
    expect(seen.sealed.problem).toBe(seen.alarms[0]!.detail[0]!.replace('why=', ''));
    // The test's own damage, so that the ledger's check finds the tree again.
    portal.log.length = 0;
    await closeAll();
    await open();
  });
});
