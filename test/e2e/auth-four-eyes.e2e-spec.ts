import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { v7 as uuidv7 } from 'uuid';
import { newMachineKey } from '../harness/assertions.js';
import { said } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import {
  enrolAndSignIn,
  freshName,
  mailedCode,
  makeAdmin,
  makeDirectory,
  makePatient,
  makeStaff,
  signInAs,
  type Caller,
} from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';
import { createAdmin } from '../../src/cli/admin-create.js';

/**
 * An account reset takes two administrators. Whoever can make a second administrator for themselves, on a mailbox of their own,
 * would be both: each test is one way to do that.
 */
let portal: Portal;
/** Made by the operator, each for themselves. */
let ada: Caller;
let eve: Caller;
let victim: Caller;
let victimId: string;

beforeAll(async () => {
  portal = await startPortal({ env: { SCIM_GROUP_ROLES: 'Admins=admin' } });
  ada = await makeAdmin(portal);
  eve = await makeAdmin(portal);
});
beforeEach(async () => {
  ada = await signInAs(portal, ada.credentials);
  eve = await signInAs(portal, eve.credentials);
  victim = await makeStaff(portal, ada, 'staff');
  victimId = await victim.accountId();
});
afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});

const why = { reason: 'Lost the phone.' };
const NOT_INDEPENDENT = [403, 'auth.approver-not-independent'];

const fresh = (caller: Caller) => signInAs(portal, caller.credentials);

/** What `approver` is told about a reset of somebody's second factors that `requester` asks for; it is taken back afterwards. */
async function approval(requester: Caller, approver: Caller): Promise<[number, string | undefined]> {
  const [asks, approves] = [await fresh(requester), await fresh(approver)];
  const { body } = await asks.post(`/v1/users/${victimId}/mfa/reset`, why).expect(201);
  const { id } = body as { id: string };
  const answer = said(await approves.post(`/v1/account-resets/${id}/approve`));
  const { rows } = await portal.owner.query<{ status: string }>(
    'SELECT status FROM auth.account_reset WHERE account_reset_id = $1',
    [id],
  );
  expect(rows[0]!.status).toBe(answer[0] === 200 ? 'executed' : 'requested');
  if (answer[0] !== 200) await asks.post(`/v1/account-resets/${id}/decline`).expect(200);
  return answer;
}

const promote = async (by: Caller, who: Caller) =>
  by.post(`/v1/users/${await who.accountId()}/roles`, { role: 'admin', ...why }).expect(200);

/** Everybody who stands behind an account, and itself. */
const lineOf = async (id: string): Promise<string[]> =>
  (
    await portal.owner.query<{ id: string }>('SELECT account_id AS id FROM auth.line_of($1) ORDER BY account_id', [id])
  ).rows.map((row) => row.id);

const idsOf = async (...callers: Caller[]): Promise<string[]> =>
  (await Promise.all(callers.map((one) => one.accountId()))).sort();

/** What ada does alone for somebody who cannot get in. */
const help = async (id: string, what: string, body: object) => ada.post(`/v1/users/${id}/${what}`, body).expect(201);
const checked = () => ({
  ...{ method: 'in-person-id-document', document: 'passport', checkedBy: 'Frieda Desk' },
  checkedAt: portal.clock.now().toISOString(),
});

/** Uses the code that was mailed last to an address, and sets up a second factor. */
async function activate(email: string, username: string): Promise<Caller> {
  const password = `a password of ${username}`;
  const activationCode = await mailedCode(portal, email);
  await portal.http.post('/v1/auth/activate').send({ activationCode, password }).expect(204);
  return enrolAndSignIn(portal, username, password);
}

describe('two administrators of the operator', () => {
  it('are two people: one approves what the other asks for', async () => {
    expect(await approval(ada, eve)).toEqual([200, undefined]);
    expect((await victim.get('/v1/me')).status).toBe(401);
  });

  it('stay so whatever else they gave each other: only what makes an administrator counts', async () => {
    await ada.post(`/v1/users/${await eve.accountId()}/roles`, { role: 'staff', ...why }).expect(200);
    expect(await approval(ada, eve)).toEqual([200, undefined]);
  });
});

