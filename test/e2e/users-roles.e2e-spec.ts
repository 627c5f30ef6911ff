import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { known, opened, said, waiting, openHospital, type Hospital } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import { currentCode, makeAdmin, makeStaff, signInAs } from '../harness/people.js';

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

describe('roles', () => {
  const reason = 'Works at the desk now.';

  it('are given and taken with a reason, by somebody else, and change the ETag', async () => {
    const { id } = await opened(hospital, { roles: ['records_officer'] });
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
    const { id } = await opened(hospital);
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
    const { id } = await opened(hospital);
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
      // Both are through every check of access and wait for the administrators' rows before either may go on.
      await portal.owner.query('BEGIN');
      await portal.owner.query('SELECT 1 FROM users.account WHERE account_id IN ($1, $2) FOR UPDATE', [
        admin.id,
        second.id,
      ]);
      const race = Promise.all([
        admin.post(`/v1/users/${second.id}/${one}`).send({ reason }),
        second.post(`/v1/users/${admin.id}/${other}`).send({ reason }),
      ]);
      try {
        await waiting(portal, 2);
      } finally {
        await portal.owner.query('COMMIT');
      }
      const answers = await race;
      expect(answers.map(said).sort()).toEqual([
        [200, undefined],
        [409, 'users.last-admin'],
      ]);
      const remaining = await active();
      expect(remaining).toHaveLength(1);
      admin = remaining[0] === admin.id ? admin : second;
    }
  });
});

describe('a recent second factor', () => {
  it('is needed to open accounts and to change roles', async () => {
    const boss = await signInAs(portal, admin.credentials);
    portal.clock.forward(200);
    const { body } = await portal.http
      .post('/v1/auth/refresh')
      .send({ refreshToken: boss.tokens.refreshToken })
      .expect(200);
    boss.tokens.accessToken = body.accessToken;
    portal.clock.forward(150);
    const reason = 'Test';
    const account = { displayName: 'X', email: 'x@hospital.example', roles: ['staff'] };
    expect((await boss.get('/v1/users')).status).toBe(200);
    for (const [path, input] of [
      ['/v1/users', account],
      [`/v1/users/${staff.id}/roles`, { role: 'admin', reason }],
      [`/v1/users/${staff.id}/roles/staff/revoke`, { reason }],
    ] as const) {
      expect(said(await boss.post(path).send(input))).toEqual([403, 'auth.step-up-required']);
    }
    const code = await currentCode(boss.credentials.totpSecret!, portal.clock);
    await boss
      .post('/v1/auth/step-up', { method: 'totp', code })
      .expect((answer) => expect(answer.status).toBeLessThan(300));
    expect((await boss.post('/v1/users').send(account)).status).toBe(201);
  });
});
