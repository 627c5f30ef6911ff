import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { known, NOBODY, type Known } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import { freshName, mailedCode, makeAdmin, type Caller } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';
import {
  newUser,
  openDirectory,
  PATCH_OP,
  refusal,
  TYPE,
  USER,
  type Directory,
  type ScimUser,
} from '../harness/scim.js';

const ENTERPRISE = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User';

let portal: Portal;
let admin: Known<Caller>;
let directory: Directory;

beforeAll(async () => {
  portal = await startPortal();
  admin = await known(makeAdmin(portal));
  directory = await openDirectory(portal, admin);
});

afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});

const accountRow = async (id: string): Promise<Record<string, unknown>> =>
  (
    await portal.owner.query<Record<string, unknown>>(
      'SELECT username, display_name, email, status, disabled_reason, version FROM users.account WHERE account_id = $1',
      [id],
    )
  ).rows[0]!;

describe('a user', () => {
  it('is brought in, read, and told where it is, as RFC 7644 section 3.3 has it', async () => {
    const name = freshName('bjensen');
    const answer = await directory.send('post', '/Users', {
      schemas: [USER],
      userName: name,
      externalId: 'bjensen-1',
      name: { formatted: 'Ms. Barbara J Jensen III', familyName: 'Jensen', givenName: 'Barbara' },
      emails: [{ value: `${name}@hospital.test` }],
    });
    const user = answer.body as ScimUser;
    expect(answer.status).toBe(201);
    expect(answer.headers['content-type']).toBe(`${TYPE}; charset=utf-8`);
    expect(answer.headers.location).toBe(`/scim/v2/Users/${user.id}`);
    expect(answer.headers.etag).toBe('"1"');
    expect(user).toEqual({
      schemas: [USER],
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      externalId: 'bjensen-1',
      userName: name,
      name: { formatted: 'Barbara Jensen', familyName: 'Jensen', givenName: 'Barbara' },
      displayName: 'Ms. Barbara J Jensen III',
      active: true,
      emails: [{ value: `${name}@hospital.test`, type: 'work', primary: true }],
      groups: [],
      roles: [],
      meta: {
        resourceType: 'User',
        created: expect.stringMatching(/Z$/),
        lastModified: expect.stringMatching(/Z$/),
        location: `https://portal.test/scim/v2/Users/${user.id}`,
        version: '"1"',
      },
    });
    expect((await directory.get(`/Users/${user.id}`).expect(200)).body).toEqual(user);
  });

  it('waits for its holder, who gets an activation code and comes in by it', async () => {
    const user = await directory.user();
    expect(await accountRow(user.id)).toMatchObject({ status: 'invited' });
    const activationCode = await mailedCode(portal, user.emails[0]!.value);
    await portal.http
      .post('/v1/auth/activate')
      .send({ activationCode, password: 'a rather long sentence' })
      .expect(204);
    const login = { username: user.userName, password: 'a rather long sentence' };
    expect((await portal.http.post('/v1/auth/login').send(login)).status).toBe(200);
    expect(await accountRow(user.id)).toMatchObject({ status: 'active' });
  });

  it('takes application/json as well, and attributes that the portal does not keep', async () => {
    const body = newUser({
      password: 'Tr0ub4dor&3-of-the-directory',
      locale: 'en-US',
      phoneNumbers: [{ value: '555-0100', type: 'work' }],
      [ENTERPRISE]: { department: 'Radiology', manager: { value: NOBODY } },
      unheardOf: { a: 1 },
    });
    const answer = await directory.send('post', '/Users').send(body);
    expect([answer.status, Object.keys(answer.body as object).sort()]).toEqual([
      201,
      ['active', 'displayName', 'emails', 'groups', 'id', 'meta', 'name', 'roles', 'schemas', 'userName'],
    ]);
    const { id } = answer.body as ScimUser;
    const { rows } = await portal.owner.query('SELECT 1 FROM auth.credential WHERE account_id = $1', [id]);
    expect(rows).toEqual([]);
  });

  it('cannot be given what is not the directory’s to give: id, meta, roles, groups', async () => {
    const grab = {
      id: NOBODY,
      meta: { version: '"77"', created: '2001-01-01T00:00:00Z', location: 'https://evil.test' },
      roles: [{ value: 'admin', primary: true }],
      groups: [{ value: NOBODY }],
      status: 'active',
      directoryId: NOBODY,
      accessVersion: 99,
    };
    const user = await directory.user(grab);
    expect(user.id).not.toBe(NOBODY);
    expect([user.roles, user.groups, user.meta.version]).toEqual([[], [], '"1"']);
    const put = await directory.send('put', `/Users/${user.id}`, { ...newUser(grab), ID: NOBODY, Roles: ['admin'] });
    expect([put.status, put.body.id, put.body.roles]).toEqual([200, user.id, []]);
    for (const path of ['id', 'meta.version', 'roles', 'groups', 'schemas', `${USER}:roles`, 'GROUPS[value eq "x"]']) {
      const answer = await directory.patch(`/Users/${user.id}`, { op: 'add', path, value: [{ value: 'admin' }] });
      expect([path, ...refusal(answer)]).toEqual([path, 400, 'mutability']);
    }
    const pathless = await directory.patch(`/Users/${user.id}`, { op: 'add', value: { roles: [{ value: 'admin' }] } });
    expect(refusal(pathless)).toEqual([400, 'mutability']);
    const { rows } = await portal.owner.query('SELECT 1 FROM users.account_role WHERE account_id = $1', [user.id]);
    expect(rows).toEqual([]);
    expect((await accountRow(user.id)).status).toBe('invited');
  });

  it('needs a name and an address; what is wrong is named', async () => {
    const post = (body: unknown) =>
      directory.send('post', '/Users').set('Content-Type', TYPE).send(JSON.stringify(body));
    expect(refusal(await post({ schemas: [USER] }))).toEqual([400, 'invalidValue']);
    expect(refusal(await post([]))).toEqual([400, 'invalidSyntax']);
    expect(refusal(await post('x'))).toEqual([400, 'invalidSyntax']);
    expect(refusal(await post(newUser({ userName: 7 })))).toEqual([400, 'invalidValue']);
    expect(refusal(await post(newUser({ userName: 'a b' })))).toEqual([400, 'invalidValue']);
    expect(refusal(await post(newUser({ userName: 'nul\u0000nul' })))).toEqual([400, 'invalidValue']);
    expect(refusal(await post(newUser({ active: 'perhaps' })))).toEqual([400, 'invalidValue']);
    expect(refusal(await post(newUser({ emails: [{ value: 'nowhere' }] })))).toEqual([400, 'invalidValue']);
    expect(refusal(await post(newUser({ userName: 'no.address', emails: [] })))).toEqual([400, 'invalidValue']);
    const wrong = await post(newUser({ externalId: 'x'.repeat(256) }));
    expect(refusal(wrong)).toEqual([400, 'invalidValue']);
    expect(wrong.body.detail).toContain('/externalId');
    const address = `${freshName('only')}@hospital.test`;
    expect((await directory.user({ userName: address, emails: undefined })).emails[0]!.value).toBe(address);
    expect((await directory.user({ userName: `o'brien+${freshName('x')}@hospital.test` })).userName).toContain(
      "o'brien",
    );
  });

  it('is conflicting where the name is taken, in any case, by anybody', async () => {
    const user = await directory.user();
    for (const userName of [user.userName, user.userName.toUpperCase(), admin.credentials.username]) {
      const answer = await directory.send('post', '/Users', newUser({ userName }));
      expect(refusal(answer)).toEqual([409, 'uniqueness']);
    }
    const other = await directory.user();
    const taken = { op: 'replace', path: 'userName', value: user.userName };
    expect(refusal(await directory.patch(`/Users/${other.id}`, taken))).toEqual([409, 'uniqueness']);
    expect(refusal(await directory.send('put', `/Users/${other.id}`, newUser({ userName: user.userName })))).toEqual([
      409,
      'uniqueness',
    ]);
  });

  it('is made once when two requests make it at once', async () => {
    for (let round = 0; round < 5; round++) {
      const body = newUser();
      const answers = await Promise.all(Array.from({ length: 8 }, () => directory.send('post', '/Users', body)));
      expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array.from({ length: 7 }, () => 409)]);
      for (const answer of answers.filter(({ status }) => status === 409))
        expect(refusal(answer)).toEqual([409, 'uniqueness']);
    }
  });

  it('is made once when the same request comes again with its Idempotency-Key', async () => {
    const body = newUser();
    const send = () => directory.send('post', '/Users', body).set('Idempotency-Key', freshKey);
    const freshKey = freshName('key');
    const first = await send();
    const again = await send();
    expect([first.status, again.status, again.text, again.headers['content-type']]).toEqual([
      201,
      201,
      first.text,
      `${TYPE}; charset=utf-8`,
    ]);
  });
});

