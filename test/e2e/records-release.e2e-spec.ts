import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { findStatement, listStatement } from '../../src/modules/records/record.repository.js';
import { Relabelling } from '../../src/modules/records/relabelling.js';
import { Params } from '../../src/platform/database/accessible.js';
import { bundleOf, entryOf, importBundle, patientText } from '../harness/feed.js';
import { bytes, NOBODY, openHospital, pages, said, type Hospital } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import { makePatient, type Caller, type Patient } from '../harness/people.js';
import { about, coded, lab, makeProxyOf } from '../harness/reading.js';

let hospital: Hospital;
let pat: Patient;
let proxy: Caller & { id: string };
let trusted: Caller & { id: string };
let app: pg.Client;

const ICD = 'http://hl7.org/fhir/sid/icd-10-cm';
const ACT = 'http://terminology.hl7.org/CodeSystem/v3-ActCode';
const labelled = (code: string): string => `,"meta":{"security":[{"system":"${ACT}","code":"${code}"}]}`;

const chart = (what: string): string => `/v1/patients/${pat.patientId}/${what}`;

async function idOf(sourceId: string): Promise<string> {
  const { rows } = await hospital.portal.owner.query<{ id: string }>(
    'SELECT record_id AS id FROM records.record WHERE source_id = $1',
    [sourceId],
  );
  return rows[0]!.id;
}

const idsOf = async (caller: Caller, limit = 200): Promise<string[]> =>
  (await pages(caller, chart('records'), limit)).flat().map(({ id }) => id);

/** Everything that a caller is told of the chart, in one text. */
async function told(caller: Caller): Promise<string> {
  const answers = await Promise.all(
    ['records?limit=200', 'records?limit=200&sort=oldest', 'timeline?limit=200', 'summary'].map((what) =>
      caller.get(chart(what)).expect(200),
    ),
  );
  return answers.map(({ text }) => text).join('\n');
}

/** Sees a record nowhere, and nothing that hints at it: lists, counts, pages, versions and refusals are as if it were not there. */
async function expectHidden(caller: Caller, id: string): Promise<void> {
  expect(await told(caller)).not.toContain(id);
  for (const path of ['', '/history', '/history/1', '/provenance']) {
    expect(await bytes(caller, 'get', `/v1/records/${id}${path}`)).toBe(
      await bytes(caller, 'get', `/v1/records/${NOBODY}${path}`),
    );
  }
  const whole = await idsOf(caller);
  expect(await idsOf(caller, 2)).toEqual(whole);
  const { body } = await caller.get(chart('summary'));
  const counts = Object.values((body as { counts: Record<string, number> }).counts);
  expect(counts.reduce((a, b) => a + b, 0)).toBe(whole.length);
  const days = (await pages(caller, chart('timeline'), 2)).flat() as unknown as {
    count: number;
    groups: { items: object[] }[];
  }[];
  for (const { count, groups } of days) expect(groups.flatMap(({ items }) => items)).toHaveLength(count);
}

/** What the second wall alone lets an account see: the application's database role, with the first wall taken away. */
async function throughSecondWall(accountId: string): Promise<string[]> {
  await app.query("SELECT set_config('app.account_id', $1, false)", [accountId]);
  const list = listStatement(pat.patientId, { oldestFirst: false, after: null, limit: 200 }, new Params(), 'true');
  return (await app.query<{ record_id: string }>(list.text, list.values)).rows.map((row) => row.record_id).sort();
}

const bringIn = async (...entries: string[]): Promise<void> => {
  expect(await importBundle(hospital.feed, bundleOf('batch', ...entries))).toMatchObject({ rejected: 0 });
};

const hold = (id: string, days: number, by: Caller = hospital.clinician) =>
  by.post(`/v1/records/${id}/hold`, {
    reason: 'preventing-harm',
    explanation: 'To be told in person.',
    until: new Date(hospital.portal.clock.now().getTime() + days * 86_400_000).toISOString(),
  });

