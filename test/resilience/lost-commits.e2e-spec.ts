import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { CuttingProxy, type Cut } from '../harness/cutting-proxy.js';
import { cloneDatabase } from '../harness/database.js';
import { newPatient } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import { makeAdmin, makePatient, makeStaff, type Caller, type Patient } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';
import { eventually } from '../harness/sealing.js';

/** More with PORTICO_CUTS=1000. */
const CUTS = Number(process.env.PORTICO_CUTS ?? 30);
const KINDS: Cut[] = ['before', 'at-once', 'after'];

let proxy: CuttingProxy;
let portal: Portal;
let staff: Caller;
let patient: Patient;

beforeAll(async () => {
  const database = await cloneDatabase();
  proxy = await CuttingProxy.before(database.url);
  // Only the server's own role: sequencer and auditor go on.
  portal = await startPortal({
    isAboutFaults: true,
    database: { ...database, url: proxy.through(database.url) },
    env: { ACCESS_TOKEN_MINUTES: '700', STAFF_IDLE_MINUTES: '700', PATIENT_IDLE_MINUTES: '700' },
  });
  const admin = await makeAdmin(portal);
  staff = await makeStaff(portal, admin, 'staff');
  patient = await makePatient(portal, admin);
});
afterEach(() => expect(proxy.waiting).toBe(0));
afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
  await proxy.close();
});

interface Sent {
  id: string;
  mrn: string;
  status: number;
  code: string | undefined;
}

async function register(key?: string, mrn = `CUT-${randomUUID()}`): Promise<Sent> {
  const id = randomUUID();
  const request = staff.post('/v1/patients', newPatient({ mrn })).set('X-Request-Id', id);
  const { status, body } = await (key ? request.set('Idempotency-Key', key) : request);
  return { id, mrn, status, code: (body as { code?: string }).code };
}

const chartsOf = async (mrn: string): Promise<number> =>
  (await portal.owner.query<{ n: number }>('SELECT count(*)::int AS n FROM users.patient WHERE mrn = $1', [mrn]))
    .rows[0]!.n;

/** Outcomes of the events of a request. */
const eventsOf = async (requestId: string): Promise<number[]> =>
  (
    await portal.owner.query<{ outcome: number }>(
      `SELECT outcome FROM audit.inbox WHERE request_id = $1 UNION ALL SELECT outcome FROM audit.entry WHERE request_id = $1
        ORDER BY outcome`,
      [requestId],
    )
  ).rows.map(({ outcome }) => outcome);

describe('a write whose COMMIT is not answered', () => {
  it('is acknowledged when it was committed, and is there once with one event', async () => {
    proxy.order('write', 'after');
    const sent = await register();
    expect(sent.status).toBe(201);
    expect([await chartsOf(sent.mrn), await eventsOf(sent.id)]).toEqual([1, [0]]);
  });

  it('is refused when it never arrived, and nothing of it is there', async () => {
    proxy.order('write', 'before');
    const sent = await register();
    expect([sent.status, sent.code]).toEqual([503, 'http.unavailable']);
    expect([await chartsOf(sent.mrn), await eventsOf(sent.id)]).toEqual([0, [8]]);
  });

  it('says that it is unknown while it is still being committed, and the same key finds out', async () => {
    // COMMIT hangs, as on a disk or a standby that does not answer: no time-out ends that.
    await portal.owner.query(`
      CREATE FUNCTION users.wait_for_test() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          PERFORM set_config('lock_timeout', '0', true);
          BEGIN PERFORM pg_advisory_xact_lock(4711);
          EXCEPTION WHEN query_canceled THEN PERFORM pg_advisory_xact_lock(4711); END;
          RETURN NULL;
        END $$;
      CREATE CONSTRAINT TRIGGER wait_for_test AFTER INSERT ON users.patient DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION users.wait_for_test()`);
    await portal.owner.query('SELECT pg_advisory_lock(4711)');
    const key = randomUUID();
    let first: Sent;
    try {
      proxy.order('write', 'at-once');
      first = await register(key);
      expect([first.status, first.code]).toEqual([503, 'http.outcome-unknown']);
      expect(await chartsOf(first.mrn)).toBe(0);
    } finally {
      await portal.owner.query('SELECT pg_advisory_unlock(4711)');
      await portal.owner.query('DROP TRIGGER wait_for_test ON users.patient; DROP FUNCTION users.wait_for_test()');
    }
    const again = await register(key, first.mrn);
    expect(again.status).toBe(201);
    expect(await chartsOf(first.mrn)).toBe(1);
    // The refusal is told beside the write that was done after all: more than happened, never less.
    expect((await eventsOf(first.id)).filter((outcome) => outcome === 8)).toEqual([8]);
  });
});

