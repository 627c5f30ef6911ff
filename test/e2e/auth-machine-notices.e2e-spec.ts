import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ExpiryReminders } from '../../src/modules/auth/clients/expiry-reminders.js';
import { newMachineKey } from '../harness/assertions.js';
import { cloneDatabase } from '../harness/database.js';
import { checkLedger } from '../harness/ledger.js';
import { Mailbox } from '../harness/mailbox.js';
import { freshName, makeAdmin, makeStaff, signInAs, type Caller } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

const DAY = 86_400;
const ABOUT_MACHINES = 'of which you are an administrator';

let portal: Portal;
let mailbox: Mailbox;
let admin: Caller;
/** One whose address is verified, because the code was mailed there; the other was made at the console. */
let other: Caller;
let clerk: Caller;
let client: string;
let directory: string;

beforeAll(async () => {
  portal = await startPortal({ env: { ACCESS_TOKEN_MINUTES: '60' } });
  mailbox = new Mailbox(portal);
  admin = await makeAdmin(portal);
  other = await makeStaff(portal, admin, 'admin');
  clerk = await makeStaff(portal, admin, 'staff');
});
beforeEach(async () => {
  admin = await signInAs(portal, admin.credentials);
  const open = async (account: object) => {
    const email = `${freshName('machine')}@hospital.test`;
    return ((await admin.post('/v1/users', { email, ...account }).expect(201)).body as { id: string }).id;
  };
  const source = `https://${freshName('lab')}.test/fhir`;
  client = await open({ displayName: 'Laboratory', roles: ['integration'], source });
  directory = await open({ displayName: 'Entra', roles: ['directory'] });
  // What was made before is of no interest to what is reminded here.
  await portal.owner.query(
    'UPDATE auth.client_key SET revoked_at = now(), revoke_reason = $1 WHERE revoked_at IS NULL',
    ['x'],
  );
  await portal.owner.query(
    'UPDATE auth.scim_token SET revoked_at = now(), revoked_by = account_id WHERE revoked_at IS NULL',
  );
});
afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});

/** Mails about machines that somebody got since so many mails. */
const mailsTo = async (caller: Caller, since: number): Promise<string[]> =>
  (await mailbox.to(`${caller.credentials.username}@hospital.test`, since)).filter((text) =>
    text.includes(ABOUT_MACHINES),
  );

const after = (days: number) => new Date(portal.clock.now().getTime() + days * DAY * 1000).toISOString();
const dayOf = (instant: string) => instant.slice(0, 10);

interface Registered {
  id: string;
  kid: string;
  expiresAt: string;
}
const register = async (body: object = {}): Promise<Registered> => {
  const { publicJwk } = await newMachineKey();
  return (await admin.post(`/v1/users/${client}/keys`, { jwk: publicJwk, ...body }).expect(201)).body as Registered;
};

