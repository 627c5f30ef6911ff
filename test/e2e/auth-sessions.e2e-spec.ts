import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { SessionSweeper } from '../../src/modules/auth/sessions/session-sweeper.js';
import { KeyRing, newKeyFile } from '../../src/platform/crypto/index.js';
import { SystemPool } from '../../src/platform/database/system-pool.js';
import { checkLedger } from '../harness/ledger.js';
import { Caller, makeAdmin, makeClinician, makePatient, makeStaff, signInAs, type Tokens } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

let portal: Portal;
let admin: Caller;

beforeAll(async () => {
  portal = await startPortal();
  admin = await makeAdmin(portal);
});
beforeEach(async () => {
  admin = await signInAs(portal, admin.credentials);
});
afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});

const MINUTE = 60;
const refresh = (refreshToken: string) => portal.http.post('/v1/auth/refresh').send({ refreshToken });
/** The same person with a new pair of tokens. */
const refreshed = async (caller: Caller) =>
  new Caller(portal, (await refresh(caller.tokens.refreshToken).expect(200)).body as Tokens, caller.credentials);
const refusal = async (request: PromiseLike<{ status: number; body: { code: string } }>) => {
  const { status, body } = await request;
  return [status, body.code];
};
const ENDED = [401, 'auth.session-ended'];
const endOf = async ({ tokens }: Caller) =>
  (
    await portal.owner.query<{ end_reason: string | null }>(
      'SELECT end_reason FROM auth.session WHERE session_id = $1',
      [tokens.session.id],
    )
  ).rows[0]!.end_reason;
const endEventsOf = async ({ tokens }: Caller) =>
  (
    await portal.owner.query<{ reason: string }>(
      `SELECT event::jsonb ->> 'err' AS reason FROM audit.inbox WHERE action = 'Session.end' AND session_id = $1
       UNION ALL SELECT leaf::jsonb -> 'e' ->> 'err' FROM audit.entry WHERE action = 'Session.end' AND session_id = $1`,
      [tokens.session.id],
    )
  ).rows.map(({ reason }) => reason);
const sweep = () => portal.app.get(SessionSweeper).sweep();

describe('automatic logout', () => {
  it('ends a session after 15 minutes without activity, told at the next request', async () => {
    let patient = await makePatient(portal, admin);
    portal.clock.forward(14 * MINUTE + 50);
    patient = Object.assign(patient, { tokens: (await refreshed(patient)).tokens });
    portal.clock.forward(11);
    expect(await refusal(patient.get('/v1/me'))).toEqual(ENDED);
    expect(await endOf(patient)).toBe('idle');
    expect(await endEventsOf(patient)).toEqual(['auth.session-ended:idle']);
    expect(await refusal(refresh(patient.tokens.refreshToken))).toEqual(ENDED);
    expect(await endEventsOf(patient)).toHaveLength(1);
  });

  it('runs from the last activity', async () => {
    const patient = await makePatient(portal, admin);
    portal.clock.forward(4 * MINUTE);
    await patient.get('/v1/me').expect(200);
    portal.clock.forward(14 * MINUTE);
    const later = await refreshed(patient);
    await later.get('/v1/me').expect(200);
    portal.clock.forward(15 * MINUTE);
    expect(await refusal(refresh(later.tokens.refreshToken))).toEqual(ENDED);
    expect(await endOf(patient)).toBe('idle');
  });

  it('is not put off by background polling, nor by refreshing', async () => {
    let patient: Caller = await makePatient(portal, admin);
    for (let minutes = 4; minutes < 15; minutes += 4) {
      portal.clock.forward(4 * MINUTE);
      patient = await refreshed(patient);
      await patient.get('/v1/me').set('X-Portico-Background', 'true').expect(200);
    }
    portal.clock.forward(3 * MINUTE + 1);
    expect(await refusal(patient.get('/v1/me'))).toEqual(ENDED);
    expect(await endOf(patient)).toBe('idle');
  });

  it.each([
    ['patients', 12 * 60, () => makePatient(portal, admin)],
    ['staff', 8 * 60, () => makeStaff(portal, admin, 'staff')],
  ] as const)('ends the session of %s after %d minutes, however active', async (_, minutes, make) => {
    let caller: Caller = await make();
    const { expiresAt, authTime } = caller.tokens.session;
    expect((Date.parse(expiresAt) - Date.parse(authTime)) / 60_000).toBe(minutes);
    for (let passed = 12; passed < minutes; passed += 12) {
      portal.clock.forward(12 * MINUTE);
      caller = await refreshed(caller);
      await caller.get('/v1/auth/sessions').expect(200);
    }
    const last = await refresh(caller.tokens.refreshToken);
    expect(last.status).toBe(200);
    portal.clock.forward(Date.parse(expiresAt) / 1000 - portal.clock.now().getTime() / 1000 - 100);
    const nearly = await refresh((last.body as Tokens).refreshToken).expect(200);
    // The access token does not outlive its session.
    expect((nearly.body as { expiresIn: number }).expiresIn).toBeLessThanOrEqual(100);
    const end = new Caller(portal, nearly.body as Tokens, caller.credentials);
    await end.get('/v1/auth/sessions').expect(200);
    portal.clock.forward(100);
    expect((await refusal(end.get('/v1/auth/sessions')))[0]).toBe(401);
    expect(await refusal(refresh(end.tokens.refreshToken))).toEqual(ENDED);
    expect(await endOf(caller)).toBe('expired');
  });

  it('happens when nobody calls again, once, also with two sweepers at once', async () => {
    const callers = [await makePatient(portal, admin), await makePatient(portal, admin)];
    portal.clock.forward(15 * MINUTE + 1);
    await Promise.all([sweep(), sweep(), sweep()]);
    for (const caller of callers) {
      expect(await endOf(caller)).toBe('idle');
      expect(await endEventsOf(caller)).toEqual(['auth.session-ended:idle']);
    }
  });
});

