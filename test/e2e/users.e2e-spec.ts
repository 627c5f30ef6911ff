import { randomUUID } from 'node:crypto';
import { createMongoAbility, subject, type MongoAbility, type RawRuleOf } from '@casl/ability';
import { unpackRules } from '@casl/ability/extra';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { Accounts, Charts, type FeedPatient } from '../../src/modules/users/index.js';
import { Database } from '../../src/platform/database/database.js';
import { checkLedger } from '../harness/ledger.js';
import {
  makeAdmin,
  makeClinician,
  makeFeed,
  makePatient,
  makeStaff,
  signInAs,
  type Caller,
  type Clinician,
  type Patient,
} from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

let portal: Portal;
let admin: Known<Caller>;
let staff: Known<Caller>;
let recordsOfficer: Known<Caller>;
let complianceOfficer: Known<Caller>;
let clinician: Known<Clinician>;
let anna: Known<Patient>;
let bela: Known<Patient>;
let feed: Known<Caller>;

type Known<C extends Caller> = C & { id: string };
/** A caller with the id of their account. */
const known = async <C extends Caller>(made: Promise<C>): Promise<Known<C>> => {
  const caller = await made;
  return Object.assign(caller, { id: await caller.accountId() });
};

const NOBODY = '01990000-0000-7000-8000-000000000000';

const newPatient = (over: object = {}): object => ({
  family: 'Núñez',
  given: ['Carla', 'María'],
  birthDate: '1990-04-05',
  sex: 'female',
  mrn: randomUUID(),
  ...over,
});

async function registered(over: object = {}): Promise<{ id: string; version: number } & Record<string, unknown>> {
  const answer = await staff.post('/v1/patients').send(newPatient(over));
  expect(answer.status).toBe(201);
  return answer.body;
}

async function opened(over: object = {}): Promise<{ id: string; version: number } & Record<string, unknown>> {
  const answer = await admin
    .post('/v1/users')
    .send({ displayName: 'Somebody', email: 'somebody@hospital.example', roles: ['staff'], ...over });
  expect(answer.status).toBe(201);
  return answer.body;
}

type Answer = Awaited<ReturnType<Caller['get']>>;

/** Status and code, for comparing in one line. */
const said = (answer: { status: number; body: { code?: string } }): [number, string | undefined] => [
  answer.status,
  answer.body.code,
];

/** All items of a list, page by page. */
async function pages(caller: Caller, path: string, limit: number): Promise<any[][]> {
  const found: any[][] = [];
  for (let next: string | null = ''; next !== null;) {
    const answer: Answer = await caller.get(path).query({ limit, ...(next ? { cursor: next } : {}) });
    expect(answer.status).toBe(200);
    found.push(answer.body.items);
    next = answer.body.next;
  }
  return found;
}

const abilityOf = (rules: Parameters<typeof unpackRules>[0]): MongoAbility =>
  createMongoAbility(unpackRules(rules) as RawRuleOf<MongoAbility>[]);

/** What two requests answer, byte for byte, when they carry the same request id. */
async function bytes(caller: Caller, method: 'get' | 'post' | 'patch', path: string, body?: object): Promise<string> {
  const request = caller[method](path).set('X-Request-Id', NOBODY).set('If-Match', '"1"');
  const answer = await (body ? request.send(body) : request);
  const { date: _, ...headers } = answer.headers;
  return JSON.stringify([answer.status, headers, answer.text]);
}