beforeAll(async () => {
  hospital = await openHospital();
  pat = await makePatient(hospital.portal, hospital.admin, { mrn: 'MRN-PAT' });
  await hospital.staff.post(chart('care-team'), { practitionerId: hospital.clinician.practitionerId }).expect(201);
  await bringIn(
    entryOf(patientText('pat', 'MRN-PAT')),
    entryOf('{"resourceType":"Organization","id":"psychiatry","name":"Psychiatry"}'),
    lab({ id: 'plain', at: '2025-01-05', value: `"valueQuantity":{"value":1.0}` }),
    lab({
      id: 'other',
      at: '2025-01-06',
      value: `"valueQuantity":{"value":2.0}`,
      code: '718-7',
      display: 'Hemoglobin',
    }),
    lab({
      id: 'hiv',
      at: '2025-01-07',
      value: `"valueString":"x"`,
      code: '75622-1',
      display: 'Test',
      more: labelled('HIV'),
    }),
    about('Condition', 'sud', `"code":${coded(ICD, 'F11.20', 'Dependence')},"onsetDateTime":"2024-02-02"`),
    lab({
      id: 'of-visit',
      at: '2025-01-08',
      value: `"valueString":"y"`,
      code: '1-8',
      more: ',"encounter":{"reference":"Encounter/stay"}',
    }),
  );
  proxy = await makeProxyOf(hospital, pat.patientId);
  trusted = await makeProxyOf(hospital, pat.patientId, ['HIV', 'PSY', 'SUD']);
  app = new pg.Client({ connectionString: hospital.portal.config.database.url });
  await app.connect();
});

afterAll(async () => {
  await app.end();
  await checkLedger(hospital.portal);
  await hospital.portal.close();
});

