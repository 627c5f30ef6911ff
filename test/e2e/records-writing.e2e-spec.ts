import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { bundleOf, entryOf, importBundle, patientText } from '../harness/feed.js';
import { openHospital, pages, said, type Hospital, type Made } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import { makePatient, type Caller, type Patient } from '../harness/people.js';
import { lab } from '../harness/reading.js';

let hospital: Hospital;
let pat: Patient;

const chart = (what: string): string => `/v1/patients/${pat.patientId}/${what}`;
const write = (caller: Caller, body: object) => caller.post(chart('records'), body);
const note = { kind: 'note', title: 'Follow-up', text: 'Well. “Très bien”\n<script>alert(1)</script>' };
const weight = { kind: 'measurement', measure: 'body-weight', value: '72.50' };
const change = (caller: Caller, method: 'put' | 'post', path: string, version: number, body: object = {}) =>
  caller.send(method, `/v1/records/${path}`).set('If-Match', `"${version}"`).send(body);
const idsOf = async (caller: Caller): Promise<string[]> =>
  (await pages(caller, chart('records'), 200)).flat().map(({ id }) => id);

beforeAll(async () => {
  hospital = await openHospital();
  pat = await makePatient(hospital.portal, hospital.admin, { mrn: 'MRN-PAT' });
  await hospital.staff.post(chart('care-team'), { practitionerId: hospital.clinician.practitionerId }).expect(201);
  const bundle = bundleOf(
    'batch',
    entryOf(patientText('pat', 'MRN-PAT')),
    lab({ id: 'k', at: '2025-01-05', value: `"valueQuantity":{"value":4.10}` }),
  );
  expect(await importBundle(hospital.feed, bundle)).toMatchObject({ rejected: 0 });
});

afterAll(async () => {
  await checkLedger(hospital.portal);
  await hospital.portal.close();
});

describe('a note', () => {
  let made: Made & { resource: { content: { attachment: { data: string } }[] } };

  it('is written by a clinician of the team, and lies in the chart like any record', async () => {
    const { body } = await write(hospital.clinician, note).expect(201);
    made = body as typeof made;
    expect(made).toMatchObject({
      ...{ type: 'DocumentReference', display: 'Progress note', origin: 'clinician', acceptance: null, version: 1 },
      details: { title: 'Follow-up' },
    });
    expect(Buffer.from(made.resource.content[0]!.attachment.data, 'base64').toString()).toBe(note.text);
    expect(await idsOf(pat)).toContain(made.id);
    expect((await pat.get(chart('records?text=progress')).expect(200)).body).toMatchObject({
      items: [{ id: made.id }],
    });
    expect((await write(pat, note)).status).toBe(422);
    expect((await write(hospital.bela, note)).status).toBe(404);
    expect((await write(hospital.staff, note)).status).toBe(403);
  });

  it('is corrected by a new version; of two at once one succeeds, and the first stays in the history', async () => {
    const correct = (text: string) => change(hospital.clinician, 'put', made.id, 1, { title: 'Follow-up', text });
    const statuses = (await Promise.all([correct('one'), correct('two')])).map(({ status }) => status).sort();
    expect(statuses).toEqual([200, 412]);
    expect((await change(pat, 'put', made.id, 2, { title: 'T', text: 'x' })).status).toBe(403);
    expect(
      (await hospital.clinician.send('put', `/v1/records/${made.id}`).send({ title: 'T', text: 'x' })).status,
    ).toBe(428);
    const versions = (await pages(pat, `/v1/records/${made.id}/history`, 50)).flat();
    expect(versions.map(({ version, writtenBy, origin }) => [version, writtenBy, origin])).toEqual([
      [2, hospital.clinician.id, 'clinician'],
      [1, hospital.clinician.id, 'clinician'],
    ]);
    const first = await pat.get(`/v1/records/${made.id}/history/1`).expect(200);
    expect((first.body as typeof made).resource.content).toEqual(made.resource.content);
  });

  it('is retracted with a reason that only the team reads, and is then its id and nothing else', async () => {
    expect(said(await change(hospital.clinician, 'post', `${made.id}/retract`, 1, { reason: 'x' }))).toEqual([
      412,
      'http.stale',
    ]);
    await change(hospital.clinician, 'post', `${made.id}/retract`, 2, { reason: 'Of another patient' }).expect(200);
    expect(await idsOf(pat)).not.toContain(made.id);
    const [theirs, teams] = [
      await pat.get(`/v1/records/${made.id}`),
      await hospital.clinician.get(`/v1/records/${made.id}`),
    ];
    expect(theirs.text).not.toMatch(/another patient|Follow-up/);
    expect(theirs.body).toMatchObject({
      status: 'entered-in-error',
      resource: { id: made.id, status: 'entered-in-error' },
    });
    expect(teams.body).toMatchObject({ details: { reason: 'Of another patient' } });
    expect((await pat.get(`/v1/records/${made.id}/history/1`).expect(200)).text).not.toContain('Follow-up');
    expect((await hospital.clinician.get(`/v1/records/${made.id}/history/1`).expect(200)).text).toContain('Follow-up');
    expect(said(await change(hospital.clinician, 'post', `${made.id}/retract`, 3, { reason: 'x' }))).toEqual([
      409,
      'records.already-retracted',
    ]);
  });
});

