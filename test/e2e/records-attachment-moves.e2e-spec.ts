import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  attachment,
  binaryText,
  documentText,
  fetchBytes,
  listOf,
  pdf,
  sha1,
  type Listed,
} from '../harness/attachments.js';
import { bundleOf, entryOf, importBundle, issuesOf, patientText } from '../harness/feed.js';
import { openHospital, said, type Hospital } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import { makeClinician, makePatient, type Caller, type Patient } from '../harness/people.js';

let hospital: Hospital;
let pat: Patient;

beforeAll(async () => {
  hospital = await openHospital();
  pat = await makePatient(hospital.portal, hospital.admin, { mrn: 'MRN-PAT' });
  await hospital.staff
    .post(`/v1/patients/${pat.patientId}/care-team`, { practitionerId: hospital.clinician.practitionerId })
    .expect(201);
  await bringIn(entryOf(patientText('pat', 'MRN-PAT')), entryOf(document('kept', [attachment({ text: 'Kept' })])));
});

afterAll(async () => {
  await checkLedger(hospital.portal);
  await hospital.portal.close();
});

/** Resolves with the codes of what the sender is told. */
async function bringIn(...entries: string[]): Promise<string[]> {
  const result = await importBundle(hospital.feed, bundleOf('batch', ...entries));
  expect(result).toMatchObject({ rejected: 0, quarantined: 0 });
  return (await issuesOf(hospital.feed, result.id)).map(({ code }) => code);
}

async function idOf(sourceId: string): Promise<string> {
  const { rows } = await hospital.portal.owner.query<{ id: string }>(
    'SELECT record_id AS id FROM records.record WHERE source_id = $1',
    [sourceId],
  );
  return rows[0]!.id;
}

const document = (id: string, attachments: string[]): string => documentText(id, 'Patient/pat', attachments);

/** Brings a document in and answers what the list says of its attachments. */
async function listed(id: string, attachments: string[]): Promise<Listed[]> {
  await bringIn(entryOf(document(id, attachments)));
  return listOf(pat, await idOf(id));
}

describe('a Binary', () => {
  const scan = pdf(300_000, 3);
  const naming = (id: string, url: string, patient = 'Patient/pat', more = ''): string =>
    documentText(id, patient, [`{"contentType":"application/pdf","url":"${url}"${more}}`]);
  const only = async (id: string): Promise<Listed> => (await listOf(pat, await idOf(id)))[0]!;

  it('that comes before or after is the content of the attachment that names it', async () => {
    const urn = 'urn:uuid:0b7f4a3e-0000-4000-8000-00000000b1b1';
    await bringIn(entryOf(binaryText('first', scan, 'application/pdf')));
    await bringIn(
      entryOf(naming('of-first', 'Binary/first')),
      entryOf(naming('of-later', 'https://ehr.example/main/Binary/later')),
    );
    await bringIn(
      entryOf(naming('of-urn', urn)),
      entryOf(binaryText('by-urn', scan, 'application/pdf'), { fullUrl: urn }),
    );
    for (const id of ['of-first', 'of-urn']) {
      expect(await only(id)).toMatchObject({ state: 'stored', size: scan.length, address: null });
      expect(((await fetchBytes(pat, (await only(id)).url!)).body as Buffer).equals(scan)).toBe(true);
    }
    expect(await only('of-later')).toMatchObject({ state: 'awaited', url: null });
    expect(said(await pat.get(`/v1/attachments/${(await only('of-later')).id}`))).toEqual([
      409,
      'records.attachment-awaited',
    ]);
    await bringIn(entryOf(binaryText('later', scan, 'application/pdf')));
    expect(((await fetchBytes(pat, (await only('of-later')).url!)).body as Buffer).equals(scan)).toBe(true);
    const { text } = await pat.get(`/v1/records/${await idOf('of-first')}/original`).expect(200);
    expect(text).toContain('"url":"Binary/first"');
    // By itself it is nobody's.
    await pat.get(`/v1/records/${await idOf('first')}`).expect(404);
    await hospital.clinician.get(`/v1/records/${await idOf('first')}`).expect(404);
  });

  it('that comes again is what it is now, and is held to what the attachment says of it', async () => {
    const other = pdf(1_000, 4);
    await bringIn(entryOf(naming('of-changing', 'Binary/changing', 'Patient/pat', `,"hash":"${sha1(scan)}"`)));
    await bringIn(entryOf(binaryText('changing', scan, 'application/pdf')));
    expect(await only('of-changing')).toMatchObject({ state: 'stored', size: scan.length });
    await bringIn(entryOf(binaryText('changing', other, 'application/pdf')));
    expect(await only('of-changing')).toMatchObject({
      state: 'refused',
      size: 1_000,
      findings: [{ code: 'attachment-hash' }],
    });
  });

  it('is nobody else’s attachment than whose it says it is, whichever comes first', async () => {
    await bringIn(entryOf(patientText('bela', 'MRN-BELA-2')));
    const context = ',"securityContext":{"reference":"Patient/bela"}';
    await bringIn(entryOf(binaryText('of-bela', scan, 'application/pdf', context)));
    await bringIn(
      entryOf(naming('stolen', 'Binary/of-bela')),
      entryOf(naming('rightful', 'Binary/of-bela', 'Patient/bela')),
    );
    expect(await only('stolen')).toMatchObject({
      state: 'refused',
      size: null,
      findings: [{ code: 'attachment-of-another' }],
    });
    const { rows } = await hospital.portal.owner.query(
      `SELECT a.content_id IS NULL AS empty FROM records.attachment a JOIN records.record r USING (record_id) WHERE r.source_id IN ('stolen', 'rightful') ORDER BY r.source_id`,
    );
    expect(rows).toEqual([{ empty: false }, { empty: true }]);
    // Its owner is not known when it comes: it waits, and so does everybody who names it.
    await bringIn(entryOf(naming('early', 'Binary/of-late')));
    await bringIn(
      entryOf(binaryText('of-late', scan, 'application/pdf', ',"securityContext":{"reference":"Patient/late"}')),
    );
    expect(await only('early')).toMatchObject({ state: 'awaited' });
    await bringIn(entryOf(patientText('late', 'MRN-LATE')));
    expect(await only('early')).toMatchObject({ state: 'refused', findings: [{ code: 'attachment-of-another' }] });
  });
});