describe('events of reads whose batch is not answered', () => {
  it.each(KINDS)('are stored once, where the connection is cut %s', async (cut) => {
    const before = proxy.done.length;
    proxy.order('batch', cut);
    const id = randomUUID();
    await patient.get('/v1/me').set('X-Request-Id', id).expect(200);
    expect(proxy.done.length).toBe(before + 1);
    // Also when it was placed in the log between the two tries.
    await eventually(() => expect(portal.log.some(({ requestId }) => requestId === id)).toBe(true));
    expect(await eventsOf(id)).toEqual([0]);
  });

  it('are stored once, where the log had them before they came again', async () => {
    const { rows } = await portal.owner.query<{ event_id: string; event: string }>(
      `SELECT event_id, (leaf::json -> 'e')::text AS event FROM audit.entry ORDER BY idx DESC LIMIT 3`,
    );
    const all = <T>(value: T): T[] => rows.map(() => value);
    const ids = rows.map(({ event_id: id }) => id);
    expect(ids.length).toBe(3);
    await portal.owner.query('SELECT audit.resubmit($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)', [
      ...[ids, rows.map(({ event }) => event), all(new Date()), all(''), all(null), all('System.check'), all(0)],
      ...[ids, all(null), [], [], []],
    ]);
    const count = 'SELECT count(*)::int AS n FROM audit.inbox WHERE event_id = ANY($1)';
    expect((await portal.owner.query<{ n: number }>(count, [ids])).rows[0]!.n).toBe(0);
  });
});

it(
  `${CUTS} connections are cut under load: what was acknowledged is there once, what was refused is not`,
  async () => {
    const sent: Sent[] = [];
    const reads: [string, number][] = [];
    let cuts = 0;
    const cutting = (async () => {
      for (; cuts < CUTS; cuts++) {
        proxy.order(cuts % 3 === 2 ? 'batch' : 'write', KINDS[Math.floor(cuts / 3) % 3]!);
        while (proxy.waiting > 0) await new Promise((done) => setTimeout(done, 5));
      }
    })();
    const writer = async (): Promise<void> => {
      while (cuts < CUTS) sent.push(await register());
    };
    const reader = async (): Promise<void> => {
      while (cuts < CUTS) {
        const id = randomUUID();
        const { status } = await patient.get('/v1/me').set('X-Request-Id', id);
        reads.push([id, status]);
      }
    };
    await Promise.all([cutting, ...Array.from({ length: 4 }, writer), reader(), reader()]);
    for (const { id, mrn, status, code } of sent) {
      const [charts, events] = [await chartsOf(mrn), await eventsOf(id)];
      if (status === 201) expect([charts, events]).toEqual([1, [0]]);
      else if (code === 'http.outcome-unknown') expect(events.filter((outcome) => outcome === 0).length).toBe(charts);
      else expect([status, code, charts, events.includes(0)]).toEqual([503, expect.any(String), 0, false]);
    }
    for (const [id, status] of reads)
      if (status === 200) expect(await eventsOf(id)).toEqual([0]);
      else expect(status).toBe(503);
    const { rows } = await portal.owner.query(
      `SELECT event_id FROM (SELECT event_id FROM audit.inbox UNION ALL SELECT event_id FROM audit.entry) e
        GROUP BY event_id HAVING count(*) > 1`,
    );
    expect(rows).toEqual([]);
    const of = (wanted: (one: Sent) => boolean): number => sent.filter(wanted).length;
    console.info(
      `${proxy.done.length} cuts: ${of(({ status }) => status === 201)} writes acknowledged, ${of(({ status }) => status !== 201)} refused ` +
        `(${of(({ code }) => code === 'http.outcome-unknown')} unknown), ${reads.length} reads`,
    );
  },
  30_000 + CUTS * 1_000,
);