it('what came from a feed is corrected and retracted where it came from', async () => {
  const { body } = await pat.get(chart('records?type=Observation')).expect(200);
  const [{ id }] = (body as { items: [Made] }).items;
  for (const answer of [
    await change(hospital.clinician, 'put', id, 1, { title: 'T', text: 'x' }),
    await change(hospital.clinician, 'post', `${id}/retract`, 1, { reason: 'x' }),
    await change(pat, 'post', `${id}/retract`, 1, { reason: 'x' }),
  ])
    expect(said(answer)).toEqual([409, 'records.not-of-portal']);
  expect(said(await change(hospital.clinician, 'post', `${id}/accept`, 1))).toEqual([409, 'records.not-supplied']);
});

describe('what the patient supplies', () => {
  it('is marked as theirs, keeps its digits, and is not among the values of the summary until the team goes by it', async () => {
    const { body, text } = await write(pat, weight).expect(201);
    const { id } = body as Made;
    expect(text).toContain('"value":72.50,');
    expect(body).toMatchObject({ origin: 'patient', acceptance: 'pending', value: { text: '72.50 kg' } });
    expect(text).toContain('patient-supplied');
    const vitals = async () =>
      ((await hospital.clinician.get(chart('summary')).expect(200)).body as { vitals: object[] }).vitals;
    expect(await vitals()).toEqual([]);
    expect((await change(pat, 'post', `${id}/accept`, 1)).status).toBe(403);
    expect((await change(hospital.clinician, 'post', `${id}/accept`, 1).expect(200)).body).toMatchObject({
      acceptance: 'accepted',
    });
    expect(said(await change(hospital.clinician, 'post', `${id}/decline`, 1))).toEqual([
      409,
      'records.already-decided',
    ]);
    expect(await vitals()).toHaveLength(1);
  });

  it('may be a pressure, a history in words or a questionnaire', async () => {
    const pressure = {
      kind: 'measurement',
      measure: 'blood-pressure',
      value: '121',
      second: '80.0',
      at: '2026-01-02T08:00:00+01:00',
    };
    expect((await write(pat, pressure).expect(201)).body).toMatchObject({
      effectiveText: '2026-01-02T08:00:00+01:00',
      parts: [{ value: { text: '121 mmHg' } }, { value: { text: '80.0 mmHg' } }],
    });
    const history = { kind: 'history', title: 'Operations', text: 'Appendix, 1999' };
    expect((await write(pat, history).expect(201)).body).toMatchObject({
      details: { title: 'Operations' },
      acceptance: 'pending',
    });
    const questionnaire = {
      kind: 'questionnaire',
      title: 'Sleep',
      answers: [{ question: 'How well?', answer: 'Badly "today"' }],
    };
    const { body } = await write(pat, questionnaire).expect(201);
    expect(body).toMatchObject({
      type: 'QuestionnaireResponse',
      display: 'Sleep',
      resource: { item: [{ answer: [{ valueString: 'Badly "today"' }] }] },
    });
  });

  it.each([
    [{ kind: 'measurement' }, '/measure'],
    [{ ...weight, value: undefined }, '/value'],
    [{ ...weight, second: '1' }, '/second'],
    [{ ...weight, measure: 'blood-pressure' }, '/second'],
    [{ ...weight, at: '2999-01-01T00:00:00Z' }, '/at'],
    [{ kind: 'history', text: 'x' }, '/title'],
    [{ kind: 'questionnaire', title: 'x' }, '/answers'],
    [note, '/kind'],
  ])('is refused where something is missing or wrong: %j', async (body, pointer) => {
    const answer = await write(pat, body).expect(422);
    expect((answer.body as { errors: object[] }).errors).toMatchObject([{ pointer }]);
  });

  it.each(['1e5', '1,5', '07', '1.', '', 'NaN', '1}'])('takes %s for no number', async (value) => {
    expect((await write(pat, { ...weight, value })).status).toBe(400);
  });

  it('is withdrawn by the patient, and by nobody else', async () => {
    const { id } = (await write(pat, weight).expect(201)).body as Made;
    expect(said(await change(hospital.clinician, 'post', `${id}/retract`, 1, { reason: 'x' }))).toEqual([
      409,
      'records.not-of-portal',
    ]);
    expect((await change(hospital.bela, 'post', `${id}/retract`, 1, { reason: 'x' })).status).toBe(404);
    await change(pat, 'post', `${id}/retract`, 1, { reason: 'Wrong scales' }).expect(200);
    expect(await idsOf(pat)).not.toContain(id);
  });
});

