import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { bundleIn, copyChart, HELD, idOf, SECRET, textIn } from '../harness/copied-chart.js';
import { downloaded, fileOf, filesOf, prepared, type Downloaded } from '../harness/downloads.js';
import { bytes, NOBODY, pages, type Hospital } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import { hasPdfReader, pdfText } from '../harness/pdf.js';
import type { Caller, Patient } from '../harness/people.js';
import { makeProxyOf } from '../harness/reading.js';

let hospital: Hospital;
let pat: Patient;
let proxy: Caller & { id: string };
let all: Downloaded;

beforeAll(async () => {
  ({ hospital, pat, proxy, all } = await copyChart());
}, 60_000);

afterAll(async () => {
  await checkLedger(hospital.portal);
  await hospital.portal.close();
});

describe('a download by somebody who acts for the patient', () => {
  it('holds what they see and no hint at the rest, in any format', async () => {
    const made = await downloaded(proxy, pat.patientId);
    const own = await filesOf(proxy, made);
    const secret = await idOf(hospital, 'secret');
    for (const [name, content] of own)
      for (const hidden of [SECRET, secret, HELD, '75622-1'])
        expect([name, content.toString('utf8').includes(hidden)]).toEqual([name, false]);
    if (hasPdfReader) expect(pdfText(own.get('health-record.pdf')!)).not.toContain('Immunodeficiency');
    const listed = (await pages(proxy, `/v1/patients/${pat.patientId}/records`, 200)).flat();
    const { entry } = bundleIn(own, 'health-record.json');
    expect(entry.filter(({ resource }) => resource.resourceType !== 'Binary')).toHaveLength(listed.length);
    expect(textIn(own, 'health-record.html')).toContain('Health record of Ελένη Пётр Łukasiewicz');
  });

  it('is theirs alone, and so is the patient’s: to anybody else there is none', async () => {
    const made = await downloaded(proxy, pat.patientId, { formats: ['fhir'] });
    for (const [caller, id] of [
      [pat, made.id],
      [proxy, all.id],
      [hospital.anna, all.id],
    ] as const)
      for (const path of ['', '/files/health-record.json']) {
        expect(await bytes(caller, 'get', `/v1/downloads/${id}${path}`)).toBe(
          await bytes(caller, 'get', `/v1/downloads/${NOBODY}${path}`),
        );
      }
    for (const method of ['end', 'transmissions'])
      expect(
        (
          await hospital.anna.post(
            `/v1/downloads/${all.id}/${method}`,
            method === 'end' ? undefined : { to: 'a@b.test' },
          )
        ).status,
      ).toBe(404);
    const listed = (await pages(pat, `/v1/patients/${pat.patientId}/downloads`, 1)).flat();
    expect(listed.map(({ id }) => id)).not.toContain(made.id);
    expect((await hospital.anna.post(`/v1/patients/${pat.patientId}/downloads`, {})).status).toBe(404);
    for (const caller of [hospital.clinician, hospital.staff, hospital.admin, hospital.feed])
      expect((await caller.post(`/v1/patients/${pat.patientId}/downloads`, {})).status).toBe(403);
  });

  it('is gone when what they may see grows less: by a rule, by the grant, by its end', async () => {
    const trusted = await makeProxyOf(hospital, pat.patientId, ['HIV']);
    const made = await downloaded(trusted, pat.patientId, { formats: ['fhir'] });
    expect((await fileOf(trusted, made.id, 'health-record.json')).bytes.toString()).toContain(SECRET);
    const grant = (set: string) =>
      hospital.portal.owner.query(`UPDATE users.proxy_grant SET ${set} WHERE account_id = $1`, [trusted.id]);
    await grant(`open_labels = '{}'`);
    expect((await fileOf(trusted, made.id, 'health-record.json')).status).toBe(404);
    await grant(`open_labels = '{HIV}'`);
    expect((await fileOf(trusted, made.id, 'health-record.json')).status).toBe(200);
    await grant(`ends_at = now() - interval '1 hour'`);
    expect((await fileOf(trusted, made.id, 'health-record.json')).status).toBe(404);
    // What was asked for, and not yet begun when it ended, is never written.
    await grant(`ends_at = NULL`);
    const { body } = await trusted.post(`/v1/patients/${pat.patientId}/downloads`, {}).expect(202);
    await grant(`ends_at = now() - interval '1 hour'`);
    await prepared(hospital.portal);
    const { rows } = await hospital.portal.owner.query(
      'SELECT status, failure, (SELECT count(*)::int FROM records.download_chunk c WHERE c.download_id = d.download_id) AS chunks FROM records.download d WHERE download_id = $1',
      [(body as { id: string }).id],
    );
    expect(rows).toEqual([{ status: 'failed', failure: 'access-ended', chunks: 0 }]);
    const rules = { reason: 'first', rules: [{ label: 'SUD', code: 'urn:x|1' }] };
    const before = await downloaded(proxy, pat.patientId, { formats: ['fhir'] });
    await hospital.recordsOfficer.send('put', '/v1/sensitivity-rules').set('If-Match', '"0"').send(rules).expect(200);
    expect((await fileOf(proxy, before.id, 'health-record.json')).status).toBe(404);
    expect((await fileOf(pat, all.id, 'health-record.json')).status).toBe(200);
  });
});
