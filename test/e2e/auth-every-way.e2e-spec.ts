import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DeclaredRoutes } from '../../src/platform/access/declared-routes.js';
import { NOBODY, said } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import { emailOf, Mailbox } from '../harness/mailbox.js';
import { Device } from '../harness/passkeys.js';
import {
  currentCode,
  freshName,
  mailedCode,
  makeAdmin,
  makeStaff,
  signInAs,
  type Caller,
  type Tokens,
} from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

/** Strength is that of the account, whatever way somebody takes (ASVS 6.3.3, 6.3.4). What a provider vouches for: auth-sso-links. */
let portal: Portal;
let admin: Caller;
let staff: Caller;
let id: string;
let email: string;

interface Half {
  status: string;
  mfaToken: string;
}

beforeAll(async () => {
  portal = await startPortal({ env: { TRUSTED_PROXIES: '127.0.0.1', ACCESS_TOKEN_MINUTES: '60' } });
  admin = await makeAdmin(portal);
  staff = await makeStaff(portal, admin, 'staff');
  [id, email] = [await staff.accountId(), await emailOf(staff)];
});
afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});

let peers = 0;
/** Each from somewhere else: what is tested is no throttle. */
const post = (path: string, body: object) =>
  portal.http
    .post(path)
    .set('X-Forwarded-For', `198.51.100.${++peers % 250}`)
    .send(body);
const login = async (more: object = {}): Promise<Half> => {
  const { username, password } = staff.credentials;
  return (await post('/v1/auth/login', { username, password, ...more }).expect(200)).body as Half;
};
const verify = (mfaToken: string, proof: object) => post('/v1/auth/mfa/verify', { mfaToken, ...proof });
const totp = async () => ({
  method: 'totp',
  code: await currentCode(staff.credentials.totpSecret!, portal.clock),
});

/** How many sessions the account has ever had, by strength. */
async function sessions(): Promise<Record<string, number>> {
  const { rows } = await portal.owner.query<{ acr: string; n: number }>(
    'SELECT acr, count(*)::int AS n FROM auth.session WHERE account_id = $1 GROUP BY acr',
    [id],
  );
  return Object.fromEntries(rows.map(({ acr, n }) => [acr, n]));
}

/** Whatever is done, no session is opened by it. */
async function opensNothing<T>(work: () => Promise<T>): Promise<T> {
  const before = await sessions();
  const done = await work();
  expect(await sessions()).toEqual(before);
  return done;
}

describe('somebody of the staff', () => {
  it('has no session by a password alone, and its token opens none of the routes that ask who it is', async () => {
    const half = await opensNothing(() => login());
    expect(half).toMatchObject({ status: 'mfa_required' });
    const guarded = portal.app
      .get(DeclaredRoutes)
      .list()
      .filter(({ endpoint }) => (endpoint.access ?? 'signed-in') === 'signed-in');
    expect(guarded.length).toBeGreaterThan(80);
    const letIn: string[] = [];
    for (const { method, path } of guarded) {
      const request = portal.http[method.toLowerCase() as 'get'](path.replace(/:\w+/g, NOBODY));
      const { status } = await request.set('Authorization', `Bearer ${half.mfaToken}`);
      if (status !== 401) letIn.push(`${method} ${path}: ${status}`);
    }
    expect(letIn).toEqual([]);
  });

  it('has none by a forgotten password, which needs the second factor and then signs nobody in', async () => {
    const mailbox = new Mailbox(portal);
    const { username } = staff.credentials;
    const newPassword = 'another one altogether';
    await opensNothing(async () => {
      await post('/v1/auth/password/forgot', { usernameOrEmail: username }).expect(204);
      const token = await mailbox.token(email);
      const alone = await post('/v1/auth/password/reset', { token, newPassword });
      expect(said(alone)).toEqual([403, 'auth.second-proof-needed']);
      await post('/v1/auth/password/reset', { token, newPassword, ...(await totp()) }).expect(204);
    });
    staff.credentials.password = newPassword;
    expect(await opensNothing(() => login())).toMatchObject({ status: 'mfa_required' });
  });

  it('has none by having the device remembered: that is for patients', async () => {
    const { body } = await verify((await login()).mfaToken, { ...(await totp()), rememberDevice: true }).expect(200);
    expect(body).not.toHaveProperty('deviceToken');
    expect(await opensNothing(() => login({ deviceToken: 'made-up' }))).toMatchObject({ status: 'mfa_required' });
  });

  it('has one of two factors by an app, a recovery code, a passkey of its own, and a refresh of each', async () => {
    const opened: Tokens[] = [];
    opened.push((await verify((await login()).mfaToken, await totp()).expect(200)).body as Tokens);
    const [code] = staff.recoveryCodes;
    const byCode = await verify((await login()).mfaToken, { method: 'recovery_code', code }).expect(200);
    opened.push(byCode.body as Tokens);
    const device = new Device(portal);
    await device.register(await signInAs(portal, staff.credentials));
    opened.push((await device.signIn(portal)).body as Tokens);
    for (const { refreshToken, session } of [...opened]) {
      expect(session.acr).toBe('aal2');
      const { body } = await post('/v1/auth/refresh', { refreshToken });
      if ((body as Tokens).session) opened.push(body as Tokens);
    }
    expect(opened.length).toBeGreaterThan(3);
    expect(new Set(opened.map(({ session }) => session.acr))).toEqual(new Set(['aal2']));
  });

  it('has none by a lost second factor either: a new one is set up first', async () => {
    const half = await login();
    const [, code] = staff.recoveryCodes;
    await opensNothing(async () => {
      // A wait and a mailed code are for patients.
      expect(said(await post('/v1/auth/mfa/lost', { mfaToken: half.mfaToken }))).toEqual([403, 'auth.ask-hospital']);
      const proof = { mfaToken: half.mfaToken, method: 'recovery_code', code };
      const { body } = await post('/v1/auth/mfa/lost/confirm', proof).expect(200);
      expect(body).toMatchObject({ status: 'enrolment_required' });
    });
    expect(await opensNothing(() => login())).toMatchObject({ status: 'enrolment_required' });
  });

  it('has none by an invitation, which sets a password and signs nobody in', async () => {
    admin = await signInAs(portal, admin.credentials);
    const username = freshName('staff');
    const to = `${username}@hospital.test`;
    const account = { username, email: to, displayName: 'New', roles: ['staff'] };
    const { body } = await admin.post('/v1/users', account).expect(201);
    id = (body as { id: string }).id;
    const activationCode = await mailedCode(portal, to);
    const password = 'a password of theirs';
    await opensNothing(async () => {
      await post('/v1/auth/activate', { activationCode, password }).expect(204);
      const { body: half } = await post('/v1/auth/login', { username, password }).expect(200);
      expect(half).toMatchObject({ status: 'enrolment_required' });
    });
  });

  it('of nobody of them, by all of this, a session of one factor was ever opened', async () => {
    const { rows } = await portal.owner.query(
      `SELECT s.acr, s.amr FROM auth.session s WHERE s.acr <> 'aal2'
          AND EXISTS (SELECT 1 FROM users.account_role r WHERE r.account_id = s.account_id AND r.role IN ('staff', 'admin'))`,
    );
    expect(rows).toEqual([]);
  });
});
