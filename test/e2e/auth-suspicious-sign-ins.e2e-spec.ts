import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createAdmin } from '../../src/cli/admin-create.js';
import { SessionSweeper } from '../../src/modules/auth/sessions/session-sweeper.js';
import { UnfinishedSignIns } from '../../src/modules/auth/sign-in/unfinished-sign-ins.js';
import { cloneDatabase } from '../harness/database.js';
import { checkLedger } from '../harness/ledger.js';
import { emailOf, Mailbox, withApp } from '../harness/mailbox.js';
import { currentCode, makeAdmin, makePatient, makeStaff, signInAs, type Caller } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

const FIREFOX = 'Mozilla/5.0 (Windows NT 10.0; rv:140.0) Gecko/20100101 Firefox/140.0';
const SAFARI =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile Safari/604.1';
const [HOME, ABROAD] = ['8.8.8.8', '193.0.6.139'];
const UNFINISHED = 'did not show the second factor';
const DAY = 86_400;

let portal: Portal;
let admin: Caller;
let mailbox: Mailbox;
let patient: Caller;
let email: string;

beforeAll(async () => {
  // So that a test can come from any address.
  portal = await startPortal({ env: { TRUSTED_PROXIES: '127.0.0.1' } });
  mailbox = new Mailbox(portal);
  admin = await makeAdmin(portal);
});
beforeEach(async () => {
  admin = await signInAs(portal, admin.credentials);
  const newcomer = await makePatient(portal, admin);
  email = await emailOf(newcomer);
  patient = await withApp(newcomer);
});
afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});

const sweep = () => portal.app.get(SessionSweeper).sweep();

/** The password is right; resolves with the token for the second factor. */
async function begin(from = ABROAD, userAgent = SAFARI, { username, password } = patient.credentials): Promise<string> {
  const { body } = await portal.http
    .post('/v1/auth/login')
    .set({ 'X-Forwarded-For': from, 'User-Agent': userAgent })
    .send({ username, password })
    .expect(200);
  return (body as { mfaToken: string }).mfaToken;
}

const verify = (mfaToken: string, code: string, from = ABROAD, userAgent = SAFARI) =>
  portal.http
    .post('/v1/auth/mfa/verify')
    .set({ 'X-Forwarded-For': from, 'User-Agent': userAgent })
    .send({ mfaToken, method: 'totp', code });

const told = async (to = email): Promise<string[]> =>
  (await mailbox.to(to)).filter((text) => text.includes(UNFINISHED));

/** Five minutes and a little: the token of the sign-in is over. */
const later = async () => {
  portal.clock.forward(301);
  await sweep();
};

