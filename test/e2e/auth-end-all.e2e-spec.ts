import { afterAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Database } from '../../src/platform/database/database.js';
import { cloneDatabase } from '../harness/database.js';
import { Browser } from '../harness/browser.js';
import { openHospital, said, type Hospital } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import { askForToken, currentCode, makePatient, signInAs, type Caller, type Machine } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

let hospital: Hospital;
let portal: Portal;
const opened: Portal[] = [];

beforeEach(async () => {
  hospital = await openHospital({ ACCESS_TOKEN_MINUTES: '60' });
  ({ portal } = hospital);
  opened.push(portal);
});
afterAll(async () => {
  for (const one of opened) {
    await checkLedger(one);
    await one.close();
  }
});

const reason = { reason: 'Tokens were found in a log of the proxy.' };
const endAll = (by: Caller, body: object = reason) => by.post('/v1/sessions/end-all', body);
const isOver = async (caller: Caller, path = '/v1/me') => said(await caller.get(path));
const OVER = [401, 'auth.session-ended'];

interface Event {
  actor: { id: string };
  err?: string;
  res?: { t: string; i: string }[];
  ses?: string;
}
/** Events of an action, from what was submitted and what is in the ledger already. */
async function eventsOf(action: string): Promise<Event[]> {
  const { rows } = await portal.owner.query<{ event: string }>(
    `SELECT event FROM audit.inbox WHERE action = $1 UNION ALL SELECT leaf::json ->> 'e' FROM audit.entry WHERE action = $1`,
    [action],
  );
  return rows.map(({ event }) => JSON.parse(event) as Event);
}

