import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { itemsOf, opened, openHospital, pages, registered, type Hospital, type Made } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import { freshName, mailedCode } from '../harness/people.js';

/**
 * A clerk invites a chart that has no address to a mailbox of their own: there is nobody who could be told. It is not refused, because
 * patients who come without an address are many; it is seen by others than whoever did it.
 */
let hospital: Hospital;

beforeAll(async () => {
  hospital = await openHospital();
});
afterAll(async () => {
  await checkLedger(hospital.portal);
  await hospital.portal.close();
});

const made = async (by: 'admin' | 'recordsOfficer', query: object = {}): Promise<Made[]> => {
  const answer = await hospital[by].get('/v1/invitations').query(query);
  expect(answer.status).toBe(200);
  return itemsOf(answer);
};

describe('invitations that were made', () => {
  it('tell who invited a chart that has nobody to be told, where the code went, and that it was used', async () => {
    const { portal, staff } = hospital;
    const { id, birthDate } = (await registered(hospital)) as Made & { birthDate: string };
    const email = `${freshName('clerk')}@evil.test`;
    await staff.post(`/v1/patients/${id}/invitations`, { email }).expect(204);
    const activationCode = await mailedCode(portal, email);
    const account = { username: freshName('pat'), password: 'a password long enough', dateOfBirth: birthDate };
    await portal.http
      .post('/v1/auth/activate')
      .send({ activationCode, ...account })
      .expect(204);
    for (const by of ['admin', 'recordsOfficer'] as const) {
      const [first] = await made(by, { unwatched: true, createdBy: staff.id });
      expect(first).toMatchObject({ patientId: id, accountId: null, mailedTo: email, told: null, createdBy: staff.id });
      expect(Date.parse(first!.usedAt as string)).toBeGreaterThan(0);
      expect(JSON.stringify(first)).not.toContain(activationCode);
    }
  });

  it('tell those apart of which the chart’s own address heard', async () => {
    const { staff } = hospital;
    const chart = await registered(hospital, { email: `${freshName('home')}@home.test` });
    await staff.post(`/v1/patients/${chart.id}/invitations`, { email: `${freshName('other')}@home.test` }).expect(204);
    const [watched] = await made('admin', { createdBy: staff.id });
    expect(watched).toMatchObject({ patientId: chart.id, told: chart.email, usedAt: null });
    const unwatched = await made('admin', { unwatched: true });
    expect(unwatched.map(({ patientId }) => patientId)).not.toContain(chart.id);
    expect(unwatched.length).toBeGreaterThan(0);
  });

  it('are those of accounts too to administrators, and of patients alone to records officers, page by page', async () => {
    const { admin, recordsOfficer } = hospital;
    const account = await opened(hospital);
    const all = (await pages(admin, '/v1/invitations', 3)).flat();
    expect(all.map(({ accountId }) => accountId)).toContain(account.id);
    expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
    expect(all.map(({ id }) => id)).toEqual([...all.map(({ id }) => id)].sort().reverse());
    const ofPatients = (await pages(recordsOfficer, '/v1/invitations', 3)).flat();
    expect(ofPatients).toEqual(all.filter(({ patientId }) => patientId !== null));
  });

  it('are those of one who made them, where that is asked', async () => {
    const { staff, admin } = hospital;
    await opened(hospital);
    const makers = async (createdBy: string) =>
      new Set((await made('admin', { createdBy })).map((one) => one.createdBy));
    expect(await makers(staff.id)).toEqual(new Set([staff.id]));
    const { id } = (await admin.get('/v1/me').expect(200)).body as { id: string };
    expect(await makers(id)).toEqual(new Set([id]));
  });

  it('leave a trace of each patient whose invitation was shown', async () => {
    const { id } = await registered(hospital, { email: `${freshName('home')}@home.test` });
    await hospital.staff.post(`/v1/patients/${id}/invitations`, {}).expect(204);
    const answer = await hospital.recordsOfficer.get('/v1/invitations').query({ limit: 2 }).expect(200);
    const shown = itemsOf(answer).map(({ patientId }) => patientId as string);
    const { rows } = await hospital.portal.owner.query<{ subject: string }>(
      `SELECT subject FROM audit.inbox WHERE request_id = $1 UNION ALL SELECT subject FROM audit.entry WHERE request_id = $1`,
      [(answer as { headers: Record<string, string> }).headers['x-request-id']],
    );
    expect(shown).toContain(id);
    expect(rows.map(({ subject }) => subject).sort()).toEqual([...new Set(shown)].sort());
  });

  it('are for nobody who makes them only, nor for anybody else', async () => {
    const { staff, clinician, complianceOfficer, anna, feed } = hospital;
    for (const caller of [staff, clinician, complianceOfficer, anna, feed])
      expect((await caller.get('/v1/invitations')).status).toBe(403);
  });
});