beforeAll(async () => {
  portal = await startPortal();
  admin = await known(makeAdmin(portal));
  staff = await known(makeStaff(portal, admin, 'staff'));
  recordsOfficer = await known(makeStaff(portal, admin, 'records_officer'));
  complianceOfficer = await known(makeStaff(portal, admin, 'compliance_officer'));
  clinician = await known(makeClinician(portal, admin));
  anna = await known(makePatient(portal, admin));
  bela = await known(makePatient(portal, admin));
  feed = await known(makeFeed(portal, admin, 'https://ehr.example/main'));
  const joined = await staff
    .post(`/v1/patients/${anna.patientId}/care-team`)
    .send({ practitionerId: clinician.practitionerId });
  expect(joined.status).toBe(201);
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
    await opened({ username: 'Zoë.Lang' });
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
    for (let i = 0; i < 5; i++) await opened({ displayName: i % 2 ? 'Twin Name' : 'twin name' });
    const found = await pages(admin, '/v1/users?text=TWIN', 2);
    expect(found.map((page) => page.length)).toEqual([2, 2, 1]);
    expect(new Set(found.flat().map(({ id }) => id)).size).toBe(5);
  });

  it('filters by state and role, and takes wildcards as what they are', async () => {
    await opened({ displayName: '100% Wild_Card' });
    const names = async (query: object) =>
      (await admin.get('/v1/users').query(query)).body.items.map((one: any) => one.displayName);
    expect(await names({ text: '100%' })).toEqual(['100% Wild_Card']);
    expect(await names({ text: '%' })).toEqual([]);
    const feeds = (await admin.get('/v1/users?role=integration')).body.items;
    expect(feeds.map((one: any) => one.id)).toEqual([feed.id]);
    const invited = (await admin.get('/v1/users?status=invited&limit=200')).body.items;
    expect(new Set(invited.map((one: any) => one.status))).toEqual(new Set(['invited']));
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
    const { id } = await opened();
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
    const { id } = await opened();
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
    const { id } = await opened();
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

describe('roles', () => {
  const reason = 'Works at the desk now.';

  it('are given and taken with a reason, by somebody else, and change the ETag', async () => {
    const { id } = await opened({ roles: ['records_officer'] });
    const granted = await admin.post(`/v1/users/${id}/roles`).send({ role: 'staff', reason });
    expect([granted.status, granted.body.roles, granted.body.version]).toEqual([200, ['records_officer', 'staff'], 2]);
    expect(said(await admin.post(`/v1/users/${id}/roles`).send({ role: 'staff', reason }))).toEqual([
      409,
      'users.role-already-held',
    ]);
    const revoked = await admin.post(`/v1/users/${id}/roles/staff/revoke`).send({ reason });
    expect([revoked.status, revoked.body.roles, revoked.body.version]).toEqual([200, ['records_officer'], 3]);
    expect(said(await admin.post(`/v1/users/${id}/roles/staff/revoke`).send({ reason }))).toEqual([
      409,
      'users.role-not-held',
    ]);
    expect((await admin.post(`/v1/users/${id}/roles`).send({ role: 'staff' })).status).toBe(400);
    const { rows } = await portal.owner.query(
      'SELECT granted_by, revoked_by, reason, revoke_reason FROM users.account_role WHERE account_id = $1 AND role = $2',
      [id, 'staff'],
    );
    expect(rows).toEqual([{ granted_by: admin.id, revoked_by: admin.id, reason, revoke_reason: reason }]);
  });

  it('are never given to or taken from oneself', async () => {
    const self = `/v1/users/${admin.id}`;
    expect(said(await admin.post(`${self}/roles`).send({ role: 'compliance_officer', reason }))).toEqual([
      403,
      'users.not-to-oneself',
    ]);
    expect(said(await admin.post(`${self}/roles/admin/revoke`).send({ reason }))).toEqual([
      403,
      'users.not-to-oneself',
    ]);
    expect(said(await admin.post(`${self}/disable`).send({ reason }))).toEqual([403, 'users.not-to-oneself']);
    expect((await admin.get('/v1/me')).body.roles).toEqual(['admin']);
  });

  it('of patients do not come by this way, and a feed stays a feed', async () => {
    const { id } = await opened();
    expect((await admin.post(`/v1/users/${id}/roles`).send({ role: 'patient', reason })).status).toBe(400);
    expect((await admin.post(`/v1/users/${id}/roles/patient/revoke`).send({ reason })).status).toBe(400);
    expect(said(await admin.post(`/v1/users/${id}/roles`).send({ role: 'integration', reason }))).toEqual([
      422,
      'users.integration-apart',
    ]);
    expect(said(await admin.post(`/v1/users/${feed.id}/roles`).send({ role: 'staff', reason }))).toEqual([
      422,
      'users.integration-apart',
    ]);
    expect(said(await admin.post(`/v1/users/${id}/roles`).send({ role: 'clinician', reason }))).toEqual([
      422,
      'users.practitioner-needed',
    ]);
    const entry = await admin
      .post('/v1/practitioners')
      .send({ family: 'Late', given: [], specialty: 'Surgery', accountId: id });
    expect(entry.status).toBe(201);
    expect((await admin.post(`/v1/users/${id}/roles`).send({ role: 'clinician', reason })).status).toBe(200);
  });

  it('are refused to everybody but administrators', async () => {
    for (const caller of [staff, recordsOfficer, complianceOfficer, clinician, anna, feed]) {
      expect(said(await caller.post(`/v1/users/${bela.id}/roles`).send({ role: 'admin', reason }))).toEqual([
        403,
        'access.forbidden',
      ]);
      expect(said(await caller.post(`/v1/users/${bela.id}/disable`).send({ reason }))).toEqual([
        403,
        'access.forbidden',
      ]);
    }
  });
});

describe('disabling', () => {
  const reason = 'Left the hospital.';

  it('needs a reason, works once, and is undone to where the account was', async () => {
    const { id } = await opened();
    expect((await admin.post(`/v1/users/${id}/disable`).send({})).status).toBe(400);
    const disabled = await admin.post(`/v1/users/${id}/disable`).send({ reason });
    expect([disabled.status, disabled.body.status, disabled.body.disabledReason]).toEqual([200, 'disabled', reason]);
    expect(said(await admin.post(`/v1/users/${id}/disable`).send({ reason }))).toEqual([409, 'users.already-disabled']);
    const enabled = await admin.post(`/v1/users/${id}/enable`).send();
    expect([enabled.status, enabled.body.status, enabled.body.disabledReason]).toEqual([200, 'invited', null]);
    expect(said(await admin.post(`/v1/users/${id}/enable`).send())).toEqual([409, 'users.not-disabled']);
    const used = await known(makeStaff(portal, admin, 'staff'));
    await admin.post(`/v1/users/${used.id}/disable`).send({ reason });
    expect((await admin.post(`/v1/users/${used.id}/enable`).send()).body.status).toBe('active');
  });

  it('leaves one administrator when two take each other away at once', async () => {
    const active = async () =>
      (
        await portal.owner.query(
          `SELECT account_id AS id FROM users.account JOIN users.duty USING (account_id) WHERE role = 'admin' AND status = 'active'`,
        )
      ).rows.map(({ id }) => id as string);
    for (const [one, other] of [
      ['disable', 'disable'],
      ['roles/admin/revoke', 'disable'],
      ['roles/admin/revoke', 'roles/admin/revoke'],
    ] as const) {
      const second = await known(makeAdmin(portal));
      expect(new Set(await active())).toEqual(new Set([admin.id, second.id]));
      const answers = await Promise.all([
        admin.post(`/v1/users/${second.id}/${one}`).send({ reason }),
        second.post(`/v1/users/${admin.id}/${other}`).send({ reason }),
      ]);
      const remaining = await active();
      expect(remaining).toHaveLength(1);
      expect(answers.map(({ status }) => status).filter((status) => status === 200)).toHaveLength(1);
      expect(answers.find(({ status }) => status !== 200)!.status).toBeGreaterThanOrEqual(401);
      admin = remaining[0] === admin.id ? admin : second;
    }
  });
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
    await registered({ mrn: 'M-1', mrnSystem: 'urn:other-hospital' });
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
    const ids = async (caller: Caller) =>
      (await pages(caller, '/v1/patients', 200)).flat().map(({ id }) => id as string);
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
    for (let i = 0; i < 5; i++) await registered({ family: i % 2 ? 'MacEqual' : 'macequal', mrn: `EQ-${i}` });
    const found = await pages(staff, '/v1/patients?text=mace', 2);
    expect(found.map((page) => page.length)).toEqual([2, 2, 1]);
    expect(new Set(found.flat().map(({ mrn }) => mrn))).toEqual(new Set(['EQ-0', 'EQ-1', 'EQ-2', 'EQ-3', 'EQ-4']));
    expect((await staff.get('/v1/patients?mrn=EQ-3')).body.items.map(({ mrn }: any) => mrn)).toEqual(['EQ-3']);
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
    expect(new Set(rows.map(({ subject }) => subject))).toEqual(new Set(answer.body.items.map(({ id }: any) => id)));
    expect(new Set(rows.map(({ action }) => action))).toEqual(new Set(['Patient.list']));
  });

  it('are corrected under If-Match by the front desk, not by themselves', async () => {
    const { id } = await registered({ email: 'old@example.org' });
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
    const { id } = await registered();
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
    const { id } = await registered();
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
    expect((await clinician.get(team)).body.items.map((one: any) => one.id)).toEqual([joined.body.id]);
    expect((await staff.post(`${team}/${joined.body.id}/end`).send()).status).toBe(200);
    expect([await sees(), (await clinician.get(team)).status]).toEqual([404, 404]);
    expect((await staff.get(team)).body.items).toEqual([]);
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
    const { id } = await opened();
    expect((await patch(2, { accountId: id })).status).toBe(200);
    expect(said(await patch(3, { accountId: staff.id }))).toEqual([409, 'users.practitioner-has-account']);
    expect(
      said(await admin.post('/v1/practitioners').send({ family: 'A', given: [], specialty: 'B', accountId: id })),
    ).toEqual([409, 'users.account-has-practitioner']);
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

describe('for other modules', () => {
  const now = () => portal.clock.now();
  const work = <T>(accountId: string | null, what: (ctx: { db: any; now: Date }) => Promise<T>): Promise<T> =>
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
    const { id: patientId } = await registered();
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
    const { id } = await opened();
    await expect(work(null, (ctx) => accounts.activate(ctx, id, null))).rejects.toMatchObject({
      code: 'users.username-needed',
    });
    const tries = await Promise.allSettled(
      [1, 2, 3].map((n) => work(null, (ctx) => accounts.activate(ctx, id, `chosen.${n}`))),
    );
    expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const taken = await opened();
    await opened({ username: 'already.there' });
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
      "INSERT INTO users.account_role VALUES (gen_random_uuid(), $1, 'staff', 'test', now(), NULL)",
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
