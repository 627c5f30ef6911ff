import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { Accounts, Charts, type FeedPatient } from '../../src/modules/users/index.js';
import { Database } from '../../src/platform/database/database.js';
import type { Db } from '../../src/platform/database/db.js';
import { NOBODY, opened, registered, said, openHospital, type Hospital } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';

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

describe('practitioners', () => {
  it('are read by every person and written by administrators', async () => {
    const made = await admin
      .post('/v1/practitioners')
      .send({ family: 'Aaron', given: ['Bo'], specialty: 'Radiology', npi: '1999999992' });
    expect(made.status).toBe(201);
    const path = `/v1/practitioners/${made.body.id}`;
    for (const caller of [staff, recordsOfficer, complianceOfficer, clinician, anna, admin]) {
      expect((await caller.get(path)).body).toEqual(made.body);
      expect((await caller.get('/v1/practitioners?text=aar')).body.items).toEqual([made.body]);
    }
    expect(Object.keys(made.body)).not.toContain('accountId');
    for (const method of ['/v1/practitioners', path])
      expect(said(await feed.get(method))).toEqual([403, 'access.forbidden']);
    for (const caller of [staff, clinician, anna, feed]) {
      expect(said(await caller.post('/v1/practitioners').send({ family: 'A', given: [], specialty: 'B' }))).toEqual([
        403,
        'access.forbidden',
      ]);
      expect(said(await caller.patch(path).set('If-Match', '"1"').send({ specialty: 'X' }))).toEqual([
        403,
        'access.forbidden',
      ]);
    }
    expect(
      said(await admin.post('/v1/practitioners').send({ family: 'A', given: [], specialty: 'B', npi: '1999999992' })),
    ).toEqual([409, 'users.npi-taken']);
    expect(
      said(await admin.post('/v1/practitioners').send({ family: 'A', given: [], specialty: 'B', accountId: NOBODY })),
    ).toEqual([422, 'users.no-such-account']);
    expect(said(await admin.get(`/v1/practitioners/${NOBODY}`))).toEqual([404, 'http.not-found']);
  });

  it('are changed under If-Match; an account comes once and never to oneself', async () => {
    const { body } = await admin
      .post('/v1/practitioners')
      .send({ family: 'Free', given: ['Agent'], specialty: 'Radiology', npi: '1888888884' });
    const patch = (version: number, change: object) =>
      admin.patch(`/v1/practitioners/${body.id}`).set('If-Match', `"${version}"`).send(change);
    expect(said(await admin.patch(`/v1/practitioners/${body.id}`).send({ npi: null }))).toEqual([
      428,
      'http.if-match-needed',
    ]);
    expect(said(await patch(2, { npi: null }))).toEqual([412, 'http.stale']);
    const changed = await patch(1, { npi: null });
    expect([changed.status, changed.body.npi, changed.headers.etag]).toEqual([200, null, '"2"']);
    expect(said(await patch(2, { accountId: admin.id }))).toEqual([403, 'users.not-to-oneself']);
    const { id } = await opened(hospital);
    expect((await patch(2, { accountId: id })).status).toBe(200);
    expect(said(await patch(3, { accountId: staff.id }))).toEqual([409, 'users.practitioner-has-account']);
    expect(
      said(await admin.post('/v1/practitioners').send({ family: 'A', given: [], specialty: 'B', accountId: id })),
    ).toEqual([409, 'users.account-has-practitioner']);
  });
});

