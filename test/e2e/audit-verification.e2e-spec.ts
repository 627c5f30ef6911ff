import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Sealer } from '../../src/modules/audit/sealing/sealer.js';
import { Sequencer } from '../../src/modules/audit/sequencer.js';
import { VerificationJob } from '../../src/modules/audit/verification/verification.job.js';
import { Verifier } from '../../src/modules/audit/verification/verifier.js';
import type { Config } from '../../src/platform/config/config.js';
import { cloneDatabase } from '../harness/database.js';
import { fillLog } from '../harness/filled-log.js';
import { openHospital, type Hospital } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import type { Caller } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';
import { again } from '../harness/exports.js';

let hospital: Hospital;
let portal: Portal;
let database: Config['database'];
let officer: Caller;

beforeAll(async () => {
  database = await cloneDatabase();
  hospital = await openHospital({}, database);
  ({ portal } = hospital);
  officer = hospital.complianceOfficer;
  await fillLog(portal.owner, 900);
  await settle();
});
afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});

async function settle(): Promise<void> {
  await portal.app.get(Sequencer).sequence();
  await portal.app.get(Sealer).turn(true);
}

interface Result {
  scope: string;
  verdict: string;
  accountId: string | null;
  from: number;
  size: number;
  root: string | null;
  sealedSize: number | null;
  finding: { kind: string; where: string; index: number | null; through: number | null } | null;
}
interface State {
  running: boolean;
  last: Result | null;
  lastWhole: Result | null;
}

async function state(): Promise<State> {
  return (await officer.get('/v1/audit/verify').expect(200)).body as State;
}

/** Asks for it as the officer does, and waits for its end. */
async function verified(scope: 'whole' | 'increment' = 'whole'): Promise<Result> {
  await officer.post('/v1/audit/verify', { scope }).expect(202);
  for (;;) {
    const { running, last } = await state();
    if (!running) return last!;
    await new Promise((done) => setTimeout(done, 20));
  }
}

describe('the officer', () => {
  it('has the log verified, and sees what came of it', async () => {
    await settle();
    const result = await verified();
    expect(result).toMatchObject({
      scope: 'whole',
      verdict: 'verified',
      accountId: hospital.complianceOfficer.id,
      from: 0,
      finding: null,
    });
    expect(result.size).toBeGreaterThan(900);
    expect(result.sealedSize).toBeGreaterThan(900);
    expect((await state()).lastWhole).toEqual(result);
    // An increment begins at the newest checkpoint that was verified.
    await settle();
    const more = await verified('increment');
    expect(more).toMatchObject({ scope: 'increment', verdict: 'verified', from: result.sealedSize });
  });

  it('cannot have two verifications at a time', async () => {
    const run = await portal.app.get(Verifier).start({ scope: 'whole', accountId: null });
    const answer = await officer.post('/v1/audit/verify', {}).expect(409);
    expect(answer.body).toMatchObject({ code: 'audit.verification-running' });
    await run!.done;
  });

  it('leaves events by looking and by asking', async () => {
    await portal.app.get(Sequencer).sequence();
    const { rows } = await portal.owner.query<{ action: string }>(
      "SELECT DISTINCT action FROM audit.entry WHERE action LIKE 'AuditVerification.%' AND actor = $1 ORDER BY 1",
      [hospital.complianceOfficer.id],
    );
    expect(rows.map(({ action }) => action)).toEqual(['AuditVerification.check', 'AuditVerification.read']);
  });
});

describe('the server', () => {
  it('verifies what is new when it is due, and all of it once a day', async () => {
    const job = portal.app.get(VerificationJob);
    const count = async () =>
      Number((await portal.owner.query('SELECT count(*) AS n FROM audit.verification')).rows[0].n);
    await job.turn();
    const before = await count();
    await job.turn();
    expect(await count()).toBe(before);
    portal.clock.forward(3_601);
    await job.turn();
    officer = await again(officer);
    expect((await state()).last).toMatchObject({ scope: 'increment', accountId: null, verdict: 'verified' });
    portal.clock.forward(86_401);
    await job.turn();
    officer = await again(officer);
    expect((await state()).last).toMatchObject({ scope: 'whole', accountId: null, verdict: 'verified' });
  });

  it('shows on the health page how it stands', async () => {
    const { body } = await portal.http.get('/health/ready').expect(200);
    expect(body).toMatchObject({
      checks: expect.arrayContaining([
        expect.objectContaining({ name: 'audit-verification', status: 'ok', code: 'verified' }),
      ]),
    });
  });
});

describe('of two servers on one database', () => {
  it('one verifies what is due, and both show what came of it', async () => {
    const other = await startPortal({ database });
    try {
      // Longer ago than both kinds are due.
      for (const one of [portal, other]) one.clock.forward(2 * 86_400);
      other.clock.forward((portal.clock.now().getTime() - other.clock.now().getTime()) / 1_000);
      const count = async () =>
        Number((await portal.owner.query('SELECT count(*) AS n FROM audit.verification')).rows[0].n);
      const before = await count();
      const jobs = [portal, other].map(({ app }) => app.get(VerificationJob));
      await Promise.all(jobs.map((job) => job.turn()));
      expect(await count()).toBe(before + 1);
      // Who had no turn sees the result at its next look.
      await Promise.all(jobs.map((job) => job.turn()));
      expect(await count()).toBe(before + 1);
      const shown = await Promise.all(
        [portal, other].map(async ({ http }) => {
          const { body } = await http.get('/health/ready').expect(200);
          const { checks } = body as { checks: { name: string; since: string; code: string }[] };
          return checks.find(({ name }) => name === 'audit-verification')!;
        }),
      );
      expect(shown[0]).toMatchObject({ status: 'ok', code: 'verified' });
      expect(shown[1]).toEqual(shown[0]);
    } finally {
      await other.close();
    }
  });
});
