import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { known, NOBODY } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import { freshName, makeAdmin } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';
import { openDirectory, PATCH_OP, refusal, USER, type Directory, type ScimUser } from '../harness/scim.js';

const ENTERPRISE = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User';

let portal: Portal;
let directory: Directory;

beforeAll(async () => {
  portal = await startPortal();
  directory = await openDirectory(portal, await known(makeAdmin(portal)));
});

afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});

describe('a PATCH', () => {
  const patched = async (over: object, ...operations: object[]): Promise<ScimUser> => {
    const user = await directory.user(over);
    const answer = await directory.patch(`/Users/${user.id}`, ...operations);
    expect([answer.status, answer.text]).toEqual([200, answer.text]);
    expect(answer.body).toEqual(await directory.read(user.id));
    return answer.body as ScimUser;
  };

  it.each<[string, object, object]>([
    ['a path', { op: 'replace', path: 'displayName', value: 'New' }, { displayName: 'New' }],
    ['no path', { op: 'replace', value: { displayName: 'New' } }, { displayName: 'New' }],
    ['a path of any case', { op: 'replace', path: 'DISPLAYNAME', value: 'New' }, { displayName: 'New' }],
    ['the schema in the path', { op: 'add', path: `${USER}:title`, value: 'New' }, { title: 'New' }],
    ['a part of the name', { op: 'replace', path: 'name.familyName', value: 'Neu' }, { displayName: 'Sana Neu' }],
    ['the name as an object', { op: 'replace', path: 'name', value: { givenName: 'N' } }, { displayName: 'N Scim' }],
    [
      'a list of addresses',
      { op: 'replace', path: 'emails', value: [{ value: 'new@h.test' }] },
      { emails: [{ value: 'new@h.test', type: 'work', primary: true }] },
    ],
    [
      'one more address that is primary',
      { op: 'add', path: 'emails', value: [{ value: 'new@h.test', primary: true }] },
      { emails: [{ value: 'new@h.test', type: 'work', primary: true }] },
    ],
    [
      'an address by its kind',
      { op: 'replace', path: 'emails[type eq "work"].value', value: 'new@h.test' },
      { emails: [{ value: 'new@h.test', type: 'work', primary: true }] },
    ],
    [
      'an address by its value, with dots in it',
      { op: 'replace', path: 'emails[value ew "hospital.test"]', value: { value: 'new@h.test', primary: true } },
      { emails: [{ value: 'new@h.test', type: 'work', primary: true }] },
    ],
    ['a value taken away', { op: 'remove', path: 'title' }, { displayName: 'Sana Scim' }],
    ['null in place of a value', { op: 'replace', path: 'title', value: null }, { displayName: 'Sana Scim' }],
  ])('of RFC 7644 section 3.5.2 with %s', async (_, operation, expected) => {
    const user = await patched({ title: 'Before' }, operation);
    expect(user).toMatchObject(expected);
    if ('op' in operation && (operation.op === 'remove' || JSON.stringify(operation).includes('null')))
      expect(user).not.toHaveProperty('title');
  });

  it('does all of its operations, or none', async () => {
    const user = await directory.user();
    const answer = await directory.patch(
      `/Users/${user.id}`,
      { op: 'replace', path: 'displayName', value: 'Half' },
      { op: 'replace', path: 'emails', value: [{ value: 'nowhere' }] },
    );
    expect(refusal(answer)).toEqual([400, 'invalidValue']);
    expect(await directory.read(user.id)).toEqual(user);
  });

  it.each<[string, unknown, string]>([
    ['an unknown operation', { op: 'upsert', path: 'title', value: 'x' }, 'invalidSyntax'],
    ['an operation that is none', 7, 'invalidSyntax'],
    ['an unknown attribute', { op: 'replace', path: 'shoeSize', value: 44 }, 'invalidPath'],
    ['an unknown part', { op: 'replace', path: 'name.nick', value: 'x' }, 'invalidPath'],
    ['an unknown schema', { op: 'replace', path: 'urn:evil:User:title', value: 'x' }, 'invalidPath'],
    ['a path that is no text', { op: 'replace', path: 7, value: 'x' }, 'invalidPath'],
    ['a path into the prototype', { op: 'add', path: '__proto__.polluted', value: 'x' }, 'invalidPath'],
    ['a key into the prototype', { op: 'add', value: { '__proto__.polluted': 'x' } }, 'invalidPath'],
    ['a path into the constructor', { op: 'add', path: 'constructor.prototype', value: 'x' }, 'invalidPath'],
    ['a condition on one value', { op: 'replace', path: 'title[value eq "x"]', value: 'x' }, 'invalidPath'],
    ['a condition on an unknown part', { op: 'replace', path: 'emails[shoe eq "x"].value', value: 'x' }, 'invalidPath'],
    ['a condition that cannot be read', { op: 'replace', path: 'emails[type eq].value', value: 'x' }, 'invalidFilter'],
    ['a condition that nothing meets', { op: 'replace', path: 'emails[type ne "work"]', value: {} }, 'noTarget'],
    ['no value', { op: 'replace', path: 'title' }, 'invalidValue'],
    ['nothing to remove', { op: 'remove' }, 'noTarget'],
    ['a value without a path that is no object', { op: 'add', value: 'x' }, 'invalidValue'],
    ['the one name taken away', { op: 'remove', path: 'userName' }, 'invalidValue'],
    ['a text where an object is', { op: 'replace', path: 'name', value: 'Bob' }, 'invalidValue'],
  ])('is refused with %s', async (_, operation, scimType) => {
    const user = await directory.user();
    const answer = await directory.patch(`/Users/${user.id}`, operation as object);
    expect(refusal(answer)).toEqual([400, scimType]);
    expect(await directory.read(user.id)).toEqual(user);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  it('is refused without its schema, without operations, or with too many', async () => {
    const { id } = await directory.user();
    const send = (body: object) => directory.send('patch', `/Users/${id}`, body);
    const one = { op: 'replace', path: 'title', value: 'x' };
    for (const body of [
      { Operations: [one] },
      { schemas: [USER], Operations: [one] },
      { schemas: [PATCH_OP] },
      { schemas: [PATCH_OP], Operations: [] },
      { schemas: [PATCH_OP], Operations: one },
      { schemas: [PATCH_OP], Operations: Array.from({ length: 10_001 }, () => one) },
      [],
    ])
      expect(refusal(await send(body))).toEqual([400, 'invalidSyntax']);
    expect((await send({ schemas: [PATCH_OP], operations: [one] })).status).toBe(200);
  });
});

describe('Entra ID', () => {
  it('goes through the life of a user as its provisioning service does', async () => {
    const userName = `${freshName('entra')}@hospital.test`;
    // Looks for the user first, and finds nobody.
    const none = await directory.get('/Users', { filter: `userName eq "${userName}"` });
    expect(none.body).toMatchObject({ totalResults: 0, Resources: [], startIndex: 1, itemsPerPage: 0 });
    const made = await directory.send('post', '/Users', {
      schemas: [USER, ENTERPRISE],
      externalId: '0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef',
      userName,
      active: true,
      addresses: [{ type: 'work', formatted: 'x', streetAddress: 'x' }],
      displayName: 'lennay',
      emails: [{ type: 'work', value: userName, primary: true }],
      meta: { resourceType: 'User' },
      name: { formatted: 'Adrienne', familyName: 'Camille', givenName: 'Lennay', honorificPrefix: 'Dr' },
      phoneNumbers: [{ type: 'mobile', value: '1' }],
      preferredLanguage: 'xx-XX',
      roles: [],
      title: 'Physician',
    });
    expect(made.status).toBe(201);
    const { id } = made.body as ScimUser;
    const path = `/Users/${id}`;
    const found = await directory.get('/Users', { filter: `userName eq "${userName}"` });
    expect([found.body.totalResults, found.body.Resources[0].id]).toEqual([1, id]);

    // An operation for each attribute, capitalised, and for such that are not kept too.
    const changed = await directory.patch(
      path,
      { op: 'Replace', path: 'emails[type eq "work"].value', value: `new.${userName}` },
      { op: 'Replace', path: 'name.familyName', value: 'Kaya' },
      { op: 'Add', path: 'title', value: 'Surgeon' },
      { op: 'Replace', path: `${ENTERPRISE}:department`, value: 'Surgery' },
      { op: 'Replace', path: 'phoneNumbers[type eq "work"].value', value: '2' },
      { op: 'Add', path: 'name.honorificPrefix', value: 'Prof' },
    );
    expect(changed.status).toBe(200);
    expect(changed.body).toMatchObject({
      title: 'Surgeon',
      name: { familyName: 'Kaya', givenName: 'Lennay' },
      displayName: 'lennay',
      emails: [{ value: `new.${userName}` }],
    });
    // Several attributes by their paths in one object.
    const many = { displayName: 'Lennay Kaya', 'name.givenName': 'L.', 'emails[type eq "work"].value': userName };
    const together = await directory.patch(path, {
      op: 'Replace',
      value: { ...many, [`${ENTERPRISE}:employeeNumber`]: '9' },
    });
    expect(together.body).toMatchObject({
      displayName: 'Lennay Kaya',
      name: { givenName: 'L.' },
      emails: [{ value: userName }],
    });
    const rename = await directory.patch(path, {
      op: 'Replace',
      path: 'userName',
      value: [{ value: `r.${userName}` }],
    });
    expect(rename.body.userName).toBe(`r.${userName}`);

    // Soft deletion and return, with booleans as texts.
    const off = await directory.patch(path, { op: 'Replace', path: 'active', value: 'False' });
    expect([off.status, off.body.active]).toEqual([200, false]);
    expect((await directory.get('/Users', { filter: `userName eq "r.${userName}"` })).body.Resources[0].active).toBe(
      false,
    );
    const on = await directory.patch(path, { op: 'Add', path: 'active', value: 'True' });
    expect([on.status, on.body.active]).toEqual([200, true]);

    expect((await directory.send('delete', path)).status).toBe(204);
    expect(refusal(await directory.get(path))).toEqual([404, undefined]);
    expect(refusal(await directory.send('delete', path))).toEqual([404, undefined]);
  });

  it('may test its connection with a user that is nobody', async () => {
    const answer = await directory.get('/Users', { filter: `userName eq "${NOBODY}"`, aadOptscim062020: '' });
    expect([answer.status, answer.body.totalResults, answer.body.Resources]).toEqual([200, 0, []]);
  });
});

describe('Okta', () => {
  it('goes through the life of a user as its integration does', async () => {
    const userName = `${freshName('okta')}@hospital.test`;
    const filter = `userName eq "${userName}"`;
    expect((await directory.get('/Users', { filter, startIndex: 1, count: 100 })).body.totalResults).toBe(0);
    const body = {
      schemas: [USER],
      userName,
      name: { givenName: 'Test', familyName: 'User' },
      emails: [{ primary: true, value: userName, type: 'work' }],
      displayName: 'Test User',
      locale: 'en-US',
      externalId: '00ujl29u0le5T6Aj10h7',
      groups: [],
      password: '1mz050nq',
      active: true,
    };
    const made = await directory.send('post', '/Users', body);
    expect([made.status, made.body.active]).toEqual([201, true]);
    const { id } = made.body as ScimUser;
    const path = `/Users/${id}`;
    expect((await directory.get(path)).body).toEqual(made.body);
    expect(refusal(await directory.send('post', '/Users', body))).toEqual([409, 'uniqueness']);
    // A change of profile is a PUT of all that was read, read-only attributes included.
    const put = await directory.send('put', path, {
      ...(made.body as object),
      name: { givenName: 'Another', familyName: 'User' },
      displayName: 'Another User',
    });
    expect([put.status, put.body.displayName, put.body.name.givenName]).toEqual([200, 'Another User', 'Another']);
    const off = await directory.patch(path, { op: 'replace', value: { active: false } });
    expect([off.status, off.body.active]).toEqual([200, false]);
    const on = await directory.send('put', path, { ...(put.body as object), active: true });
    expect([on.status, on.body.active]).toEqual([200, true]);
    const listed = await directory.get('/Users', { startIndex: 1, count: 2 });
    expect([listed.status, listed.body.itemsPerPage, listed.body.startIndex]).toEqual([200, 2, 1]);
    expect(refusal(await directory.get(`/Users/${NOBODY}`))).toEqual([404, undefined]);
    expect(refusal(await directory.get('/Users/010101001010101011001010101011'))).toEqual([404, undefined]);
  });
});