describe('for other modules', () => {
  const now = () => portal.clock.now();
  const work = <T>(accountId: string | null, what: (ctx: { db: Db; now: Date }) => Promise<T>): Promise<T> =>
    portal.app.get(Database).write(accountId, (db) => what({ db, now: now() }));
  const patientOfFeed = (over: Partial<FeedPatient> = {}): FeedPatient => ({
    mrnSystem: 'urn:ehr',
    mrn: randomUUID(),
    family: 'Feed',
    given: ['A', 'B, "C"', '{D}'],
    birthDate: '1950',
    sex: 'other',
    ...over,
  });

  it('charts of a feed are opened once, in the order asked, whoever comes first', async () => {
    const charts = portal.app.get(Charts, { strict: false });
    const patients = Array.from({ length: 30 }, () => patientOfFeed());
    const asked = [...patients, patients[0]!];
    const runs = await Promise.all(
      [asked, [...asked].reverse(), asked].map((list) => work(feed.id, (ctx) => charts.allOfFeed(ctx, list))),
    );
    expect(runs[1]!.map(({ patientId }) => patientId).reverse()).toEqual(runs[0]!.map(({ patientId }) => patientId));
    expect(runs.flat().filter(({ isNew }) => isNew)).toHaveLength(30);
    const again = await work(feed.id, (ctx) => charts.ofFeed(ctx, { ...patients[3]!, family: 'Renamed' }));
    expect(again).toEqual({ patientId: runs[0]![3]!.patientId, isNew: false });
    const seen = (await staff.get(`/v1/patients/${again.patientId}`)).body;
    expect(seen).toMatchObject({ family: 'Renamed', given: ['A', 'B, "C"', '{D}'], birthDate: '1950', version: 2 });
    await expect(work(staff.id, (ctx) => charts.ofFeed(ctx, patientOfFeed()))).rejects.toThrow(
      'only a feed opens charts',
    );
    expect(await work(feed.id, (ctx) => charts.allOfFeed(ctx, []))).toEqual([]);
  });

  it('a chart is tied to an account by its own birth date only, and once', async () => {
    const accounts = portal.app.get(Accounts, { strict: false });
    const { id: patientId } = await registered(hospital);
    const open = (username: string, birthDate: string) =>
      work(null, (ctx) =>
        accounts.createForPatient(ctx, {
          username,
          displayName: 'Carla',
          email: 'carla@example.org',
          patientId,
          birthDate,
        }),
      );
    expect(await open('carla.wrong', '1990-04-06')).toBeNull();
    const both = await Promise.all([open('carla.one', '1990-04-05'), open('carla.two', '1990-04-05')]);
    expect(both.filter((id) => id !== null)).toHaveLength(1);
    const { rows } = await portal.owner.query("SELECT username FROM users.account WHERE username LIKE 'carla.%'");
    expect(rows).toHaveLength(1);
    expect((await staff.get(`/v1/patients/${patientId}`)).body.hasAccount).toBe(true);
  });

  it('an invitation activates an account once', async () => {
    const accounts = portal.app.get(Accounts, { strict: false });
    const { id } = await opened(hospital);
    await expect(work(null, (ctx) => accounts.activate(ctx, id, null))).rejects.toMatchObject({
      code: 'users.username-needed',
    });
    const tries = await Promise.allSettled(
      [1, 2, 3].map((n) => work(null, (ctx) => accounts.activate(ctx, id, `chosen.${n}`))),
    );
    expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const taken = await opened(hospital);
    await opened(hospital, { username: 'already.there' });
    await expect(work(null, (ctx) => accounts.activate(ctx, taken.id, 'Already.There'))).rejects.toMatchObject({
      constraint: 'account__username_taken',
    });
  });
});

describe('the second wall, with no application in front of it', () => {
  let client: pg.Client;
  beforeAll(async () => {
    client = new pg.Client({ connectionString: portal.config.database.url });
    await client.connect();
  });
  afterAll(() => client.end());
  const as = (accountId: string | null) =>
    client.query("SELECT set_config('app.account_id', $1, false)", [accountId ?? '']);
  const patients = async () =>
    (await client.query('SELECT patient_id FROM users.patient')).rows.map(({ patient_id }) => patient_id as string);

  it('shows patients to those who may see them', async () => {
    await as(null);
    expect(await patients()).toEqual([]);
    for (const caller of [complianceOfficer, feed]) {
      await as(caller.id);
      expect(await patients()).toEqual([]);
    }
    await as(anna.id);
    expect(await patients()).toEqual([anna.patientId]);
    await as(clinician.id);
    expect(await patients()).toEqual([anna.patientId]);
  });

  it('lets nobody tie a chart, join a care team alone, or speak for a feed without its role', async () => {
    await as(staff.id);
    await expect(
      client.query('UPDATE users.patient SET account_id = $1 WHERE patient_id = $2', [staff.id, bela.patientId]),
    ).rejects.toThrow('permission denied');
    await expect(client.query('DELETE FROM users.patient')).rejects.toThrow('permission denied');
    await as(anna.id);
    const stolen = await client.query("UPDATE users.patient SET family = 'X' WHERE patient_id IN ($1, $2)", [
      anna.patientId,
      bela.patientId,
    ]);
    expect(stolen.rowCount).toBe(0);
    const member = [randomUUID(), bela.patientId, clinician.practitionerId, clinician.id];
    const join = () =>
      client.query('INSERT INTO users.care_team_member VALUES ($1, $2, $3, now(), NULL, now(), $4)', member);
    await as(clinician.id);
    await expect(join()).rejects.toThrow('row-level security');
    await portal.owner.query(
      `INSERT INTO users.account_role (account_role_id, account_id, role, reason, granted_at)
       VALUES (gen_random_uuid(), $1, 'staff', 'test', now())`,
      [clinician.id],
    );
    await expect(join()).rejects.toThrow('row-level security');
    const role = 'UPDATE users.account_role SET revoked_at = now() WHERE account_id = $1 AND role = $2';
    await portal.owner.query(role, [clinician.id, 'staff']);
    await as(feed.id);
    expect((await client.query('SELECT source FROM users.own_feed')).rowCount).toBe(1);
    await portal.owner.query(role, [feed.id, 'integration']);
    expect((await client.query('SELECT source FROM users.own_feed')).rowCount).toBe(0);
  });
});