describe('where its record goes', () => {
  it('into the chart, when the patient comes: under their key', async () => {
    const owner = await makePatient(hospital.portal, hospital.admin, { mrn: 'MRN-COMES' });
    const text = documentText('waiting', 'Patient/comes', [attachment({ text: 'Waited' })]);
    expect(await bringIn(entryOf(text))).toContain('no-patient');
    const sealed = async (): Promise<string> => {
      const { rows } = await hospital.portal.owner.query<{ scope: string }>(
        `SELECT k.scope FROM records.attachment a JOIN records.record r USING (record_id)
           JOIN platform.data_key k ON replace(k.data_key_id::text, '-', '') = substr(encode(decode(a.head, 'base64'), 'hex'), 3, 32)
          WHERE r.source_id = 'waiting'`,
      );
      return rows[0]!.scope;
    };
    expect(await sealed()).toMatch(/^shared:/);
    await bringIn(entryOf(patientText('comes', 'MRN-COMES')));
    expect(await sealed()).toBe(`patient:${owner.patientId}`);
    const [item] = await listOf(owner, await idOf('waiting'));
    expect((await fetchBytes(owner, item!.url!).expect(200)).body).toEqual(Buffer.from('Waited'));
    await pat.get(`/v1/attachments/${item!.id}`).expect(404);
  });

  it('out of sight with what was entered in error, and gone with what was deleted', async () => {
    const [item] = await listed('wrong', [attachment({ text: 'Wrong' })]);
    const [gone] = await listed('gone', [attachment({ text: 'Gone' })]);
    await bringIn(
      entryOf(document('wrong', [attachment({ text: 'Wrong' })]).replace('"current"', '"entered-in-error"')),
    );
    expect(await listOf(pat, await idOf('wrong'))).toEqual([]);
    for (const path of [`/v1/attachments/${item!.id}`, `/v1/records/${await idOf('wrong')}/original`])
      for (const caller of [pat, hospital.clinician]) await caller.get(path).expect(404);
    await bringIn(`{"request":{"method":"DELETE","url":"DocumentReference/gone"}}`);
    for (const path of [
      `/v1/attachments/${gone!.id}`,
      `/v1/records/${await idOf('gone')}/original`,
      `/v1/records/${await idOf('gone')}/attachments`,
    ])
      expect(said(await pat.get(path))).toEqual([410, 'records.gone']);
  });

  it('to the other chart with a merge', async () => {
    const [from, into] = [
      await makePatient(hospital.portal, hospital.admin, { mrn: 'MRN-FROM' }),
      await makePatient(hospital.portal, hospital.admin, { mrn: 'MRN-INTO' }),
    ];
    await bringIn(
      entryOf(patientText('from', 'MRN-FROM')),
      entryOf(patientText('into', 'MRN-INTO')),
      entryOf(documentText('merged', 'Patient/from', [attachment({ text: 'Merged' })])),
    );
    const [item] = await listOf(from, await idOf('merged'));
    await hospital.staff
      .post(`/v1/patients/${into.patientId}/care-team`, { practitionerId: hospital.clinician.practitionerId })
      .expect(201);
    await hospital.clinician.get(item!.url!).expect(404);
    await bringIn(
      entryOf(
        patientText(
          'from',
          'MRN-FROM',
          undefined,
          ',"link":[{"other":{"reference":"Patient/into"},"type":"replaced-by"}]',
        ),
      ),
    );
    expect((await fetchBytes(hospital.clinician, item!.url!).expect(200)).body).toEqual(Buffer.from('Merged'));
    // Cut off until the records office has looked at it.
    await from.get(item!.url!).expect(404);
    await into.get(item!.url!).expect(404);
  });

  it.each([
    ['at once', false],
    ['after the merge was confirmed', true],
  ])('back to the chart that was named, when the merge is undone %s', async (_when, isConfirmed) => {
    const { portal, admin, staff, clinician, recordsOfficer } = hospital;
    const n = isConfirmed ? 'b' : 'a';
    const [one, two] = [
      await makePatient(portal, admin, { mrn: `MRN-ONE-${n}` }),
      await makePatient(portal, admin, { mrn: `MRN-TWO-${n}` }),
    ];
    const patients = {
      one: (more = '') => entryOf(patientText(`one-${n}`, `MRN-ONE-${n}`, undefined, more)),
      two: entryOf(patientText(`two-${n}`, `MRN-TWO-${n}`)),
    };
    const ofOne = (id: string, text: string) => documentText(`${id}-${n}`, `Patient/one-${n}`, [attachment({ text })]);
    await bringIn(
      ...[patients.one(), patients.two, entryOf(ofOne('early', 'Early'))],
      entryOf(documentText(`others-${n}`, `Patient/two-${n}`, [attachment({ text: 'Others' })])),
    );
    const urlOf = async (caller: Patient, id: string): Promise<string> =>
      (await listOf(caller, await idOf(`${id}-${n}`)))[0]!.url!;
    const early = await urlOf(one, 'early');
    const others = await urlOf(two, 'others');
    await staff
      .post(`/v1/patients/${two.patientId}/care-team`, { practitionerId: clinician.practitionerId })
      .expect(201);

    await bringIn(patients.one(`,"link":[{"other":{"reference":"Patient/two-${n}"},"type":"replaced-by"}]`));
    // What comes while they are one, and what changes: a version of its own, with a content of its own.
    await bringIn(
      entryOf(ofOne('late', 'Late')),
      entryOf(documentText(`early-${n}`, `Patient/one-${n}`, [attachment({ text: 'Early, corrected' })])),
    );
    const during = {
      early: (await listOf(clinician, await idOf(`early-${n}`)))[0]!.url!,
      late: (await listOf(clinician, await idOf(`late-${n}`)))[0]!.url!,
    };
    const reads = async (caller: Caller, url: string, text: string): Promise<void> =>
      expect((await fetchBytes(caller, url).expect(200)).body).toEqual(Buffer.from(text));
    await reads(clinician, during.early, 'Early, corrected');
    await reads(clinician, during.late, 'Late');
    for (const url of [early, others, during.early, during.late])
      for (const cut of [one, two]) await cut.get(url).expect(404);

    const { body } = await recordsOfficer.get('/v1/chart-merges').expect(200);
    const { items } = body as { items: { id: string; fromPatientId: string }[] };
    const { id } = items.find(({ fromPatientId }) => fromPatientId === one.patientId)!;
    if (isConfirmed) {
      await recordsOfficer.post(`/v1/chart-merges/${id}/confirm`).expect(200);
      await reads(two, during.early, 'Early, corrected');
      await reads(two, during.late, 'Late');
      await one.get(during.late).expect(404);
    }
    await recordsOfficer.post(`/v1/chart-merges/${id}/undo`, { reason: 'They are two.' }).expect(200);

    // Whose each is, by the chart that its sender named: for the patients, and for whom they are treated by.
    const ofOneAlone = await makeClinician(portal, admin);
    await staff
      .post(`/v1/patients/${one.patientId}/care-team`, { practitionerId: ofOneAlone.practitionerId })
      .expect(201);
    // Whoever has read both as one reads neither, until they are invited anew.
    for (const caller of isConfirmed ? [ofOneAlone] : [ofOneAlone, one]) {
      await reads(caller, during.early, 'Early, corrected');
      await reads(caller, during.late, 'Late');
      await reads(caller, early, 'Early');
      await caller.get(others).expect(404);
    }
    for (const caller of isConfirmed ? [clinician] : [clinician, two]) await reads(caller, others, 'Others');
    for (const url of [early, during.early, during.late])
      for (const stranger of [two, clinician, pat]) await stranger.get(url).expect(404);
    const original = await ofOneAlone.get(`/v1/records/${await idOf(`early-${n}`)}/original`).expect(200);
    expect(original.text).toContain(Buffer.from('Early, corrected').toString('base64'));
  });

  it('away with its record, and nothing of it is left behind', async () => {
    const [item] = await listed('erased', [attachment({ text: 'Erased' })]);
    const { owner, clock } = hospital.portal;
    const left = async () =>
      (
        await owner.query<{ n: number }>(
          'SELECT count(*)::integer AS n FROM records.attachment_chunk c WHERE NOT EXISTS (SELECT 1 FROM records.attachment a WHERE c.content_id IN (a.content_id, a.literal_id))',
        )
      ).rows[0]!.n;
    await owner.query('DELETE FROM records.record WHERE source_id = $1', ['erased']);
    await pat.get(item!.url!).expect(404);
    expect(await left()).toBeGreaterThan(0);
    await owner.query('SELECT records.sweep_attachment_chunks($1, 500)', [new Date(clock.now().getTime() + 1_000)]);
    expect(await left()).toBe(0);
    const [kept] = await listOf(pat, await idOf('kept'));
    await fetchBytes(pat, kept!.url!).expect(200);
  });
});
