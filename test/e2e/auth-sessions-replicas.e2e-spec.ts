import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SystemPool } from '../../src/platform/database/system-pool.js';
import { cloneDatabase } from '../harness/database.js';
import { checkLedger } from '../harness/ledger.js';
import {
  makeAdmin,
  makeClinician,
  makePatient,
  makeStaff,
  signInAs,
  type Caller,
  type Clinician,
} from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';
import type { PortalProcess } from '../harness/process.js';
import { Replicas } from '../harness/replicas.js';

const ROUNDS = Number(process.env.PORTICO_ROUNDS ?? 4);
const PARALLEL = 20;
const LONG = { ACCESS_TOKEN_MINUTES: '60', TRUSTED_PROXIES: '127.0.0.1' };

/** Two server processes on one database; `seed` makes the people, in a third. */
let seed: Portal;
let replicas: Replicas;
let here: PortalProcess;
let there: PortalProcess;
let admin: Caller;

beforeAll(async () => {
  const database = await cloneDatabase();
  seed = await startPortal({ database, env: LONG });
  admin = await makeAdmin(seed);
  replicas = await Replicas.start(seed, database, LONG);
  [here, there] = replicas.processes as [PortalProcess, PortalProcess];
}, 60_000);
afterAll(async () => {
  await replicas.end();
  await checkLedger(seed);
  await seed.close();
});

interface Said {
  status: number;
  body: Record<string, string>;
}

