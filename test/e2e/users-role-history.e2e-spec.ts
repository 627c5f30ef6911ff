import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { itemsOf, known, opened, openHospital, pages, said, type Hospital } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import { makeAdmin, makePatient } from '../harness/people.js';

let hospital: Hospital;
let portal: Hospital['portal'];
let admin: Hospital['admin'];
let complianceOfficer: Hospital['complianceOfficer'];

beforeAll(async () => {
  hospital = await openHospital();
  ({ portal, admin, complianceOfficer } = hospital);
});

afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});

const reason = 'Works there now.';
const historyOf = async (id: string, query = '') =>
  itemsOf(await complianceOfficer.get(`/v1/users/${id}/role-changes${query}`).expect(200));
/** As the server's own role, past the application. */
async function asServer<T>(work: () => Promise<T>): Promise<T> {
  await portal.owner.query('BEGIN');
  await portal.owner.query('SET LOCAL ROLE portico_app');
  try {
    return await work();
  } finally {
    await portal.owner.query('ROLLBACK');
  }
}

describe('the history of roles', () => {
  it('tells who, whom, when, from what to what, why, and by what, of each change', async () => {
    const { id } = await opened(hospital, { roles: ['staff'] });
    await admin.post(`/v1/users/${id}/roles`, { role: 'records_officer', reason }).expect(200);
    await admin.post(`/v1/users/${id}/roles/staff/revoke`, { reason: 'Left the desk.' }).expect(200);
    const common = { accountId: id, changedBy: admin.id, via: 'person', viaName: null, startsAt: null, endsAt: null };
    const [desk, both, records] = [['staff'], ['records_officer', 'staff'], ['records_officer']];
    expect(await historyOf(id)).toEqual([
      {
        ...{ ...common, id: expect.any(String), changedAt: expect.any(String), reason: 'Left the desk.' },
        ...{ role: 'staff', kind: 'revoked', rolesBefore: both, rolesAfter: records },
      },
      {
        ...{ ...common, id: expect.any(String), changedAt: expect.any(String), reason },
        ...{ role: 'records_officer', kind: 'granted', rolesBefore: desk, rolesAfter: both },
      },
      {
        ...{ ...common, id: expect.any(String), changedAt: expect.any(String) },
        ...{
          role: 'staff',
          kind: 'granted',
          rolesBefore: [],
          rolesAfter: desk,
          reason: 'Given when the account was opened.',
        },
      },
    ]);
  });

  it('forgets no way: invitation, operator, single sign-on, directory, and the database itself', async () => {
    const patient = await known(makePatient(portal, admin));
    expect(await historyOf(patient.id)).toEqual([
      expect.objectContaining({ role: 'patient', via: 'invitation', changedBy: null, rolesAfter: ['patient'] }),
    ]);
    const second = await known(makeAdmin(portal));
    expect(await historyOf(second.id)).toEqual([
      expect.objectContaining({ role: 'admin', via: 'operator', changedBy: null }),
    ]);
    const { id } = await opened(hospital);
    await portal.owner.query(
      `INSERT INTO users.account_role (account_role_id, account_id, role, reason, granted_at, granted_via, granted_from)
       VALUES (gen_random_uuid(), $1, 'records_officer', 'Single sign-on', now(), 'sso', 'campus')`,
      [id],
    );
    await portal.owner.query(
      `UPDATE users.account_role SET reason = 'rewritten' WHERE account_id = $1 AND role = 'staff'`,
      [id],
    );
    await portal.owner.query(`DELETE FROM users.account_role WHERE account_id = $1 AND role = 'staff'`, [id]);
    expect(await historyOf(id)).toMatchObject([
      {
        role: 'staff',
        kind: 'changed',
        via: 'operator',
        rolesBefore: ['records_officer', 'staff'],
        rolesAfter: ['records_officer'],
      },
      { role: 'staff', kind: 'changed', via: 'operator' },
      { role: 'records_officer', kind: 'granted', via: 'sso', viaName: 'campus' },
      { role: 'staff', kind: 'granted', via: 'person' },
    ]);
  });

  it('is beyond the server’s reach: it may read it, and nothing else', async () => {
    for (const statement of [
      `UPDATE users.role_change SET reason = 'nothing happened'`,
      'DELETE FROM users.role_change',
      'TRUNCATE users.role_change',
      `INSERT INTO users.role_change (changed_at, account_id, account_role_id, role, kind, roles_before, roles_after, reason, via)
       SELECT now(), account_id, account_id, 'admin', 'granted', '{}', '{}', 'made up', 'person' FROM users.account LIMIT 1`,
      'ALTER TABLE users.account_role DISABLE TRIGGER role_change',
      'DROP TRIGGER role_change ON users.account_role',
      `UPDATE users.account_role SET role = 'admin'`,
      `UPDATE users.account_role SET reason = 'another'`,
      'UPDATE users.account_role SET ends_at = NULL',
      'DELETE FROM users.account_role',
      `INSERT INTO users.role_apart VALUES ('staff', 'clinician')`,
      'DELETE FROM users.role_apart',
    ])
      await asServer(() => expect(portal.owner.query(statement)).rejects.toMatchObject({ code: '42501' }));
    await asServer(async () => {
      const { rowCount } = await portal.owner.query('SELECT 1 FROM users.role_change');
      expect(rowCount).toBeGreaterThan(0);
    });
    // What was taken away does not come back by taking the taking away back.
    const { id } = await opened(hospital, { roles: ['staff', 'records_officer'] });
    await admin.post(`/v1/users/${id}/roles/records_officer/revoke`, { reason }).expect(200);
    await asServer(() =>
      expect(
        portal.owner.query('UPDATE users.account_role SET revoked_at = NULL WHERE account_id = $1', [id]),
      ).rejects.toMatchObject({ code: '42501' }),
    );
  });

  it('is part of the audit trail: the event of a change points to its entry, and says what was and what is', async () => {
    const { id } = await opened(hospital);
    const { headers } = await admin.post(`/v1/users/${id}/roles`, { role: 'records_officer', reason }).expect(200);
    const [entry] = await historyOf(id);
    const { rows } = await portal.owner.query<{ event: { res: object[] } }>(
      `SELECT event::jsonb AS event FROM audit.inbox WHERE request_id = $1
       UNION ALL SELECT leaf::jsonb -> 'e' FROM audit.entry WHERE request_id = $1`,
      [headers['x-request-id']],
    );
    expect(rows.map(({ event }) => event.res)).toEqual([
      expect.arrayContaining([
        { t: 'RoleChange', i: entry!.id, b: [], a: ['records_officer'] },
        {
          ...{ t: 'Account', i: id, v: 2, p: 1 },
          ...{ b: ['staff', 'status:invited'], a: ['records_officer', 'staff', 'status:invited'] },
        },
      ]),
    ]);
  });

  it('of all accounts is filtered by role, actor and time, and pages without losing or repeating one', async () => {
    const all = itemsOf(await complianceOfficer.get('/v1/role-changes?limit=200').expect(200));
    expect(all.length).toBeGreaterThan(12);
    const paged = (await pages(complianceOfficer, '/v1/role-changes', 5)).flat();
    // Reading leaves no trace among the changes.
    expect(paged.map(({ id }) => id)).toEqual(all.map(({ id }) => id));
    const one = all[4] as unknown as { changedAt: string };
    const query = (text: string) => complianceOfficer.get(`/v1/role-changes?limit=200&${text}`).expect(200);
    const patients = itemsOf(await query('role=patient'));
    expect(patients.map(({ role }) => role)).toEqual(patients.map(() => 'patient'));
    expect(patients).toHaveLength(all.filter(({ role }) => role === 'patient').length);
    const byAdmin = itemsOf(await query(`actorId=${admin.id}`));
    expect(byAdmin.map(({ id }) => id)).toEqual(
      all.filter(({ changedBy }) => changedBy === admin.id).map(({ id }) => id),
    );
    const later = itemsOf(await query(`from=${one.changedAt}`));
    const earlier = itemsOf(await query(`to=${one.changedAt}`));
    expect(later.length).toBeGreaterThan(0);
    expect([...later, ...earlier].map(({ id }) => id).sort()).toEqual(all.map(({ id }) => id).sort());
    expect(said(await complianceOfficer.get('/v1/role-changes?role=king'))[0]).toBe(400);
  });

  it('is read by who gives access and who checks it, and by nobody else', async () => {
    const { staff, recordsOfficer, clinician, anna, feed } = hospital;
    const { id } = await opened(hospital);
    for (const path of ['/v1/role-changes', `/v1/users/${id}/role-changes`, `/v1/users/${id}/roles`]) {
      for (const caller of [admin, complianceOfficer]) expect((await caller.get(path)).status).toBe(200);
      for (const caller of [staff, recordsOfficer, clinician, anna, feed])
        expect(said(await caller.get(path))).toEqual([403, 'access.forbidden']);
    }
    const nobody = '01990000-0000-7000-8000-000000000000';
    expect((await complianceOfficer.get(`/v1/users/${nobody}/role-changes`)).status).toBe(404);
  });
});
