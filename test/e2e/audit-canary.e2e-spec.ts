import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { makeHospital, type DemoPatient } from '../../src/demo/hospital.js';
import { Sequencer } from '../../src/modules/audit/sequencer.js';
import { importBundle } from '../harness/feed.js';
import { known, type Known } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import {
  makeAdmin,
  makeClinician,
  makeFeed,
  makeStaff,
  openAccount,
  signInAs,
  type Caller,
  type Clinician,
  type Patient,
} from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

/** What a leaf may hold that nobody chose for its meaning: ids, times, digests. */
const MEANINGLESS = /^([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4}-\d\d-\d\dT[\d:.]+Z|[\w-]{43}|[^:]+:\d+)$/;

function* stringsIn(value: unknown): Generator<string> {
  if (typeof value === 'string') yield value;
  else if (typeof value === 'object' && value !== null) for (const one of Object.values(value)) yield* stringsIn(one);
}

/** Words, names, numbers and codes of a chart: every text of its resources but types, ids, references and systems. */
function* clinicalIn(value: unknown, key = ''): Generator<string> {
  const isPlain = ['resourceType', 'id', 'reference', 'system', 'url', 'fullUrl', 'method', 'category', 'use'];
  if (isPlain.includes(key)) return;
  if (typeof value === 'string') {
    if (value.length >= 5 && !/^([A-Z]+$|\d{4}-\d\d|[a-z]+(-[a-z]+)*$|https?:|urn:)/.test(value)) yield value;
  } else if (Array.isArray(value)) for (const one of value) yield* clinicalIn(one, key);
  else if (typeof value === 'object' && value !== null)
    for (const [name, one] of Object.entries(value)) yield* clinicalIn(one, name);
}

describe('what nobody can erase', () => {
  const hospital = makeHospital({ seed: 23, today: new Date('2026-11-22T00:00:00Z') });
  const mia = hospital.patients.find(({ deceasedAt }) => !deceasedAt) as DemoPatient;
  let portal: Portal;
  let admin: Known<Caller>;
  let clinician: Known<Clinician>;
  let patient: Known<Patient>;
  let secrets: string[];
  let told: string[];

  beforeAll(async () => {
    portal = await startPortal();
    admin = await known(makeAdmin(portal));
    const frontDesk = await makeStaff(portal, admin, 'staff');
    const officer = await makeStaff(portal, admin, 'compliance_officer');
    clinician = await known(makeClinician(portal, admin));
    const feed = await makeFeed(portal, admin, 'https://ehr.example/main');
    await importBundle(feed, hospital.directoryBundle);
    await importBundle(feed, mia.bundle);
    const { body: found } = await frontDesk.get('/v1/patients').query({ mrn: mia.mrn }).expect(200);
    const [chart] = (found as { items: { id: string; birthDate: string }[] }).items;
    patient = await known(openAccount(portal, admin, { ...chart!, email: mia.email }));
    await frontDesk
      .post(`/v1/patients/${chart!.id}/care-team`, { practitionerId: clinician.practitionerId })
      .expect(201);
    for (const reader of [patient, clinician]) {
      await reader.get(`/v1/patients/${chart!.id}/records?limit=200`).expect(200);
      await reader.get(`/v1/patients/${chart!.id}/records?code=${encodeURIComponent('http://loinc.org|8480-6')}`);
    }
    await frontDesk.get('/v1/patients').query({ text: mia.family }).expect(200);
    await frontDesk.get(`/v1/patients/${encodeURIComponent(mia.family)}`).expect(400);
    await patient.get(`/v1/${encodeURIComponent(mia.mrn)}?note=${encodeURIComponent(mia.family)}`).expect(404);
    await frontDesk.post('/v1/patients', { family: mia.family, colour: 'a rash on the arm' }).expect(400);
    const wrong = { username: mia.family, password: 'a guess that is nobody’s' };
    await portal.http.post('/v1/auth/login').send(wrong).expect(401);
    await portal.http.post('/v1/auth/password/forgot').send({ usernameOrEmail: mia.email });
    await portal.http
      .get('/v1/me')
      .set('authorization', 'Bearer eyJhbGciOiJub25lIn0.e30.')
      .set('user-agent', `Agent of ${mia.family}`);
    const again = await signInAs(portal, patient.credentials);
    const { body: renewed } = await portal.http
      .post('/v1/auth/refresh')
      .send({ refreshToken: again.tokens.refreshToken })
      .expect(200);
    await again.get('/v1/audit/events').expect(403);
    await officer.get('/v1/audit/events').expect(200);
    await portal.delivered();
    secrets = [
      ...[admin, clinician, patient, frontDesk, officer, again].flatMap((one) => [
        one.credentials.password,
        one.credentials.totpSecret ?? one.credentials.password,
        one.tokens.accessToken,
        one.tokens.refreshToken,
        ...one.recoveryCodes,
      ]),
      ...stringsIn(renewed).filter((text) => text.length > 40),
      wrong.password,
      ...portal.mails.flatMap(({ text }) => text.match(/[0-9A-Z]{4}(?:-[0-9A-Z]{4}){3,}|token=\S+/g) ?? []),
    ];
    await portal.app.get(Sequencer).sequence();
    const { rows } = await portal.owner.query<{ leaf: string }>('SELECT leaf FROM audit.entry');
    told = [...new Set(rows.flatMap(({ leaf }) => [...stringsIn(JSON.parse(leaf))]))].filter(
      (text) => !MEANINGLESS.test(text),
    );
  });

  afterAll(async () => {
    await checkLedger(portal);
    await portal.close();
  });

  it('has no word, name, number or code of a chart', () => {
    const words = [
      ...new Set([
        ...clinicalIn(JSON.parse(mia.bundle)),
        mia.family,
        mia.mrn,
        mia.email,
        mia.email.split('@')[0]!,
        'a rash on the arm',
        'colour',
      ]),
    ];
    expect(words.length).toBeGreaterThan(100);
    expect(told.length).toBeGreaterThan(20);
    expect(words.filter((word) => told.some((text) => text.includes(word)))).toEqual([]);
  });

  it('has no secret, nor who somebody said to be', () => {
    const names = [admin, clinician, patient].map(({ credentials }) => credentials.username);
    expect(secrets.length).toBeGreaterThan(20);
    expect([...secrets, ...names].filter((word) => told.some((text) => text.includes(word)))).toEqual([]);
  });

  it('has neither address nor agent, which lie where they can be erased', async () => {
    expect(told.filter((text) => /127\.0\.0\.1|::1|Agent of/.test(text))).toEqual([]);
    const { rows } = await portal.owner.query<{ disclosure: string }>('SELECT disclosure FROM audit.disclosure');
    const values = rows.map(({ disclosure }) => Buffer.from(disclosure, 'base64url').toString());
    expect(values.some((text) => text.includes(`Agent of ${mia.family}`))).toBe(true);
  });
});
