import { randomBytes, randomUUID } from 'node:crypto';
import { STAFF_ROLES } from '../../src/platform/access/vocabulary.js';
import { NOBODY } from '../harness/hospital.js';
import { Device } from '../harness/passkeys.js';
import { currentCode, makePatient } from '../harness/people.js';
import type { Person, Relation } from './access-matrix.js';
import type { Sent } from './access-requests.js';
import { signedInAs, type Account, type World } from './access-world.js';

/** A number that nobody else has. */
let numbers = 0;
const number = (): string => `+4915113${String(100_000 + ++numbers)}`;

/** Whose second factors are of this table's making; staff keep their own. */
const isPatient = (person: Person): boolean => person === 'patient' || person === 'proxy';

/** Puts the world back: whoever has only a password signs in with it again. */
const withoutFactors =
  ({ portal }: World, id: string, person: Person) =>
  async (): Promise<void> => {
    const tables = [
      'auth.passkey',
      'auth.sms_number',
      ...(isPatient(person) ? ['auth.totp', 'auth.recovery_code'] : []),
    ];
    for (const table of tables) await portal.owner.query(`DELETE FROM ${table} WHERE account_id = $1`, [id]);
  };

const idOf = (world: World, person: Person): string => (person === 'anonymous' ? NOBODY : world.people[person].id);

/** A passkey of an account that no device signs with. */
async function storedPasskey({ portal }: World, accountId: string): Promise<string> {
  await portal.owner.query(
    'INSERT INTO auth.factor_holder (account_id, user_handle) VALUES ($1, $2) ON CONFLICT (account_id) DO NOTHING',
    [accountId, randomBytes(32)],
  );
  const { rows } = await portal.owner.query<{ id: string }>(
    `INSERT INTO auth.passkey (passkey_id, account_id, credential_id, public_key, counter, transports, is_backup_eligible, is_backed_up, aaguid, name, created_at)
     VALUES (gen_random_uuid(), $1, $2, '', 0, '{usb}', false, false, gen_random_uuid(), 'Test', now()) RETURNING passkey_id AS id`,
    [accountId, randomBytes(32)],
  );
  return rows[0]!.id;
}

export async function passkey(world: World, person: Person, relation: Relation): Promise<Sent> {
  const after = withoutFactors(world, idOf(world, person), person);
  if (relation === 'none') return { params: { id: NOBODY }, after };
  const holder = relation === 'other' ? world.anna.id : idOf(world, person);
  const id = await storedPasskey(world, holder);
  const afterAll = async () => {
    await world.portal.owner.query('DELETE FROM auth.passkey WHERE passkey_id = $1', [id]);
    await after();
  };
  // Whoever has one is asked for it at the next sign-in: that must have been before.
  return { params: { id }, ifMatch: 1, after: afterAll };
}

/** Somebody's code of the app, or one that is none where they have no app. */
export const appCode = async ({ portal }: World, { credentials }: Account): Promise<string> =>
  'totpSecret' in credentials && credentials.totpSecret ? currentCode(credentials.totpSecret, portal.clock) : '123456';

/** A passkey to be stepped up with. */
export async function challengeable(world: World, person: Person): Promise<Sent> {
  await signedInAs(world, person);
  if (isPatient(person) || (STAFF_ROLES as readonly string[]).includes(person))
    await storedPasskey(world, idOf(world, person));
  return { body: { method: 'passkey' }, after: withoutFactors(world, idOf(world, person), person) };
}

/** What a browser answers to the options that it was given. */
export async function registration(world: World, person: Person): Promise<Sent> {
  const after = withoutFactors(world, idOf(world, person), person);
  const device = new Device(world.portal);
  const caller = await signedInAs(world, person);
  const asked = await caller?.post('/v1/auth/passkeys/registration/options', {});
  const options = asked?.status === 200 ? (asked.body as { options: object }).options : null;
  return { body: { response: device.create(options ?? ANY_OPTIONS) }, after };
}

const ANY_OPTIONS = {
  challenge: 'AAAA',
  rp: { id: 'portal.test', name: 'Test' },
  user: { id: 'AAAA', name: 'n', displayName: 'n' },
  pubKeyCredParams: [{ type: 'public-key', alg: -7 }],
};

/** A newcomer with a passkey, and their device. */
async function withPasskey(world: World): Promise<{ id: string; device: Device; username: string; password: string }> {
  const patient = await makePatient(world.portal, await world.people.admin.signedIn(world.portal));
  const device = new Device(world.portal);
  await device.register(patient);
  const { username, password } = patient.credentials;
  return { id: await patient.accountId(), device, username, password };
}

export async function passkeySignIn(world: World): Promise<Sent> {
  const { id, device } = await withPasskey(world);
  const { challengeToken, options } = await device.beginSignIn();
  return { body: { challengeToken, response: device.get(options) }, recognised: id };
}

export async function challengeInSignIn(world: World): Promise<Sent> {
  const { id, username, password } = await withPasskey(world);
  const { body } = await world.portal.http.post('/v1/auth/login').send({ username, password }).expect(200);
  return { body: { mfaToken: (body as { mfaToken: string }).mfaToken, method: 'passkey' }, recognised: id };
}

export const newNumber = (world: World, person: Person): Sent => ({
  body: { number: number() },
  after: withoutFactors(world, idOf(world, person), person),
});

export async function numberCode(world: World, person: Person): Promise<Sent> {
  const after = withoutFactors(world, idOf(world, person), person);
  const caller = await signedInAs(world, person);
  const to = number();
  if ((await caller?.post('/v1/auth/mfa/sms', { number: to }))?.status !== 200)
    return { body: { code: '123456' }, after };
  await world.portal.delivered();
  const { text } = world.portal.texts.findLast((one) => one.to === to)!;
  return { body: { code: /^\d{6}/.exec(text)![0] }, after };
}

/** A number of whoever may have one. */
export async function storedNumber(world: World, person: Person): Promise<Sent> {
  const id = idOf(world, person);
  await signedInAs(world, person);
  if (isPatient(person))
    await world.portal.owner.query(
      `INSERT INTO auth.sms_number (sms_number_id, account_id, number, number_mac, created_at, confirmed_at)
       VALUES (gen_random_uuid(), $1, '', $2::text::bytea, now(), now())`,
      [id, randomUUID()],
    );
  return { after: withoutFactors(world, id, person) };
}
