import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { logIn, notices, statuses } from '../harness/factors.js';
import { checkLedger } from '../harness/ledger.js';
import { Device } from '../harness/passkeys.js';
import { Caller, makeAdmin, makePatient, makeStaff, signInAs, type Patient, type Tokens } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

let portal: Portal;
let admin: Caller;
/** Has a passkey, kept on the device, and nothing else. */
let holder: Caller;
let device: Device;

beforeAll(async () => {
  portal = await startPortal();
  admin = await makeAdmin(portal);
  holder = await makePatient(portal, admin);
  device = new Device(portal);
  await device.register(holder, 'My phone');
});
// Tests move the clock.
beforeEach(async () => {
  admin = await signInAs(portal, admin.credentials);
  holder = new Caller(portal, (await device.signIn()).body as Tokens, holder.credentials);
});
afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});

const login = (caller: Caller) => logIn(portal, caller);

describe('own passkeys', () => {
  let patient: Patient;
  let key: Device;
  beforeEach(async () => {
    patient = await makePatient(portal, admin);
    key = new Device(portal);
    await key.register(patient, 'First');
  });
  const list = async () =>
    (await patient.get('/v1/auth/passkeys').expect(200)).body as {
      items: { id: string; name: string; version: number }[];
      next: string | null;
    };

  it('are listed a page at a time, read and renamed under their version', async () => {
    await new Device(portal).register(patient, 'Second');
    const first = await patient.get('/v1/auth/passkeys?limit=1').expect(200);
    expect(first.body).toMatchObject({ items: [{ name: 'First' }], next: expect.any(String) });
    const second = await patient.get(`/v1/auth/passkeys?limit=1&cursor=${(first.body as { next: string }).next}`);
    expect(second.body).toMatchObject({ items: [{ name: 'Second' }], next: null });
    const { id } = (await list()).items[0]!;
    const read = await patient.get(`/v1/auth/passkeys/${id}`).expect(200);
    expect(read.headers.etag).toBe('"1"');
    const rename = (version: string, name: string) =>
      patient.patch(`/v1/auth/passkeys/${id}`, { name }).set('If-Match', version);
    expect((await rename('"1"', 'Renamed').expect(200)).body).toMatchObject({ name: 'Renamed', version: 2 });
    await rename('"1"', 'Lost').expect(412);
    await patient.patch(`/v1/auth/passkeys/${id}`, { name: 'x' }).expect(428);
    expect(Object.keys((await list()).items[0]!).sort()).toEqual([
      'aaguid',
      'createdAt',
      'id',
      'lastUsedAt',
      'name',
      'synced',
      'version',
    ]);
  });

  it("do not exist when they are somebody else's", async () => {
    const { id } = (await list()).items[0]!;
    const none = '01a20263-cf94-718a-8498-26b2c9b0c7dc';
    for (const path of [`/v1/auth/passkeys/${id}`, `/v1/auth/passkeys/${none}`]) {
      const answers = [
        await holder.get(path),
        await holder.patch(path, { name: 'Mine' }).set('If-Match', '"1"'),
        await holder.delete(path),
      ];
      expect(statuses(answers)).toEqual([404, 404, 404]);
    }
    expect((await list()).items).toHaveLength(1);
  });
  it('are removed, the last one with the recovery codes, and the owner is told', async () => {
    const { id } = (await list()).items[0]!;
    const before = (await notices(portal)).length;
    await patient.delete(`/v1/auth/passkeys/${id}`).expect(204);
    expect((await notices(portal)).slice(before)).toEqual([expect.stringContaining('was removed: a passkey')]);
    await patient.delete(`/v1/auth/passkeys/${id}`).expect(404);
    expect((await key.signIn()).status).toBe(401);
    expect((await login(patient)).status).toBe('authenticated');
    const { rows } = await portal.owner.query('SELECT 1 FROM auth.recovery_code WHERE account_id = $1', [
      await patient.accountId(),
    ]);
    expect(rows).toHaveLength(0);
  });

  it('are not removed without a fresh second factor', async () => {
    const { id } = (await list()).items[0]!;
    portal.clock.forward(240);
    const { body } = await portal.http
      .post('/v1/auth/refresh')
      .send({ refreshToken: patient.tokens.refreshToken })
      .expect(200);
    portal.clock.forward(120);
    const later = new Caller(portal, body as Tokens, patient.credentials);
    expect((await later.delete(`/v1/auth/passkeys/${id}`).expect(403)).body.code).toBe('auth.step-up-required');
  });

  it('of staff stay while they are the last factor, also when two are removed at once', async () => {
    for (let round = 0; round < 5; round++) {
      const staff = await makeStaff(portal, admin, 'staff');
      await new Device(portal).register(staff);
      const { body } = await staff.get('/v1/auth/passkeys').expect(200);
      const { id } = (body as { items: { id: string }[] }).items[0]!;
      // Otherwise these rows would make the two take turns already.
      await portal.owner.query('DELETE FROM auth.sign_in');
      const answers = await Promise.all([staff.delete(`/v1/auth/passkeys/${id}`), staff.delete('/v1/auth/mfa/totp')]);
      expect(statuses(answers)).toEqual([204, 403]);
      expect(answers.find(({ status }) => status === 403)!.body.code).toBe('auth.second-factor-mandatory');
    }
  });
});
