import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Sequencer } from '../../../src/modules/audit/sequencer.js';
import { makeHospital, type DemoPatient } from '../../../src/demo/hospital.js';
import { importBundle } from '../../harness/feed.js';
import { known, pages, said, type Known } from '../../harness/hospital.js';
import { checkLedger } from '../../harness/ledger.js';
import {
  makeAdmin,
  makeChart,
  makeClinician,
  makeFeed,
  makeStaff,
  openAccount,
  type Caller,
  type Clinician,
  type Patient,
} from '../../harness/people.js';
import { startPortal, type Portal } from '../../harness/portal.js';

interface Chart {
  id: string;
  mrn: string;
  birthDate: string;
}

interface Accessed {
  action: string;
  outcome: string;
  actorId: string;
  roles: string[];
  patientId: string;
  categories: string[];
  purpose: string;
  touched: { type: string; id: string }[];
  asked: { id?: string };
  sessionId: string;
}

/** One story, told in order: each step stands on the ones before it. */
describe('the walking portal', () => {
  const hospital = makeHospital({ seed: 11, today: new Date('2026-11-22T00:00:00Z') });
  const [mia, noa] = hospital.patients.filter(({ deceasedAt }) => !deceasedAt) as [DemoPatient, DemoPatient];
  let portal: Portal;
  let admin: Known<Caller>;
  let frontDesk: Known<Caller>;
  let complianceOfficer: Known<Caller>;
  let clinician: Known<Clinician>;
  let feed: Caller;
  let chart: Chart;
  let otherChart: Chart;
  let records: string[];
  let membership: string;
  let patient: Known<Patient>;
  let otherPatient: Known<Patient>;

  const chartOf = async (person: DemoPatient): Promise<Chart> => {
    const { body } = await frontDesk.get('/v1/patients').query({ mrn: person.mrn }).expect(200);
    const [found, ...more] = (body as { items: Chart[] }).items;
    expect(more).toEqual([]);
    return found!;
  };

  /** What the compliance officer finds, oldest first. */
  const trail = async (query: Record<string, string>): Promise<Accessed[]> => {
    await portal.app.get(Sequencer).sequence();
    const { body } = await complianceOfficer
      .get('/v1/audit/events')
      .query({ limit: '200', ...query })
      .expect(200);
    return (body as { items: Accessed[] }).items.reverse();
  };

  beforeAll(async () => {
    portal = await startPortal();
  });

  afterAll(async () => {
    await checkLedger(portal);
    await portal.close();
  });

  it('begins with the operator, who makes the first administrator, who lets in one person of each role', async () => {
    admin = await known(makeAdmin(portal));
    frontDesk = await known(makeStaff(portal, admin, 'staff'));
    complianceOfficer = await known(makeStaff(portal, admin, 'compliance_officer'));
    await makeStaff(portal, admin, 'records_officer');
    clinician = await known(makeClinician(portal, admin));
    feed = await makeFeed(portal, admin, hospital.integration.source);
    const { body } = await admin.get('/v1/users').expect(200);
    const roles = (body as { items: { roles: string[]; status: string }[] }).items.map((one) => [
      ...one.roles,
      one.status,
    ]);
    expect(roles.sort()).toEqual(
      ['admin', 'clinician', 'compliance_officer', 'integration', 'records_officer', 'staff'].map((role) => [
        role,
        'active',
      ]),
    );
  });

  it('is filled by the record system', async () => {
    for (const bundle of [hospital.directoryBundle, mia.bundle, noa.bundle]) {
      const result = await importBundle(feed, bundle);
      expect(result).toMatchObject({ status: 'completed', rejected: 0, created: result.entries });
      expect(result.entries).toBe((JSON.parse(bundle) as { entry: unknown[] }).entry.length);
    }
    [chart, otherChart] = [await chartOf(mia), await chartOf(noa)];
    expect(chart.birthDate).toBe(mia.birthDate);
    // Nobody has opened a chart yet, and those who keep the hospital running cannot.
    for (const caller of [frontDesk, admin, complianceOfficer, feed])
      expect(said(await caller.get(`/v1/patients/${chart.id}/records`))).toEqual([403, 'access.forbidden']);
  });

  it('is opened to the patients, whom the front desk invites and who activate their accounts', async () => {
    patient = await known(openAccount(portal, frontDesk, { ...chart, email: 'mia@home.test' }));
    otherPatient = await known(openAccount(portal, frontDesk, { ...otherChart, email: 'noa@home.test' }));
    expect((await patient.get('/v1/me').expect(200)).body).toMatchObject({
      roles: ['patient'],
      patientIds: [chart.id],
    });
    const invitation = portal.mails.find(({ to }) => to === 'mia@home.test')!;
    for (const secret of [mia.family, mia.mrn, mia.birthDate]) expect(invitation.text).not.toContain(secret);
  });

  it('shows the patient their whole chart, page by page, newest first, nothing twice', async () => {
    const found = await pages(patient, `/v1/patients/${chart.id}/records`, 20);
    const items = found.flat() as unknown as { id: string; patientId: string; effectiveAt: string | null }[];
    records = items.map(({ id }) => id);
    expect(found.length).toBeGreaterThan(3);
    expect(new Set(records).size).toBe(records.length);
    expect(records).toHaveLength((JSON.parse(mia.bundle) as { entry: unknown[] }).entry.length);
    expect(new Set(items.map(({ patientId }) => patientId))).toEqual(new Set([chart.id]));
    const dated = items.flatMap(({ effectiveAt }) => effectiveAt ?? []);
    expect(dated.length).toBeGreaterThan(items.length / 2);
    expect(dated).toEqual([...dated].sort().reverse());
    expect((await pages(patient, `/v1/patients/${chart.id}/records`, 200)).flat().map(({ id }) => id)).toEqual(records);
    const { body } = await patient.get(`/v1/records/${records[0]}`).expect(200);
    expect(body).toEqual(items[0]);
  });

  it('shows another patient nothing of it', async () => {
    const own = (await pages(otherPatient, `/v1/patients/${otherChart.id}/records`, 200)).flat();
    expect(own.length).toBeGreaterThan(10);
    expect(own.map(({ id }) => id).filter((id) => records.includes(id))).toEqual([]);
    for (const path of [`/v1/patients/${chart.id}`, `/v1/patients/${chart.id}/records`, `/v1/records/${records[0]}`])
      expect(said(await otherPatient.get(path))).toEqual([404, 'http.not-found']);
  });

  it('shows it to the clinician while they are in the care team, and not before or after', async () => {
    const read = async () => (await clinician.get(`/v1/records/${records[0]}`)).status;
    const gone = [404, 'http.not-found'];
    const { practitionerId } = clinician;
    // They have another patient all along: it is this chart that they do not see.
    const { id } = await makeChart(frontDesk);
    await frontDesk.post(`/v1/patients/${id}/care-team`, { practitionerId }).expect(201);
    expect(await read()).toBe(404);
    const { body } = await frontDesk.post(`/v1/patients/${chart.id}/care-team`, { practitionerId }).expect(201);
    membership = (body as { id: string }).id;
    expect(await read()).toBe(200);
    const page = await clinician.get(`/v1/patients/${chart.id}/records`).query({ category: 'laboratory', limit: 5 });
    expect(page.body.items).toHaveLength(5);
    await frontDesk.post(`/v1/patients/${chart.id}/care-team/${membership}/end`).expect(200);
    expect(await read()).toBe(404);
    expect(said(await clinician.get(`/v1/patients/${chart.id}/records`))).toEqual(gone);
    expect(said(await clinician.get(`/v1/patients/${otherChart.id}/records`))).toEqual(gone);
  });

  it('lets the compliance officer find who opened what, and who tried', async () => {
    const opened = await trail({ patientId: chart.id, action: 'Record.list' });
    const own = opened.filter(({ actorId }) => actorId === patient.id);
    // Each page has left one access that names what was on it.
    expect(own.length).toBeGreaterThan(4);
    const seen = own.flatMap(({ touched }) => touched.map(({ id }) => id));
    expect(new Set(seen)).toEqual(new Set(records));
    for (const access of own) {
      expect(access).toMatchObject({ outcome: 'success', roles: ['patient'], patientId: chart.id, purpose: 'PATRQT' });
      expect(access.sessionId).toBe(patient.tokens.session.id);
      expect(access.categories.length).toBeGreaterThan(0);
    }
    expect(opened.filter(({ actorId }) => actorId !== patient.id)).toEqual([
      expect.objectContaining({
        ...{ actorId: clinician.id, roles: ['clinician'], purpose: 'TREAT', outcome: 'success' },
        ...{ patientId: chart.id, categories: ['laboratory'] },
      }),
    ]);
    expect(await trail({ patientId: chart.id, action: 'Record.read' })).toMatchObject([
      { actorId: patient.id, touched: [{ id: records[0] }] },
      { actorId: clinician.id, touched: [{ id: records[0] }] },
    ]);

    // Attempts name who tried and what was asked for, and no patient's data, for none was shown.
    const tried = await trail({ actorId: otherPatient.id, outcome: 'refused' });
    expect(tried).toMatchObject([
      { action: 'Patient.read', asked: { id: chart.id }, patientId: null },
      { action: 'Record.list', asked: { id: chart.id }, patientId: null },
      { action: 'Record.read', asked: { id: records[0] }, patientId: null },
    ]);
    const care = await trail({ patientId: chart.id, action: 'CareTeam' });
    expect(care).toMatchObject([
      { action: 'CareTeam.create', actorId: frontDesk.id, purpose: 'HOPERAT', touched: [{ id: membership }] },
      { action: 'CareTeam.end', actorId: frontDesk.id, purpose: 'HOPERAT', touched: [{ id: membership }] },
    ]);
    // Reading the trail is in the trail; nothing clinical is.
    const looks = await trail({ actorId: complianceOfficer.id, action: 'Event.list' });
    expect(looks.length).toBeGreaterThanOrEqual(4);
    const { rows } = await portal.owner.query<{ leaf: string }>('SELECT leaf FROM audit.entry');
    for (const word of [mia.family, mia.given, mia.mrn, 'Body weight', 'mg/dL'])
      expect(rows.filter(({ leaf }) => leaf.includes(word))).toEqual([]);
  });

  it('ends with the sign-out: the tokens are dead', async () => {
    await patient.post('/v1/auth/logout').expect(200);
    for (const path of ['/v1/me', `/v1/patients/${chart.id}/records`, `/v1/records/${records[0]}`])
      expect(said(await patient.get(path))).toEqual([401, 'auth.session-ended']);
    const { refreshToken } = patient.tokens;
    expect((await portal.http.post('/v1/auth/refresh').send({ refreshToken })).status).toBe(401);
    expect((await otherPatient.get('/v1/me')).status).toBe(200);
  });
});
