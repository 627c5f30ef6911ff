import { createMongoAbility, subject, type MongoAbility, type RawRuleOf } from '@casl/ability';
import { unpackRules } from '@casl/ability/extra';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { NOBODY, itemsOf, opened, pages, said, openHospital, type Hospital } from '../harness/hospital.js';
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

const abilityOf = (rules: Parameters<typeof unpackRules>[0]): MongoAbility =>
  createMongoAbility(unpackRules(rules) as RawRuleOf<MongoAbility>[]);

beforeAll(async () => {
  hospital = await openHospital();
  ({ portal, admin, staff, recordsOfficer, complianceOfficer, clinician, anna, bela, feed } = hospital);
});

afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});

describe('opening accounts', () => {
  it('opens an invited account with its roles, and only for administrators', async () => {
    const answer = await admin.post('/v1/users').send({
      displayName: '  Ines Okafor ',
      email: 'ines@hospital.example',
      roles: ['clinician', 'records_officer'],
      username: 'Ines.Okafor',
      practitioner: { family: 'Okafor', given: ['Ines'], specialty: 'Oncology', npi: '1234567893' },
    });
    expect(answer.status).toBe(201);
    expect(answer.headers.etag).toBe('"1"');
    expect(answer.body).toEqual({
      id: expect.any(String),
      username: 'Ines.Okafor',
      displayName: 'Ines Okafor',
      email: 'ines@hospital.example',
      status: 'invited',
      disabledReason: null,
      roles: ['clinician', 'records_officer'],
      practitionerId: expect.any(String),
      source: null,
      version: 1,
      createdAt: expect.any(String),
      updatedAt: expect.any(String),
    });
    const body = { displayName: 'X', email: 'x@hospital.example', roles: ['staff'] };
    for (const caller of [staff, recordsOfficer, complianceOfficer, clinician, anna, feed]) {
      expect(said(await caller.post('/v1/users').send(body))).toEqual([403, 'access.forbidden']);
      expect(said(await caller.get('/v1/users'))).toEqual([403, 'access.forbidden']);
    }
    expect(said(await portal.http.post('/v1/users').send(body))).toEqual([401, 'auth.sign-in-required']);
  });

  it('names what is wrong with the input', async () => {
    const cases: [object, string][] = [
      [{ roles: ['patient'] }, '/roles'],
      [{ roles: ['proxy'] }, '/roles'],
      [{ roles: [] }, '/roles'],
      [{ roles: ['staff', 'staff'] }, '/roles'],
      [{ displayName: null }, '/displayName'],
      [{ displayName: '   ' }, '/displayName'],
      [{ displayName: 'a\u0000b' }, '/displayName'],
      [{ email: 'nobody' }, '/email'],
      [{ username: 'a b c' }, '/username'],
      [{ status: 'active' }, '/status'],
      [
        { roles: ['clinician'], practitioner: { family: 'A', given: ['B'], specialty: 'C', accountId: NOBODY } },
        '/practitioner/accountId',
      ],
    ];
    for (const [over, pointer] of cases) {
      const answer = await admin
        .post('/v1/users')
        .send({ displayName: 'X', email: 'x@hospital.example', roles: ['staff'], ...over });
      expect([answer.status, answer.body.errors?.[0]?.pointer]).toEqual([400, pointer]);
    }
  });

  it('keeps feeds and people apart, and wants a practitioner for a clinician', async () => {
    const practitioner = { family: 'A', given: ['B'], specialty: 'C' };
    const cases: [object, string][] = [
      [{ roles: ['integration', 'staff'], source: 'urn:feed:1' }, 'users.integration-apart'],
      [{ roles: ['integration'] }, 'users.source-needed'],
      [{ roles: ['staff'], source: 'urn:feed:1' }, 'users.source-needed'],
      [{ roles: ['clinician'] }, 'users.practitioner-needed'],
      [{ roles: ['staff'], practitioner }, 'users.practitioner-needed'],
    ];
    for (const [over, code] of cases) {
      expect(
        said(await admin.post('/v1/users').send({ displayName: 'X', email: 'x@hospital.example', ...over })),
      ).toEqual([422, code]);
    }
  });

  it('takes each username and each feed once, in whatever form it is written', async () => {
    await opened(hospital, { username: 'Zoë.Lang' });
    for (const username of ['zoë.lang', 'ZOE\u0308.LANG', 'ｚｏë.lang']) {
      const answer = await admin
        .post('/v1/users')
        .send({ displayName: 'X', email: 'x@hospital.example', roles: ['staff'], username });
      expect(said(answer)).toEqual([409, 'users.username-taken']);
    }
    const again = await admin.post('/v1/users').send({
      displayName: 'X',
      email: 'x@hospital.example',
      roles: ['integration'],
      source: 'https://ehr.example/main',
    });
    expect(said(again)).toEqual([409, 'users.source-taken']);
  });
});

