import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { cloneDatabase } from '../harness/database.js';
import { known, said, type Known } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import { enrolAndSignIn, freshName, mailedCode, makeAdmin, type Caller } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';
import { type Directory, openDirectory, PATCH_OP, refusal, type ScimGroup, type ScimUser } from '../harness/scim.js';

const GROUP_ROLES = [
  'Portal Clinicians=clinician',
  'Portal Desk=staff',
  'Front Desk=staff',
  'Portal Leads=staff',
  'Portal Leads=records_officer',
  'Portal Compliance=compliance_officer',
  'Portal Admins=admin',
].join(',');
const PASSWORD = 'a rather long sentence';

let database: Awaited<ReturnType<typeof cloneDatabase>>;
let portal: Portal;
let admin: Known<Caller>;
let directory: Directory;

beforeAll(async () => {
  database = await cloneDatabase();
  portal = await startPortal({ database, env: { SCIM_GROUP_ROLES: GROUP_ROLES } });
  admin = await known(makeAdmin(portal));
  directory = await openDirectory(portal, admin);
});

afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});

const rolesOf = async (id: string) => (await directory.read(id)).roles.map(({ value }) => value);
const read = async (id: string) => (await directory.get(`/Groups/${id}`).expect(200)).body as ScimGroup;
const membersOf = async (id: string) => (await read(id)).members.map(({ value }) => value).sort();
const add = (...ids: string[]) => ({ op: 'add', path: 'members', value: ids.map((value) => ({ value })) });
const remove = (id: string) => ({ op: 'remove', path: `members[value eq "${id}"]` });

/** A group of the directory whose name gives roles: the one that is there, without members. */
async function emptied(name: string): Promise<ScimGroup> {
  const { body } = await directory.get('/Groups', { filter: `displayName eq "${name}"` }).expect(200);
  const [found] = (body as { Resources: ScimGroup[] }).Resources;
  if (!found) return directory.group(name);
  await directory.patch(`/Groups/${found.id}`, { op: 'remove', path: 'members' }).expect(204);
  return read(found.id);
}

const history = async (accountId: string) =>
  (
    await portal.owner.query(
      `SELECT kind, role, roles_before, roles_after, reason, changed_by, via, via_name FROM users.role_change
        WHERE account_id = $1 ORDER BY seq`,
      [accountId],
    )
  ).rows as Record<string, unknown>[];

