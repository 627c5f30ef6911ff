import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SessionSweeper } from '../../src/modules/auth/sessions/session-sweeper.js';
import { cloneDatabase } from '../harness/database.js';
import { known, opened, openHospital, said, type Hospital } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import { makeStaff, signInAs, type Caller } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

let hospital: Hospital;
let portal: Portal;
let replica: Portal;
let admin: Hospital['admin'];

beforeAll(async () => {
  const database = await cloneDatabase();
  hospital = await openHospital({}, database);
  ({ portal, admin } = hospital);
  replica = await startPortal({ database });
  // Only when a test says so.
  for (const one of [portal, replica]) await one.app.get(SessionSweeper).beforeApplicationShutdown();
});

afterAll(async () => {
  await checkLedger({ log: [...portal.log, ...replica.log], owner: portal.owner });
  await replica.close();
  await portal.close();
});

const reason = 'Covers for a colleague.';
const HOUR = 3_600;
const inSeconds = (seconds: number): string => new Date(portal.clock.now().getTime() + seconds * 1000).toISOString();
/** Both replicas have the same time, also where a one-time code had to wait for its next step. */
function forward(seconds: number): void {
  portal.clock.forward(seconds);
  replica.clock.forward((portal.clock.now().getTime() - replica.clock.now().getTime()) / 1000);
}
const sweep = (one: Portal = portal): Promise<void> => one.app.get(SessionSweeper).sweep();
const grant = (id: string, body: object) => admin.post(`/v1/users/${id}/roles`, { reason, ...body });
const rolesOf = async (id: string): Promise<string[]> =>
  ((await admin.get(`/v1/users/${id}`).expect(200)).body as { roles: string[] }).roles;
const standing = async (id: string): Promise<object[]> =>
  ((await admin.get(`/v1/users/${id}/roles`).expect(200)).body as { items: object[] }).items;

/** Somebody at the front desk who sees accounts only while they are an administrator too. */
async function somebody(): Promise<Caller & { id: string }> {
  admin = Object.assign(await signInAs(portal, admin.credentials), { id: admin.id });
  return known(makeStaff(portal, admin, 'staff'));
}
/** What only an administrator may do, in the same session on either replica. */
const mayOn = async (one: Portal, caller: Caller): Promise<number> =>
  (await one.http.get('/v1/users?limit=1').set('Authorization', `Bearer ${caller.tokens.accessToken}`)).status;
const endOf = async (caller: Caller): Promise<string | null> => {
  const { rows } = await portal.owner.query<{ end_reason: string | null }>(
    'SELECT end_reason FROM auth.session WHERE session_id = $1',
    [caller.tokens.session.id],
  );
  return rows[0]!.end_reason;
};
const boundariesOf = async (id: string): Promise<(string | undefined)[]> => {
  const { rows } = await portal.owner.query<{ err: string }>(
    `SELECT e.event::jsonb ->> 'err' AS err FROM (SELECT event FROM audit.inbox WHERE action = 'Account.role-period' AND actor = $1
       UNION ALL SELECT (leaf::jsonb -> 'e')::text FROM audit.entry WHERE action = 'Account.role-period' AND actor = $1) e ORDER BY 1`,
    [id],
  );
  return rows.map(({ err }) => err);
};