describe('an administrator whom another one made', () => {
  it('neither approves what that one asks for, nor has them approve', async () => {
    const puppet = await makeStaff(portal, ada, 'admin');
    expect(await approval(ada, puppet)).toEqual(NOT_INDEPENDENT);
    expect(await approval(puppet, ada)).toEqual(NOT_INDEPENDENT);
    // Of somebody else they may be the second: the two of them are two lines.
    expect(await approval(puppet, eve)).toEqual([200, undefined]);
  });

  it('is no second person to another one of the same hand, however many hands are between', async () => {
    const first = await makeStaff(portal, ada, 'admin');
    const second = await makeStaff(portal, ada, 'admin');
    expect(await approval(first, second)).toEqual(NOT_INDEPENDENT);
    const grandchild = await makeStaff(portal, await fresh(first), 'admin');
    expect(await approval(grandchild, ada)).toEqual(NOT_INDEPENDENT);
    expect(await approval(ada, grandchild)).toEqual(NOT_INDEPENDENT);
    expect(await approval(second, grandchild)).toEqual(NOT_INDEPENDENT);
    expect(await approval(eve, grandchild)).toEqual([200, undefined]);
  });

  it('goes back to them also when the one between lost the role, or was disabled', async () => {
    const between = await makeStaff(portal, ada, 'admin');
    const puppet = await makeStaff(portal, await fresh(between), 'admin');
    const id = await between.accountId();
    await ada.post(`/v1/users/${id}/roles/admin/revoke`, why).expect(200);
    expect(await approval(ada, puppet)).toEqual(NOT_INDEPENDENT);
    await ada.post(`/v1/users/${id}/disable`, why).expect(200);
    expect(await approval(ada, puppet)).toEqual(NOT_INDEPENDENT);
  });

  it('goes back to who invited them and to who appointed them, where those are two', async () => {
    const clerk = await makeStaff(portal, ada, 'staff');
    await promote(eve, clerk);
    expect(await approval(ada, clerk)).toEqual(NOT_INDEPENDENT);
    expect(await approval(eve, clerk)).toEqual(NOT_INDEPENDENT);
    const third = await makeAdmin(portal);
    expect(await approval(third, clerk)).toEqual([200, undefined]);
  });

  it('goes back to who opened the account, though somebody else sent the code that was used', async () => {
    const username = freshName('admin');
    const email = `${username}@evil.test`;
    const account = { username, email, displayName: 'Puppet', roles: ['staff'] };
    const { id } = (await ada.post('/v1/users', account).expect(201)).body as { id: string };
    await eve.post(`/v1/users/${id}/invitations`).expect(204);
    const puppet = await activate(email, username);
    await promote(await makeAdmin(portal), puppet);
    expect(await approval(ada, puppet)).toEqual(NOT_INDEPENDENT);
  });

  it('goes back to who appointed them where they were a patient first, whose chart they had invited', async () => {
    const patient = await makePatient(portal, ada);
    await promote(eve, patient);
    const { username, password } = patient.credentials;
    const puppet = await enrolAndSignIn(portal, username, password);
    expect(await approval(ada, puppet)).toEqual(NOT_INDEPENDENT);
  });

  it.each<[string, (id: string) => Promise<unknown>]>([
    ['by an identity check of their own', (id) => help(id, 'mfa/reset', { ...why, identityCheck: checked() })],
    ['by another address', (id) => help(id, 'email', { ...why, email: `${freshName('mallory')}@evil.test` })],
  ])('goes back to who had let them in alone, %s, while they were a patient', async (_, letsIn) => {
    const [patient, unknowing] = [await makePatient(portal, eve), await makeAdmin(portal)];
    const id = await patient.accountId();
    await letsIn(id);
    await unknowing.post(`/v1/users/${id}/roles`, { role: 'admin', ...why }).expect(200);
    expect(await lineOf(id)).toEqual([id, ...(await idsOf(ada, eve, unknowing))].sort());
  });

  it('goes back to nobody for help that lets nobody in', async () => {
    const [patient, colleague] = [await makePatient(portal, eve), await makeStaff(portal, eve, 'staff')];
    await help(await patient.accountId(), 'unlock', why);
    await help(await patient.accountId(), 'password/reset', why);
    await help(await colleague.accountId(), 'email', { ...why, email: `${freshName('married')}@hospital.test` });
    for (const one of [patient, colleague]) expect(await lineOf(await one.accountId())).toEqual(await idsOf(one, eve));
  });
});

describe('an administrator of the operator whose code another one caught', () => {
  it('goes back to them: they gave the account an address of their own before it was activated', async () => {
    const username = freshName('admin');
    const { accountId } = await createAdmin(portal.app, {
      username,
      displayName: 'Not yet here',
      email: `${username}@hospital.test`,
    });
    const email = `${username}@evil.test`;
    await ada.post(`/v1/users/${accountId}/email`, { email, ...why }).expect(201);
    const caught = await activate(email, username);
    expect(await approval(ada, caught)).toEqual(NOT_INDEPENDENT);
    expect(await approval(eve, caught)).toEqual([200, undefined]);
  });
});

