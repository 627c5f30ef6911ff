import { randomUUID } from 'node:crypto';
import { createAdmin } from '../../src/cli/admin-create.js';
import { SignIns } from '../../src/modules/auth/sign-in/sign-ins.js';
import type { Ctx } from '../../src/platform/access/context.js';
import { SERVICE_ROLES, STAFF_ROLES } from '../../src/platform/access/vocabulary.js';
import { bundleOf, entryOf, patientText, weightText, worked } from '../harness/feed.js';
import { newPatient, NOBODY } from '../harness/hospital.js';
import { currentCode, freshName } from '../harness/people.js';
import { GROUP, newUser, PATCH_OP, USER } from '../harness/scim.js';
import { PEOPLE, type Person, type Relation } from './access-matrix.js';
import {
  account,
  device,
  member,
  password,
  practitioner,
  reopening,
  session,
  type Account,
  type World,
} from './access-world.js';
import * as downloads from './access-downloads.js';
import { admitted, merge, openImport, quarantined } from './access-imports.js';
import {
  correct,
  decide,
  holdBack,
  lift,
  retract,
  review,
  rules,
  settings,
  streamed,
  timeline,
  versions,
  write,
} from './access-records.js';
import {
  auditSession,
  COMPARED,
  download,
  endable,
  exportRow,
  inclusion,
  legalHold,
  PERIOD,
  proof,
  receipt,
  savedQuery,
  tile,
} from './access-audit.js';
import { callback, exchange, identityOf, logout, ofProvider } from './access-sso.js';
import { clientKey, invitedAccount, tokenRequest, withoutKeys } from './access-clients.js';
import {
  appCode,
  challengeable,
  challengeInSignIn,
  newNumber,
  numberCode,
  passkey,
  passkeySignIn,
  registration,
  storedNumber,
} from './access-factors.js';
import { accountReset, emailCode, newcomer, resetTokenOf, withLostPhone } from './access-recovery.js';

/** What is sent for one cell of the table: always something that would succeed for whoever may do it. */
export interface Sent {
  /** Values of the path's parameters. */
  params?: Record<string, string>;
  body?: object;
  /** A Bundle, in place of a JSON body. */
  bundle?: string;
  /** A file of lines, in place of a JSON body. */
  lines?: string;
  /** An HL7 v2 message, in place of a JSON body. */
  message?: string;
  /** A form, in place of a JSON body. */
  form?: Record<string, string>;
  query?: string;
  headers?: Record<string, string>;
  ifMatch?: number;
  /** Whom a public route recognises, for the event. */
  recognised?: string;
  /** The session is over when it succeeds. */
  ends?: boolean;
  /** Puts the world back after it, whatever was answered. */
  after?: () => Promise<void>;
  /** Of whom a success must leave an event each (null: of no patient). Default: of everybody in the answer. */
  subjects?: () => (string | null)[] | Promise<(string | null)[]>;
}

type Ask = (world: World, person: Person, relation: Relation) => Sent | Promise<Sent>;

const nobody = (): null[] => [null];

/** A user of the directory: there, removed, or none of its own. */
async function scimUser({ portal, people: { directory } }: World, relation: Relation): Promise<string> {
  if (relation === 'none') return NOBODY;
  if (relation === 'other') return account(portal, 'active');
  const caller = await directory.signedIn(portal);
  const { body } = await caller.post('/scim/v2/Users', newUser()).expect(201);
  const { id } = body as { id: string };
  if (relation === 'closed') await caller.delete(`/scim/v2/Users/${id}`).expect(204);
  return id;
}

/** A group of the directory, or of another. */
async function scimGroup({ portal, admin, people: { directory } }: World, relation: Relation): Promise<string> {
  if (relation === 'none') return NOBODY;
  const { rows } = await portal.owner.query<{ id: string }>(
    `INSERT INTO users.scim_group (group_id, directory_id, display_name, name_key, roles, created_at, updated_at)
     VALUES (gen_random_uuid(), $1, gen_random_uuid(), gen_random_uuid(), '{}', now(), now()) RETURNING group_id AS id`,
    [relation === 'own' ? directory.id : admin.id],
  );
  return rows[0]!.id;
}

