import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { known, NOBODY, said, type Known } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import {
  enrolAndSignIn,
  mailedCode,
  makeAdmin,
  makeDirectory,
  makePatient,
  makeStaff,
  type Caller,
} from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';
import { newUser, openDirectory, refusal, type Directory, type ScimUser } from '../harness/scim.js';

let portal: Portal;
let admin: Known<Caller>;
let entra: Directory;
let okta: Directory;

beforeAll(async () => {
  portal = await startPortal({ env: { SCIM_GROUP_ROLES: 'Desk=staff' } });
  admin = await known(makeAdmin(portal));
  entra = await openDirectory(portal, admin);
  okta = await openDirectory(portal, admin);
});

afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});

const PASSWORD = 'a rather long sentence';

/** Somebody whom the directory brought in, with a role by a group, who came in and is signed in. */
async function arrived(directory: Directory): Promise<{ user: ScimUser; caller: Caller }> {
  const user = await directory.user();
  const { body } = await directory.get('/Groups', { filter: 'displayName eq "Desk"' });
  const group = (body as { Resources: { id: string }[] }).Resources[0] ?? (await directory.group('Desk'));
  await directory.patch(`/Groups/${group.id}`, { op: 'add', path: 'members', value: [{ value: user.id }] }).expect(204);
  const activationCode = await mailedCode(portal, user.emails[0]!.value);
  await portal.http.post('/v1/auth/activate').send({ activationCode, password: PASSWORD }).expect(204);
  return { user: await directory.read(user.id), caller: await enrolAndSignIn(portal, user.userName, PASSWORD) };
}

const active = (value: unknown) => ({ op: 'replace', path: 'active', value });
const statusOf = async (id: string) =>
  (await portal.owner.query<{ status: string }>('SELECT status FROM users.account WHERE account_id = $1', [id]))
    .rows[0]!.status;

