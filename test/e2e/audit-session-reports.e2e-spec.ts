import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Sequencer } from '../../src/modules/audit/sequencer.js';
import { SessionSweeper } from '../../src/modules/auth/sessions/session-sweeper.js';
import { cloneDatabase } from '../harness/database.js';
import { itemsOf, NOBODY, openHospital, pages, said, type Hospital } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import { makePatient, signInAs, type Caller, type Patient } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

const MINUTE = 60;

let hospital: Hospital;
/** The same portal once more, on the same database. */
let replica: Portal;
let officer: Caller;

interface Session {
  id: string;
  state: string;
  signedInAt: string;
  signInAction: string;
  endedAt: string | null;
  endReason: string | null;
  durationSeconds: number | null;
  address: string | null;
  events: number;
  refused: number;
  charts: number;
  timeline: string;
  touchedCharts: { patient: { id: string; name: string }; events: number; timeline: string }[];
}

const portal = () => hospital.portal;
const place = () => portal().app.get(Sequencer).sequence();
const idOf = ({ tokens }: Caller): string => tokens.session.id;

/** Of this moment; the officer is signed in anew, because tests move the clock. */
async function sessionOf(caller: Caller | string): Promise<Session> {
  await place();
  officer = await signInAs(portal(), hospital.complianceOfficer.credentials);
  const id = typeof caller === 'string' ? caller : idOf(caller);
  return (await officer.get(`/v1/audit/sessions/${id}`).expect(200)).body as Session;
}

interface End {
  actor: string;
  reason: string;
  t: string;
  te: string;
  det: { seconds: number };
}

async function endsOf(caller: Caller): Promise<End[]> {
  await place();
  const { rows } = await portal().owner.query<End>(
    `SELECT actor, leaf::jsonb #>> '{e,err}' AS reason, leaf::jsonb #>> '{e,t}' AS t, leaf::jsonb #>> '{e,te}' AS te, leaf::jsonb #> '{e,det}' AS det
       FROM audit.entry WHERE action = 'Session.end' AND session_id = $1`,
    [idOf(caller)],
  );
  return rows;
}

const signedInAt = async (caller: Caller): Promise<Date> =>
  (
    await portal().owner.query<{ created_at: Date }>('SELECT created_at FROM auth.session WHERE session_id = $1', [
      idOf(caller),
    ])
  ).rows[0]!.created_at;

let anna: Patient;

beforeAll(async () => {
  const database = await cloneDatabase();
  hospital = await openHospital({}, database);
  replica = await startPortal({ database });
  for (const one of [portal(), replica]) await one.app.get(SessionSweeper).beforeApplicationShutdown();
}, 60_000);

beforeEach(async () => {
  Object.assign(hospital.admin.tokens, (await signInAs(portal(), hospital.admin.credentials)).tokens);
  anna = await makePatient(portal(), hospital.admin);
}, 30_000);

afterAll(async () => {
  await replica.close();
  await checkLedger(portal());
  await portal().close();
});

describe('the end of a session', () => {
  it('is told once over two replicas when it runs out unused, with the time at which it did', async () => {
    const begun = await signedInAt(anna);
    portal().clock.forward(40 * MINUTE);
    replica.clock.forward(portal().clock.now().getTime() / 1000 - replica.clock.now().getTime() / 1000);
    const sweepers = [portal(), replica, portal(), replica].map((one) => one.app.get(SessionSweeper));
    await Promise.all(sweepers.map((one) => one.sweep()));
    const ends = await endsOf(anna);
    expect(ends).toHaveLength(1);
    const [end] = ends as [End];
    expect(end.reason).toBe('auth.session-ended:idle');
    const lasted = (Date.parse(end.te) - begun.getTime()) / 1000;
    expect(lasted).toBeGreaterThanOrEqual(15 * MINUTE);
    expect(lasted).toBeLessThan(16 * MINUTE);
    expect(end.det.seconds).toBe(Math.round(lasted));
    expect(Date.parse(end.t) - Date.parse(end.te)).toBeGreaterThan(20 * MINUTE * 1000);

    const session = await sessionOf(anna);
    expect(session).toMatchObject({
      state: 'ended',
      endReason: 'idle',
      endedAt: end.te,
      durationSeconds: end.det.seconds,
      signInAction: 'Session.login',
    });
    const [event] = itemsOf(await officer.get(`/v1/audit/events?sessionId=${session.id}&kind=automatic-logout`));
    expect(event).toMatchObject({ at: end.t, effectiveAt: end.te, code: 'auth.session-ended:idle', detail: end.det });
  });

  it('is told when a request finds it idle, and not a second time by whoever sweeps', async () => {
    portal().clock.forward(16 * MINUTE);
    const refresh = { refreshToken: anna.tokens.refreshToken };
    expect(said(await portal().http.post('/v1/auth/refresh').send(refresh))).toEqual([401, 'auth.session-ended']);
    await portal().app.get(SessionSweeper).sweep();
    expect((await endsOf(anna)).map(({ reason }) => reason)).toEqual(['auth.session-ended:idle']);
  });

  it('is told as its absolute end when it was used all the time', async () => {
    const begun = await signedInAt(anna);
    const { patient } = portal().config.sessions;
    await portal().owner.query('UPDATE auth.session SET last_active_at = expires_at WHERE session_id = $1', [
      idOf(anna),
    ]);
    portal().clock.forward(patient.absoluteSeconds + MINUTE);
    await portal().app.get(SessionSweeper).sweep();
    const [end] = (await endsOf(anna)) as [End];
    expect([end.reason, end.det.seconds]).toEqual(['auth.session-ended:expired', patient.absoluteSeconds]);
    expect(Date.parse(end.te)).toBe(begun.getTime() + patient.absoluteSeconds * 1000);
  });

  it('is told for a sign-out, with how long it had lasted', async () => {
    portal().clock.forward(3 * MINUTE);
    await anna.post('/v1/auth/logout').expect(200);
    const [end] = (await endsOf(anna)) as [End];
    expect(end.reason).toBe('auth.session-ended:logout');
    expect(end.det.seconds).toBeGreaterThanOrEqual(3 * MINUTE);
    expect(await sessionOf(anna)).toMatchObject({
      state: 'ended',
      endReason: 'logout',
      durationSeconds: end.det.seconds,
    });
    const kinds = itemsOf(await officer.get(`/v1/audit/events?sessionId=${idOf(anna)}&kind=sign-out`));
    expect(kinds).toHaveLength(1);
  });

  it('is told once for each session, however it came about', async () => {
    const { admin } = hospital;
    const again = () => signInAs(portal(), anna.credentials);
    const reasons: Record<string, string[]> = {};
    const ended = async (name: string, sessions: Caller[]) => {
      reasons[name] = (await Promise.all(sessions.map(endsOf))).flat().map(({ reason }) => reason.split(':')[1]!);
    };
    const [one, two, three] = [await again(), await again(), await again()];
    await three.delete(`/v1/auth/sessions/${idOf(one)}`).expect(204);
    await ended('revoked by its holder', [one]);
    await three.post('/v1/auth/logout-others').expect(204);
    await ended('logout of others', [two, anna]);
    await three.post('/v1/auth/logout-all').expect(204);
    await ended('logout of all', [three]);
    const four = await again();
    const id = await four.accountId();
    await admin.post(`/v1/users/${id}/sessions/end`, { reason: 'A test' }).expect(204);
    await ended('by an administrator', [four]);
    // Who ends somebody's sessions goes on themselves.
    expect(await sessionOf(admin)).toMatchObject({ state: 'open', endedAt: null });
    const five = await again();
    await admin.post(`/v1/users/${id}/disable`, { reason: 'A test' }).expect(200);
    await ended('disabled', [five]);
    expect(reasons).toEqual({
      'revoked by its holder': ['revoked'],
      'logout of others': ['revoked', 'revoked'],
      'logout of all': ['logout'],
      'by an administrator': ['revoked'],
      disabled: ['disabled'],
    });
  });
});