describe('an ETag', () => {
  it('is honoured on PUT, PATCH and DELETE, weak or strong; a stale one changes nothing', async () => {
    const user = await directory.user({ displayName: 'First' });
    const path = `/Users/${user.id}`;
    const rename = (value: string, tag: string) =>
      directory.patch(path, { op: 'replace', path: 'displayName', value }).set('If-Match', tag);
    const second = await rename('Second', user.meta.version);
    expect([second.status, second.headers.etag, second.body.meta.version]).toEqual([200, '"2"', '"2"']);
    for (const stale of ['"1"', 'W/"1"', '"1", W/"77"', 'nonsense', '"0"'])
      expect([stale, ...refusal(await rename('Stale', stale))]).toEqual([stale, 412, undefined]);
    expect((await rename('Third', 'W/"2"')).status).toBe(200);
    expect((await rename('Fourth', '"1", "3"')).status).toBe(200);
    expect((await rename('Fifth', '*')).status).toBe(200);
    expect(refusal(await directory.send('put', path, newUser()).set('If-Match', '"1"'))).toEqual([412, undefined]);
    expect(refusal(await directory.send('delete', path).set('If-Match', '"1"'))).toEqual([412, undefined]);
    expect((await directory.read(user.id)).displayName).toBe('Fifth');
  });

  it('lets one of several changes from the same version through, and without it none is lost', async () => {
    const user = await directory.user();
    const path = `/Users/${user.id}`;
    const change = (n: number) => directory.patch(path, { op: 'replace', path: 'title', value: `Title ${n}` });
    const raced = await Promise.all([1, 2, 3, 4, 5, 6].map((n) => change(n).set('If-Match', '"1"')));
    expect(raced.map(({ status }) => status).sort()).toEqual([200, 412, 412, 412, 412, 412]);
    const attributes = ['title', 'displayName', 'externalId', 'name.givenName'];
    const all = await Promise.all(
      attributes.map((name) => directory.patch(path, { op: 'replace', path: name, value: `Of ${name}` })),
    );
    expect(all.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect(await directory.read(user.id)).toMatchObject({
      title: 'Of title',
      displayName: 'Of displayName',
      externalId: 'Of externalId',
      name: { givenName: 'Of name.givenName' },
    });
  });

  it('stays where a change changes nothing', async () => {
    const user = await directory.user();
    const same = await directory.patch(`/Users/${user.id}`, { op: 'replace', path: 'active', value: true });
    expect([same.status, same.body.meta]).toEqual([200, user.meta]);
  });
});

describe('a PUT', () => {
  it('writes the whole user anew; what is left out has no value, but active stays', async () => {
    const user = await directory.user({ externalId: 'e-1', title: 'Radiology', active: false });
    const userName = `${freshName('renamed')}@hospital.test`;
    const put = await directory.send('put', `/Users/${user.id}`, { schemas: [USER], userName });
    expect(put.status).toBe(200);
    expect(put.body).toMatchObject({ userName, displayName: userName, active: false, emails: [{ value: userName }] });
    expect(put.body).not.toHaveProperty('externalId');
    expect(put.body).not.toHaveProperty('title');
  });
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

describe('an answer', () => {
  it('has the attributes that were asked for', async () => {
    const user = await directory.user({ externalId: 'e', title: 't' });
    const keys = async (query: Record<string, string>) =>
      Object.keys((await directory.get(`/Users/${user.id}`, query).expect(200)).body as object).sort();
    expect(await keys({ attributes: 'userName,TITLE' })).toEqual(['id', 'schemas', 'title', 'userName']);
    expect(await keys({ attributes: `${USER}:userName` })).toEqual(['id', 'schemas', 'userName']);
    expect(await keys({ attributes: 'shoeSize' })).toEqual(['id', 'schemas']);
    expect(await keys({ excludedAttributes: 'groups,roles,name,emails,meta,id' })).toEqual([
      'active',
      'displayName',
      'externalId',
      'id',
      'schemas',
      'title',
      'userName',
    ]);
    const { body } = await directory.get(`/Users/${user.id}`, { attributes: 'name.familyName,emails.value' });
    expect([body.name, body.emails]).toEqual([{ familyName: 'Scim' }, [{ value: user.emails[0]!.value }]]);
    const { body: without } = await directory.get(`/Users/${user.id}`, { excludedAttributes: 'meta.location,name' });
    expect(Object.keys(without.meta as object)).toEqual(['resourceType', 'created', 'lastModified', 'version']);
    const both = await directory.get(`/Users/${user.id}`, { attributes: 'userName', excludedAttributes: 'name' });
    expect(refusal(both)).toEqual([400, 'invalidValue']);
    const path = `/Users/${user.id}?attributes=active`;
    const patch = await directory.patch(path, { op: 'replace', path: 'active', value: false });
    expect(patch.body).toEqual({ schemas: [USER], id: user.id, active: false });
  });

  it('describes what the portal speaks', async () => {
    const { body: config } = await directory.get('/ServiceProviderConfig').expect(200);
    expect(config).toMatchObject({
      patch: { supported: true },
      bulk: { supported: false },
      filter: { supported: true, maxResults: 200 },
      changePassword: { supported: false },
      sort: { supported: true },
      etag: { supported: true },
      authenticationSchemes: [{ type: 'oauthbearertoken' }],
    });
    const { body: types } = await directory.get('/ResourceTypes').expect(200);
    expect(types.Resources.map((one: { id: string; endpoint: string }) => [one.id, one.endpoint])).toEqual([
      ['User', '/Users'],
      ['Group', '/Groups'],
    ]);
    expect((await directory.get('/ResourceTypes/User')).body).toEqual(types.Resources[0]);
    const { body: schemas } = await directory.get('/Schemas').expect(200);
    const [userSchema] = schemas.Resources as { id: string; attributes: { name: string; mutability: string }[] }[];
    expect((await directory.get(`/Schemas/${USER}`)).body).toEqual(userSchema);
    // What is described is what is answered.
    const user = await directory.user({ externalId: 'e', title: 't' });
    const described = userSchema!.attributes.map((one) => one.name);
    expect(
      Object.keys(user)
        .filter((key) => !['schemas', 'id', 'externalId', 'meta'].includes(key))
        .sort(),
    ).toEqual([...described].sort());
    expect(described).not.toContain('password');
    for (const path of ['/Schemas/urn:none', '/ResourceTypes/Device', '/Me', '/Users/', '/Nothing'])
      expect([path, ...refusal(await directory.get(path))]).toEqual([path, 404, undefined]);
    expect(refusal(await directory.send('post', '/Bulk', {}))).toEqual([404, undefined]);
  });
});