describe('somebody who is deactivated', () => {
  it('is out with the next request, cannot sign in, and can again when activated', async () => {
    const { user, caller } = await arrived(entra);
    await caller.get('/v1/patients').expect(200);
    expect((await entra.patch(`/Users/${user.id}`, active(false))).body.active).toBe(false);
    expect(said(await caller.get('/v1/patients'))).toEqual([401, 'auth.session-ended']);
    const refresh = await portal.http.post('/v1/auth/refresh').send({ refreshToken: caller.tokens.refreshToken });
    expect(refresh.status).toBe(401);
    const login = { username: user.userName, password: PASSWORD };
    expect((await portal.http.post('/v1/auth/login').send(login)).status).toBe(401);
    expect((await entra.patch(`/Users/${user.id}`, active(true))).body.active).toBe(true);
    expect(await statusOf(user.id)).toBe('active');
    expect((await portal.http.post('/v1/auth/login').send(login)).status).toBe(200);
    expect((await caller.get('/v1/patients')).status).toBe(401);
  });

  it('is out at once on a PUT and on a DELETE as well', async () => {
    const put = await arrived(entra);
    await entra.send('put', `/Users/${put.user.id}`, { ...put.user, active: false }).expect(200);
    expect((await put.caller.get('/v1/me')).status).toBe(401);
    const removed = await arrived(entra);
    await entra.send('delete', `/Users/${removed.user.id}`).expect(204);
    expect((await removed.caller.get('/v1/me')).status).toBe(401);
  });

  it('before ever coming in is invited again when activated', async () => {
    const user = await entra.user({ active: false });
    await portal.delivered();
    const address = user.emails[0]!.value;
    expect(portal.mails.filter((mail) => mail.to === address)).toEqual([]);
    await entra.patch(`/Users/${user.id}`, active(true)).expect(200);
    expect(await statusOf(user.id)).toBe('invited');
    const first = await mailedCode(portal, address);
    // Another address before that: the code goes there, and the one before is void.
    const moved = `moved.${address}`;
    await entra.patch(`/Users/${user.id}`, { op: 'replace', path: 'emails', value: [{ value: moved }] }).expect(200);
    const activate = (activationCode: string) =>
      portal.http.post('/v1/auth/activate').send({ activationCode, password: PASSWORD });
    expect((await activate(first)).status).toBe(401);
    expect((await activate(await mailedCode(portal, moved))).status).toBe(204);
  });

  it('gets no mail where administrators hand out the codes', async () => {
    const quiet = await startPortal({ env: { SCIM_INVITATIONS: 'false' } });
    const directory = await openDirectory(quiet, await known(makeAdmin(quiet)));
    const user = await directory.user({ active: false });
    await directory.patch(`/Users/${user.id}`, active(true)).expect(200);
    await quiet.delivered();
    expect(quiet.mails.filter((mail) => mail.to === user.emails[0]!.value)).toEqual([]);
    await quiet.close();
  });

  it('stays so, whatever the directory says, when an administrator of the portal did it; and the other way round', async () => {
    const { user } = await arrived(entra);
    const path = `/Users/${user.id}`;
    const disable = () => admin.post(`/v1/users/${user.id}/disable`, { reason: 'Misuse.' });
    const enable = () => admin.post(`/v1/users/${user.id}/enable`);
    await disable().expect(200);
    expect((await entra.read(user.id)).active).toBe(false);
    expect((await entra.patch(path, active(true))).body.active).toBe(false);
    expect(await statusOf(user.id)).toBe('disabled');
    // Both have deactivated: it takes both to undo it.
    await entra.patch(path, active(false)).expect(200);
    expect(said(await enable())).toEqual([409, 'users.held-by-directory']);
    expect((await entra.patch(path, active(true))).body.active).toBe(false);
    await enable().expect(200);
    expect((await entra.read(user.id)).active).toBe(true);
    await entra.patch(path, active(false)).expect(200);
    expect(said(await enable())).toEqual([409, 'users.held-by-directory']);
  });

  it('is kept out by an administrator too, who wants it so whatever the directory says next', async () => {
    const { user } = await arrived(entra);
    const path = `/Users/${user.id}`;
    const disable = (reason: string) => admin.post(`/v1/users/${user.id}/disable`, { reason });
    await entra.patch(path, active(false)).expect(200);
    const pinned = await disable('Under investigation.').expect(200);
    expect(pinned.body).toMatchObject({ status: 'disabled', disabledReason: 'Under investigation.' });
    expect(said(await disable('Again.'))).toEqual([409, 'users.already-disabled']);
    expect((await entra.patch(path, active(true))).body.active).toBe(false);
    expect(await statusOf(user.id)).toBe('disabled');
    await admin.post(`/v1/users/${user.id}/enable`).expect(200);
    expect(await statusOf(user.id)).toBe('active');
  });

  it('stays out whatever words an administrator chose as the reason, those of the directory too', async () => {
    for (const reason of ['Deactivated by the directory.', 'Removed by the directory.']) {
      const { user } = await arrived(entra);
      const path = `/Users/${user.id}`;
      const disable = () => admin.post(`/v1/users/${user.id}/disable`, { reason });
      await disable().expect(200);
      // What says who did it is no text that anybody types.
      expect((await entra.patch(path, active(true))).body.active).toBe(false);
      await entra.patch(path, active(false)).expect(200);
      expect((await entra.patch(path, active(true))).body.active).toBe(false);
      expect(await statusOf(user.id)).toBe('disabled');
      expect(said(await disable())).toEqual([409, 'users.already-disabled']);
      await admin.post(`/v1/users/${user.id}/enable`).expect(200);
      // And the directory undoes what it did itself.
      await entra.patch(path, active(false)).expect(200);
      expect((await entra.patch(path, active(true))).body.active).toBe(true);
    }
  });

  it('is never the last administrator', async () => {
    const { user } = await arrived(entra);
    const reason = 'Test.';
    await admin.post(`/v1/users/${user.id}/roles`, { role: 'admin', reason }).expect(200);
    await portal.owner.query(
      `UPDATE users.account SET status = 'disabled', disabled_reason = 'test' WHERE account_id = $1`,
      [admin.id],
    );
    expect(refusal(await entra.patch(`/Users/${user.id}`, active(false)))).toEqual([409, undefined]);
    expect(refusal(await entra.send('delete', `/Users/${user.id}`))).toEqual([409, undefined]);
    await portal.owner.query(
      `UPDATE users.account SET status = 'active', disabled_reason = NULL WHERE account_id = $1`,
      [admin.id],
    );
    await entra.patch(`/Users/${user.id}`, active(false)).expect(200);
  });
});