describe('refresh', () => {
  it('gives 30 parallel tabs the same successor, and so one family', async () => {
    const patient = await makePatient(portal, admin);
    const answers = await Promise.all(
      Array.from({ length: 30 }, () => refresh(patient.tokens.refreshToken).expect(200)),
    );
    const successors = new Set(answers.map(({ body }) => (body as Tokens).refreshToken));
    expect(successors.size).toBe(1);
    const { rows } = await portal.owner.query<{ used: number; unused: number }>(
      'SELECT count(used_at)::int AS used, count(*) FILTER (WHERE used_at IS NULL)::int AS unused FROM auth.refresh_token WHERE session_id = $1',
      [patient.tokens.session.id],
    );
    expect(rows[0]).toEqual({ used: 1, unused: 1 });
    await refresh([...successors][0]!).expect(200);
  });

  it('forgives a lost answer for ten seconds', async () => {
    const patient = await makePatient(portal, admin);
    const first = await refresh(patient.tokens.refreshToken).expect(200);
    portal.clock.forward(8);
    const again = await refresh(patient.tokens.refreshToken).expect(200);
    expect((again.body as Tokens).refreshToken).toBe((first.body as Tokens).refreshToken);
    portal.clock.forward(3);
    expect(await refusal(refresh(patient.tokens.refreshToken))).toEqual(ENDED);
    expect(await endOf(patient)).toBe('reuse');
  });

  it.each([
    ['the thief is first', 'thief'],
    ['the owner is first', 'owner'],
  ])('kills the session when a stolen token is used: %s', async (_, first) => {
    const patient = await makePatient(portal, admin);
    const stolen = patient.tokens.refreshToken;
    const next = await refreshed(patient);
    const newest = await refreshed(next);
    await newest.get('/v1/me').expect(200);
    if (first === 'owner') portal.clock.forward(60);
    // Even within ten seconds: its successor was used.
    expect(await refusal(refresh(stolen))).toEqual(ENDED);
    expect(await refusal(newest.get('/v1/me'))).toEqual(ENDED);
    expect(await refusal(refresh(newest.tokens.refreshToken))).toEqual(ENDED);
    expect(await endOf(patient)).toBe('reuse');
    expect(await endEventsOf(patient)).toEqual(['auth.session-ended:reuse']);
  });

  it('takes nothing else', async () => {
    const patient = await makePatient(portal, admin);
    expect(await refusal(refresh('x'))).toEqual(ENDED);
    expect(await refusal(refresh(patient.tokens.refreshToken.slice(0, -1)))).toEqual(ENDED);
    expect((await refusal(refresh(patient.tokens.accessToken)))[0]).toBe(400);
  });

  it('survives a rotation of the mac key', async () => {
    const patient = await makePatient(portal, admin);
    const { refreshToken } = patient.tokens;
    const ring = portal.app.get(KeyRing);
    const other = KeyRing.from(newKeyFile());
    const own = ring.subkeys.bind(ring);
    // Newest first, as in a file with a new active key and the old one retired.
    ring.subkeys = (label) => [...other.subkeys(label), ...own(label)];
    try {
      const next = await refreshed(patient);
      const again = await refresh(refreshToken).expect(200);
      expect((again.body as Tokens).refreshToken).toBe(next.tokens.refreshToken);
      await refreshed(next);
    } finally {
      ring.subkeys = own;
    }
  });
});

