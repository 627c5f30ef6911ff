import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { known, NOBODY, type Known } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import { freshName, makeAdmin, type Caller } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';
import { GROUP, openDirectory, refusal, type Directory, type ScimGroup } from '../harness/scim.js';

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

const read = async (id: string) => (await directory.get(`/Groups/${id}`).expect(200)).body as ScimGroup;
const membersOf = async (id: string) => (await read(id)).members.map(({ value }) => value).sort();
const add = (...ids: string[]) => ({ op: 'add', path: 'members', value: ids.map((value) => ({ value })) });
const remove = (id: string) => ({ op: 'remove', path: `members[value eq "${id}"]` });

describe('a group', () => {
  it('is made, read, renamed and deleted as RFC 7644 has it', async () => {
    const [anna, bela] = [await directory.user(), await directory.user()];
    const made = await directory.send('post', '/Groups', {
      schemas: [GROUP],
      displayName: 'Tour Guides',
      externalId: 'g-1',
      members: [{ value: anna.id, display: 'ignored', $ref: 'https://evil.test' }, { value: bela.id }],
    });
    const group = made.body as ScimGroup;
    expect([made.status, made.headers.etag, made.headers.location]).toEqual([
      201,
      '"1"',
      `/scim/v2/Groups/${group.id}`,
    ]);
    expect(group).toEqual({
      schemas: [GROUP],
      id: group.id,
      externalId: 'g-1',
      displayName: 'Tour Guides',
      members: [anna, bela].map((one) => ({
        value: one.id,
        $ref: `https://portal.test/scim/v2/Users/${one.id}`,
        display: 'Sana Scim',
      })),
      meta: expect.objectContaining({
        resourceType: 'Group',
        version: '"1"',
        location: `https://portal.test/scim/v2/Groups/${group.id}`,
      }),
    });
    expect(await read(group.id)).toEqual(group);
    expect((await directory.read(anna.id)).groups).toEqual([
      { value: group.id, $ref: `https://portal.test/scim/v2/Groups/${group.id}`, display: 'Tour Guides' },
    ]);
    const put = await directory.send('put', `/Groups/${group.id}`, {
      displayName: 'Guides',
      members: [{ value: bela.id }],
    });
    expect([put.status, put.body.displayName, put.body.externalId]).toEqual([200, 'Guides', undefined]);
    expect(await membersOf(group.id)).toEqual([bela.id]);
    expect((await directory.read(anna.id)).groups).toEqual([]);
    await directory.send('delete', `/Groups/${group.id}`).expect(204);
    expect(refusal(await directory.get(`/Groups/${group.id}`))).toEqual([404, undefined]);
    expect((await directory.read(bela.id)).groups).toEqual([]);
    expect((await directory.group('Guides')).id).not.toBe(group.id);
  });

  it('has a name that no other group of the directory has, in any case; of two at once one is made', async () => {
    const name = freshName('Unique');
    const bodies = Array.from({ length: 6 }, (_, n) => ({ displayName: n % 2 ? name : name.toUpperCase() }));
    const answers = await Promise.all(bodies.map((body) => directory.send('post', '/Groups', body)));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409, 409, 409]);
    for (const answer of answers.filter(({ status }) => status === 409))
      expect(refusal(answer)).toEqual([409, 'uniqueness']);
    const other = await directory.group(freshName('Other'));
    const rename = { op: 'replace', value: { displayName: name } };
    expect(refusal(await directory.patch(`/Groups/${other.id}`, rename))).toEqual([409, 'uniqueness']);
    const elsewhere = await openDirectory(portal, admin);
    expect((await elsewhere.group(name)).displayName).toBe(name);
  });

  it('is found by name, by externalId and by its members', async () => {
    const user = await directory.user();
    const group = await directory.group('Findable Group', [user.id]);
    await directory.patch(`/Groups/${group.id}`, { op: 'add', path: 'externalId', value: 'X-9' }).expect(204);
    const found = async (filter: string, query = {}) =>
      ((await directory.get('/Groups', { filter, ...query }).expect(200)).body as { Resources: ScimGroup[] }).Resources;
    for (const filter of [
      'displayName eq "FINDABLE group"',
      'externalId eq "X-9"',
      `members.value eq "${user.id}"`,
      `members[value eq "${user.id}"]`,
      `id eq "${group.id}" and members eq "${user.id}"`,
      `displayName sw "find" and not (members.value eq "${NOBODY}")`,
    ])
      expect([filter, (await found(filter)).map(({ id }) => id)]).toEqual([filter, [group.id]]);
    const [without] = await found('displayName eq "findable group"', { excludedAttributes: 'members' });
    expect(Object.keys(without!)).not.toContain('members');
    for (const filter of [
      'members.value ne "x"',
      'members pr',
      'members.display eq "x"',
      'roles eq "admin"',
      'userName pr',
    ])
      expect([filter, ...refusal(await directory.get('/Groups', { filter }))]).toEqual([filter, 400, 'invalidFilter']);
    const sorted = await directory.get('/Groups', { sortBy: 'displayName', count: 1, attributes: 'displayName' });
    expect([sorted.status, sorted.body.itemsPerPage]).toEqual([200, 1]);
    const searched = await directory.send('post', '/Groups/.search', { filter: 'externalId eq "X-9"', count: 1 });
    expect([searched.status, searched.body.Resources[0].id]).toEqual([200, group.id]);
  });

  it('is refused where its members or its name are none', async () => {
    const post = (body: object) => directory.send('post', '/Groups', body);
    expect(refusal(await post({}))).toEqual([400, 'invalidValue']);
    expect(refusal(await post({ displayName: ' ' }))).toEqual([400, 'invalidValue']);
    expect(refusal(await post({ displayName: 'x'.repeat(201) }))).toEqual([400, 'invalidValue']);
    for (const members of [[{ value: NOBODY }], [{ value: 'x' }], [{ value: 7 }], [{}], [[]], 7]) {
      const displayName = freshName('Bad');
      expect([members, ...refusal(await post({ displayName, members }))]).toEqual([members, 400, 'invalidValue']);
      expect((await directory.get('/Groups', { filter: `displayName eq "${displayName}"` })).body.totalResults).toBe(0);
    }
    const { id } = await directory.group(freshName('Good'));
    expect(refusal(await directory.patch(`/Groups/${id}`, { op: 'remove', path: 'displayName' }))).toEqual([
      400,
      'invalidValue',
    ]);
  });

  it('honours If-Match on PUT, PATCH and DELETE', async () => {
    const user = await directory.user();
    const { id } = await directory.group(freshName('Tagged'));
    const path = `/Groups/${id}`;
    await directory.patch(path, add(user.id)).set('If-Match', 'W/"1"').expect(204);
    expect((await read(id)).meta.version).toBe('"2"');
    expect(refusal(await directory.patch(path, remove(user.id)).set('If-Match', '"1"'))).toEqual([412, undefined]);
    expect(refusal(await directory.send('put', path, { displayName: 'x' }).set('If-Match', '"1"'))).toEqual([
      412,
      undefined,
    ]);
    expect(refusal(await directory.send('delete', path).set('If-Match', '"1"'))).toEqual([412, undefined]);
    // What changes nothing leaves the version as it is.
    await directory.patch(path, add(user.id)).expect(204);
    await directory.patch(path, remove(NOBODY)).expect(204);
    expect((await read(id)).meta.version).toBe('"2"');
    expect(await membersOf(id)).toEqual([user.id]);
  });
});

