import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { itemsOf, said } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import { emailOf, Mailbox } from '../harness/mailbox.js';
import { makeAdmin, makePatient, type Caller } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

let portal: Portal;
let admin: Caller;
let second: Caller;
let mailbox: Mailbox;

beforeAll(async () => {
  portal = await startPortal();
  mailbox = new Mailbox(portal);
  admin = await makeAdmin(portal);
  second = await makeAdmin(portal);
});
afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});

const why = { reason: 'Cannot get in any more.' };
const approve = (by: Caller, id: string) => by.post(`/v1/account-resets/${id}/approve`);

describe('the address that a link for a new password goes to', () => {
  const ask = async (id: string) => (await admin.post(`/v1/users/${id}/password/reset`, why).expect(201)).body as Asked;
  interface Asked {
    id: string;
    status: string;
    address: { email: string; isVerified: boolean };
  }
  const moveTo = (id: string, email: string) => admin.post(`/v1/users/${id}/email`, { email, ...why }).expect(201);
  /** An account for which one administrator has written an address of their own. */
  const moved = async () => {
    const patient = await makePatient(portal, admin);
    const id = await patient.accountId();
    const email = `friend-${id.slice(-6)}@evil.test`;
    await moveTo(id, email);
    return { patient, id, email };
  };
  const linksTo = async (email: string) => (await mailbox.to(email)).filter((text) => text.includes('#token='));

  it('is shown to the second administrator, with whether its holder ever confirmed it', async () => {
    const { patient, id, email } = await moved();
    const asked = await ask(id);
    expect(asked).toMatchObject({ status: 'requested', address: { email, isVerified: false } });
    const [seen] = itemsOf(await second.get('/v1/account-resets').query({ accountId: id, status: 'requested' }));
    expect(seen).toMatchObject({ id: asked.id, address: { email, isVerified: false } });
    expect((await admin.post(`/v1/users/${id}/mfa/reset`, why)).body).toMatchObject({ kind: 'factors', address: null });
    const other = await makePatient(portal, admin);
    expect(await ask(await other.accountId())).toMatchObject({
      status: 'executed',
      address: { email: await emailOf(other), isVerified: true },
    });
    await patient.get('/v1/me').expect(200);
  });

  it('is not changed under what the second administrator approves', async () => {
    const { id, email } = await moved();
    const asked = await ask(id);
    const other = `other-${id.slice(-6)}@evil.test`;
    await moveTo(id, other);
    expect(said(await approve(second, asked.id))).toEqual([409, 'auth.reset-closed']);
    expect([...(await linksTo(email)), ...(await linksTo(other))]).toEqual([]);
    const listed = itemsOf(await second.get('/v1/account-resets').query({ accountId: id, status: 'requested' }));
    expect(listed).toEqual([]);
    // Asked for anew, it is another address that is looked at.
    const again = await ask(id);
    expect(again.address).toEqual({ email: other, isVerified: false });
    await approve(second, again.id).expect(200);
    expect(await linksTo(other)).toHaveLength(1);
  });

  it('is the one that was approved even where the address was changed past the service', async () => {
    const { id, email } = await moved();
    const asked = await ask(id);
    await portal.owner.query('UPDATE users.account SET email = $2 WHERE account_id = $1', [id, `new.${email}`]);
    expect(said(await approve(second, asked.id))).toEqual([409, 'auth.reset-closed']);
    expect([...(await linksTo(email)), ...(await linksTo(`new.${email}`))]).toEqual([]);
    await second.post(`/v1/account-resets/${asked.id}/decline`).expect(200);
  });

  it('is never one that nobody looked at, when it changes at the very moment of asking or approving', async () => {
    for (let round = 0; round < 8; round++) {
      const patient = await makePatient(portal, admin);
      const id = await patient.accountId();
      const evil = `race-${round}-${id.slice(-6)}@evil.test`;
      const path = `/v1/users/${id}/email`;
      const [asked] = await Promise.all([
        admin.post(`/v1/users/${id}/password/reset`, why),
        admin.post(path, { email: evil, ...why }),
      ]);
      expect(asked.status).toBe(201);
      const { id: request, status } = asked.body as Asked;
      if (status === 'requested') {
        const next = `next-${evil}`;
        const [approved] = await Promise.all([approve(second, request), admin.post(path, { email: next, ...why })]);
        expect([200, 409]).toContain(approved.status);
        expect(await linksTo(evil)).toHaveLength(approved.status === 200 ? 1 : 0);
        expect(await linksTo(next)).toEqual([]);
      } else expect(await linksTo(evil)).toEqual([]);
    }
  });
});
