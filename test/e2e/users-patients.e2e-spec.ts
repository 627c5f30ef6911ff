import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  NOBODY,
  bytes,
  itemsOf,
  known,
  newPatient,
  pages,
  registered,
  said,
  openHospital,
  type Hospital,
} from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import { makeClinician, signInAs, type Caller } from '../harness/people.js';

let hospital: Hospital;
let portal: Hospital['portal'];
let admin: Hospital['admin'];
let staff: Hospital['staff'];
let recordsOfficer: Hospital['recordsOfficer'];
let complianceOfficer: Hospital['complianceOfficer'];
let clinician: Hospital['clinician'];
let anna: Hospital['anna'];
let bela: Hospital['bela'];
let feed: Hospital['feed'];

beforeAll(async () => {
  hospital = await openHospital();
  ({ portal, admin, staff, recordsOfficer, complianceOfficer, clinician, anna, bela, feed } = hospital);
});

afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});

describe('patients', () => {
  it('are registered by the front desk and administrators, and by nobody else', async () => {
    const answer = await staff.post('/v1/patients').send(newPatient({ mrn: 'M-1' }));
    expect(answer.status).toBe(201);
    expect(answer.body).toEqual({
      id: expect.any(String),
      mrn: 'M-1',
      mrnSystem: portal.config.hospital.mrnSystem,
      family: 'Núñez',
      given: ['Carla', 'María'],
      birthDate: '1990-04-05',
      sex: 'female',
      email: null,
      hasAccount: false,
      version: 1,
      createdAt: expect.any(String),
      updatedAt: expect.any(String),
    });
    expect(said(await staff.post('/v1/patients').send(newPatient({ mrn: 'M-1' })))).toEqual([409, 'users.mrn-taken']);
    await registered(hospital, { mrn: 'M-1', mrnSystem: 'urn:other-hospital' });
    expect((await admin.post('/v1/patients').send(newPatient())).status).toBe(201);
    for (const caller of [recordsOfficer, complianceOfficer, clinician, anna, feed]) {
      expect(said(await caller.post('/v1/patients').send(newPatient()))).toEqual([403, 'access.forbidden']);
    }
    expect(said(await staff.post('/v1/patients').send(newPatient({ birthDate: '2999-01-01' })))).toEqual([
      422,
      'users.birth-date-in-future',
    ]);
    for (const over of [
      { birthDate: '1990-02-30' },
      { birthDate: '1990' },
      { sex: 'F' },
      { given: 'Carla' },
      { given: ['a\u0000'] },
      { mrn: '' },
      { mrnSystem: 'no uri' },
      { hasAccount: true },
      { accountId: NOBODY },
    ]) {
      expect((await staff.post('/v1/patients').send(newPatient(over))).status).toBe(400);
    }
  });

  it('are seen by exactly those who may', async () => {
    const ids = async (caller: Caller) => (await pages(caller, '/v1/patients', 200)).flat().map(({ id }) => id);
    const everybody = (await portal.owner.query('SELECT patient_id FROM users.patient')).rows.map(
      ({ patient_id }) => patient_id as string,
    );
    expect(await ids(anna)).toEqual([anna.patientId]);
    expect(await ids(bela)).toEqual([bela.patientId]);
    expect(await ids(clinician)).toEqual([anna.patientId]);
    for (const caller of [staff, recordsOfficer, admin]) expect(new Set(await ids(caller))).toEqual(new Set(everybody));
    for (const caller of [complianceOfficer, feed]) {
      expect(said(await caller.get('/v1/patients'))).toEqual([403, 'access.forbidden']);
      expect(said(await caller.get(`/v1/patients/${anna.patientId}`))).toEqual([403, 'access.forbidden']);
    }
    expect((await anna.get(`/v1/patients/${anna.patientId}`)).status).toBe(200);
    expect((await clinician.get(`/v1/patients/${anna.patientId}`)).status).toBe(200);
  });

  it('of others answer byte for byte as those that do not exist', async () => {
    for (const caller of [anna, clinician]) {
      for (const path of ['', '/care-team']) {
        const there = await bytes(caller, 'get', `/v1/patients/${bela.patientId}${path}`);
        expect(there).toBe(await bytes(caller, 'get', `/v1/patients/${NOBODY}${path}`));
        expect(there).toMatch(/^\[404,/);
      }
      const there = await bytes(caller, 'patch', `/v1/patients/${bela.patientId}`, { family: 'X' });
      expect(there).toBe(await bytes(caller, 'patch', `/v1/patients/${NOBODY}`, { family: 'X' }));
    }
  });

  it('are found by the beginning of the family name and by record number, page by page', async () => {
    for (let i = 0; i < 5; i++) await registered(hospital, { family: i % 2 ? 'MacEqual' : 'macequal', mrn: `EQ-${i}` });
    const found = await pages(staff, '/v1/patients?text=mace', 2);
    expect(found.map((page) => page.length)).toEqual([2, 2, 1]);
    expect(new Set(found.flat().map(({ mrn }) => mrn))).toEqual(new Set(['EQ-0', 'EQ-1', 'EQ-2', 'EQ-3', 'EQ-4']));
    expect(itemsOf(await staff.get('/v1/patients?mrn=EQ-3')).map(({ mrn }) => mrn)).toEqual(['EQ-3']);
    expect((await anna.get('/v1/patients?mrn=EQ-3')).body).toEqual({ items: [], next: null });
    expect((await staff.get('/v1/patients?mrn=EQ-3&mrn=EQ-4')).status).toBe(400);
  });

  it('leave an event for each of them that a list answered', async () => {
    const requestId = randomUUID();
    const answer = await staff.get('/v1/patients?text=mace').set('X-Request-Id', requestId);
    const { rows } = await portal.owner.query(
      'SELECT subject, action FROM audit.inbox WHERE request_id = $1 UNION ALL SELECT subject, action FROM audit.entry WHERE request_id = $1',
      [requestId],
    );
    expect(new Set(rows.map(({ subject }) => subject))).toEqual(new Set(itemsOf(answer).map(({ id }) => id)));
    expect(new Set(rows.map(({ action }) => action))).toEqual(new Set(['Patient.list']));
  });

  it('are corrected under If-Match by the front desk, not by themselves', async () => {
    const { id } = await registered(hospital, { email: 'old@example.org' });
    const path = `/v1/patients/${id}`;
    expect(said(await staff.patch(path).send({ family: 'X' }))).toEqual([428, 'http.if-match-needed']);
    expect(said(await staff.patch(path).set('If-Match', '"7"').send({ family: 'X' }))).toEqual([412, 'http.stale']);
    const changed = await staff.patch(path).set('If-Match', '"1"').send({ family: 'Ortiz', email: null });
    expect([changed.status, changed.headers.etag, changed.body.family, changed.body.email, changed.body.given]).toEqual(
      [200, '"2"', 'Ortiz', null, ['Carla', 'María']],
    );
    expect((await staff.patch(path).set('If-Match', '"2"').send({ family: null })).status).toBe(400);
    expect(said(await staff.patch(path).set('If-Match', '"2"').send({ birthDate: '2999-01-01' }))).toEqual([
      422,
      'users.birth-date-in-future',
    ]);
    for (const caller of [anna, clinician, recordsOfficer, complianceOfficer]) {
      expect(
        said(await caller.patch(`/v1/patients/${anna.patientId}`).set('If-Match', '"1"').send({ family: 'X' })),
      ).toEqual([403, 'access.forbidden']);
    }
    const race = await Promise.all(
      [1, 2, 3, 4].map((n) =>
        staff
          .patch(path)
          .set('If-Match', '"2"')
          .send({ family: `Race ${n}` }),
      ),
    );
    expect(race.map(({ status }) => status).sort()).toEqual([200, 412, 412, 412]);
  });

  it('are invited once they can be told apart and reached', async () => {
    const { id } = await registered(hospital);
    const invite = (body: object = {}) => staff.post(`/v1/patients/${id}/invitations`).send(body);
    expect(said(await invite())).toEqual([422, 'users.email-needed']);
    const sent = await invite({ email: 'carla@example.org' });
    expect([sent.status, sent.text]).toEqual([204, '']);
    expect(said(await staff.post(`/v1/patients/${anna.patientId}/invitations`).send())).toEqual([
      409,
      'users.chart-has-account',
    ]);
    await portal.owner.query("UPDATE users.patient SET birth_date = '1990' WHERE patient_id = $1", [id]);
    expect(said(await invite({ email: 'carla@example.org' }))).toEqual([422, 'users.birth-date-needed']);
    for (const caller of [anna, clinician, recordsOfficer]) {
      expect(said(await caller.post(`/v1/patients/${id}/invitations`).send({ email: 'x@example.org' }))).toEqual([
        403,
        'access.forbidden',
      ]);
    }
    expect(said(await staff.post(`/v1/patients/${NOBODY}/invitations`).send())).toEqual([404, 'http.not-found']);
  });
});

describe('care teams', () => {
  it('open the chart to a clinician for exactly their period', async () => {
    const { id } = await registered(hospital);
    const team = `/v1/patients/${id}/care-team`;
    const sees = async () => (await clinician.get(`/v1/patients/${id}`)).status;
    const add = (body: object = {}) => staff.post(team).send({ practitionerId: clinician.practitionerId, ...body });
    expect(await sees()).toBe(404);
    const later = new Date(portal.clock.now().getTime() + 3_600_000).toISOString();
    const future = await add({ startsAt: later });
    expect([future.status, await sees()]).toEqual([201, 404]);
    expect((await staff.post(`${team}/${future.body.id}/end`).send()).status).toBe(200);
    expect(said(await staff.post(`${team}/${future.body.id}/end`).send())).toEqual([409, 'users.already-ended']);
    const joined = await add();
    expect([joined.status, await sees()]).toEqual([201, 200]);
    expect(joined.body).toEqual({
      id: expect.any(String),
      patientId: id,
      startsAt: expect.any(String),
      endsAt: null,
      practitioner: {
        id: clinician.practitionerId,
        family: expect.any(String),
        given: expect.any(Array),
        specialty: expect.any(String),
      },
    });
    expect(said(await add())).toEqual([409, 'users.already-on-team']);
    expect(itemsOf(await clinician.get(team)).map((one) => one.id)).toEqual([joined.body.id]);
    expect((await staff.post(`${team}/${joined.body.id}/end`).send()).status).toBe(200);
    expect([await sees(), (await clinician.get(team)).status]).toEqual([404, 404]);
    const empty = await staff.get(team);
    expect(empty.body.items).toEqual([]);
    // That nobody treats somebody is said of them as well.
    const { rows } = await portal.owner.query(
      'SELECT subject FROM audit.inbox WHERE request_id = $1 UNION ALL SELECT subject FROM audit.entry WHERE request_id = $1',
      [empty.headers['x-request-id']],
    );
    expect(rows).toEqual([{ subject: id }]);
    expect((await staff.get(`${team}?ended=true`)).body.items).toHaveLength(2);
  });

  it('do not open it to a practitioner whose role was taken', async () => {
    const other = await known(makeClinician(portal, admin));
    await staff.post(`/v1/patients/${bela.patientId}/care-team`).send({ practitionerId: other.practitionerId });
    expect((await other.get(`/v1/patients/${bela.patientId}`)).status).toBe(200);
    await admin.post(`/v1/users/${other.id}/roles/clinician/revoke`).send({ reason: 'Left.' });
    expect((await other.get(`/v1/patients/${bela.patientId}`)).status).toBeGreaterThanOrEqual(401);
  });

  it('are kept by the front desk, with sense', async () => {
    const team = `/v1/patients/${anna.patientId}/care-team`;
    const practitionerId = clinician.practitionerId;
    for (const caller of [clinician, anna, recordsOfficer, complianceOfficer, feed]) {
      expect(said(await caller.post(team).send({ practitionerId }))).toEqual([403, 'access.forbidden']);
    }
    expect((await anna.get(team)).body.items).toHaveLength(1);
    expect((await recordsOfficer.get(team)).body.items).toHaveLength(1);
    expect(said(await complianceOfficer.get(team))).toEqual([403, 'access.forbidden']);
    expect(said(await staff.post(team).send({ practitionerId: NOBODY }))).toEqual([422, 'users.no-such-practitioner']);
    const [startsAt, endsAt] = ['2030-01-02T00:00:00Z', '2030-01-01T00:00:00Z'];
    expect(said(await staff.post(team).send({ practitionerId, startsAt, endsAt }))).toEqual([
      422,
      'users.empty-period',
    ]);
    expect(said(await staff.post(team).send({ practitionerId, startsAt, endsAt: startsAt }))).toEqual([
      422,
      'users.empty-period',
    ]);
    expect((await staff.post(team).send({ practitionerId, startsAt: '2030-01-02' })).status).toBe(400);
    const [{ id }] = (await staff.get(team)).body.items;
    expect(said(await staff.post(`/v1/patients/${bela.patientId}/care-team/${id}/end`).send())).toEqual([
      404,
      'http.not-found',
    ]);
    expect(said(await staff.post(`/v1/patients/${NOBODY}/care-team`).send({ practitionerId }))).toEqual([
      404,
      'http.not-found',
    ]);
  });

  it('are not joined by whoever keeps them', async () => {
    const both = await known(makeClinician(portal, admin));
    await admin.post(`/v1/users/${both.id}/roles`).send({ role: 'staff', reason: 'Also at the desk.' });
    const caller = await signInAs(portal, both.credentials);
    const answer = await caller
      .post(`/v1/patients/${bela.patientId}/care-team`)
      .send({ practitionerId: both.practitionerId });
    expect(said(answer)).toEqual([403, 'users.not-to-oneself']);
  });
});