async function send(
  replica: PortalProcess,
  method: string,
  path: string,
  token: string | null,
  body?: object,
): Promise<Said> {
  const answer = await fetch(`${replica.url}${path}`, {
    method,
    headers: {
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...(body ? { 'content-type': 'application/json' } : {}),
    },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  const text = await answer.text();
  return { status: answer.status, body: (text === '' ? {} : JSON.parse(text)) as Said['body'] };
}

interface Open {
  accessToken: string;
  refreshToken: string;
  sessionId: string;
}

async function logIn(replica: PortalProcess, { credentials, recoveryCodes }: Caller): Promise<Open> {
  const { username, password } = credentials;
  let { status, body } = await send(replica, 'POST', '/v1/auth/login', null, { username, password });
  if (body.status === 'mfa_required') {
    const proof = { mfaToken: body.mfaToken, method: 'recovery_code', code: recoveryCodes.pop() };
    ({ status, body } = await send(replica, 'POST', '/v1/auth/mfa/verify', null, proof));
  }
  expect(status).toBe(200);
  const { accessToken, refreshToken, session } = body as unknown as Open & { session: { id: string } };
  return { accessToken, refreshToken, sessionId: session.id };
}

/**
 * A session that `there` knows well, under load, while something that ends it happens `here`: from the moment when that is
 * answered, no request that begins gets anything, nor does the refresh token.
 */
async function isOverAtOnce(session: Open, happens: () => Promise<Said>, answer = 204): Promise<void> {
  const look = () => send(there, 'GET', '/v1/me', session.accessToken);
  for (const { status } of await Promise.all([look(), look(), look()])) expect(status).toBe(200);
  let done = Infinity;
  const late: [number, number][] = [];
  const load = Array.from({ length: 4 }, async () => {
    for (let after = 0; after < 5;) {
      const begun = performance.now();
      const { status } = await look();
      if (begun > done) late.push([after++, status]);
    }
  });
  const { status } = await happens();
  done = performance.now();
  expect(status).toBe(answer);
  const next = await Promise.all(Array.from({ length: PARALLEL }, look));
  await Promise.all(load);
  expect(new Set(next.map((one) => `${one.status} ${one.body.code}`))).toEqual(new Set(['401 auth.session-ended']));
  expect(late.filter(([, one]) => one !== 401)).toEqual([]);
  const { refreshToken } = session;
  expect((await send(there, 'POST', '/v1/auth/refresh', null, { refreshToken })).status).toBe(401);
}

describe('a session that ends on one replica is over on the other with the next request', () => {
  const reason = { reason: 'Because of the test.' };

  it.each<[string, (by: Open, session: Open) => Promise<Said>, number]>([
    ['revoked', (by, session) => send(here, 'DELETE', `/v1/auth/sessions/${session.sessionId}`, by.accessToken), 204],
    ['signed out', (_, session) => send(here, 'POST', '/v1/auth/logout', session.accessToken), 200],
    ['one of all', (by) => send(here, 'POST', '/v1/auth/logout-all', by.accessToken), 204],
    ['one of the others', (by) => send(here, 'POST', '/v1/auth/logout-others', by.accessToken), 204],
  ])('%s', async (_, end, answer) => {
    const patient = await makePatient(seed, admin);
    for (let round = 0; round < ROUNDS; round++) {
      const [by, session] = [await logIn(there, patient), await logIn(there, patient)];
      await isOverAtOnce(session, () => end(by, session), answer);
    }
  });

  it('when the password was changed', async () => {
    const patient = await makePatient(seed, admin);
    const [first, second] = [patient.credentials.password, 'a password of another day'];
    for (let round = 0; round < ROUNDS; round++) {
      const [by, session] = [await logIn(there, patient), await logIn(there, patient)];
      const [currentPassword, newPassword] = round % 2 === 0 ? [first, second] : [second, first];
      const change = { currentPassword, newPassword };
      let renewed = '';
      const changed = async () => {
        const said = await send(here, 'POST', '/v1/auth/password/change', by.accessToken, change);
        renewed = (said.body as { accessToken?: string }).accessToken ?? '';
        return said;
      };
      await isOverAtOnce(session, changed, 200);
      expect((await send(there, 'GET', '/v1/me', renewed)).status).toBe(200);
      expect((await send(there, 'GET', '/v1/me', by.accessToken)).body.code).toBe('auth.token-expired');
      patient.credentials.password = newPassword!;
    }
  });

  it('when the account was disabled, or an administrator ended its sessions', async () => {
    const patient = await makePatient(seed, admin);
    const path = `/v1/users/${await patient.accountId()}`;
    for (let round = 0; round < ROUNDS; round++) {
      const token = (admin = await signInAs(seed, admin.credentials)).tokens.accessToken;
      await isOverAtOnce(await logIn(there, patient), () => send(here, 'POST', `${path}/disable`, token, reason), 200);
      expect((await send(here, 'POST', `${path}/enable`, token)).status).toBe(200);
      await isOverAtOnce(await logIn(there, patient), () => send(here, 'POST', `${path}/sessions/end`, token, reason));
    }
  });

  it('when its roles have changed', async () => {
    const staff = await makeStaff(seed, admin, 'staff');
    const path = `/v1/users/${await staff.accountId()}/roles`;
    for (let round = 0; round < ROUNDS; round++) {
      const token = (admin = await signInAs(seed, admin.credentials)).tokens.accessToken;
      const change = () =>
        round % 2 === 0
          ? send(here, 'POST', path, token, { role: 'records_officer', ...reason })
          : send(here, 'POST', `${path}/records_officer/revoke`, token, reason);
      await isOverAtOnce(await logIn(there, staff), change, 200);
    }
  });

  it('when its refresh token came back', async () => {
    const patient = await makePatient(seed, admin);
    for (let round = 0; round < ROUNDS; round++) {
      const session = await logIn(there, patient);
      const refresh = async (refreshToken: string) => send(here, 'POST', '/v1/auth/refresh', null, { refreshToken });
      const { body } = await refresh(session.refreshToken);
      await refresh(body.refreshToken!);
      await isOverAtOnce(session, () => refresh(session.refreshToken), 401);
    }
  });
});

describe('who a replica remembers', () => {
  it('follows the care team that was changed on the other, with the next request', async () => {
    const clinician: Clinician = await makeClinician(seed, admin);
    const patient = await makePatient(seed, admin);
    const chart = `/v1/patients/${patient.patientId}`;
    const statuses = async () => {
      const looks = Array.from({ length: PARALLEL }, () => send(there, 'GET', chart, clinician.tokens.accessToken));
      return new Set((await Promise.all(looks)).map(({ status }) => status));
    };
    const token = (admin = await signInAs(seed, admin.credentials)).tokens.accessToken;
    for (let round = 0; round < ROUNDS; round++) {
      expect(await statuses()).toEqual(new Set([404]));
      const team = { practitionerId: clinician.practitionerId, startsAt: new Date(Date.now() - 1_000).toISOString() };
      const { body } = await send(here, 'POST', `${chart}/care-team`, token, team);
      expect(await statuses()).toEqual(new Set([200]));
      expect((await send(here, 'POST', `${chart}/care-team/${body.id}/end`, token, {})).status).toBe(200);
    }
    expect(await statuses()).toEqual(new Set([404]));
  });
});

describe('a session that cannot be asked', () => {
  it('is believed by nobody: 503, though PostgreSQL has not answered', async () => {
    const patient = await makePatient(seed, admin);
    await patient.get('/v1/me').expect(200);
    const pool = seed.app.get(SystemPool);
    const query = pool.query.bind(pool);
    const released: (() => void)[] = [];
    pool.query = async (text, values, name) => {
      if (name === 'auth_session_look') await new Promise<void>((done) => released.push(done));
      return query(text, values, name);
    };
    try {
      const answers = await Promise.all(
        Array.from({ length: PARALLEL }, async () => (await patient.get('/v1/me')).status),
      );
      expect(new Set(answers)).toEqual(new Set([503]));
      expect(released.length).toBeGreaterThan(0);
    } finally {
      pool.query = query;
      for (const release of released) release();
    }
    await patient.get('/v1/me').expect(200);
  });
});