describe('the list of accounts', () => {
  it('pages by name without losing or repeating one, also at equal names', async () => {
    for (let i = 0; i < 5; i++) await opened(hospital, { displayName: i % 2 ? 'Twin Name' : 'twin name' });
    const found = await pages(admin, '/v1/users?text=TWIN', 2);
    expect(found.map((page) => page.length)).toEqual([2, 2, 1]);
    expect(new Set(found.flat().map(({ id }) => id)).size).toBe(5);
  });

  it('filters by state and role, and takes wildcards as what they are', async () => {
    await opened(hospital, { displayName: '100% Wild_Card' });
    const names = async (query: object) =>
      itemsOf(await admin.get('/v1/users').query(query)).map((one) => one.displayName);
    expect(await names({ text: '100%' })).toEqual(['100% Wild_Card']);
    expect(await names({ text: '%' })).toEqual([]);
    const feeds = itemsOf(await admin.get('/v1/users?role=integration'));
    expect(feeds.map((one) => one.id)).toEqual([feed.id]);
    const invited = itemsOf(await admin.get('/v1/users?status=invited&limit=200'));
    expect(new Set(invited.map((one) => one.status))).toEqual(new Set(['invited']));
    expect((await admin.get('/v1/users?sort=x')).status).toBe(400);
  });

  it('gives cursors that serve no other list, filter or caller', async () => {
    const { next } = (await admin.get('/v1/users?limit=1')).body;
    expect((await admin.get('/v1/users').query({ limit: 1, cursor: next, status: 'active' })).status).toBe(400);
    expect((await admin.get('/v1/patients').query({ limit: 1, cursor: next })).status).toBe(400);
  });
});

describe('changing an account', () => {
  it('needs the ETag of what was read', async () => {
    const { id } = await opened(hospital);
    const patch = (ifMatch?: string) => {
      const request = admin.patch(`/v1/users/${id}`);
      return (ifMatch === undefined ? request : request.set('If-Match', ifMatch)).send({ displayName: 'Changed' });
    };
    expect(said(await patch())).toEqual([428, 'http.if-match-needed']);
    for (const stale of ['"2"', 'W/"1"', '*', '1', '"1", "2"', '"0"', '"99999999999999999999"']) {
      expect(said(await patch(stale))).toEqual([412, 'http.stale']);
    }
    const changed = await patch('"1"');
    expect([changed.status, changed.headers.etag, changed.body.displayName, changed.body.version]).toEqual([
      200,
      '"2"',
      'Changed',
      2,
    ]);
    expect((await admin.get(`/v1/users/${id}`)).headers.etag).toBe('"2"');
  });

  it('lets one of many with the same ETag through', async () => {
    const { id } = await opened(hospital);
    const answers = await Promise.all(
      [1, 2, 3, 4, 5, 6].map((n) =>
        admin
          .patch(`/v1/users/${id}`)
          .set('If-Match', '"1"')
          .send({ displayName: `Name ${n}` }),
      ),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 412, 412, 412, 412, 412]);
  });

  it('refuses null for what must be there, roles and states by this way, and an account that is not there', async () => {
    const { id } = await opened(hospital);
    for (const body of [
      { displayName: null },
      { email: null },
      { roles: ['admin'] },
      { status: 'active' },
      { username: 'root' },
    ]) {
      expect((await admin.patch(`/v1/users/${id}`).set('If-Match', '"1"').send(body)).status).toBe(400);
    }
    expect(said(await admin.patch(`/v1/users/${NOBODY}`).set('If-Match', '"1"').send({ displayName: 'X' }))).toEqual([
      404,
      'http.not-found',
    ]);
    expect((await admin.get('/v1/users/not-an-id')).status).toBe(400);
  });
});

describe('the caller', () => {
  it('reads and changes what stands about them', async () => {
    const me = await anna.get('/v1/me');
    expect(me.body).toMatchObject({
      id: anna.id,
      roles: ['patient'],
      patientIds: [anna.patientId],
      practitionerId: null,
    });
    expect((await clinician.get('/v1/me')).body).toMatchObject({
      practitionerId: clinician.practitionerId,
      patientIds: [],
    });
    expect(said(await anna.patch('/v1/me').send({ displayName: 'Anna B.' }))).toEqual([428, 'http.if-match-needed']);
    expect(said(await anna.patch('/v1/me').set('If-Match', '"99"').send({ displayName: 'Anna B.' }))).toEqual([
      412,
      'http.stale',
    ]);
    const changed = await anna.patch('/v1/me').set('If-Match', me.headers.etag!).send({ displayName: 'Anna B.' });
    expect([changed.status, changed.body.displayName, changed.headers.etag]).toEqual([
      200,
      'Anna B.',
      `"${me.body.version + 1}"`,
    ]);
    for (const body of [
      { roles: ['admin'] },
      { username: 'root' },
      { status: 'active' },
      { patientIds: [bela.patientId] },
    ]) {
      expect((await anna.patch('/v1/me').set('If-Match', changed.headers.etag!).send(body)).status).toBe(400);
    }
    expect(said(await feed.patch('/v1/me').set('If-Match', '"1"').send({ displayName: 'X' }))).toEqual([
      403,
      'access.forbidden',
    ]);
    expect(said(await portal.http.get('/v1/me'))).toEqual([401, 'auth.sign-in-required']);
  });

  it('gets their rules for a front end', async () => {
    const { rules } = (await anna.get('/v1/me/permissions')).body;
    const ability = abilityOf(rules);
    expect(ability.can('read', subject('Patient', { id: anna.patientId }))).toBe(true);
    expect(ability.can('read', subject('Patient', { id: bela.patientId }))).toBe(false);
    expect(ability.can('create', 'Account')).toBe(false);
    const admins = abilityOf((await admin.get('/v1/me/permissions')).body.rules);
    expect(admins.can('disable', subject('Account', { id: anna.id }))).toBe(true);
    expect(admins.can('disable', subject('Account', { id: admin.id }))).toBe(false);
  });
});
