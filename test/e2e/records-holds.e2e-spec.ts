import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { bundleOf, entryOf, importBundle, patientText } from '../harness/feed.js';
import { known, openHospital, pages, type Hospital, type Known } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import { makeClinician, makePatient, type Caller, type Clinician, type Patient } from '../harness/people.js';
import { labText } from '../harness/reading.js';

interface HeldItem {
  id: string;
  recordId: string;
  patientId: string;
  heldBy: string;
  reason: string;
  state: string;
  heldAt: string;
  until: string;
  releasedAt: string | null;
  releasedBy: string | null;
}

const DAY = 86_400;
const EXPLANATION = 'The words of the clinician alone.';

let hospital: Hospital;
let other: Known<Clinician>;
let charts: [Known<Patient>, Known<Patient>];
const recordIds: string[] = [];

const inDays = (days: number): string =>
  new Date(hospital.portal.clock.now().getTime() + days * DAY * 1_000).toISOString();
const hold = (by: Caller, id: string, reason: string, days: number) =>
  by.post(`/v1/records/${id}/hold`, { reason, explanation: EXPLANATION, until: inDays(days) }).expect(201);
const report = async (by: Caller, query = ''): Promise<HeldItem[]> =>
  ((await by.get(`/v1/holds${query}`).expect(200)).body as { items: HeldItem[] }).items;
const recordsOf = (items: readonly HeldItem[]): string[] => items.map(({ recordId }) => recordId);

beforeAll(async () => {
  hospital = await openHospital();
  const { portal, admin, staff, clinician, feed } = hospital;
  other = await known(makeClinician(portal, admin));
  charts = [
    await known(makePatient(portal, admin, { mrn: 'MRN-HELD-0' })),
    await known(makePatient(portal, admin, { mrn: 'MRN-HELD-1' })),
  ];
  for (const [at, { patientId }] of charts.entries()) {
    const treats = at === 0 ? clinician : other;
    await staff.post(`/v1/patients/${patientId}/care-team`, { practitionerId: treats.practitionerId }).expect(201);
    const texts = [0, 1].map((n) =>
      labText({ id: `lab-${at}-${n}`, at: '2025-01-05', value: '"valueQuantity":{"value":1.0}' }).replace(
        'Patient/pat',
        `Patient/p${at}`,
      ),
    );
    const entries = [patientText(`p${at}`, `MRN-HELD-${at}`), ...texts].map((text) => entryOf(text));
    expect(await importBundle(feed, bundleOf('batch', ...entries))).toMatchObject({ created: 3 });
    for (const n of [0, 1]) {
      const { rows } = await portal.owner.query<{ id: string }>(
        'SELECT record_id AS id FROM records.record WHERE source_id = $1',
        [`lab-${at}-${n}`],
      );
      recordIds.push(rows[0]!.id);
    }
  }
  const [lifted, ended, inForce, later] = recordIds as [string, string, string, string];
  await hold(clinician, lifted, 'privacy', 20);
  await hold(clinician, ended, 'preventing-harm', 120 / DAY);
  await hold(other, inForce, 'state-law', 30);
  await hold(other, later, 'privacy', 10);
  portal.clock.forward(60);
  await clinician.send('delete', `/v1/records/${lifted}/hold`).expect(204);
  portal.clock.forward(120);
});

afterAll(async () => {
  await checkLedger(hospital.portal);
  await hospital.portal.close();
});

