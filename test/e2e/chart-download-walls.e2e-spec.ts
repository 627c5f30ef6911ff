import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { downloaded, type Downloaded } from '../harness/downloads.js';
import { openHospital, type Hospital } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import { type Caller } from '../harness/people.js';
import { makeProxyOf } from '../harness/reading.js';

let hospital: Hospital;
let proxy: Caller & { id: string };
let app: pg.Client;
let hers: Downloaded;
let theirs: Downloaded;

/** The application's own role in the database, with nothing but its row policies between it and the rows. */
async function as(accountId: string, sql: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
  await app.query("SELECT set_config('app.account_id', $1, false)", [accountId]);
  return (await app.query<Record<string, unknown>>(sql, values)).rows;
}

beforeAll(async () => {
  hospital = await openHospital();
  proxy = await makeProxyOf(hospital, hospital.anna.patientId);
  hers = await downloaded(hospital.anna, hospital.anna.patientId, { formats: ['fhir'] });
  theirs = await downloaded(proxy, hospital.anna.patientId, { formats: ['fhir'] });
  await hospital.anna.post(`/v1/downloads/${hers.id}/transmissions`, { to: 'a@b.test' }).expect(201);
  app = new pg.Client({ connectionString: hospital.portal.config.database.url });
  await app.connect();
});

afterAll(async () => {
  await app.end();
  await checkLedger(hospital.portal);
  await hospital.portal.close();
});

const TABLES = ['download', 'download_file', 'download_chunk'];

describe('the second wall of downloads', () => {
  it('shows a download, its files and their pieces to whoever made it, and to nobody else', async () => {
    for (const table of TABLES) {
      const sql = `SELECT DISTINCT download_id AS id FROM records.${table}`;
      expect([table, await as(hospital.anna.id, sql)]).toEqual([table, [{ id: hers.id }]]);
      expect([table, await as(proxy.id, sql)]).toEqual([table, [{ id: theirs.id }]]);
      for (const { id } of [
        hospital.bela,
        hospital.clinician,
        hospital.admin,
        hospital.complianceOfficer,
        hospital.feed,
      ])
        expect([table, await as(id, sql)]).toEqual([table, []]);
      expect([table, await as('', sql)]).toEqual([table, []]);
    }
    expect(await as(proxy.id, 'SELECT 1 FROM records.transmission')).toEqual([]);
    expect(await as(hospital.anna.id, 'SELECT download_id AS id FROM records.transmission')).toEqual([{ id: hers.id }]);
  });

  it('lets nobody ask in another’s name, for another’s chart, or for more than is open to them', async () => {
    const insert = (by: string, account: string, patient: string, labels: string | null) =>
      as(
        by,
        `INSERT INTO records.download (download_id, patient_id, account_id, request_id, session_id, filter, formats, open_labels, rules_version, created_at, expires_at, next_at)
         VALUES (gen_random_uuid(), $1, $2, gen_random_uuid(), gen_random_uuid(), '{}', '{fhir}', $3, 0, now(), now(), now())`,
        [patient, account, labels],
      );
    const { anna, bela } = hospital;
    for (const [by, account, patient, labels] of [
      [bela.id, bela.id, anna.patientId, null],
      [bela.id, anna.id, anna.patientId, null],
      [proxy.id, proxy.id, anna.patientId, null],
      [proxy.id, proxy.id, bela.patientId, '{}'],
      [hospital.clinician.id, hospital.clinician.id, anna.patientId, null],
    ] as const)
      await expect(insert(by, account, patient, labels)).rejects.toThrow(/row-level security/);
  });

  it('lets nobody change what was sent, whose a download is, or a file under it', async () => {
    for (const sql of [
      'UPDATE records.transmission SET bytes = 0',
      'DELETE FROM records.transmission',
      'UPDATE records.download SET patient_id = gen_random_uuid()',
      'UPDATE records.download SET open_labels = NULL',
      'DELETE FROM records.download',
      `UPDATE records.download_chunk SET body = ''`,
      `UPDATE records.download_file SET sha256 = ''`,
    ])
      await expect(as(hospital.anna.id, sql)).rejects.toThrow(/permission denied/);
    await as(hospital.bela.id, 'DELETE FROM records.download_chunk');
    expect(await as(hospital.anna.id, 'SELECT count(*)::int AS n FROM records.download_chunk')).toEqual([{ n: 1 }]);
  });

  it('tells names of those who used a chart to its patient and who acts for them alone', async () => {
    const { anna, bela, clinician, complianceOfficer } = hospital;
    const sql = 'SELECT name FROM users.names_for_chart($1, $2)';
    const asked = [anna.patientId, [clinician.id]];
    expect(await as(anna.id, sql, asked)).toEqual([{ name: 'Cleo Clinician' }]);
    expect(await as(proxy.id, sql, asked)).toEqual([{ name: 'Cleo Clinician' }]);
    for (const { id } of [bela, clinician, complianceOfficer]) expect(await as(id, sql, asked)).toEqual([]);
  });
});