describe('a key of a machine', () => {
  it('that is registered is told to all administrators, by name of the client and of who did it', async () => {
    const since = await mailbox.count();
    const key = await register();
    for (const one of [admin, other]) {
      const [text, ...more] = await mailsTo(one, since);
      expect(more).toEqual([]);
      expect(text).toContain('A public key was added');
      expect(text).toContain(`Client: Laboratory (${client})`);
      expect(text).toContain(`What: public key ${key.kid}`);
      expect(text).toContain(`Runs out: ${dayOf(key.expiresAt)}`);
      expect(text).toContain(`By: Ada Admin (${await admin.accountId()})`);
    }
    expect(await mailsTo(clerk, since)).toEqual([]);
  });

  it('that is taken away is told as well, and so are certificates and bearer secrets, which are in no mail', async () => {
    const since = await mailbox.count();
    const key = await register();
    await admin.post(`/v1/users/${client}/keys/${key.id}/revoke`, { reason: 'Leaked.' }).expect(200);
    const { body } = await admin.post(`/v1/users/${directory}/scim-tokens`, { name: 'Entra ID' }).expect(201);
    const { id, token } = body as { id: string; token: string };
    await admin.post(`/v1/users/${directory}/scim-tokens/${id}/revoke`).expect(200);
    const texts = await mailsTo(other, since);
    expect(texts.map((text) => /A (.*)\n/.exec(text)![1])).toEqual([
      'public key was added: whoever holds it comes in with it from now on.',
      'public key was taken away: it opens nothing any more.',
      'bearer secret for SCIM was added: whoever holds it comes in with it from now on.',
      'bearer secret for SCIM was taken away: it opens nothing any more.',
    ]);
    expect(texts[2]).toContain('What: bearer secret for SCIM Entra ID');
    expect(JSON.stringify(portal.mails)).not.toContain(token);
    expect(JSON.stringify(portal.mails)).not.toContain('pscim_');
  });

  it('is told to no former administrator, none who is disabled, and to none whose role has not begun', async () => {
    const reason = 'Test.';
    const [former, disabled, later] = [
      await makeStaff(portal, admin, 'admin'),
      await makeStaff(portal, admin, 'admin'),
      await makeStaff(portal, admin, 'staff'),
    ];
    await admin.post(`/v1/users/${await former.accountId()}/roles`, { role: 'staff', reason }).expect(200);
    const idOf = async (caller: Caller) => (await signInAs(portal, caller.credentials)).accountId();
    await admin.post(`/v1/users/${await idOf(former)}/roles/admin/revoke`, { reason }).expect(200);
    await admin.post(`/v1/users/${await idOf(disabled)}/disable`, { reason }).expect(200);
    await admin.post(`/v1/users/${await idOf(later)}/roles`, { role: 'admin', reason, startsAt: after(1) }).expect(200);
    const since = await mailbox.count();
    await register();
    for (const one of [former, disabled, later]) expect(await mailsTo(one, since)).toEqual([]);
    expect(await mailsTo(other, since)).toHaveLength(1);
  });

  it('is not registered where nobody could be told: both are one transaction', async () => {
    const { publicJwk } = await newMachineKey();
    await portal.owner.query('ALTER TABLE platform.outbox ADD CONSTRAINT test__full CHECK (false) NOT VALID');
    try {
      await admin.post(`/v1/users/${client}/keys`, { jwk: publicJwk }).expect(500);
    } finally {
      await portal.owner.query('ALTER TABLE platform.outbox DROP CONSTRAINT test__full');
    }
    const { body } = await admin.get(`/v1/users/${client}/keys`).expect(200);
    expect((body as { items: object[] }).items).toEqual([]);
  });

  it('has names that make no line of their own in the mail', async () => {
    const displayName = 'Lab\nClient: Harmless (yours)\u2028By: you';
    await portal.owner.query('UPDATE users.account SET display_name = $2 WHERE account_id = $1', [client, displayName]);
    const since = await mailbox.count();
    await register();
    const [text] = await mailsTo(other, since);
    expect(text!.split(/[\n\u2028]/).filter((line) => /^(Client|By):/.test(line))).toHaveLength(2);
  });
});