it('the database lets nobody write for another, nor into another chart, whatever the application says', async () => {
  const app = new pg.Client({ connectionString: hospital.portal.config.database.url });
  await app.connect();
  const [patient, clinician] = [await pat.accountId(), hospital.clinician.id];
  const as = async (account: string, row: { patient: string; origin: string; by: string; acceptance: string }) => {
    await app.query("SELECT set_config('app.account_id', $1, false)", [account]);
    return app
      .query(
        `INSERT INTO records.record (record_id, source_id, patient_id, type, version, source, origin, written_by, acceptance, category, code_system, code, status, sort_at, content_mac, resource, received_at)
         VALUES (gen_random_uuid(), gen_random_uuid()::text, $1, 'Basic', 1, 'urn:portico:portal', $2, $3, $4, '{}', '', '', '', now(), '', 'x', now())`,
        [row.patient, row.origin, row.by, row.acceptance],
      )
      .then(
        () => 'written',
        (error: Error) => error.message,
      );
  };
  const mine = { patient: pat.patientId, origin: 'patient', by: patient, acceptance: 'pending' };
  expect(await as(patient, mine)).toBe('written');
  for (const [account, row] of [
    [patient, { ...mine, acceptance: 'accepted' }],
    [patient, { ...mine, by: clinician }],
    [patient, { ...mine, patient: hospital.anna.patientId }],
    [patient, { ...mine, origin: 'clinician', acceptance: '' }],
    [clinician, { ...mine, by: clinician }],
    [clinician, { ...mine, by: clinician, origin: 'clinician', acceptance: '', patient: hospital.bela.patientId }],
    [hospital.feed.id, { ...mine, by: hospital.feed.id }],
  ] as const)
    expect(await as(account, row)).toMatch(/row-level security/);
  await hospital.portal.owner.query("DELETE FROM records.record WHERE type = 'Basic'");
  await app.end();
});