describe('a sensitive record', () => {
  it('is for the patient and the team, and for a proxy only where its labels are open to them', async () => {
    const id = await idOf('hiv');
    for (const caller of [pat, hospital.clinician, trusted]) {
      const { body } = await caller.get(`/v1/records/${id}`).expect(200);
      expect(body).toMatchObject({ id, labels: ['HIV'] });
    }
    await expectHidden(proxy, id);
    expect(await idsOf(proxy)).toHaveLength((await idsOf(pat)).length - 1);
    expect(await throughSecondWall(proxy.id)).toEqual((await idsOf(proxy)).sort());
    expect(await throughSecondWall(trusted.id)).toEqual((await idsOf(trusted)).sort());
  });

  it('is one by the rules of the hospital as well, by code and by the department of its visit, from the moment of the rule', async () => {
    const psychiatry = `Organization/${await idOf('psychiatry')}`;
    const rules = [
      { label: 'SUD', code: `${ICD}|F11.20` },
      { label: 'PSY', department: psychiatry },
    ];
    const empty = await hospital.recordsOfficer.get('/v1/sensitivity-rules').expect(200);
    expect(empty.body).toMatchObject({ version: 0, rules: [] });
    const change = (version: number, body: object, by: Caller = hospital.recordsOfficer) =>
      by.send('put', '/v1/sensitivity-rules').set('If-Match', `"${version}"`).send(body);
    expect(said(await change(1, { reason: 'first', rules }))).toEqual([412, 'http.stale']);
    expect(said(await change(0, { reason: 'first', rules: [{ label: 'X' }] }))).toEqual([422, 'records.incomplete']);
    expect((await change(0, { reason: 'first', rules }, hospital.admin)).status).toBe(403);
    // No replica has labelled anything anew yet: the rule holds all the same.
    const relabelling = hospital.portal.app.get(Relabelling);
    await relabelling.beforeApplicationShutdown();
    expect((await change(0, { reason: 'first', rules }).expect(200)).body).toMatchObject({
      version: 1,
      isApplied: false,
    });
    const { rows } = await hospital.portal.owner.query("SELECT labels FROM records.record WHERE source_id = 'sud'");
    expect(rows).toEqual([{ labels: [] }]);
    await expectHidden(proxy, await idOf('sud'));
    expect(await throughSecondWall(proxy.id)).toEqual((await idsOf(proxy)).sort());
    // Afterwards by its label.
    await hospital.portal.owner.query('SELECT records.relabel(2, now()) FROM generate_series(1, 20)');
    expect((await hospital.recordsOfficer.get('/v1/sensitivity-rules').expect(200)).body).toMatchObject({
      isApplied: true,
    });
    expect((await pat.get(`/v1/records/${await idOf('sud')}`).expect(200)).body).toMatchObject({ labels: ['SUD'] });
    await expectHidden(proxy, await idOf('sud'));
    await trusted.get(`/v1/records/${await idOf('sud')}`).expect(200);
  });

  it('is one by a code that is only mentioned in it as well', async () => {
    const reason = `"status":"active","intent":"order","medicationCodeableConcept":${coded('urn:drugs', '1', 'Medicine')}`;
    await bringIn(about('MedicationRequest', 'for-sud', `${reason},"reasonCode":[${coded(ICD, 'F11.20', 'Reason')}]`));
    expect((await pat.get(`/v1/records/${await idOf('for-sud')}`).expect(200)).body).toMatchObject({ labels: ['SUD'] });
    await expectHidden(proxy, await idOf('for-sud'));
    expect(await throughSecondWall(proxy.id)).toEqual((await idsOf(proxy)).sort());
    // A medicine that is a record of its own, whether it comes with the prescription, before or after it.
    const order = (id: string, medicine: string) =>
      about(
        'MedicationRequest',
        id,
        `"status":"active","intent":"order","medicationReference":{"reference":"Medication/${medicine}"}`,
      );
    const medicine = (id: string) =>
      entryOf(`{"resourceType":"Medication","id":"${id}","code":${coded(ICD, 'F11.20', 'Medicine')}}`);
    await bringIn(medicine('m1'), order('with', 'm1'));
    await bringIn(order('after', 'm1'), order('before', 'm2'));
    await proxy.get(`/v1/records/${await idOf('before')}`).expect(200);
    await bringIn(medicine('m2'));
    for (const id of ['with', 'after', 'before']) await expectHidden(proxy, await idOf(id));
    expect(await throughSecondWall(proxy.id)).toEqual((await idsOf(proxy)).sort());
    const found = await pages(pat, chart(`records?code=${ICD}|F11.20`), 50);
    expect(found.flat().map(({ id }) => id)).toEqual([await idOf('sud')]);
  });

  it('is one by new rules also when it was being written while they were made', async () => {
    const { owner } = hospital.portal;
    const { host, port, user, password, database } = owner;
    const writer = new pg.Client({ host, port, user, password: password ?? undefined, database });
    await writer.connect();
    await writer.query('BEGIN');
    await writer.query(`UPDATE records.record SET codes = codes || 'urn:x|late'::text WHERE source_id = 'plain'`);
    const { body } = await hospital.recordsOfficer.get('/v1/sensitivity-rules').expect(200);
    const { version, rules } = body as { version: number; rules: object[] };
    await hospital.recordsOfficer
      .send('put', '/v1/sensitivity-rules')
      .set('If-Match', `"${version}"`)
      .send({ reason: 'more', rules: [...rules, { label: 'LATE', code: 'urn:x|late' }] })
      .expect(200);
    const relabelled = owner.query('SELECT records.relabel(1000, now()) FROM generate_series(1, 2)');
    await writer.query('COMMIT');
    await writer.end();
    await relabelled;
    expect((await pat.get(`/v1/records/${await idOf('plain')}`).expect(200)).body).toMatchObject({ labels: ['LATE'] });
    await expectHidden(proxy, await idOf('plain'));
    await owner.query(`UPDATE records.record SET codes = array_remove(codes, 'urn:x|late') WHERE source_id = 'plain'`);
  });

  it('becomes one when its visit comes, or comes to belong to the department', async () => {
    const visit = `"status":"finished","class":{"system":"${ACT}","code":"IMP"},"period":{"start":"2025-01-08"}`;
    await proxy.get(`/v1/records/${await idOf('of-visit')}`).expect(200);
    await bringIn(about('Encounter', 'stay', `${visit},"serviceProvider":{"reference":"Organization/psychiatry"}`));
    const { body } = await pat.get(`/v1/records/${await idOf('of-visit')}`).expect(200);
    expect(body).toMatchObject({ labels: ['PSY'] });
    await expectHidden(proxy, await idOf('of-visit'));
    await expectHidden(proxy, await idOf('stay'));
    expect(await throughSecondWall(proxy.id)).toEqual((await idsOf(proxy)).sort());
  });

  it('stays one in its earlier versions, when a later one is none any more', async () => {
    const plainNow = lab({ id: 'hiv', at: '2025-01-07', value: `"valueString":"x"`, code: '75622-1', display: 'Test' });
    await bringIn(plainNow);
    const id = await idOf('hiv');
    await proxy.get(`/v1/records/${id}/history/2`).expect(200);
    await proxy.get(`/v1/records/${id}/history/1`).expect(404);
    const versions = (await pages(proxy, `/v1/records/${id}/history`, 50)).flat();
    expect(versions.map(({ version }) => version)).toEqual([2]);
    expect((await pages(proxy, `/v1/records/${id}/provenance`, 50)).flat()).toHaveLength(1);
    expect((await pages(pat, `/v1/records/${id}/history`, 50)).flat()).toHaveLength(2);
  });

  it('a proxy sees nothing before and after the time of the grant, nor of another patient', async () => {
    await hospital.portal.owner.query(
      `UPDATE users.proxy_grant SET ends_at = now() - interval '1 hour' WHERE account_id = $1`,
      [trusted.id],
    );
    await trusted.get(chart('records')).expect(404);
    expect(await throughSecondWall(trusted.id)).toEqual([]);
    for (const what of ['records', 'summary', 'timeline', 'chart-settings'])
      expect((await proxy.get(`/v1/patients/${hospital.anna.patientId}/${what}`)).status).toBe(
        what === 'chart-settings' ? 403 : 404,
      );
  });
});

