import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { importLines, issuesOf, patientText, recordRow, weightText } from '../harness/feed.js';
import { checkLedger } from '../harness/ledger.js';
import {
  mailedCode,
  makeAdmin,
  makeChart,
  makeFeed,
  makePatient,
  makeStaff,
  openAccount,
  type Caller,
} from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

const SOURCE = 'https://ehr.test/fhir';
const MRN = 'https://hospital.example.org/mrn';

let portal: Portal;
let admin: Caller;
let feed: Caller;
let officer: Caller;

beforeAll(async () => {
  portal = await startPortal();
  admin = await makeAdmin(portal);
  feed = await makeFeed(portal, admin, SOURCE);
  officer = await makeStaff(portal, admin, 'records_officer');
});

afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});

const linked = (id: string, mrn: string, other: string, type = 'replaced-by'): string =>
  patientText(id, mrn, MRN, `,"link":[{"other":{"reference":"Patient/${other}"},"type":"${type}"}]`);
const chartOf = async (id: string, type = 'Observation') =>
  (await recordRow(portal, { source: SOURCE, type, sourceId: id }))?.patientId;

interface Merge {
  id: string;
  state: string;
  fromPatientId: string;
  intoPatientId: string;
}
const merges = async (state = 'review'): Promise<Merge[]> =>
  ((await officer.get(`/v1/chart-merges?state=${state}`).expect(200)).body as { items: Merge[] }).items;

/** Two patients with an account and a weight each. */
async function twins(name: string) {
  const [old, kept] = [
    await makePatient(portal, admin, { mrn: `${name}-OLD` }),
    await makePatient(portal, admin, { mrn: `${name}-KEPT` }),
  ];
  await importLines(
    feed,
    patientText(`${name}-old`, `${name}-OLD`),
    patientText(`${name}-kept`, `${name}-KEPT`),
    weightText(`${name}-w-old`, `Patient/${name}-old`, '1'),
    weightText(`${name}-w-kept`, `Patient/${name}-kept`, '2'),
  );
  return { old, kept };
}