describe('the report of what is held back', () => {
  it('tells a compliance officer who held what, why, for how long, and how that ended; the latest first', async () => {
    const items = await report(hospital.complianceOfficer);
    expect(recordsOf(items)).toEqual([...recordIds].reverse());
    const [later, inForce, ended, lifted] = items as [HeldItem, HeldItem, HeldItem, HeldItem];
    expect(inForce).toEqual({
      ...{ id: expect.any(String) as unknown, recordId: recordIds[2], recordType: 'Observation' },
      ...{ patientId: charts[1].patientId, heldBy: other.id, reason: 'state-law', state: 'in-force' },
      ...{ heldAt: inForce.heldAt, until: inForce.until, releasedAt: null, releasedBy: null },
    });
    expect(Date.parse(inForce.until) - Date.parse(inForce.heldAt)).toBeGreaterThan(29 * DAY * 1_000);
    expect(ended).toMatchObject({ state: 'ended', releasedAt: ended.until, releasedBy: null });
    expect(lifted).toMatchObject({ state: 'lifted', releasedBy: hospital.clinician.id });
    expect(Date.parse(lifted.releasedAt!)).toBeLessThan(Date.parse(lifted.until));
    expect(later).toMatchObject({ state: 'in-force', reason: 'privacy' });
  });

  it('has nothing of the record and none of the clinician’s words, not even sealed', async () => {
    const { text } = await hospital.complianceOfficer.get('/v1/holds').expect(200);
    for (const told of [EXPLANATION, 'explanation', 'Potassium', '2823-3', '1.0']) expect(text).not.toContain(told);
    const app = new pg.Client({ connectionString: hospital.portal.config.database.url });
    await app.connect();
    try {
      await app.query("SELECT set_config('app.account_id', $1, false)", [hospital.complianceOfficer.id]);
      expect((await app.query('SELECT * FROM records.hold_report')).rows).toHaveLength(4);
      expect((await app.query('SELECT * FROM records.hold')).rows).toEqual([]);
      expect((await app.query('SELECT record_id FROM records.record')).rows).toEqual([]);
      // The second wall alone: of whom a clinician treats, and nothing for anybody else.
      for (const [id, seen] of [
        [hospital.clinician.id, 2],
        [other.id, 2],
        [charts[0].id, 0],
        [hospital.admin.id, 0],
        [hospital.recordsOfficer.id, 0],
        [hospital.feed.id, 0],
      ] as const) {
        await app.query("SELECT set_config('app.account_id', $1, false)", [id]);
        expect((await app.query('SELECT 1 FROM records.hold_report')).rows).toHaveLength(seen);
      }
    } finally {
      await app.end();
    }
  });

  it.each([
    ['reason=privacy', [3, 0]],
    ['state=in-force', [3, 2]],
    ['state=ended', [1]],
    ['state=lifted', [0]],
    ['state=in-force&reason=state-law', [2]],
  ])('is narrowed by %s', async (query, places) => {
    expect(recordsOf(await report(hospital.complianceOfficer, `?${query}`))).toEqual(
      places.map((place) => recordIds[place]),
    );
  });

  it('is narrowed by clinician and by patient, and paged without gaps', async () => {
    const { complianceOfficer } = hospital;
    expect(recordsOf(await report(complianceOfficer, `?heldBy=${other.id}`))).toEqual([recordIds[3], recordIds[2]]);
    expect(recordsOf(await report(complianceOfficer, `?patientId=${charts[0].patientId}`))).toEqual([
      recordIds[1],
      recordIds[0],
    ]);
    const paged = (await pages(complianceOfficer, '/v1/holds', 1)) as unknown as HeldItem[][];
    expect(paged.filter((page) => page.length > 0)).toHaveLength(4);
    expect(recordsOf(paged.flat())).toEqual([...recordIds].reverse());
    expect((await complianceOfficer.get('/v1/holds?state=wrong')).status).toBe(400);
  });

  it('tells clinicians of those whom they treat, and nobody else of anybody', async () => {
    const { clinician, admin, staff, recordsOfficer, feed } = hospital;
    expect(recordsOf(await report(clinician))).toEqual([recordIds[1], recordIds[0]]);
    expect(await report(clinician, `?patientId=${charts[1].patientId}`)).toEqual([]);
    expect(await report(clinician, `?heldBy=${other.id}`)).toEqual([]);
    for (const caller of [charts[0], admin, staff, recordsOfficer, feed])
      expect((await caller.get('/v1/holds')).status).toBe(403);
  });

  it('is an event for each viewing, which names the holds and their patients', async () => {
    const requestId = '01990000-0000-7000-8000-00000000401d';
    const items = await report(hospital.clinician);
    await hospital.clinician.get('/v1/holds').set('X-Request-Id', requestId).expect(200);
    const { rows } = await hospital.portal.owner.query<{ event: string }>(
      "SELECT event FROM audit.inbox WHERE request_id = $1 UNION ALL SELECT (leaf::json -> 'e')::text FROM audit.entry WHERE request_id = $1",
      [requestId],
    );
    const told = rows.map(({ event }) => event).join();
    expect(told).toContain('HoldReport.list');
    for (const { id, patientId } of items) {
      expect(told).toContain(id);
      expect(told).toContain(patientId);
    }
  });
});