describe('holding back', () => {
  it('is of one record, by a clinician who treats the patient, for a reason and a time; nothing hints at it', async () => {
    const id = await idOf('plain');
    expect((await hold(id, 3, pat)).status).toBe(403);
    expect((await hold(id, 3, hospital.staff)).status).toBe(403);
    expect(said(await hold(id, 31))).toEqual([422, 'records.hold-end']);
    expect(said(await hold(id, -1))).toEqual([422, 'records.hold-end']);
    expect((await hold(id, 3).expect(201)).body).toMatchObject({
      ...{ recordId: id, reason: 'preventing-harm', explanation: 'To be told in person.', liftedAt: null },
      heldBy: hospital.clinician.id,
    });
    expect(said(await hold(id, 3))).toEqual([409, 'records.already-held']);
    await expectHidden(pat, id);
    await expectHidden(proxy, id);
    expect(await throughSecondWall(await pat.accountId())).toEqual((await idsOf(pat)).sort());
    const { body } = await hospital.clinician.get(`/v1/records/${id}`).expect(200);
    expect(typeof (body as { heldUntil: unknown }).heldUntil).toBe('string');
    const { rows } = await hospital.portal.owner.query('SELECT explanation FROM records.hold');
    expect(JSON.stringify(rows)).not.toContain('person');
    await pat.get(`/v1/records/${id}/holds`).expect(403);
  });

  it('ends when it is lifted', async () => {
    const id = await idOf('plain');
    await hospital.clinician.send('delete', `/v1/records/${id}/hold`).expect(204);
    await pat.get(`/v1/records/${id}`).expect(200);
    expect(said(await hospital.clinician.send('delete', `/v1/records/${id}/hold`))).toEqual([409, 'records.not-held']);
    const [held] = (await pages(hospital.clinician, `/v1/records/${id}/holds`, 50)).flat();
    expect(typeof held!.liftedAt).toBe('string');
  });

  it('ends by itself at its end', async () => {
    const id = await idOf('plain');
    await hold(id, 0.002).expect(201);
    await expectHidden(pat, id);
    // The portal's clock goes past its end; the database's own, which the second wall reads, does by moving the end.
    hospital.portal.clock.forward(180);
    await pat.get(`/v1/records/${id}`).expect(404);
    await hospital.portal.owner.query('UPDATE records.record SET held_until = now() WHERE record_id = $1', [id]);
    await pat.get(`/v1/records/${id}`).expect(200);
  });

  it('is refused by the database to whoever does not treat the patient, whatever the application says', async () => {
    await app.query("SELECT set_config('app.account_id', $1, false)", [await pat.accountId()]);
    const held = `SELECT records.hold_back(gen_random_uuid(), $1, 'privacy', 'x', now(), now() + interval '1 day') AS done`;
    expect((await app.query(held, [await idOf('plain')])).rows).toEqual([{ done: false }]);
    await expect(app.query('UPDATE records.hold SET until = now()')).rejects.toThrow(/permission denied/);
    const find = findStatement(await idOf('plain'), new Params(), 'true');
    expect((await app.query(find.text, find.values)).rows).toHaveLength(1);
  });
});