describe('administrators whom the directory brought in', () => {
  it('go back to whoever made the directory, and to whoever gave it a key or a secret', async () => {
    const directory = await makeDirectory(portal, ada);
    const provisioned = async (): Promise<Caller> => {
      const userName = freshName('admin');
      const email = `${userName}@evil.test`;
      const user = { schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'], userName, emails: [{ value: email }] };
      const { body } = await directory.post('/scim/v2/Users', { ...user, displayName: userName }).expect(201);
      const group = { schemas: ['urn:ietf:params:scim:schemas:core:2.0:Group'], displayName: 'Admins' };
      const members = [{ value: (body as { id: string }).id }];
      const found = await directory.get('/scim/v2/Groups').query({ filter: 'displayName eq "Admins"' }).expect(200);
      const [there] = (found.body as { Resources: { id: string }[] }).Resources;
      const patch = {
        schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
        Operations: [{ op: 'add', path: 'members', value: members }],
      };
      if (there) await directory.patch(`/scim/v2/Groups/${there.id}`, patch).expect(204);
      else await directory.post('/scim/v2/Groups', { ...group, members }).expect(201);
      return activate(email, userName);
    };
    const [one, two] = [await provisioned(), await provisioned()];
    expect(await approval(ada, one)).toEqual(NOT_INDEPENDENT);
    expect(await approval(one, two)).toEqual(NOT_INDEPENDENT);
    expect(await approval(eve, one)).toEqual([200, undefined]);
    // From now on she could have brought them in herself; so could another one, by a key.
    await (await fresh(eve)).post(`/v1/users/${directory.id}/scim-tokens`, { name: 'Mine' }).expect(201);
    expect(await approval(eve, two)).toEqual(NOT_INDEPENDENT);
    const third = await makeAdmin(portal);
    expect(await approval(third, two)).toEqual([200, undefined]);
    const { publicJwk: jwk } = await newMachineKey();
    await (await fresh(third)).post(`/v1/users/${directory.id}/keys`, { jwk }).expect(201);
    expect(await approval(third, one)).toEqual(NOT_INDEPENDENT);
  });
});

describe('the database', () => {
  it('lets no code forget it: neither a new row nor an old one is executed by two who go back to one', async () => {
    const puppet = await makeStaff(portal, ada, 'admin');
    const ids = { ada: await ada.accountId(), eve: await eve.accountId(), puppet: await puppet.accountId() };
    const outcome = (work: Promise<unknown>) =>
      work.then(
        () => 'stored',
        (error: { constraint?: string }) => error.constraint,
      );
    const insert = (by: string, decided: string | null) => {
      const id = uuidv7();
      const row = portal.owner.query(
        `INSERT INTO auth.account_reset (account_reset_id, account_id, kind, status, reason, is_staff, needs_proof, requested_by, requested_at,
                expires_at, decided_by, decided_at)
         VALUES ($1, $2, 'factors', $3, 'x', true, true, $4, now(), now(), $5, CASE WHEN $5::uuid IS NOT NULL THEN now() END)`,
        [id, victimId, decided ? 'executed' : 'requested', by, decided],
      );
      return { id, done: outcome(row) };
    };
    expect(await insert(ids.ada, ids.puppet).done).toBe('account_reset__independent');
    expect(await insert(ids.puppet, ids.ada).done).toBe('account_reset__independent');
    const open = insert(ids.ada, null);
    expect(await open.done).toBe('stored');
    const decide = (by: string) =>
      outcome(
        portal.owner.query(
          `UPDATE auth.account_reset SET status = 'executed', decided_by = $2, decided_at = now() WHERE account_reset_id = $1`,
          [open.id, by],
        ),
      );
    expect(await decide(ids.puppet)).toBe('account_reset__independent');
    expect(await decide(ids.eve)).toBe('stored');
  });

  /** An account that nobody was invited to. */
  async function account(): Promise<string> {
    const id = uuidv7();
    await portal.owner.query(
      `INSERT INTO users.account (account_id, display_name, email, status, activated_at, created_at, updated_at)
       VALUES ($1, 'Sam', 'sam@hospital.test', 'active', now(), now(), now())`,
      [id],
    );
    return id;
  }

  it('counts whom the directory provisioned to it, though no code was sent and it gave no role', async () => {
    const [directory, id] = [await makeDirectory(portal, ada), await account()];
    await portal.owner.query(
      'INSERT INTO users.directory_account (account_id, directory_id, is_active, created_at) VALUES ($1, $2, true, now())',
      [id, directory.id],
    );
    expect(await lineOf(id)).toEqual([id, ...(await idsOf(directory, ada))].sort());
  });

  it('counts an administrator whom an identity provider brought in as a line of their own', async () => {
    const id = await account();
    await portal.owner.query(
      `INSERT INTO users.account_role (account_role_id, account_id, role, reason, granted_at, granted_via, granted_from)
       VALUES ($1, $2, 'admin', 'x', now(), 'sso', 'hospital')`,
      [uuidv7(), id],
    );
    expect(await lineOf(id)).toEqual([id]);
  });
});