describe('members', () => {
  let a: string;
  let b: string;
  let c: string;
  beforeAll(async () => {
    [a, b, c] = (await Promise.all([1, 2, 3].map(() => directory.user()))).map(({ id }) => id).sort() as [
      string,
      string,
      string,
    ];
  });

  it.each<[string, (ids: { a: string; b: string; c: string }) => object[], string]>([
    ['are added', ({ b }) => [add(b)], 'ab'],
    ['are added once', ({ a }) => [add(a, a)], 'a'],
    ['are added as one object', ({ b }) => [{ op: 'Add', path: 'members', value: { value: b } }], 'ab'],
    ['are added as a bare id', ({ b }) => [{ op: 'add', path: 'members', value: [b] }], 'ab'],
    ['are added without a path', ({ b }) => [{ op: 'add', value: { members: [{ value: b }] } }], 'ab'],
    ['are added one operation each', ({ b, c }) => [add(b), add(c)], 'abc'],
    ['are replaced', ({ b }) => [{ op: 'replace', path: 'members', value: [{ value: b }] }], 'b'],
    ['are replaced by nobody', () => [{ op: 'replace', path: 'members', value: [] }], ''],
    ['are replaced by null', () => [{ op: 'replace', path: 'members', value: null }], ''],
    ['are removed by a condition', ({ a }) => [remove(a)], ''],
    [
      'are removed by a condition in capitals',
      ({ a }) => [{ op: 'Remove', path: `Members[Value eq "${a.toUpperCase()}"]` }],
      '',
    ],
    [
      'are removed by several',
      ({ a, b }) => [add(b), { op: 'remove', path: `members[value eq "${a}" or value eq "${b}"]` }],
      '',
    ],
    ['are removed by a list (Entra ID)', ({ a }) => [{ op: 'Remove', path: 'members', value: [{ value: a }] }], ''],
    ['are all removed', ({ b }) => [add(b), { op: 'remove', path: 'members' }], ''],
    ['come and go in order', ({ a, b }) => [remove(a), add(a), add(b), remove(b)], 'a'],
    ['come after all are gone', ({ c }) => [{ op: 'remove', path: 'members' }, add(c)], 'c'],
    [
      'stay when the group names itself (Okta)',
      () => [{ op: 'replace', value: { id: 'self', displayName: freshName('Renamed') } }],
      'a',
    ],
  ])('%s', async (_, operations, expected) => {
    const group = await directory.group(freshName('Members'), [a]);
    const text = JSON.stringify(operations({ a, b, c })).replaceAll('"self"', JSON.stringify(group.id));
    const answer = await directory.patch(`/Groups/${group.id}`, ...(JSON.parse(text) as object[]));
    expect([answer.status, answer.text]).toEqual([204, '']);
    expect(await membersOf(group.id)).toEqual([...expected].map((letter) => ({ a, b, c })[letter as 'a']));
  });

  it.each<[string, object, string]>([
    ['a condition on something else', { op: 'remove', path: 'members[display eq "x"]' }, 'invalidFilter'],
    ['a condition that is no equality', { op: 'remove', path: 'members[value ne "x"]' }, 'invalidFilter'],
    ['a condition to add by', { op: 'add', path: 'members[value eq "x"]', value: {} }, 'invalidPath'],
    ['a part of a member', { op: 'replace', path: 'members[value eq "x"].value', value: 'y' }, 'mutability'],
    ['the name that a member is shown by', { op: 'replace', path: 'members.display', value: 'y' }, 'mutability'],
    ['another id', { op: 'replace', value: { id: NOBODY } }, 'mutability'],
    ['meta', { op: 'replace', path: 'meta', value: {} }, 'mutability'],
    ['the roles that it gives', { op: 'replace', path: 'roles', value: ['admin'] }, 'invalidPath'],
    ['an unknown attribute', { op: 'add', path: 'password', value: 'x' }, 'invalidPath'],
  ])('are not changed by %s', async (_, operation, scimType) => {
    const group = await directory.group(freshName('Members'), [a]);
    expect(refusal(await directory.patch(`/Groups/${group.id}`, operation))).toEqual([400, scimType]);
    expect(await membersOf(group.id)).toEqual([a]);
  });

  it('of several requests at once are all there', async () => {
    const group = await directory.group(freshName('Raced'));
    const users = await Promise.all(Array.from({ length: 8 }, () => directory.user()));
    const answers = await Promise.all(users.map(({ id }) => directory.patch(`/Groups/${group.id}`, add(id))));
    expect(answers.map(({ status }) => status)).toEqual(users.map(() => 204));
    expect(await membersOf(group.id)).toEqual(users.map(({ id }) => id).sort());
    // Coming and going, and being removed altogether, at the same time: no deadlock, and the sums are right.
    const mixed = await Promise.all(
      users.map(({ id }, n) =>
        n % 2 ? directory.patch(`/Groups/${group.id}`, remove(id)) : directory.send('delete', `/Users/${id}`),
      ),
    );
    expect(mixed.map(({ status }) => status)).toEqual(users.map(() => 204));
    expect(await membersOf(group.id)).toEqual([]);
  });
});