describe('the wish to hear from a clinician first', () => {
  const wish = (caller: Caller, resultsAfterReview: boolean) =>
    caller.send('put', chart('chart-settings')).send({ resultsAfterReview });

  it('is the patient’s alone, and by default there is none', async () => {
    expect((await pat.get(chart('chart-settings')).expect(200)).body).toMatchObject({ resultsAfterReview: false });
    for (const caller of [hospital.clinician, proxy, hospital.staff])
      expect((await wish(caller, true)).status).toBe(403);
    await hospital.clinician.get(chart('chart-settings')).expect(200);
  });

  it('keeps results back until a clinician has looked at them, and each new version anew', async () => {
    await wish(pat, true).expect(200);
    const id = await idOf('other');
    await expectHidden(pat, id);
    expect(await throughSecondWall(await pat.accountId())).toEqual((await idsOf(pat)).sort());
    await pat.get(`/v1/records/${await idOf('sud')}`).expect(200);
    const review = (version: number, by: Caller = hospital.clinician) =>
      by.post(`/v1/records/${id}/review`).set('If-Match', `"${version}"`);
    expect((await review(1, pat)).status).toBe(403);
    expect(said(await review(2))).toEqual([412, 'http.stale']);
    await review(1).expect(204);
    await pat.get(`/v1/records/${id}`).expect(200);
    await bringIn(
      lab({
        id: 'other',
        at: '2025-01-06',
        value: `"valueQuantity":{"value":2.5}`,
        code: '718-7',
        display: 'Hemoglobin',
      }),
    );
    await expectHidden(pat, id);
    await review(2).expect(204);
    await pat.get(`/v1/records/${id}`).expect(200);
  });

  it('ends with the wish, and 14 days after the result came', async () => {
    const id = await idOf('plain');
    await pat.get(`/v1/records/${id}`).expect(404);
    await wish(pat, false).expect(200);
    await pat.get(`/v1/records/${id}`).expect(200);
    const { rows } = await hospital.portal.owner.query(
      `SELECT bool_and(waits_until = received_at + interval '14 days') AS is_bounded FROM records.record WHERE waits_until > '-infinity'`,
    );
    expect(rows).toEqual([{ is_bounded: true }]);
  });
});