const ofScimUser =
  (body?: () => object): Ask =>
  async (world, _, relation) => ({ params: { id: await scimUser(world, relation) }, body: body?.() });
const ofScimGroup =
  (body?: () => object): Ask =>
  async (world, _, relation) => ({ params: { id: await scimGroup(world, relation) }, body: body?.() });
const newScimGroup = () => ({ schemas: [GROUP], displayName: randomUUID() });
const renaming = () => ({
  schemas: [PATCH_OP],
  Operations: [{ op: 'replace', path: 'displayName', value: randomUUID() }],
});

/** A bearer secret of the directory. */
async function scimToken({ portal, admin, people: { directory } }: World, relation: Relation): Promise<string> {
  if (relation === 'none') return NOBODY;
  const { rows } = await portal.owner.query<{ id: string }>(
    `INSERT INTO auth.scim_token (scim_token_id, token_mac, account_id, name, created_at, created_by, expires_at, revoked_at, revoked_by)
     SELECT gen_random_uuid(), sha256(gen_random_uuid()::text::bytea), $1, 'T', $3, $2, $3::timestamptz + interval '1 day',
            CASE WHEN $4 THEN $3::timestamptz END, CASE WHEN $4 THEN $2::uuid END RETURNING scim_token_id AS id`,
    [directory.id, admin.id, portal.clock.now(), relation === 'closed'],
  );
  return rows[0]!.id;
}
const directoryOr = (world: World, person: Person, relation: Relation): string =>
  relation === 'none' ? NOBODY : relation === 'own' ? ownId(world, person) : world.people.directory.id;

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
  if (person === 'anonymous' || [...SERVICE_ROLES, ...STAFF_ROLES].includes(person)) return null;
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
    return { body: { mfaToken, method: 'totp', code: await appCode(world, staff) }, recognised: staff.id };
  },
  'POST /v1/auth/refresh': async (world) => {
    const { refreshToken } = await login(world, world.people.patient);
    return { body: { refreshToken }, recognised: world.people.patient.id };
  },

  'POST /v1/auth/password/forgot': () => ({ body: { usernameOrEmail: freshName('nobody') } }),
  'POST /v1/auth/username/forgot': () => ({ body: { email: `${freshName('nobody')}@home.test` } }),
  'POST /v1/auth/password/reset': async (world) => {
    const id = await (await newcomer(world)).accountId();
    const token = await resetTokenOf(world, id);
    return { body: { token, newPassword: 'a password chosen anew' }, recognised: id };
  },
  'POST /v1/auth/password/reset/check': async (world) => {
    const id = await (await newcomer(world)).accountId();
    const token = await resetTokenOf(world, id);
    return { body: { token }, recognised: id };
  },
  'POST /v1/auth/password/reset/challenge': async (world) => {
    const { id } = await withLostPhone(world);
    return { body: { token: await resetTokenOf(world, id), method: 'totp' }, recognised: id };
  },
  'POST /v1/auth/mfa/lost': async (world) => {
    const { id, mfaToken } = await withLostPhone(world);
    return { body: { mfaToken }, recognised: id };
  },
  'POST /v1/auth/mfa/lost/confirm': async (world) => {
    const { id, mfaToken, code } = await withLostPhone(world);
    return { body: { mfaToken, method: 'recovery_code', code }, recognised: id };
  },

  'GET /v1/auth/sso/:provider/start': (_, __, relation) => ofProvider(relation),
  'GET /v1/auth/sso/:provider/callback': (world, _, relation) => callback(world, relation),
  'POST /v1/auth/sso/exchange': (world) => exchange(world),
  'POST /v1/auth/sso/:provider/backchannel-logout': (world, _, relation) => logout(world, relation),
  'POST /v1/auth/sso/:provider/link': (_, __, relation) => ({ ...ofProvider(relation), body: {} }),
  'DELETE /v1/auth/sso/identities/:id': async (world, person, relation) => {
    if (relation === 'none') return { params: { id: NOBODY } };
    const holder = relation === 'other' ? world.anna.id : ownId(world, person);
    return { params: { id: await identityOf(world, holder) } };
  },

  'POST /v1/auth/token': async (world) => ({
    body: await tokenRequest(world),
    recognised: world.people.integration.id,
  }),

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
  'POST /v1/auth/password/change-required': async ({ portal }) => {
    const accountId = await account(portal, 'active');
    await password(portal, accountId);
    const db = { query: async (text: string, values: unknown[]) => (await portal.owner.query(text, values)).rows };
    const client = { userAgent: '', address: '127.0.0.1' };
    const ctx = { db, client, now: portal.clock.now() } as unknown as Ctx;
    const proof = { amr: ['pwd'], isPhishingResistant: false };
    const token = await portal.app.get(SignIns).begin(ctx, accountId, 'password-change', proof);
    return { body: { token, newPassword: 'a quite new password' }, recognised: accountId };
  },
  'DELETE /v1/auth/devices/:id': async (world, person, relation) => {
    if (relation === 'none') return { params: { id: NOBODY } };
    const id = await device(world.portal, relation === 'other' ? world.anna.id : ownId(world, person));
    if (relation === 'closed') await world.portal.owner.query('DELETE FROM auth.device WHERE device_id = $1', [id]);
    return { params: { id } };
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
  'POST /v1/auth/step-up': async (world, person) => {
    const account = own(world, person);
    return { body: { method: 'totp', code: account ? await appCode(world, account) : '123456' } };
  },
  'POST /v1/auth/step-up/challenge': challengeable,
  'POST /v1/auth/mfa/challenge': challengeInSignIn,
  'POST /v1/auth/mfa/sms': newNumber,
  'POST /v1/auth/mfa/sms/confirm': numberCode,
  'DELETE /v1/auth/mfa/sms': storedNumber,
  'POST /v1/auth/passkeys/registration/options': () => ({ body: {} }),
  'POST /v1/auth/passkeys/registration': registration,
  'POST /v1/auth/passkeys/sign-in': passkeySignIn,
  'GET /v1/auth/passkeys/:id': passkey,
  'PATCH /v1/auth/passkeys/:id': async (world, person, relation) => ({
    ...(await passkey(world, person, relation)),
    body: { name: 'Renamed' },
    ifMatch: 1,
  }),
  'DELETE /v1/auth/passkeys/:id': passkey,

  'PATCH /v1/me': async (world, person) => ({
    body: { displayName: 'Renamed' },
    ifMatch: await versionOf(world, 'users.account', ownId(world, person)),
  }),

  'POST /v1/me/email': () => ({ body: { email: `${freshName('mailbox')}@home.test` } }),
  'POST /v1/me/email/confirm': async (world, person) => ({ body: { code: await emailCode(world, person) } }),

  'POST /v1/users/:id/mfa/reset': async (world, person, relation) => ({
    params: { id: await decidedOn(world, person, relation) },
    body: reason,
  }),
  'POST /v1/users/:id/password/reset': async (world, person, relation) => {
    const id = await decidedOn(world, person, relation);
    if (relation === 'other')
      await world.portal.owner.query(`INSERT INTO auth.credential VALUES ($1, 'none', now())`, [id]);
    return { params: { id }, body: reason };
  },
  'POST /v1/users/:id/unlock': async (world, person, relation) => ({
    params: { id: await decidedOn(world, person, relation) },
    body: reason,
  }),
  'POST /v1/users/:id/email': async (world, person, relation) => ({
    params: { id: await decidedOn(world, person, relation) },
    body: { email: `${freshName('mailbox')}@home.test`, ...reason },
  }),
  'POST /v1/account-resets/:id/approve': async (world, person, relation) => ({
    params: { id: await accountReset(world, person, relation) },
  }),
  'POST /v1/account-resets/:id/decline': async (world, person, relation) => ({
    params: { id: await accountReset(world, person, relation) },
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
  'POST /v1/users/:id/sessions/end': async (world, person, relation) => ({
    params: { id: await decidedOn(world, person, relation) },
    body: reason,
    ends: relation === 'own',
  }),
  'POST /v1/sessions/end-all': async ({ portal }) => ({ body: reason, after: await reopening(portal) }),
  'GET /v1/users/:id/sso/identities': async (world, person, relation) => ({
    params: { id: await decidedOn(world, person, relation) },
  }),
  'POST /v1/users/:id/sso/identities/:identityId/revoke': async (world, person, relation) => {
    const id = await decidedOn(world, person, relation === 'closed' ? 'other' : relation);
    const holder = relation === 'closed' ? world.anna.id : id;
    const identityId = relation === 'none' ? NOBODY : await identityOf(world, holder);
    return { params: { id, identityId }, body: reason };
  },
  'POST /v1/users/:id/password/expire': async (world, person, relation) => {
    const id = await decidedOn(world, person, relation);
    if (relation === 'other') await password(world.portal, id);
    return { params: { id }, body: reason };
  },
  'GET /v1/users/:id/roles': async (world, person, relation) => ({
    params: { id: await decidedOn(world, person, relation) },
    subjects: nobody,
  }),
  'GET /v1/users/:id/role-changes': async (world, person, relation) => ({
    params: { id: await decidedOn(world, person, relation) },
    subjects: nobody,
  }),
  'GET /v1/role-changes': () => ({ subjects: nobody }),
  'POST /v1/users/:id/keys': async (world, person, relation) => {
    const id = directoryOr(world, person, relation);
    return { params: { id }, body: await withoutKeys(world, id) };
  },
  'GET /v1/users/:id/keys': (world, person, relation) => ({ params: { id: directoryOr(world, person, relation) } }),
  'POST /v1/users/:id/keys/:keyId/revoke': async (world, person, relation) => ({
    params: { id: directoryOr(world, person, relation), keyId: await clientKey(world, relation) },
    body: reason,
  }),
  'POST /v1/users/:id/invitations': async (world, person, relation) => ({
    params: {
      id: relation === 'other' ? await invitedAccount(world.portal) : await decidedOn(world, person, relation),
    },
  }),
  'GET /v1/users/:id/invitations': async (world, person, relation) => ({
    params: { id: await decidedOn(world, person, relation) },
  }),
  'DELETE /v1/users/:id/invitations': async (world, person, relation) => ({
    params: { id: await decidedOn(world, person, relation) },
  }),
  'POST /v1/users/:id/disable': async (world, person, relation) => ({
    params: { id: await decidedOn(world, person, relation) },
    body: reason,
  }),
  'POST /v1/users/:id/enable': async (world, person, relation) => ({
    params: { id: await decidedOn(world, person, relation, 'disabled') },
  }),

  'GET /scim/v2/ResourceTypes/:id': (_, __, relation) => ({ params: { id: relation === 'none' ? 'Device' : 'User' } }),
  'GET /scim/v2/Schemas/:id': (_, __, relation) => ({ params: { id: relation === 'none' ? 'urn:none' : USER } }),
  'POST /scim/v2/Users': () => ({ body: newUser() }),
  'POST /scim/v2/Users/.search': () => ({ body: { filter: 'active eq true' } }),
  'GET /scim/v2/Users/:id': ofScimUser(),
  'PUT /scim/v2/Users/:id': ofScimUser(newUser),
  'PATCH /scim/v2/Users/:id': ofScimUser(renaming),
  'DELETE /scim/v2/Users/:id': ofScimUser(),
  'POST /scim/v2/Groups': () => ({ body: newScimGroup() }),
  'POST /scim/v2/Groups/.search': () => ({ body: { filter: 'displayName pr' } }),
  'GET /scim/v2/Groups/:id': ofScimGroup(),
  'PUT /scim/v2/Groups/:id': ofScimGroup(newScimGroup),
  'PATCH /scim/v2/Groups/:id': ofScimGroup(renaming),
  'DELETE /scim/v2/Groups/:id': ofScimGroup(),
  'POST /v1/users/:id/scim-tokens': (world, person, relation) => ({
    params: { id: directoryOr(world, person, relation) },
    body: { name: 'Of the table' },
  }),
  'GET /v1/users/:id/scim-tokens': (world, person, relation) => ({
    params: { id: directoryOr(world, person, relation) },
  }),
  'POST /v1/users/:id/scim-tokens/:tokenId/revoke': async (world, person, relation) => ({
    params: { id: directoryOr(world, person, relation), tokenId: await scimToken(world, relation) },
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
  'GET /v1/patients/:id/invitations': ({ charts }, _, relation) => ({
    params: { id: charts[relation]! },
    subjects: () => [charts[relation]!],
  }),
  'DELETE /v1/patients/:id/invitations': ({ charts }, _, relation) => ({
    params: { id: charts[relation]! },
    subjects: () => [charts[relation]!],
  }),
  'GET /v1/patients/:id/care-team': ({ charts }, _, relation) => ({
    params: { id: charts[relation]! },
    subjects: () => [charts[relation]!],
  }),
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
  'GET /v1/patients/:id/summary': chart,
  'GET /v1/patients/:id/timeline': timeline,
  'POST /v1/patients/:id/downloads': downloads.ask,
  'GET /v1/patients/:id/downloads': downloads.ofChart,
  'GET /v1/downloads/:id': downloads.one,
  'POST /v1/downloads/:id/end': downloads.giveUp,
  'GET /v1/downloads/:id/files/:name': downloads.fetch,
  'POST /v1/downloads/:id/transmissions': downloads.transmit,
  'GET /v1/patients/:id/transmissions': downloads.ofChart,
  'GET /v1/patients/:id/activity': downloads.ofChart,
  'GET /v1/patients/:id/chart-settings': chart,
  'PUT /v1/patients/:id/chart-settings': settings,
  'POST /v1/patients/:id/records': write,
  'GET /v1/records/:id': record,
  'PUT /v1/records/:id': correct,
  'GET /v1/records/:id/history': versions(),
  'GET /v1/records/:id/history/:version': versions({ version: '1' }),
  'GET /v1/records/:id/provenance': versions(),
  'GET /v1/records/:id/attachments': versions(),
  'GET /v1/records/:id/original': streamed('records'),
  'GET /v1/attachments/:id': streamed('attachments'),
  'POST /v1/records/:id/retract': retract,
  'POST /v1/records/:id/accept': decide,
  'POST /v1/records/:id/decline': decide,
  'POST /v1/records/:id/review': review,
  'POST /v1/records/:id/hold': holdBack,
  'DELETE /v1/records/:id/hold': lift,
  'GET /v1/records/:id/holds': lift,
  'GET /v1/holds': ({ charts }) => ({ subjects: nobody, query: `patientId=${charts.none!}` }),
  'GET /v1/sensitivity-rules': () => ({ subjects: nobody }),
  'GET /v1/sensitivity-rules/versions': () => ({ subjects: nobody }),
  'PUT /v1/sensitivity-rules': rules,

  'POST /v1/imports': ({ portal }) => ({
    bundle: bundleOf('batch', entryOf(patientText('new', randomUUID()))),
    subjects: nobody,
    after: () => worked(portal),
  }),
  'POST /v1/imports/hl7': admitted,
  'POST /v1/imports/open': () => ({ body: {}, subjects: nobody }),
  'POST /v1/imports/:id/files': openImport({ lines: '{"resourceType":"Organization","id":"o","name":"O"}' }),
  'POST /v1/imports/:id/complete': openImport(),
  'POST /v1/imports/:id/cancel': openImport(),
  'GET /v1/imports': () => ({ subjects: nobody }),
  'GET /v1/imports/quarantine': () => ({ subjects: nobody }),
  'GET /v1/imports/quarantine/:id': quarantined(),
  'PUT /v1/imports/quarantine/:id': quarantined({ bundle: weightText('broken', 'Patient/p', '2') }),
  'POST /v1/imports/quarantine/:id/retry': quarantined(),
  'POST /v1/imports/quarantine/:id/discard': quarantined({ body: { reason: 'walk' } }),
  'GET /v1/chart-merges': () => ({ query: 'state=undone', subjects: nobody }),
  'POST /v1/chart-merges/:id/confirm': merge(),
  'POST /v1/chart-merges/:id/undo': merge({ body: { reason: 'walk' } }),
  'GET /v1/imports/:id': imported,
  'GET /v1/imports/:id/issues': imported,

  'GET /v1/audit/events': () => ({ subjects: nobody }),
  'GET /v1/audit/reports/period': () => ({ query: PERIOD, subjects: nobody }),
  'GET /v1/audit/reports/comparison': () => ({ query: COMPARED, subjects: nobody }),
  'GET /v1/audit/sessions': () => ({ subjects: nobody }),
  'GET /v1/audit/sessions/:id': (world, _, relation) => auditSession(world, relation),
  'GET /v1/audit/queries': () => ({ subjects: nobody }),
  'POST /v1/audit/queries': () => ({ body: { name: randomUUID(), filter: {} }, subjects: nobody }),
  'GET /v1/audit/queries/:id': (world, _, relation) => savedQuery(world, relation),
  'PUT /v1/audit/queries/:id': (world, _, relation) => savedQuery(world, relation, { name: randomUUID(), filter: {} }),
  'DELETE /v1/audit/queries/:id': (world, _, relation) => savedQuery(world, relation),
  'GET /v1/audit/queries/:id/events': (world, _, relation) => savedQuery(world, relation),
  'POST /v1/audit/erasures': () => ({ body: { before: '2000-01-01T00:00:00Z', reason: 'over' }, subjects: nobody }),
  'GET /v1/audit/health': () => ({ subjects: nobody }),
  'GET /v1/audit/verify': () => ({ subjects: nobody }),
  'POST /v1/audit/verify': () => ({ body: {}, subjects: nobody }),
  'GET /v1/audit/blocks': () => ({ subjects: nobody }),
  'POST /v1/audit/holds': () => ({ body: { reason: 'walk' }, subjects: nobody }),
  'GET /v1/audit/holds': () => ({ subjects: nobody }),
  'GET /v1/audit/holds/:id': (world, _, relation) => legalHold(world, relation),
  'POST /v1/audit/holds/:id/release': (world, _, relation) => legalHold(world, relation, { reason: 'walk' }),
  'POST /v1/audit/exports': () => ({ body: { reason: 'walk', filter: { toSeq: 0 } }, subjects: nobody }),
  'GET /v1/audit/exports': () => ({ subjects: nobody }),
  'GET /v1/audit/exports/:id': (world, _, relation) => exportRow(world, relation),
  'POST /v1/audit/exports/:id/end': (world, _, relation) => endable(world, relation),
  'GET /v1/audit/exports/:id/bundle': (world, _, relation) => download(world, relation),
  'GET /v1/audit/exports/:id/:name': (world, _, relation) => download(world, relation),
  'GET /v1/audit/checkpoint': proof(),
  'GET /v1/audit/keys': proof(),
  'GET /v1/audit/proof/consistency': proof({ query: 'from=1' }),
  'GET /v1/audit/proof/inclusion': (world, _, relation) => inclusion(world, relation),
  'GET /v1/audit/tile/*': async (world, _, relation) => {
    const sent = await tile(world, relation);
    return { ...sent, params: { '*': `0/${sent.params!['*']}` } };
  },
  'GET /v1/audit/tile/entries/*': (world, _, relation) => tile(world, relation),
  'GET /v1/audit/events/:seq/around': (_, __, relation) => ({
    params: { seq: relation === 'none' ? '999999999' : '0' },
    subjects: nobody,
  }),
  'GET /v1/audit/events/:seq/receipt': (world, _, relation) => receipt(world, relation),
  'GET /v1/audit/events/:seq': (_, __, relation) => ({
    params: { seq: relation === 'none' ? '999999999' : '0' },
    subjects: nobody,
  }),
};