describe('a group that gives a role', () => {
  it('gives it to whoever comes and takes it from whoever goes, with the reason in the history', async () => {
    const user = await directory.user({ title: 'Cardiology' });
    const group = await emptied('Portal Clinicians');
    await directory.patch(`/Groups/${group.id}`, add(user.id)).expect(204);
    expect(await rolesOf(user.id)).toEqual(['clinician']);
    const { body: account } = await admin.get(`/v1/users/${user.id}`).expect(200);
    const { body: practitioner } = await admin.get(`/v1/practitioners/${account.practitionerId as string}`).expect(200);
    expect(practitioner).toMatchObject({ family: 'Scim', given: ['Sana'], specialty: 'Cardiology' });
    await directory.patch(`/Groups/${group.id}`, remove(user.id)).expect(204);
    expect(await rolesOf(user.id)).toEqual([]);
    const told = { role: 'clinician', changed_by: directory.id, via: 'directory', via_name: 'Portal Clinicians' };
    const reason = 'Directory group Portal Clinicians';
    expect(await history(user.id)).toEqual([
      { ...told, kind: 'granted', roles_before: [], roles_after: ['clinician'], reason },
      { ...told, kind: 'revoked', roles_before: ['clinician'], roles_after: [], reason },
    ]);
    // The entry stays, and is not made twice.
    await directory.patch(`/Groups/${group.id}`, add(user.id)).expect(204);
    expect((await admin.get(`/v1/users/${user.id}`)).body.practitionerId).toBe(account.practitionerId);
  });

  it('ends the sessions of whom it changes, at once, and of nobody else', async () => {
    const [user, other] = [await directory.user(), await directory.user()];
    const desk = await emptied('Portal Desk');
    await directory.patch(`/Groups/${desk.id}`, add(user.id, other.id)).expect(204);
    const signedIn = async (who: ScimUser) => {
      const activationCode = await mailedCode(portal, who.emails[0]!.value);
      await portal.http.post('/v1/auth/activate').send({ activationCode, password: PASSWORD }).expect(204);
      return enrolAndSignIn(portal, who.userName, PASSWORD);
    };
    const [caller, bystander] = [await signedIn(user), await signedIn(other)];
    await caller.get('/v1/patients').expect(200);
    await directory.patch(`/Groups/${desk.id}`, remove(user.id)).expect(204);
    expect(said(await caller.get('/v1/patients'))).toEqual([401, 'auth.session-ended']);
    await bystander.get('/v1/patients').expect(200);
    await directory.send('delete', `/Groups/${desk.id}`).expect(204);
    expect((await bystander.get('/v1/patients')).status).toBe(401);
    expect(await rolesOf(other.id)).toEqual([]);
  });

  it('is one of several that give the same: the role goes with the last', async () => {
    const user = await directory.user();
    const [desk, front] = [await emptied('Portal Desk'), await emptied('Front Desk')];
    for (const { id } of [desk, front]) await directory.patch(`/Groups/${id}`, add(user.id)).expect(204);
    expect(await rolesOf(user.id)).toEqual(['staff']);
    await directory.patch(`/Groups/${desk.id}`, remove(user.id)).expect(204);
    expect(await rolesOf(user.id)).toEqual(['staff']);
    await directory.send('put', `/Groups/${front.id}`, { displayName: 'Front Desk' }).expect(200);
    expect(await rolesOf(user.id)).toEqual([]);
  });

  it('takes nothing that an administrator has given, and gives nothing back that one took', async () => {
    const user = await directory.user();
    const desk = await emptied('Portal Desk');
    const reason = 'On the desk for years.';
    await admin.post(`/v1/users/${user.id}/roles`, { role: 'staff', reason }).expect(200);
    await directory.patch(`/Groups/${desk.id}`, add(user.id)).expect(204);
    await directory.patch(`/Groups/${desk.id}`, remove(user.id)).expect(204);
    expect(await rolesOf(user.id)).toEqual(['staff']);
    await admin.post(`/v1/users/${user.id}/roles/staff/revoke`, { reason }).expect(200);
    await directory.patch(`/Groups/${desk.id}`, add(user.id)).expect(204);
    expect(await rolesOf(user.id)).toEqual(['staff']);
    await admin.post(`/v1/users/${user.id}/roles/staff/revoke`, { reason }).expect(200);
    await directory.patch(`/Groups/${desk.id}`, add(user.id)).expect(204);
    expect(await rolesOf(user.id)).toEqual([]);
  });

  it('changes what it gives with its name', async () => {
    const user = await directory.user();
    await directory.send('delete', `/Groups/${(await emptied('Portal Leads')).id}`).expect(204);
    const group = await directory.group(freshName('Nothing yet'), [user.id]);
    const rename = (displayName: string) =>
      directory.patch(`/Groups/${group.id}`, { op: 'replace', path: 'displayName', value: displayName });
    expect(await rolesOf(user.id)).toEqual([]);
    await rename('portal LEADS').expect(204);
    expect(await rolesOf(user.id)).toEqual(['records_officer', 'staff']);
    await rename(freshName('Nothing more')).expect(204);
    expect(await rolesOf(user.id)).toEqual([]);
  });

  it('is refused, whole, where a person would hold duties that exclude each other', async () => {
    const [user, other] = [await directory.user(), await directory.user()];
    const [leads, compliance] = [await emptied('Portal Leads'), await emptied('Portal Compliance')];
    await directory.patch(`/Groups/${leads.id}`, add(user.id)).expect(204);
    const answer = await directory.patch(`/Groups/${compliance.id}`, add(other.id, user.id));
    expect(refusal(answer)).toEqual([422, undefined]);
    expect(await membersOf(compliance.id)).toEqual([]);
    expect([await rolesOf(user.id), await rolesOf(other.id)]).toEqual([['records_officer', 'staff'], []]);
    await directory.patch(`/Groups/${leads.id}`, remove(user.id)).expect(204);
    await directory.patch(`/Groups/${compliance.id}`, add(user.id)).expect(204);
    expect(await rolesOf(user.id)).toEqual(['compliance_officer']);
  });

  it('leaves an administrator, and makes one only where the mapping says so', async () => {
    const user = await directory.user();
    const decoys = ['admin', 'Admins', 'Portal Admins ', 'Portal Admins,', 'Portal Admins=admin', 'Portal Admins2'];
    const admins = await emptied('Portal Admins');
    for (const name of decoys) {
      if (name.trim() === 'Portal Admins') continue;
      const decoy = await directory.group(name, [user.id]);
      expect([name, await rolesOf(user.id)]).toEqual([name, []]);
      await directory.send('delete', `/Groups/${decoy.id}`).expect(204);
    }
    await directory.patch(`/Groups/${admins.id}`, add(user.id)).expect(204);
    expect(await rolesOf(user.id)).toEqual(['admin']);
    const activationCode = await mailedCode(portal, user.emails[0]!.value);
    await portal.http.post('/v1/auth/activate').send({ activationCode, password: PASSWORD }).expect(204);
    const set = (status: string) =>
      portal.owner.query(
        `UPDATE users.account SET status = $2, disabled_reason = CASE $2 WHEN 'disabled' THEN 'test' END WHERE account_id = $1`,
        [admin.id, status],
      );
    await set('disabled');
    expect(refusal(await directory.patch(`/Groups/${admins.id}`, remove(user.id)))).toEqual([409, undefined]);
    expect(refusal(await directory.send('delete', `/Groups/${admins.id}`))).toEqual([409, undefined]);
    expect(await rolesOf(user.id)).toEqual(['admin']);
    await set('active');
    await directory.patch(`/Groups/${admins.id}`, remove(user.id)).expect(204);
    expect(await rolesOf(user.id)).toEqual([]);
  });

  it('gives another portal’s mapping at its start: what it no longer gives is taken, what is new is given', async () => {
    const [user, kept] = [await directory.user(), await directory.user()];
    const [desk, leads] = [await emptied('Portal Desk'), await emptied('Portal Leads')];
    const plain = await directory.group(freshName('Plain'), [kept.id]);
    await directory.patch(`/Groups/${desk.id}`, add(user.id)).expect(204);
    await directory.patch(`/Groups/${leads.id}`, add(kept.id)).expect(204);
    // An administrator has taken one of the roles: a start does not give it back.
    await admin.post(`/v1/users/${kept.id}/roles/staff/revoke`, { reason: 'Not her.' }).expect(200);
    const mapping = `Portal Leads=records_officer,Portal Leads=staff,${plain.displayName}=clinician`;
    const next = await startPortal({ database, env: { SCIM_GROUP_ROLES: mapping } });
    expect(await rolesOf(user.id)).toEqual([]);
    expect(await rolesOf(kept.id)).toEqual(['clinician', 'records_officer']);
    expect((await history(user.id)).at(-1)).toMatchObject({
      kind: 'revoked',
      via: 'directory',
      via_name: 'Portal Desk',
    });
    const { rows } = await portal.owner.query(
      `SELECT actor FROM audit.inbox WHERE action = 'ScimGroup.update' AND event::jsonb ->> 'err' = 'scim.group-roles-configured'
        UNION ALL SELECT leaf::jsonb -> 'e' -> 'actor' ->> 'id' FROM audit.entry
         WHERE leaf::jsonb -> 'e' ->> 'err' = 'scim.group-roles-configured'`,
    );
    expect(rows).toContainEqual({ actor: directory.id });
    await next.close();
    const again = await startPortal({ database, env: { SCIM_GROUP_ROLES: GROUP_ROLES } });
    expect(await rolesOf(user.id)).toEqual(['staff']);
    expect(await rolesOf(kept.id)).toEqual(['records_officer']);
    await again.close();
  });

  it('is configured with roles of staff alone', async () => {
    for (const mapping of ['X=patient', 'X=integration', 'X=directory', 'X=proxy', 'X=root', 'X', '=staff', 'X='])
      await expect(startPortal({ env: { SCIM_GROUP_ROLES: mapping } })).rejects.toThrow(/SCIM_GROUP_ROLES/);
  });
});