describe("everybody's sessions, ended by an administrator", () => {
  it('are over at the next request: people, machines with their tokens, refresh tokens, and not the own one', async () => {
    const { admin, staff, anna, bela, clinician, feed } = hospital;
    const everybody = [staff, anna, bela, clinician];
    for (const caller of everybody) await caller.get('/v1/me').expect(200);
    const { rows } = await portal.owner.query<{ open: number }>(
      'SELECT count(*)::int AS open FROM auth.session WHERE ended_at IS NULL',
    );
    const { body } = await endAll(admin).expect(200);
    expect(body).toEqual({ ended: rows[0]!.open - 1 });
    for (const caller of everybody) expect(await isOver(caller)).toEqual(OVER);
    // A machine's token is a session like any other; it asks for the next one with its key.
    const { accessToken } = feed.tokens;
    const late = await portal.http.get('/v1/imports/none').set('Authorization', `Bearer ${accessToken}`);
    expect(said(late)).toEqual(OVER);
    expect((await askForToken(portal, (feed as unknown as Machine).credentials.machine)).status).toBe(200);
    const { refreshToken } = anna.tokens;
    expect(said(await portal.http.post('/v1/auth/refresh').send({ refreshToken }))).toEqual(OVER);
    await admin.get('/v1/me').expect(200);
    // Nobody is shut out.
    const again = await signInAs(portal, anna.credentials);
    await again.get('/v1/me').expect(200);
    const { items } = (await again.get('/v1/me/activity').expect(200)).body as {
      items: { kind: string; detail: string }[];
    };
    expect(items.filter(({ kind }) => kind === 'session-ended').map(({ detail }) => detail)).toEqual(['revoked']);
  });

  it('are the own one too when that is asked for, with its cookies, and the other sessions of the administrator in any case', async () => {
    const { admin } = hospital;
    const other = await signInAs(portal, admin.credentials);
    await endAll(admin).expect(200);
    expect(await isOver(other)).toEqual(OVER);
    const browser = new Browser(portal);
    const { username, password, totpSecret } = admin.credentials;
    const first = await browser.send('post', '/v1/auth/login', { username, password, transport: 'cookie' });
    const { mfaToken } = first.body as { mfaToken: string };
    const code = await currentCode(totpSecret!, portal.clock);
    await browser.send('post', '/v1/auth/mfa/verify', { mfaToken, method: 'totp', code, transport: 'cookie' });
    expect((await browser.send('get', '/v1/me')).status).toBe(200);
    const answer = await browser.send('post', '/v1/sessions/end-all', { ...reason, includeCurrent: true });
    expect([answer.status, (answer.body as { ended: number }).ended]).toEqual([200, 2]);
    expect([...browser.jar.keys()].filter((name) => /access|refresh/.test(name))).toEqual([]);
    expect(await isOver(admin)).toEqual(OVER);
    const { rows } = await portal.owner.query('SELECT 1 FROM auth.session WHERE ended_at IS NULL');
    expect(rows).toEqual([]);
  });

  it('open from no sign-in that was half-way, nor by a device that was remembered', async () => {
    const { admin, anna } = hospital;
    const { secret } = (await anna.post('/v1/auth/mfa/totp', {}).expect(200)).body as { secret: string };
    await anna.post('/v1/auth/mfa/totp/confirm', { code: await currentCode(secret, portal.clock) }).expect(200);
    const { username, password } = anna.credentials;
    const login = async (more: object = {}) =>
      (
        await portal.http
          .post('/v1/auth/login')
          .send({ username, password, ...more })
          .expect(200)
      ).body as Record<string, string>;
    const verify = async (mfaToken: string, more: object = {}) =>
      portal.http
        .post('/v1/auth/mfa/verify')
        .send({ mfaToken, method: 'totp', code: await currentCode(secret, portal.clock), ...more });
    const first = await login();
    const { deviceToken } = (await verify(first.mfaToken!, { rememberDevice: true })).body as { deviceToken: string };
    const halfWay = await login();
    const by = await signInAs(portal, admin.credentials);
    await endAll(by).expect(200);
    expect(said(await verify(halfWay.mfaToken!))).toEqual([401, 'auth.sign-in-expired']);
    expect(await login({ deviceToken })).toMatchObject({ status: 'mfa_required' });
  });

  it('are ended for a reason that is kept, to which the event points; and each has an event of its own', async () => {
    const { admin, anna, staff } = hospital;
    const open = [anna, staff].map(({ tokens }) => tokens.session.id);
    await endAll(admin).expect(200);
    const [event, ...more] = await eventsOf('Session.end-all');
    expect(more).toEqual([]);
    expect(event!.actor.id).toBe(admin.id);
    const [{ i: endingId } = { i: '' }] = event!.res!.filter(({ t }) => t === 'SessionEnding');
    const { rows } = await portal.owner.query(
      'SELECT account_id, reason, ended_by FROM auth.session_ending WHERE session_ending_id = $1',
      [endingId],
    );
    expect(rows).toEqual([{ account_id: null, ...reason, ended_by: admin.id }]);
    const ended = (await eventsOf('Session.end')).filter(({ err }) => err === 'auth.session-ended:revoked');
    expect(ended.map(({ ses }) => ses)).toEqual(expect.arrayContaining(open));
    // What a person typed is in no event.
    expect(JSON.stringify(await eventsOf('Session.end-all'))).not.toContain('proxy');
    const kept = 'permission denied for table session_ending';
    const asServer = (statement: string) => portal.app.get(Database).write(null, (db) => db.query(statement));
    await expect(asServer(`UPDATE auth.session_ending SET reason = 'another'`)).rejects.toThrow(kept);
    await expect(asServer('DELETE FROM auth.session_ending')).rejects.toThrow(kept);
  });

  it('are ended by administrators alone, with a second factor of the last minutes and a reason', async () => {
    const { admin, staff, complianceOfficer, clinician, anna, feed } = hospital;
    for (const caller of [staff, complianceOfficer, clinician, anna, feed])
      expect((await endAll(caller)).status).toBe(403);
    for (const body of [{}, { reason: '  ' }, { reason: 'ab' }, { ...reason, includeCurrent: 'perhaps' }])
      expect((await endAll(admin, body)).status).toBe(400);
    portal.clock.forward(301);
    expect(said(await endAll(admin))).toEqual([403, 'auth.step-up-required']);
    await anna.get('/v1/me').expect(200);
    expect(await eventsOf('Session.end')).toEqual([]);
  });

  it('are ended on every replica, and once by two administrators at the same moment', async () => {
    const database = await cloneDatabase();
    const here = await openHospital({ ACCESS_TOKEN_MINUTES: '60' }, database);
    const there = await startPortal({ database, env: { ACCESS_TOKEN_MINUTES: '60' } });
    try {
      const { anna, admin } = here;
      const at = (replica: Portal) =>
        replica.http.get('/v1/me').set('Authorization', `Bearer ${anna.tokens.accessToken}`);
      await at(there).expect(200);
      const [one, two] = await Promise.all([endAll(admin), endAll(admin)]);
      expect([one.status, two.status]).toEqual([200, 200]);
      const counts = [one, two].map(({ body }) => (body as { ended: number }).ended);
      expect(Math.min(...counts)).toBe(0);
      expect(Math.max(...counts)).toBeGreaterThan(5);
      expect(said(await at(there))).toEqual(OVER);
      await checkLedger(here.portal);
    } finally {
      await Promise.all([there.close(), here.portal.close()]);
    }
  });

  it('are signed out in one go where there are thousands', async () => {
    const patient = await makePatient(portal, hospital.admin);
    await portal.owner.query(
      `INSERT INTO auth.session (session_id, account_id, created_at, last_active_at, idle_seconds, expires_at, acr, amr, auth_time, device, address)
       SELECT gen_random_uuid(), $1, $2, $2, 900, $2::timestamptz + interval '1 day', 'aal1', '{pwd}', $2, 'Test', '127.0.0.1' FROM generate_series(1, 5000)`,
      [await patient.accountId(), portal.clock.now()],
    );
    const by = await signInAs(portal, hospital.admin.credentials);
    const { body } = await endAll(by).expect(200);
    expect((body as { ended: number }).ended).toBeGreaterThan(5000);
    expect(await isOver(patient)).toEqual(OVER);
  });
});

describe('sessions of one account, ended by an administrator', () => {
  it('take a reason, which is kept, and to which the event points', async () => {
    const { admin, anna, bela } = hospital;
    const path = `/v1/users/${anna.id}/sessions/end`;
    expect((await admin.post(path)).status).toBe(400);
    expect((await admin.post(path, {})).status).toBe(400);
    await anna.get('/v1/me').expect(200);
    await admin.post(path, { reason: 'Left a screen open in the café.' }).expect(204);
    expect(await isOver(anna)).toEqual(OVER);
    await bela.get('/v1/me').expect(200);
    const { rows } = await portal.owner.query<{ id: string }>(
      'SELECT session_ending_id AS id, account_id, reason, sessions FROM auth.session_ending',
    );
    expect(rows).toEqual([
      { id: expect.any(String), account_id: anna.id, reason: 'Left a screen open in the café.', sessions: 1 },
    ]);
    const events = (await eventsOf('Session.end')).filter(({ actor }) => actor.id === admin.id);
    expect(events.flatMap(({ res }) => res ?? [])).toContainEqual({ i: rows[0]!.id, t: 'SessionEnding' });
    expect(JSON.stringify(events)).not.toContain('café');
  });
});