describe('somebody who is removed', () => {
  it('is gone for SCIM; the account stays with its history, and the name is free for another person', async () => {
    const { user } = await arrived(entra);
    await entra.send('delete', `/Users/${user.id}`).expect(204);
    for (const answer of [
      await entra.get(`/Users/${user.id}`),
      await entra.patch(`/Users/${user.id}`, active(true)),
      await entra.send('put', `/Users/${user.id}`, newUser()),
      await entra.send('delete', `/Users/${user.id}`),
    ])
      expect(refusal(answer)).toEqual([404, undefined]);
    expect(await entra.found(`userName eq "${user.userName}"`)).toEqual([]);
    const { body: account } = await admin.get(`/v1/users/${user.id}`).expect(200);
    expect(account).toMatchObject({ status: 'disabled', disabledReason: 'Removed by the directory.', roles: [] });
    const { rows } = await portal.owner.query(
      `SELECT role, granted_via, revoked_via, revoked_by, revoke_reason FROM users.account_role WHERE account_id = $1`,
      [user.id],
    );
    expect(rows).toEqual([
      {
        role: 'staff',
        granted_via: 'directory',
        revoked_via: 'directory',
        revoked_by: entra.id,
        revoke_reason: 'Removed by the directory.',
      },
    ]);
    expect(said(await admin.post(`/v1/users/${user.id}/enable`))).toEqual([409, 'users.held-by-directory']);

    const again = await entra.user({ userName: user.userName });
    expect(again.id).not.toBe(user.id);
    expect(again.roles).toEqual([]);
    // The password of before is nobody's.
    const login = { username: user.userName, password: PASSWORD };
    expect((await portal.http.post('/v1/auth/login').send(login)).status).toBe(401);
  });
});

describe('whoever has another address by the directory', () => {
  it('is told of it at both, and what administrators were to approve is void', async () => {
    const { user } = await arrived(entra);
    const [before, after] = [user.emails[0]!.value, `after.${user.emails[0]!.value}`];
    const { body } = await admin.post(`/v1/users/${user.id}/mfa/reset`, { reason: 'Lost the phone.' }).expect(201);
    await entra
      .patch(`/Users/${user.id}`, { op: 'replace', path: 'emails[type eq "work"].value', value: after })
      .expect(200);
    await portal.delivered();
    for (const to of [before, after])
      expect([to, portal.mails.findLast((mail) => mail.to === to)?.text]).toEqual([
        to,
        expect.stringContaining("From: the hospital's directory"),
      ]);
    // What was asked for under the address of before waits for nobody any more.
    const resets = await admin.get('/v1/account-resets').query({ accountId: user.id }).expect(200);
    const { id } = body as { id: string };
    expect((resets.body as { items: object[] }).items).toEqual([expect.objectContaining({ id, status: 'expired' })]);
  });
});

