import { randomUUID } from 'node:crypto';
import { createAdmin } from '../../src/cli/admin-create.js';
import { STAFF_ROLES } from '../../src/platform/access/vocabulary.js';
import { bundleOf, entryOf, patientText } from '../harness/feed.js';
import { newPatient, NOBODY } from '../harness/hospital.js';
import { currentCode, freshName } from '../harness/people.js';
import { PEOPLE, type Person, type Relation } from './access-matrix.js';
import { account, member, practitioner, session, type Account, type World } from './access-world.js';

/** What is sent for one cell of the table: always something that would succeed for whoever may do it. */
export interface Sent {
  /** Values of the path's parameters. */
  params?: Record<string, string>;
  body?: object;
  /** A Bundle, in place of a JSON body. */
  bundle?: string;
  ifMatch?: number;
  /** Whom a public route recognises, for the event. */
  recognised?: string;
  /** The session is over when it succeeds. */
  ends?: boolean;
  /** Of whom a success must leave an event each (null: of no patient). Default: of everybody in the answer. */
  subjects?: () => (string | null)[] | Promise<(string | null)[]>;
}

type Ask = (world: World, person: Person, relation: Relation) => Sent | Promise<Sent>;

const nobody = (): null[] => [null];

const own = (world: World, person: Person): Account | null => (person === 'anonymous' ? null : world.people[person]);
const ownId = (world: World, person: Person): string => own(world, person)?.id ?? NOBODY;

async function versionOf(world: World, table: string, id: string): Promise<number> {
  const key = `${table.split('.')[1]}_id`;
  const { rows } = await world.portal.owner.query<{ version: number }>(
    `SELECT version FROM ${table} WHERE ${key} = $1`,
    [id],
  );
  return rows[0]?.version ?? 1;
}

/** An account to decide on; the one of somebody else is always another. */
const decidedOn = async (world: World, person: Person, relation: Relation, status: 'active' | 'disabled' = 'active') =>
  relation === 'own' ? ownId(world, person) : relation === 'none' ? NOBODY : account(world.portal, status);

const chart: Ask = ({ charts }, _, relation) => ({ params: { id: charts[relation]! } });
const record: Ask = ({ records }, _, relation) => ({ params: { id: records[relation]! } });
const imported: Ask = ({ imports }, _, relation) => ({ params: { id: imports[relation]! }, subjects: nobody });
const reason = { reason: 'Because of the table.' };

/** Sets up an authenticator app that is not confirmed yet; for those who have none. */
async function beginTotp(world: World, person: Person): Promise<string | null> {
  if (person === 'anonymous' || STAFF_ROLES.includes(person)) return null;
  const { portal, people } = world;
  await portal.owner.query('DELETE FROM auth.totp WHERE account_id = $1', [people[person].id]);
  const caller = await people[person].signedIn(portal);
  const { body } = await caller.post('/v1/auth/mfa/totp', {}).expect(200);
  return currentCode((body as { secret: string }).secret, portal.clock);
}

const login = async ({ portal }: World, { credentials: { username, password } }: Account) =>
  (await portal.http.post('/v1/auth/login').send({ username, password }).expect(200)).body as Record<string, string>;

/** One of the staff after the other: each has ten recovery codes. */
const staffFor = (world: World, person: Person): Account =>
  world.people[STAFF_ROLES[PEOPLE.indexOf(person) % STAFF_ROLES.length]!];