describe('a group of 5,000', () => {
  const SIZE = 5_000;
  let ids: string[];

  beforeAll(async () => {
    const { rows } = await portal.owner.query<{ id: string }>(
      `WITH made AS (
         INSERT INTO users.account (account_id, username, username_key, display_name, email, status, activated_at, created_at, updated_at)
         SELECT gen_random_uuid(), 'crowd-' || n, 'crowd-' || n, 'Crowd ' || n, 'crowd-' || n || '@h.test', 'active', now(), now(), now()
           FROM generate_series(1, $2) n RETURNING account_id),
       kept AS (INSERT INTO users.directory_account (account_id, directory_id, family_name, is_active, created_at)
         SELECT account_id, $1, 'Crowd', true, now() FROM made)
       SELECT account_id AS id FROM made`,
      [directory.id, SIZE],
    );
    ids = rows.map(({ id }) => id);
  });

  const count = async (role: string) =>
    Number(
      (
        await portal.owner.query<{ count: string }>(
          'SELECT count(*) FROM users.duty WHERE account_id = ANY($1) AND role = $2',
          [ids, role],
        )
      ).rows[0]!.count,
    );

  it('comes and goes in one PATCH, and costs one more member what it costs in a small one', async () => {
    const group = await emptied('Portal Clinicians');
    const path = `/Groups/${group.id}`;
    const value = ids.map((id) => ({ value: id, display: `Somebody with a name, ${id}`, type: 'User' }));
    await directory.patch(path, { op: 'add', path: 'members', value }).expect(204);
    expect(await count('clinician')).toBe(SIZE);
    const { body } = await directory.get(path).expect(200);
    expect((body as ScimGroup).members).toHaveLength(SIZE);

    // Statements of one request do not grow with the group.
    const one = await directory.user();
    const small = await directory.group(freshName('Small'));
    const timed = async (id: string): Promise<number> => {
      const started = performance.now();
      for (let n = 0; n < 5; n++) {
        await directory.patch(`/Groups/${id}`, add(one.id)).expect(204);
        await directory.patch(`/Groups/${id}`, remove(one.id)).expect(204);
      }
      return performance.now() - started;
    };
    await timed(small.id);
    const [inSmall, inLarge] = [await timed(small.id), await timed(group.id)];
    expect(inLarge).toBeLessThan(10 * inSmall + 500);

    // One operation a member, as Entra ID sends them.
    const operations = ids.slice(0, 2_500).map((id) => remove(id));
    await directory.send('patch', path, { schemas: [PATCH_OP], Operations: operations }).expect(204);
    expect(await count('clinician')).toBe(SIZE - 2_500);
    await directory.send('put', path, { displayName: 'Portal Clinicians', members: value.slice(0, 10) }).expect(200);
    expect(await count('clinician')).toBe(10);
    await directory.patch(path, { op: 'remove', path: 'members' }).expect(204);
    expect(await count('clinician')).toBe(0);
  }, 120_000);
});