describe('a merge that a feed declares', () => {
  it('shows the records in the chart that goes on, and cuts accounts off from both until it is confirmed', async () => {
    const { old, kept } = await twins('a');
    await old.get(`/v1/patients/${old.patientId}/records`).expect(200);
    const result = await importLines(feed, linked('a-old', 'a-OLD', 'a-kept'));
    expect(await issuesOf(feed, result.id)).toMatchObject([{ code: 'charts-merged' }]);
    expect(await chartOf('a-w-old')).toBe(kept.patientId);
    for (const caller of [old, kept])
      for (const id of [old.patientId, kept.patientId]) await caller.get(`/v1/patients/${id}/records`).expect(404);
    const [merge] = await merges();
    expect(merge).toMatchObject({ state: 'review', fromPatientId: old.patientId, intoPatientId: kept.patientId });
    await importLines(feed, weightText('a-later', 'Patient/a-old', '3'));
    expect(await chartOf('a-later')).toBe(kept.patientId);

    await officer.post(`/v1/chart-merges/${merge!.id}/confirm`).expect(200);
    await officer.post(`/v1/chart-merges/${merge!.id}/confirm`).expect(409);
    const { body } = await kept.get(`/v1/patients/${kept.patientId}/records?type=Observation`).expect(200);
    expect((body as { items: unknown[] }).items).toHaveLength(3);
    await old.get(`/v1/patients/${kept.patientId}/records`).expect(404);
  });

  it('is undone: each record goes back to the chart that was named for it, late ones too, and the feed does not overrule it', async () => {
    const { old, kept } = await twins('b');
    await importLines(feed, linked('b-old', 'b-OLD', 'b-kept'), weightText('b-later', 'Patient/b-old', '3'));
    expect(await chartOf('b-later')).toBe(kept.patientId);
    const [merge] = await merges();
    await officer.post(`/v1/chart-merges/${merge!.id}/undo`, {}).expect(400);
    await officer.post(`/v1/chart-merges/${merge!.id}/undo`, { reason: 'Two persons of one name.' }).expect(200);
    expect([await chartOf('b-w-old'), await chartOf('b-later'), await chartOf('b-w-kept')]).toEqual([
      old.patientId,
      old.patientId,
      kept.patientId,
    ]);
    await old.get(`/v1/patients/${old.patientId}/records`).expect(200);
    await kept.get(`/v1/patients/${kept.patientId}/records`).expect(200);
    const again = linked('b-old', 'b-OLD', 'b-kept').replace('"female"', '"unknown"');
    const result = await importLines(feed, again);
    expect(await issuesOf(feed, result.id)).toMatchObject([{ code: 'merge-refused' }]);
    expect(await chartOf('b-w-old')).toBe(old.patientId);
  });

  it('waits for the chart that goes on, also across imports, and history moves with its record', async () => {
    const kept = await makePatient(portal, admin, { mrn: 'c-KEPT' });
    await importLines(
      feed,
      linked('c-old', 'c-OLD', 'c-kept'),
      weightText('c-w', 'Patient/c-old', '1'),
      weightText('c-w', 'Patient/c-old', '2'),
    );
    expect(await chartOf('c-w')).not.toBe(kept.patientId);
    await importLines(feed, patientText('c-kept', 'c-KEPT'));
    expect(await chartOf('c-w')).toBe(kept.patientId);
    const { rows } = await portal.owner.query(
      `SELECT v.patient_id AS chart FROM records.record_version v JOIN records.record r USING (record_id) WHERE r.source_id = 'c-w'`,
    );
    expect(rows).toEqual([{ chart: kept.patientId }]);
    const [merge] = await merges();
    await officer.post(`/v1/chart-merges/${merge!.id}/confirm`).expect(200);
    await kept.get(`/v1/patients/${kept.patientId}/records`).expect(200);
    await officer.post(`/v1/chart-merges/${merge!.id}/undo`, { reason: 'They are two after all.' }).expect(200);
    expect(await chartOf('c-w')).not.toBe(kept.patientId);
    // Whoever has read both as one is cut off.
    await kept.get(`/v1/patients/${kept.patientId}/records`).expect(404);
  });

  it('is no way to another feed’s patients, nor in a circle', async () => {
    const { old, kept } = await twins('d');
    const stranger = await makeFeed(portal, admin, 'https://stranger.test');
    await importLines(stranger, patientText('d-mine', 'd-MINE'), linked('d-mine', 'd-MINE', 'd-kept'));
    await importLines(stranger, patientText('d-kept', 'd-KEPT'));
    const [merge] = await merges();
    // Both charts are known to the stranger by now, by their medical record numbers: it may say so, and it is looked at.
    expect(merge).toMatchObject({ intoPatientId: kept.patientId });
    expect(await chartOf('d-w-old')).toBe(old.patientId);
    await importLines(feed, linked('d-old', 'd-OLD', 'd-kept'));
    const circle = await importLines(feed, linked('d-kept', 'd-KEPT', 'd-old'));
    expect((await issuesOf(feed, circle.id)).map(({ code }) => code)).toEqual(['merge-refused']);
  });

  it('lets nobody in again while another merge of the same chart has not been looked at', async () => {
    const { old, kept } = await twins('e');
    const third = await makePatient(portal, admin, { mrn: 'e-THIRD' });
    await importLines(feed, patientText('e-third', 'e-THIRD'), weightText('e-w-third', 'Patient/e-third', '3'));
    await importLines(feed, linked('e-old', 'e-OLD', 'e-kept'), linked('e-third', 'e-THIRD', 'e-kept'));
    const of = async (from: string) => (await merges()).find((merge) => merge.fromPatientId === from)!;
    const [first, second] = [await of(old.patientId), await of(third.patientId)];
    await officer.post(`/v1/chart-merges/${first.id}/confirm`).expect(200);
    for (const caller of [old, kept, third]) await caller.get(`/v1/patients/${kept.patientId}/records`).expect(404);
    await officer.post(`/v1/chart-merges/${second.id}/undo`, { reason: 'Somebody else.' }).expect(200);
    await kept.get(`/v1/patients/${kept.patientId}/records`).expect(200);
    await third.get(`/v1/patients/${third.patientId}/records`).expect(200);
    await third.get(`/v1/patients/${kept.patientId}/records`).expect(404);
    const { body } = await kept.get(`/v1/patients/${kept.patientId}/records?type=Observation`).expect(200);
    expect((body as { items: unknown[] }).items).toHaveLength(2);
  });

  it('is no way in for whoever holds an invitation to one of the charts, before it is settled', async () => {
    const [old, kept] = [await makeChart(admin, { mrn: 'f-OLD' }), await makeChart(admin, { mrn: 'f-KEPT' })];
    await admin.post(`/v1/patients/${kept.id}/invitations`, { email: kept.email }).expect(204);
    const activationCode = await mailedCode(portal, kept.email);
    await importLines(feed, patientText('f-kept', 'f-KEPT'), linked('f-old', 'f-OLD', 'f-kept'));
    const merge = (await merges()).find(({ fromPatientId }) => fromPatientId === old.id)!;
    const activation = {
      activationCode,
      username: 'f-kept-user',
      password: 'a long enough passphrase 7',
      dateOfBirth: kept.birthDate,
    };
    const refused = await portal.http.post('/v1/auth/activate').send(activation);
    expect(refused.status).toBeGreaterThanOrEqual(400);
    await officer.post(`/v1/chart-merges/${merge.id}/confirm`).expect(200);
    const patient = await openAccount(portal, admin, kept);
    await patient.get(`/v1/patients/${kept.id}/records`).expect(200);
  });

  it('keeps the wish of either to hear of results from a clinician first', async () => {
    const { old, kept } = await twins('g');
    await old
      .send('put', `/v1/patients/${old.patientId}/chart-settings`)
      .send({ resultsAfterReview: true })
      .expect(200);
    await importLines(feed, linked('g-old', 'g-OLD', 'g-kept'));
    const merge = (await merges()).find(({ fromPatientId }) => fromPatientId === old.patientId)!;
    await officer.post(`/v1/chart-merges/${merge.id}/confirm`).expect(200);
    const { body } = await kept.get(`/v1/patients/${kept.patientId}/chart-settings`).expect(200);
    expect(body).toMatchObject({ resultsAfterReview: true });
  });

  it('is settled by the records office alone', async () => {
    const [merge] = await merges();
    for (const caller of [admin, feed]) {
      await caller.get('/v1/chart-merges').expect(403);
      await caller.post(`/v1/chart-merges/${merge!.id}/confirm`).expect(403);
      await caller.post(`/v1/chart-merges/${merge!.id}/undo`, { reason: 'x' }).expect(403);
    }
  });
});
