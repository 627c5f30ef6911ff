import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ROLES_APART } from '../../src/modules/users/role.rules.js';
import { ROLES, SERVICE_ROLES, STAFF_ROLES, type Role } from '../../src/platform/access/vocabulary.js';
import { opened, openHospital, said, type Hospital } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import { makeDirectory } from '../harness/people.js';

let hospital: Hospital;
let portal: Hospital['portal'];
let admin: Hospital['admin'];

beforeAll(async () => {
  hospital = await openHospital();
  ({ portal, admin } = hospital);
});

afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});

const reason = 'Because.';
const grant = (id: string, body: object) => admin.post(`/v1/users/${id}/roles`, { reason, ...body });
const inHours = (hours: number): string => new Date(portal.clock.now().getTime() + hours * 3_600_000).toISOString();
const APART: [number, string] = [422, 'users.roles-apart'];

/** By hand, from the requirement: who gives access, who releases, and who checks are three. */
const PAIRS: [Role, Role][] = [
  ['admin', 'compliance_officer'],
  ['admin', 'records_officer'],
  ['compliance_officer', 'records_officer'],
];

/** Straight into the table, past every service. */
const insert = (id: string, role: Role, more = '') =>
  portal.owner.query(
    `INSERT INTO users.account_role (account_role_id, account_id, role, reason, granted_at${more ? ', starts_at, ends_at' : ''})
     VALUES (gen_random_uuid(), $1, $2, 'past the portal', now()${more && `, ${more}`})`,
    [id, role],
  );

describe('duties that exclude each other', () => {
  it('are the same in the service and in the database, machines apart from everybody', async () => {
    const key = (pair: readonly string[]) => [...pair].sort().join(' ');
    expect(ROLES_APART.map(key).sort()).toEqual(PAIRS.map(key).sort());
    const { rows } = await portal.owner.query<{ role: Role; other_role: Role }>(
      'SELECT role, other_role FROM users.role_apart',
    );
    const machines = SERVICE_ROLES.flatMap((machine) =>
      ROLES.filter((role) => role !== machine).map((role) => key([machine, role])),
    );
    expect([...new Set(rows.map(({ role, other_role }) => key([role, other_role])))].sort()).toEqual(
      [...new Set([...PAIRS.map(key), ...machines])].sort(),
    );
  });

  it.each(PAIRS)('%s and %s are given to nobody together, in either order, nor with a new account', async (a, b) => {
    for (const [first, second] of [
      [a, b],
      [b, a],
    ] as const) {
      const { id } = await opened(hospital, { roles: [first] });
      expect(said(await grant(id, { role: second }))).toEqual(APART);
      const account = { displayName: 'X', email: 'x@hospital.test', roles: [first, second] };
      expect(said(await admin.post('/v1/users', account))).toEqual(APART);
      await expect(insert(id, second)).rejects.toMatchObject({ code: '23514', constraint: 'account_role__apart' });
      // One after the other is nothing to object to.
      await admin.post(`/v1/users/${id}/roles/${first}/revoke`, { reason }).expect(200);
      await grant(id, { role: second }).expect(200);
    }
  });

  it('may follow each other, and meet at no moment', async () => {
    const { id } = await opened(hospital, { roles: ['staff'] });
    const [one, two] = [inHours(1), inHours(2)];
    await grant(id, { role: 'admin', startsAt: one, endsAt: two }).expect(200);
    for (const period of [{}, { endsAt: inHours(1.5) }, { startsAt: inHours(1.5) }, { startsAt: inHours(0.5) }])
      expect(said(await grant(id, { role: 'compliance_officer', ...period }))).toEqual(APART);
    await expect(insert(id, 'compliance_officer', `now() + interval '90 minutes', NULL`)).rejects.toMatchObject({
      constraint: 'account_role__apart',
    });
    await grant(id, { role: 'compliance_officer', startsAt: two, endsAt: inHours(3) }).expect(200);
    await grant(id, { role: 'records_officer', endsAt: one }).expect(200);
  });

  it('are kept apart when both are given at once', async () => {
    for (let round = 0; round < 10; round++) {
      const { id } = await opened(hospital, { roles: ['staff'] });
      const answers = await Promise.all(
        ['admin', 'compliance_officer', 'records_officer'].map((role) => grant(id, { role })),
      );
      expect(answers.map(said).sort()).toEqual([[200, undefined], APART, APART]);
    }
  });

  it('other combinations are nobody’s business but the administrator’s', async () => {
    const isApart = (a: Role, b: Role) => PAIRS.some((pair) => pair.includes(a) && pair.includes(b));
    const free = STAFF_ROLES.filter((role) => role !== 'clinician');
    for (const first of free) {
      for (const second of free.filter((role) => role > first && !isApart(first, role)))
        await opened(hospital, { roles: [first, second] });
    }
  });
});

describe('a machine', () => {
  it('is never a person, and a person never a machine, also later, also in the database', async () => {
    const directory = await makeDirectory(portal, admin);
    const { id: person } = await opened(hospital, { roles: ['staff'] });
    for (const machine of [hospital.feed.id, directory.id]) {
      expect((await grant(machine, { role: 'staff' })).status).toBe(422);
      await expect(insert(machine, 'staff')).rejects.toMatchObject({ constraint: 'account_role__apart' });
    }
    for (const role of SERVICE_ROLES) {
      expect((await grant(person, { role })).status).toBe(422);
      await expect(insert(person, role)).rejects.toMatchObject({ constraint: 'account_role__apart' });
    }
    await admin.post(`/v1/users/${directory.id}/roles/directory/revoke`, { reason }).expect(200);
    expect((await grant(directory.id, { role: 'staff' })).status).toBe(422);
    await admin.post(`/v1/users/${person}/roles/staff/revoke`, { reason }).expect(200);
    await expect(insert(person, 'directory')).rejects.toMatchObject({ constraint: 'account_role__apart' });
  });
});