describe('a role with a period', () => {
  it('counts from its beginning to its end, to the moment, on every replica, with no session opened anew', async () => {
    const caller = await somebody();
    await grant(caller.id, { role: 'admin', startsAt: inSeconds(60), endsAt: inSeconds(120) }).expect(200);
    forward(0);
    // Nothing has changed yet: the session goes on, on both, and is remembered there.
    expect([await mayOn(portal, caller), await mayOn(replica, caller)]).toEqual([403, 403]);
    expect(await rolesOf(caller.id)).toEqual(['staff']);
    forward(59);
    expect([await mayOn(portal, caller), await mayOn(replica, caller)]).toEqual([403, 403]);
    forward(2);
    expect([await mayOn(portal, caller), await mayOn(replica, caller)]).toEqual([200, 200]);
    expect(await rolesOf(caller.id)).toEqual(['admin', 'staff']);
    forward(57);
    expect([await mayOn(portal, caller), await mayOn(replica, caller)]).toEqual([200, 200]);
    forward(3);
    expect([await mayOn(portal, caller), await mayOn(replica, caller)]).toEqual([403, 403]);
    expect(await rolesOf(caller.id)).toEqual(['staff']);
  });

  it('ends the sessions when it begins and when it ends, and is noted once each, however many sweep', async () => {
    const caller = await somebody();
    await grant(caller.id, { role: 'records_officer', startsAt: inSeconds(60), endsAt: inSeconds(120) }).expect(200);
    await sweep();
    expect([await endOf(caller), await boundariesOf(caller.id)]).toEqual([null, []]);
    forward(61);
    await Promise.all([sweep(), sweep(replica), sweep(), sweep(replica)]);
    expect([await endOf(caller), await boundariesOf(caller.id)]).toEqual([
      'roles-changed',
      ['users.role-began:records_officer'],
    ]);
    const again = await signInAs(portal, caller.credentials);
    forward(60);
    await Promise.all([sweep(replica), sweep(), sweep(replica), sweep()]);
    await sweep();
    expect([await endOf(again), await boundariesOf(caller.id)]).toEqual([
      'roles-changed',
      ['users.role-began:records_officer', 'users.role-ended:records_officer'],
    ]);
  });

  it('that nobody swept while it lasted leaves both in order', async () => {
    const { id } = await somebody();
    await grant(id, { role: 'records_officer', startsAt: inSeconds(10), endsAt: inSeconds(20) }).expect(200);
    forward(60);
    await sweep();
    const { body } = await admin.get(`/v1/users/${id}/role-changes?role=records_officer`).expect(200);
    expect((body as { items: { kind: string; rolesBefore: string[]; rolesAfter: string[] }[] }).items).toEqual([
      expect.objectContaining({ kind: 'ended', rolesBefore: ['records_officer', 'staff'], rolesAfter: ['staff'] }),
      expect.objectContaining({ kind: 'began', rolesBefore: ['staff'], rolesAfter: ['records_officer', 'staff'] }),
      expect.objectContaining({ kind: 'granted', rolesBefore: ['staff'], rolesAfter: ['staff'] }),
    ]);
  });

  it('is half-open: over at its end, and the next may begin there', async () => {
    const { id } = await opened({ ...hospital, admin });
    const [start, middle, end] = [inSeconds(HOUR), inSeconds(2 * HOUR), inSeconds(3 * HOUR)];
    await grant(id, { role: 'records_officer', startsAt: start, endsAt: middle }).expect(200);
    await grant(id, { role: 'records_officer', startsAt: middle, endsAt: end }).expect(200);
    for (const period of [
      { startsAt: start, endsAt: middle },
      { startsAt: inSeconds(1.5 * HOUR), endsAt: inSeconds(1.6 * HOUR) },
      { startsAt: inSeconds(2.9 * HOUR) },
      { endsAt: inSeconds(1.1 * HOUR) },
      {},
    ])
      expect(said(await grant(id, { role: 'records_officer', ...period }))).toEqual([409, 'users.role-already-held']);
    await grant(id, { role: 'records_officer', startsAt: end }).expect(200);
    expect(await standing(id)).toEqual([
      expect.objectContaining({
        role: 'staff',
        startsAt: null,
        endsAt: null,
        grantedVia: 'person',
        grantedBy: admin.id,
      }),
      expect.objectContaining({ role: 'records_officer', startsAt: start, endsAt: middle, reason }),
      expect.objectContaining({ role: 'records_officer', startsAt: middle, endsAt: end }),
      expect.objectContaining({ role: 'records_officer', startsAt: end, endsAt: null }),
    ]);
    const first = await admin.get(`/v1/users/${id}/roles?limit=3`).expect(200);
    const { items, next } = first.body as { items: object[]; next: string };
    expect(items).toHaveLength(3);
    const rest = await admin.get(`/v1/users/${id}/roles`).query({ limit: 3, cursor: next }).expect(200);
    expect((rest.body as { items: object[] }).items).toHaveLength(1);
  });

  it('overlaps with none of the same role, also when 20 are given at once', async () => {
    const { id } = await opened({ ...hospital, admin });
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        grant(id, { role: 'records_officer', startsAt: inSeconds(HOUR + n), endsAt: inSeconds(2 * HOUR + n) }),
      ),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array.from({ length: 19 }, () => 409)]);
    const overlap = portal.owner.query(
      `INSERT INTO users.account_role (account_role_id, account_id, role, reason, granted_at, starts_at)
       VALUES (gen_random_uuid(), $1, 'records_officer', 'past the portal', now(), now() + interval '90 minutes')`,
      [id],
    );
    await expect(overlap).rejects.toMatchObject({ code: '23P01', constraint: 'account_role__already_held' });
  });

  it('begins neither in the past nor after its end', async () => {
    const { id } = await opened({ ...hospital, admin });
    expect(said(await grant(id, { role: 'records_officer', startsAt: inSeconds(-60) }))).toEqual([
      422,
      'users.starts-in-past',
    ]);
    for (const period of [
      { endsAt: inSeconds(-1) },
      { startsAt: inSeconds(60), endsAt: inSeconds(60) },
      { startsAt: inSeconds(60), endsAt: inSeconds(30) },
    ])
      expect(said(await grant(id, { role: 'records_officer', ...period }))).toEqual([422, 'users.empty-period']);
    expect((await grant(id, { role: 'records_officer', endsAt: 'tomorrow' })).status).toBe(400);
  });

  it('is taken away with what was planned of it', async () => {
    const caller = await somebody();
    await grant(caller.id, { role: 'records_officer', startsAt: inSeconds(HOUR) }).expect(200);
    const revoke = () => admin.post(`/v1/users/${caller.id}/roles/records_officer/revoke`, { reason: 'Not needed.' });
    expect((await revoke().expect(200)).body).toMatchObject({ roles: ['staff'] });
    // It had not begun: nobody is signed out for it.
    expect(await endOf(caller)).toBeNull();
    expect(said(await revoke())).toEqual([409, 'users.role-not-held']);
    forward(HOUR + 60);
    await sweep();
    expect(await boundariesOf(caller.id)).toEqual([]);
    admin = Object.assign(await signInAs(portal, admin.credentials), { id: admin.id });
    expect(await rolesOf(caller.id)).toEqual(['staff']);
  });

  it('of an administrator is not what remains: one without an end must', async () => {
    const caller = await somebody();
    await grant(caller.id, { role: 'admin', endsAt: inSeconds(HOUR) }).expect(200);
    const temporary = await signInAs(portal, caller.credentials);
    const revoke = () => temporary.post(`/v1/users/${admin.id}/roles/admin/revoke`, { reason });
    expect(said(await revoke())).toEqual([409, 'users.last-admin']);
    expect(said(await temporary.post(`/v1/users/${admin.id}/disable`, { reason }))).toEqual([409, 'users.last-admin']);
  });
});

describe('the second wall', () => {
  it('opens and closes with the period too, by the database’s own clock', async () => {
    const caller = await somebody();
    const seen = async (): Promise<number> => {
      const client = await portal.owner.query('BEGIN');
      expect(client.command).toBe('BEGIN');
      await portal.owner.query('SET LOCAL ROLE portico_app');
      await portal.owner.query(`SELECT set_config('app.account_id', $1, true)`, [caller.id]);
      const { rowCount } = await portal.owner.query('SELECT 1 FROM users.patient');
      await portal.owner.query('ROLLBACK');
      return rowCount!;
    };
    const given = (period: string) =>
      portal.owner.query(
        `UPDATE users.account_role SET granted_at = now() - interval '2 days', ${period} WHERE account_id = $1 AND role = 'staff'`,
        [caller.id],
      );
    expect(await seen()).toBeGreaterThan(0);
    await given(`starts_at = now() + interval '1 hour'`);
    expect(await seen()).toBe(0);
    await given(`starts_at = now() - interval '1 day', ends_at = now() - interval '1 second'`);
    expect(await seen()).toBe(0);
    await given(`starts_at = now() - interval '1 day', ends_at = now() + interval '1 hour'`);
    expect(await seen()).toBeGreaterThan(0);
  });
});