describe('a sign-in that was left half-finished with the right password', () => {
  it('is told to its owner when the second factor was never shown: when, from where, and what to do', async () => {
    const begun = portal.clock.now().toISOString().slice(0, 16).replace('T', ' ');
    await begin();
    await sweep();
    expect(await told()).toEqual([]);
    await later();
    const [text, ...more] = await told();
    expect(more).toEqual([]);
    expect(text).toContain(`When: ${begun} UTC`);
    expect(text).toContain('From: Safari on iPhone, Netherlands');
    expect(text).toContain('change your password');
    await later();
    expect(await told()).toHaveLength(1);
  });

  it('is told when the second factor was refused', async () => {
    const mfaToken = await begin();
    for (const code of ['000000', '111111', '222222']) await verify(mfaToken, code).expect(401);
    await later();
    expect(await told()).toHaveLength(1);
  });

  it('is told when the password is that of somebody who would have to set up a second factor', async () => {
    const staff = await makeStaff(portal, admin, 'staff');
    const to = await emailOf(staff);
    await portal.owner.query('DELETE FROM auth.totp WHERE account_id = $1', [await staff.accountId()]);
    await begin(ABROAD, SAFARI, staff.credentials);
    await later();
    expect(await told(to)).toHaveLength(1);
  });

  it('is told once an hour at most, and stands in the history of the account', async () => {
    for (let n = 0; n < 8; n++) {
      await begin();
      await later();
    }
    expect(await told()).toHaveLength(1);
    portal.clock.forward(3_600);
    await begin();
    await later();
    expect(await told()).toHaveLength(2);
    const again = await signInAs(portal, patient.credentials);
    const { body } = await again.get('/v1/me/activity').expect(200);
    const { items } = body as { items: { kind: string; device: string; place: string }[] };
    expect(items.filter(({ kind }) => kind === 'sign-in-unfinished')).toEqual([
      expect.objectContaining({ device: 'Safari on iPhone', place: 'Netherlands' }),
      expect.objectContaining({ device: 'Safari on iPhone', place: 'Netherlands' }),
    ]);
  });

  it('is told also when its owner signs in meanwhile, from elsewhere or another device', async () => {
    await begin(ABROAD, SAFARI);
    for (const [from, userAgent] of [
      [HOME, SAFARI],
      [ABROAD, FIREFOX],
    ] as const) {
      const mfaToken = await begin(from, userAgent);
      const code = await currentCode(patient.credentials.totpSecret!, portal.clock);
      await verify(mfaToken, code, from, userAgent).expect(200);
    }
    await later();
    expect(await told()).toHaveLength(1);
  });

  it('is not told of a mistyped code, nor of a page that was loaded anew: it was finished from there', async () => {
    const mfaToken = await begin();
    await verify(mfaToken, '000000').expect(401);
    await begin();
    const last = await begin();
    await verify(last, await currentCode(patient.credentials.totpSecret!, portal.clock)).expect(200);
    await later();
    expect(await told()).toEqual([]);
  });

  it('is not told where the same sign-in was finished on another device', async () => {
    const code = await currentCode(patient.credentials.totpSecret!, portal.clock);
    await verify(await begin(), code, HOME, FIREFOX).expect(200);
    await later();
    expect(await told()).toEqual([]);
  });

  it('is nothing where the password was wrong, or opened a session by itself', async () => {
    const plain = await makePatient(portal, admin);
    const to = await emailOf(plain);
    await signInAs(portal, plain.credentials);
    const { username } = plain.credentials;
    await portal.http.post('/v1/auth/login').send({ username, password: 'wrong' }).expect(401);
    await later();
    expect(await told(to)).toEqual([]);
  });

  it('is told by one of several replicas, once, however often they look', async () => {
    const database = await cloneDatabase();
    const one = await startPortal({ database });
    const two = await startPortal({ database });
    try {
      const [username, password] = ['both', 'a password of both'];
      const { code, accountId } = await createAdmin(one.app, { username, displayName: 'B', email: 'b@hospital.test' });
      await one.http.post('/v1/auth/activate').send({ activationCode: code, password }).expect(204);
      for (let n = 0; n < 5; n++) await one.http.post('/v1/auth/login').send({ username, password }).expect(200);
      const then = new Date(one.clock.now().getTime() + 301_000);
      const look = (replica: Portal) => replica.app.get(UnfinishedSignIns).sweep(then, 1);
      for (let round = 0; round < 6; round++) await Promise.all([one, two, one, two].map(look));
      const { rows } = await one.owner.query(
        `SELECT (SELECT count(*)::int FROM auth.sign_in WHERE told_at IS NULL) AS "left",
           (SELECT count(*)::int FROM auth.security_event WHERE account_id = $1 AND kind = 'sign-in-unfinished') AS told`,
        [accountId],
      );
      expect(rows).toEqual([{ left: 0, told: 1 }]);
      await checkLedger(one);
    } finally {
      await Promise.all([one.close(), two.close()]);
    }
  });
});

describe('a sign-in after a long time', () => {
  const noticed = async (): Promise<string[]> =>
    (await mailbox.to(email)).filter((text) => text.includes('the first one in more than 90 days'));

  it('is told from 90 days of absence on, also where device and place are those of always', async () => {
    await signInAs(portal, patient.credentials);
    portal.clock.forward(89 * DAY);
    await signInAs(portal, patient.credentials);
    expect(await noticed()).toEqual([]);
    portal.clock.forward(90 * DAY + 60);
    const back = await signInAs(portal, patient.credentials);
    expect(await noticed()).toEqual([expect.stringContaining('From: Unknown device, Private network')]);
    await signInAs(portal, patient.credentials);
    expect(await noticed()).toHaveLength(1);
    const { body } = await back.get('/v1/me/activity').expect(200);
    const { items } = body as { items: { kind: string }[] };
    expect(items.filter(({ kind }) => kind === 'after-absence')).toHaveLength(1);
  });
});