describe('own sessions', () => {
  it('are listed and revoked by their person and nobody else', async () => {
    const patient = await makePatient(portal, admin);
    const stranger = await makePatient(portal, admin);
    const { body } = await portal.http
      .post('/v1/auth/login')
      .set('User-Agent', 'Mozilla/5.0 (Windows NT 10.0; rv:140.0) Gecko/20100101 Firefox/140.0')
      .send(patient.credentials)
      .expect(200);
    const other = new Caller(portal, body as Tokens, patient.credentials);
    const list = (await patient.get('/v1/auth/sessions').expect(200)).body as { items: { id: string }[]; next: null };
    expect(list.items).toEqual([
      expect.objectContaining({
        id: other.tokens.session.id,
        device: 'Firefox on Windows',
        address: '127.0.0.1',
        current: false,
      }),
      expect.objectContaining({ id: patient.tokens.session.id, current: true }),
    ]);
    const page = (await patient.get('/v1/auth/sessions?limit=1').expect(200)).body as {
      items: { id: string }[];
      next: string;
    };
    const rest = (await patient.get(`/v1/auth/sessions?limit=1&cursor=${page.next}`).expect(200)).body as typeof list;
    // Not when it was last active: that is now.
    expect([...page.items, ...rest.items].map(({ id }) => id)).toEqual(list.items.map(({ id }) => id));
    expect(rest.next).toBeNull();

    const foreign = await stranger.delete(`/v1/auth/sessions/${other.tokens.session.id}`).expect(404);
    const missing = await stranger.delete('/v1/auth/sessions/01a201c5-5562-722f-8078-4cb9f57edf61').expect(404);
    expect({ ...(foreign.body as object), instance: '' }).toEqual({ ...(missing.body as object), instance: '' });
    await other.get('/v1/me').expect(200);
    await patient.delete(`/v1/auth/sessions/${other.tokens.session.id}`).expect(204);
    expect(await refusal(other.get('/v1/me'))).toEqual(ENDED);
    await patient.delete(`/v1/auth/sessions/${other.tokens.session.id}`).expect(404);
    expect(await endOf(other)).toBe('revoked');
  });

  it('end by logout: this one, or all', async () => {
    const one = await makePatient(portal, admin);
    const [two, three] = [await signInAs(portal, one.credentials), await signInAs(portal, one.credentials)];
    await one.post('/v1/auth/logout').expect(200);
    expect(await refusal(one.get('/v1/me'))).toEqual(ENDED);
    expect(await refusal(refresh(one.tokens.refreshToken))).toEqual(ENDED);
    await two.get('/v1/me').expect(200);
    await two.post('/v1/auth/logout-all').expect(204);
    for (const caller of [two, three]) expect(await refusal(caller.get('/v1/me'))).toEqual(ENDED);
  });

  it('end at once when the account is disabled or gets other roles', async () => {
    const [disabled, promoted] = [await makeStaff(portal, admin, 'staff'), await makeStaff(portal, admin, 'staff')];
    const half = await portal.http
      .post('/v1/auth/login')
      .send({ username: promoted.credentials.username, password: promoted.credentials.password });
    await disabled.get('/v1/me').expect(200);
    await admin.post(`/v1/users/${await disabled.accountId()}/disable`, { reason: 'Left the hospital.' });
    expect(await refusal(disabled.get('/v1/me'))).toEqual(ENDED);
    expect(await refusal(refresh(disabled.tokens.refreshToken))).toEqual(ENDED);
    expect(await endEventsOf(disabled)).toEqual(['auth.session-ended:disabled']);
    await admin.post(`/v1/users/${await promoted.accountId()}/roles`, { role: 'records_officer', reason: 'New duty.' });
    expect(await refusal(promoted.get('/v1/me'))).toEqual(ENDED);
    expect(await endOf(promoted)).toBe('roles-changed');
    const { mfaToken } = half.body as { mfaToken: string };
    expect(
      await refusal(portal.http.post('/v1/auth/mfa/verify').send({ mfaToken, method: 'totp', code: '123456' })),
    ).toEqual([401, 'auth.sign-in-expired']);
  });

  it('are not believed when they cannot be asked: 503, nothing of the answer, and recovery by itself', async () => {
    const patient = await makePatient(portal, admin);
    await patient.get('/v1/me').expect(200);
    const pool = portal.app.get(SystemPool);
    const query = pool.query.bind(pool);
    pool.query = (text, values, name) =>
      name === 'auth_session_look' ? Promise.reject(new Error('Connection terminated')) : query(text, values, name);
    try {
      const { body, headers } = await patient.get('/v1/me').expect(503);
      expect(body).toMatchObject({ code: 'http.unavailable' });
      expect(headers['retry-after']).toBe('2');
      await portal.http.get('/health/live').set('Authorization', `Bearer ${patient.tokens.accessToken}`).expect(200);
    } finally {
      pool.query = query;
    }
    await patient.get('/v1/me').expect(200);
  });

  it('follow the care team from one request to the next', async () => {
    const clinician = await makeClinician(portal, admin);
    const patient = await makePatient(portal, admin);
    const chart = `/v1/patients/${patient.patientId}`;
    await clinician.get(chart).expect(404);
    // Begun by the database's clock too, which the row policies ask and no test moves.
    const { body } = await admin
      .post(`${chart}/care-team`, { practitionerId: clinician.practitionerId, startsAt: '2026-01-01T00:00:00Z' })
      .expect(201);
    await clinician.get(chart).expect(200);
    await admin.post(`${chart}/care-team/${(body as { id: string }).id}/end`, {});
    await clinician.get(chart).expect(404);
  });
});

const eventsOf = async (action: string) =>
  (
    await portal.owner.query<{ event: { err?: string; actor: { id?: string }; ses?: string } }>(
      "SELECT event::jsonb AS event FROM audit.inbox WHERE action = $1 UNION ALL SELECT leaf::jsonb -> 'e' FROM audit.entry WHERE action = $1",
      [action],
    )
  ).rows.map(({ event }) => event);

describe('audit', () => {
  it('tells who tried, by which code it was refused, and which session was opened', async () => {
    const patient = await makePatient(portal, admin);
    const login = (username: string) => portal.http.post('/v1/auth/login').send({ username, password: 'not this one' });
    const id = await patient.accountId();
    await login(patient.credentials.username).expect(401);
    await login('nobody-in-particular').expect(401);
    const events = await eventsOf('Session.login');
    expect(events).toContainEqual(expect.objectContaining({ actor: { id }, err: 'auth.invalid-credentials' }));
    expect(events).toContainEqual(expect.objectContaining({ actor: {}, err: 'auth.invalid-credentials' }));
    expect(events).toContainEqual(expect.objectContaining({ actor: { id }, ses: patient.tokens.session.id, out: 0 }));
    expect(JSON.stringify(events)).not.toContain(patient.credentials.username);
  });
});
