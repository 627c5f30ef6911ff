import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { known, NOBODY, type Known } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import { freshName, mailedCode, makeAdmin, type Caller } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';
import { newUser, openDirectory, refusal, TYPE, USER, type Directory, type ScimUser } from '../harness/scim.js';

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