export const REQUESTS: Record<string, Ask> = {
  'GET /docs/assets/:file': () => ({ params: { file: 'swagger-ui.css' } }),

  'POST /v1/auth/activate': async ({ portal }) => {
    const username = freshName('activated');
    const person = { username, displayName: 'A', email: 'a@hospital.test' };
    const { accountId, code } = await createAdmin(portal.app, person);
    return { body: { activationCode: code, password: 'correct horse battery' }, recognised: accountId };
  },
  'POST /v1/auth/login': ({ people: { patient } }) => ({
    body: { username: patient.credentials.username, password: patient.credentials.password },
    recognised: patient.id,
  }),
  'POST /v1/auth/mfa/verify': async (world, person) => {
    const staff = staffFor(world, person);
    const { mfaToken } = await login(world, staff);
    return { body: { mfaToken, method: 'recovery_code', code: staff.recoveryCodes.pop() }, recognised: staff.id };
  },
  'POST /v1/auth/refresh': async (world) => {
    const { refreshToken } = await login(world, world.people.patient);
    return { body: { refreshToken }, recognised: world.people.patient.id };
  },

  'POST /v1/auth/logout': () => ({ ends: true }),
  'POST /v1/auth/logout-all': () => ({ ends: true }),
  'DELETE /v1/auth/sessions/:id': async (world, person, relation) => {
    if (relation === 'none') return { params: { id: NOBODY } };
    const holder = relation === 'other' ? world.anna.id : ownId(world, person);
    return { params: { id: await session(world.portal, holder, relation === 'closed' ? 'logout' : null) } };
  },
  'POST /v1/auth/password/change': (world, person) => {
    const { password } = (own(world, person) ?? world.people.patient).credentials;
    return { body: { currentPassword: password, newPassword: password } };
  },
  'POST /v1/auth/mfa/totp': () => ({ body: {} }),
  'POST /v1/auth/mfa/totp/confirm': async (world, person) => ({
    body: { code: (await beginTotp(world, person)) ?? '123456' },
  }),
  'DELETE /v1/auth/mfa/totp': async (world, person) => {
    const code = await beginTotp(world, person);
    const caller = await own(world, person)?.signedIn(world.portal);
    if (code) await caller!.post('/v1/auth/mfa/totp/confirm', { code }).expect(200);
    return {};
  },
  'POST /v1/auth/step-up': (world, person) => ({
    body: { method: 'recovery_code', code: own(world, person)?.recoveryCodes.pop() ?? '1234-5678-9ABC-DEFG' },
  }),

  'PATCH /v1/me': async (world, person) => ({
    body: { displayName: 'Renamed' },
    ifMatch: await versionOf(world, 'users.account', ownId(world, person)),
  }),

  'POST /v1/users': () => ({ body: { displayName: 'New', email: 'new@hospital.test', roles: ['staff'] } }),
  'GET /v1/users/:id': async (world, person, relation) => ({
    params: { id: await decidedOn(world, person, relation) },
  }),
  'PATCH /v1/users/:id': async (world, person, relation) => {
    const id = await decidedOn(world, person, relation);
    const ifMatch = await versionOf(world, 'users.account', id);
    return { params: { id }, body: { displayName: 'Renamed' }, ifMatch };
  },
  'POST /v1/users/:id/roles': async (world, person, relation) => ({
    params: { id: await decidedOn(world, person, relation) },
    body: { role: 'records_officer', ...reason },
  }),
  'POST /v1/users/:id/roles/:role/revoke': async (world, person, relation) => ({
    params: { id: await decidedOn(world, person, relation), role: relation === 'own' ? 'admin' : 'staff' },
    body: reason,
  }),
  'POST /v1/users/:id/disable': async (world, person, relation) => ({
    params: { id: await decidedOn(world, person, relation) },
    body: reason,
  }),
  'POST /v1/users/:id/enable': async (world, person, relation) => ({
    params: { id: await decidedOn(world, person, relation, 'disabled') },
  }),

  'POST /v1/practitioners': () => ({ body: { family: 'New', given: ['N'], specialty: 'Any' } }),
  'GET /v1/practitioners/:id': ({ clinician }, _, relation) => ({
    params: { id: relation === 'none' ? NOBODY : clinician.practitionerId },
  }),
  'PATCH /v1/practitioners/:id': async (world, _, relation) => {
    const id = relation === 'none' ? NOBODY : world.clinician.practitionerId;
    const ifMatch = await versionOf(world, 'users.practitioner', id);
    return { params: { id }, body: { specialty: 'Changed' }, ifMatch };
  },

  'POST /v1/patients': () => ({ body: newPatient() }),
  'GET /v1/patients/:id': chart,
  'PATCH /v1/patients/:id': async (world, _, relation) => {
    const id = world.charts[relation]!;
    return { params: { id }, body: { family: 'Changed' }, ifMatch: await versionOf(world, 'users.patient', id) };
  },
  'POST /v1/patients/:id/invitations': ({ charts }, _, relation) => ({
    params: { id: charts[relation]! },
    body: {},
    subjects: () => [charts[relation]!],
  }),
  'GET /v1/patients/:id/care-team': chart,
  'POST /v1/patients/:id/care-team': async ({ portal, charts }, _, relation) => ({
    params: { id: charts[relation]! },
    body: { practitionerId: await practitioner(portal) },
  }),
  'POST /v1/patients/:id/care-team/:memberId/end': async ({ portal, charts }, _, relation) => {
    if (relation === 'none') return { params: { id: charts.team!, memberId: NOBODY } };
    const of = relation === 'elsewhere' ? charts.other! : charts[relation]!;
    const memberId = await member(portal, of, await practitioner(portal), [-1, null]);
    return { params: { id: relation === 'elsewhere' ? charts.team! : of, memberId } };
  },

  'GET /v1/patients/:id/records': chart,
  'GET /v1/records/:id': record,

  'POST /v1/imports': ({ portal }) => {
    const mrn = randomUUID();
    const chart = 'SELECT patient_id AS id FROM users.patient WHERE mrn = $1';
    return {
      bundle: bundleOf('batch', entryOf(patientText('new', mrn))),
      subjects: async () => [null, (await portal.owner.query<{ id: string }>(chart, [mrn])).rows[0]!.id],
    };
  },
  'GET /v1/imports/:id': imported,
  'GET /v1/imports/:id/issues': imported,

  'GET /v1/audit/events': () => ({ subjects: nobody }),
  'GET /v1/audit/events/:seq': (_, __, relation) => ({
    params: { seq: relation === 'none' ? '999999999' : '0' },
    subjects: nobody,
  }),
};