describe('sessions', () => {
  it('tell what was touched in them, where they came from, and lead to their timelines', async () => {
    const { clinician, bela } = hospital;
    const him = await signInAs(portal(), clinician.credentials);
    await him.get(`/v1/patients/${hospital.anna.patientId}`).expect(200);
    await him.get(`/v1/patients/${hospital.anna.patientId}/records`).expect(200);
    await him.get(`/v1/patients/${bela.patientId}`).expect(404);
    const session = await sessionOf(him);
    expect(session).toMatchObject({
      ...{ state: 'open', endedAt: null, endReason: null, durationSeconds: null },
      ...{ actor: { id: clinician.id, kind: 'person' }, signInAction: 'Session.verify' },
      ...{ address: '127.0.0.1', charts: 1, refused: 1 },
      touchedCharts: [{ patient: { id: hospital.anna.patientId, kind: 'patient' }, events: 2 }],
    });
    const timeline = (await pages(officer, session.timeline, 50)).flat();
    expect(timeline).toHaveLength(session.events);
    expect(timeline.map(({ action }) => action)).toEqual(
      expect.arrayContaining(['Session.verify', 'Patient.read', 'Record.list']),
    );
    const ofChart = itemsOf(await officer.get(session.touchedCharts[0]!.timeline).expect(200));
    expect(ofChart).toHaveLength(2);

    await portal().owner.query('DELETE FROM audit.disclosure');
    expect(await sessionOf(him)).toMatchObject({ address: null, userAgent: null });
  });

  it('are listed by whose they are and when they began, newest first, each once', async () => {
    const from = portal().clock.now().toISOString();
    const theirs: Caller[] = [];
    for (let at = 0; at < 5; at++) theirs.push(await signInAs(portal(), anna.credentials));
    await sessionOf(theirs[0]!);
    const id = await theirs[4]!.accountId();
    await place();
    const path = `/v1/audit/sessions?actorId=${id}&from=${from}`;
    const found = (await pages(officer, path, 2)).flat().map((one) => one.id);
    expect(found).toEqual(theirs.map(idOf).reverse());
    expect((await pages(officer, `/v1/audit/sessions?actorId=${id}&to=${from}`, 50)).flat()).toHaveLength(1);
    expect(itemsOf(await officer.get(`/v1/audit/sessions?actorId=${NOBODY}`).expect(200))).toEqual([]);
    expect(said(await officer.get(`/v1/audit/sessions?from=${from}&to=${from}`))).toEqual([
      422,
      'audit.period-backwards',
    ]);
    expect(said(await officer.get(`/v1/audit/sessions/${NOBODY}`))).toEqual([404, 'http.not-found']);
  });

  it('of machines are there as well, and their names', async () => {
    const { feed } = hospital;
    const session = await sessionOf(await signInAs(portal(), feed.credentials));
    expect(session).toMatchObject({ signInAction: 'Session.login', actor: { id: feed.id, kind: 'service' } });
  });

  it('leave an event that names those that were shown', async () => {
    await place();
    const answer = await officer.get('/v1/audit/sessions?limit=2').expect(200);
    await place();
    const [event] = itemsOf(await officer.get(`/v1/audit/events?requestId=${answer.headers['x-request-id']}`));
    expect(event).toMatchObject({
      action: 'AuditReport.list',
      touched: itemsOf(answer).map(({ id }) => ({ type: 'Session', id })),
    });
  });
});
