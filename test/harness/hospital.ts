import { randomUUID } from 'node:crypto';
import { expect } from '@jest/globals';
import {
  makeAdmin,
  makeClinician,
  makeFeed,
  makePatient,
  makeStaff,
  type Caller,
  type Clinician,
  type Patient,
} from './people.js';
import { startPortal, type Portal, type PortalOptions } from './portal.js';

/** An id that is nobody's and nothing's. */
export const NOBODY = '01990000-0000-7000-8000-000000000000';

export type Known<C extends Caller> = C & { id: string };

/** A caller with the id of their account. */
export async function known<C extends Caller>(made: Promise<C>): Promise<Known<C>> {
  const caller = await made;
  return Object.assign(caller, { id: await caller.accountId() });
}

export interface Hospital {
  portal: Portal;
  admin: Known<Caller>;
  staff: Known<Caller>;
  recordsOfficer: Known<Caller>;
  complianceOfficer: Known<Caller>;
  /** Treats Anna, and not Bela. */
  clinician: Known<Clinician>;
  anna: Known<Patient>;
  bela: Known<Patient>;
  feed: Known<Caller>;
}

export const SOURCE = 'https://ehr.example/main';

/** A portal with somebody of every role. */
export async function openHospital(
  env: Record<string, string> = {},
  database?: PortalOptions['database'],
): Promise<Hospital> {
  const portal = await startPortal({ env, database });
  const admin = await known(makeAdmin(portal));
  const staff = await known(makeStaff(portal, admin, 'staff'));
  const recordsOfficer = await known(makeStaff(portal, admin, 'records_officer'));
  const complianceOfficer = await known(makeStaff(portal, admin, 'compliance_officer'));
  const clinician = await known(makeClinician(portal, admin));
  const anna = await known(makePatient(portal, admin));
  const bela = await known(makePatient(portal, admin));
  const feed = await known(makeFeed(portal, admin, SOURCE));
  await staff
    .post(`/v1/patients/${anna.patientId}/care-team`, { practitionerId: clinician.practitionerId })
    .expect(201);
  return { portal, admin, staff, recordsOfficer, complianceOfficer, clinician, anna, bela, feed };
}

export type Made = { id: string; version: number } & Record<string, unknown>;

export const newPatient = (over: object = {}): object => ({
  family: 'Núñez',
  given: ['Carla', 'María'],
  birthDate: '1990-04-05',
  sex: 'female',
  mrn: randomUUID(),
  ...over,
});

/** A chart without an account. */
export async function registered({ staff }: Hospital, over: object = {}): Promise<Made> {
  return (await staff.post('/v1/patients', newPatient(over)).expect(201)).body as Made;
}

/** An account that was not activated. */
export async function opened({ admin }: Hospital, over: object = {}): Promise<Made> {
  const input = { displayName: 'Somebody', email: 'somebody@hospital.example', roles: ['staff'], ...over };
  return (await admin.post('/v1/users', input).expect(201)).body as Made;
}

export type Answer = Awaited<ReturnType<Caller['get']>>;

/** Status and code, for comparing in one line. */
export const said = (answer: { status: number; body: { code?: string } }): [number, string | undefined] => [
  answer.status,
  answer.body.code,
];

export const itemsOf = (answer: Answer): Made[] => (answer.body as { items: Made[] }).items;

/** All items of a list, page by page. */
export async function pages(caller: Caller, path: string, limit: number): Promise<Made[][]> {
  const found: Made[][] = [];
  for (let next: string | null = ''; next !== null;) {
    const answer: Answer = await caller.get(path).query({ limit, ...(next ? { cursor: next } : {}) });
    expect(answer.status).toBe(200);
    found.push(itemsOf(answer));
    ({ next } = answer.body as { next: string | null });
  }
  return found;
}

/** What a request answers, byte for byte, under a request id that is always the same. */
export async function bytes(
  caller: Caller,
  method: 'get' | 'post' | 'patch',
  path: string,
  body?: object,
): Promise<string> {
  const request = caller[method](path).set('X-Request-Id', NOBODY).set('If-Match', '"1"');
  const answer = await (body ? request.send(body) : request);
  const { date: _, ...headers } = answer.headers as Record<string, string>;
  return JSON.stringify([answer.status, headers, answer.text]);
}

/** Resolves when so many statements of this portal wait for a lock. */
export async function waiting(portal: Portal, count: number): Promise<void> {
  for (let tries = 0; tries < 150; tries++) {
    await portal.owner.query('SELECT pg_stat_clear_snapshot()');
    const { rows } = await portal.owner.query(
      'SELECT 1 FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND datname = current_database()',
    );
    if (rows.length >= count) return;
    await new Promise((done) => setTimeout(done, 10));
  }
  throw new Error('nothing waits');
}