describe('a directory', () => {
  it('sees and changes nobody whom it did not bring in itself', async () => {
    const staff = await known(makeStaff(portal, admin, 'staff'));
    const patient = await known(makePatient(portal, admin));
    const foreign = await okta.user();
    const strangers = [staff.id, patient.id, admin.id, foreign.id, entra.id, okta.id, NOBODY];
    const bodies = new Set<string>();
    for (const id of strangers) {
      const path = `/Users/${id}`;
      for (const answer of [
        await entra.get(path),
        await entra.send('put', path, newUser()),
        await entra.patch(path, active(false)),
        await entra.send('delete', path),
      ]) {
        expect([id, ...refusal(answer)]).toEqual([id, 404, undefined]);
        bodies.add(answer.text);
      }
      expect(await entra.found(`id eq "${id}"`)).toEqual([]);
    }
    expect(bodies.size).toBe(1);
    const names = await entra.found('userName pr');
    for (const who of [staff, patient, admin]) expect(names).not.toContain(who.credentials.username);
    expect(names).not.toContain(foreign.userName);
    expect(await okta.found('userName pr')).toEqual([foreign.userName]);
    expect(await statusOf(staff.id)).toBe('active');

    const group = await okta.group('Desk');
    for (const answer of [
      await entra.get(`/Groups/${group.id}`),
      await entra.send('put', `/Groups/${group.id}`, { displayName: 'Mine' }),
      await entra.patch(`/Groups/${group.id}`, { op: 'replace', path: 'displayName', value: 'Mine' }),
      await entra.send('delete', `/Groups/${group.id}`),
    ])
      expect(refusal(answer)).toEqual([404, undefined]);
    // Nor does anybody become a member of its groups who is not its own.
    const own = await entra.group('Strangers');
    for (const id of strangers) {
      const answer = await entra.patch(`/Groups/${own.id}`, { op: 'add', path: 'members', value: [{ value: id }] });
      expect([id, ...refusal(answer)]).toEqual([id, 400, 'invalidValue']);
    }
  });

  it('takes over no account that is there', async () => {
    const staff = await known(makeStaff(portal, admin, 'staff'));
    const answer = await entra.send('post', '/Users', newUser({ userName: staff.credentials.username, active: false }));
    expect(refusal(answer)).toEqual([409, 'uniqueness']);
    expect(await statusOf(staff.id)).toBe('active');
  });

  it('can do nothing outside SCIM, with an access token or a bearer secret', async () => {
    const machine = await makeDirectory(portal, admin);
    const routes: ['get' | 'post' | 'patch' | 'delete', string][] = [
      ['get', '/v1/me'],
      ['get', '/v1/users'],
      ['post', '/v1/users'],
      ['get', `/v1/users/${machine.id}`],
      ['post', `/v1/users/${machine.id}/scim-tokens`],
      ['get', `/v1/users/${machine.id}/scim-tokens`],
      ['post', `/v1/users/${admin.id}/disable`],
      ['get', '/v1/patients'],
      ['get', '/v1/practitioners'],
      ['get', '/v1/audit/events'],
      ['get', '/v1/auth/sessions'],
      ['post', '/v1/auth/password/change'],
    ];
    for (const [method, path] of routes) {
      const body = method === 'get' ? undefined : {};
      const send = (token: string) => {
        const request = portal.http[method](path).set('Authorization', `Bearer ${token}`);
        return body ? request.send(body) : request;
      };
      expect([path, (await send(machine.tokens.accessToken)).status]).toEqual([path, 403]);
      expect([path, ...said(await send(entra.token))]).toEqual([path, 401, 'auth.token-invalid']);
    }
    expect((await machine.get('/scim/v2/Users')).status).toBe(200);
  });

  it('is the only one who speaks SCIM', async () => {
    for (const caller of [
      admin,
      await makeStaff(portal, admin, 'compliance_officer'),
      await makePatient(portal, admin),
    ]) {
      for (const path of [
        '/scim/v2/Users',
        '/scim/v2/Groups',
        '/scim/v2/ServiceProviderConfig',
        `/scim/v2/Users/${NOBODY}`,
      ])
        expect(refusal(await caller.get(path))).toEqual([403, undefined]);
      expect(refusal(await caller.post('/scim/v2/Users', newUser()))).toEqual([403, undefined]);
    }
  });

  it('gives nobody a role past the rules, not even in the database itself', async () => {
    const { id } = await entra.user();
    const grant = (accountId: string, role: string) =>
      portal.owner.query(
        `INSERT INTO users.account_role (account_role_id, account_id, role, reason, granted_at, granted_by, granted_via)
         VALUES (gen_random_uuid(), $1, $2, 'test', now(), $3, 'directory')`,
        [accountId, role, entra.id],
      );
    const denied = { code: '42501' };
    await expect(grant(admin.id, 'staff')).rejects.toMatchObject(denied);
    for (const role of ['patient', 'proxy', 'integration', 'directory'])
      await expect(grant(id, role)).rejects.toMatchObject(denied);
  });
});