describe('what machines come in with', () => {
  const sweep = () => portal.app.get(ExpiryReminders).sweep();

  it('is reminded of 30 days, 7 days and 1 day before it runs out, once each, to every administrator', async () => {
    const key = await register({ expiresAt: after(100) });
    const { body } = await admin
      .post(`/v1/users/${directory}/scim-tokens`, { name: 'Entra ID', days: 100 })
      .expect(201);
    const { token, expiresAt } = body as { token: string; expiresAt: string };
    const since = await mailbox.count();
    const told: number[] = [];
    for (let day = 1; day <= 101; day++) {
      portal.clock.forward(DAY);
      const before = (await mailsTo(other, since)).length;
      for (let n = 0; n < 3; n++) await sweep();
      const mails = (await mailsTo(other, since)).length - before;
      for (let n = 0; n < mails; n++) told.push(100 - day);
    }
    expect(told).toEqual([30, 7, 1]);
    for (const one of [admin, other]) {
      const texts = await mailsTo(one, since);
      expect(texts).toHaveLength(3);
      for (const text of texts) {
        expect(text).toContain(
          `Client: Laboratory (${client})\nWhat: public key ${key.kid}\nRuns out: ${dayOf(key.expiresAt)}`,
        );
        expect(text).toContain(
          `Client: Entra (${directory})\nWhat: bearer secret for SCIM Entra ID\nRuns out: ${dayOf(expiresAt)}`,
        );
        expect(text).toContain(`POST /v1/users/${client}/keys`);
        expect(text).toContain(`POST /v1/users/${directory}/scim-tokens`);
        expect(text).not.toContain(token);
      }
    }
    expect(await mailsTo(clerk, since)).toEqual([]);
  });

  it('is reminded of late rather than not at all, and then of the nearest day only', async () => {
    await register({ expiresAt: after(100) });
    const since = await mailbox.count();
    // The portal stood still from before the 30th day to the 5th.
    portal.clock.forward(95 * DAY);
    for (let n = 0; n < 3; n++) await sweep();
    expect(await mailsTo(other, since)).toHaveLength(1);
  });

  it('is not reminded of when it was taken away, when its account is disabled, or of days that were over when it was made', async () => {
    const key = await register({ expiresAt: after(40) });
    await register({ expiresAt: after(20) });
    await admin.post(`/v1/users/${client}/keys/${key.id}/revoke`, { reason: 'Changed over.' }).expect(200);
    const secrets = `/v1/users/${directory}/scim-tokens`;
    const secret = (await admin.post(secrets, { name: 'Old', days: 40 }).expect(201)).body as { id: string };
    await admin.post(`${secrets}/${secret.id}/revoke`).expect(200);
    const since = await mailbox.count();
    portal.clock.forward(12 * DAY);
    await sweep();
    expect(await mailsTo(other, since)).toEqual([]);
    portal.clock.forward(DAY);
    admin = await signInAs(portal, admin.credentials);
    await admin.post(`/v1/users/${client}/disable`, { reason: 'Moved.' }).expect(200);
    await sweep();
    expect(await mailsTo(other, since)).toEqual([]);
    await admin.post(`/v1/users/${client}/enable`).expect(200);
    await sweep();
    expect(await mailsTo(other, since)).toHaveLength(1);
  });

  it('is not reminded of when it is over: nothing runs out soon that has run out', async () => {
    await register({ expiresAt: after(40) });
    const since = await mailbox.count();
    portal.clock.forward(40 * DAY + 1);
    await sweep();
    expect(await mailsTo(other, since)).toEqual([]);
  });

  it('is reminded of by one of several replicas, once, also when one of them fails in the middle', async () => {
    const database = await cloneDatabase();
    const one = await startPortal({ database });
    const two = await startPortal({ database });
    try {
      const by = await makeAdmin(one);
      const account = { displayName: 'L', email: 'l@hospital.test', roles: ['integration'], source: 'https://l.test' };
      const { id } = (await by.post('/v1/users', account).expect(201)).body as { id: string };
      const { publicJwk } = await newMachineKey();
      await by.post(`/v1/users/${id}/keys`, { jwk: publicJwk }).expect(201);
      for (const portal of [one, two]) portal.clock.forward(340 * DAY);
      const mailed = async () => {
        await Promise.all([one.delivered(), two.delivered()]);
        return [...one.mails, ...two.mails].filter(({ text }) => text.includes('Renew these in time')).length;
      };
      await one.owner.query('ALTER TABLE platform.outbox ADD CONSTRAINT test__full CHECK (false) NOT VALID');
      await expect(one.app.get(ExpiryReminders).sweep()).rejects.toThrow('test__full');
      await one.owner.query('ALTER TABLE platform.outbox DROP CONSTRAINT test__full');
      // Nothing was noted as told that was not.
      const looks = [one, two, one, two, one].map((portal) => portal.app.get(ExpiryReminders).sweep());
      expect((await Promise.all(looks)).reduce((a, b) => a + b)).toBe(1);
      await two.app.get(ExpiryReminders).sweep();
      expect(await mailed()).toBe(1);
      await checkLedger(one);
    } finally {
      await Promise.all([one.close(), two.close()]);
    }
  });
});
