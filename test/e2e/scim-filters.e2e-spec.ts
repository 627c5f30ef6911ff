import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { known, NOBODY } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import { makeAdmin } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';
import { openDirectory, refusal, type Directory, type ScimUser } from '../harness/scim.js';

let portal: Portal;
let directory: Directory;
let anna: ScimUser;
let bela: ScimUser;
let carla: ScimUser;

beforeAll(async () => {
  portal = await startPortal();
  directory = await openDirectory(portal, await known(makeAdmin(portal)));
  const made = (userName: string, over: object) =>
    directory.user({ userName, emails: [{ value: `${userName}@Hospital.test` }], ...over });
  anna = await made('anna.50%_off', {
    userName: 'anna.filter',
    displayName: 'Anna 50%_off "quoted" \\ back',
    externalId: 'Ext-1',
  });
  portal.clock.forward(60);
  bela = await made('bela.filter', { displayName: 'bela', active: false });
  portal.clock.forward(60);
  carla = await made('Carla.Filter', { displayName: 'Çarla', externalId: 'ext-1' });
});

afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});

const A = 'anna.filter';
const B = 'bela.filter';
const C = 'Carla.Filter';
const ALL = [A, B, C];

describe('a filter', () => {
  it.each<[string, string[]]>([
    ['userName eq "ANNA.FILTER"', [A]],
    ['username EQ "carla.filter"', [C]],
    ['urn:ietf:params:scim:schemas:core:2.0:User:userName eq "anna.filter"', [A]],
    ['userName ne "anna.filter"', [B, C]],
    ['userName co "LA.F"', [B, C]],
    ['userName sw "be"', [B]],
    ['userName ew ".FILTER"', ALL],
    ['userName gt "anna.filter"', [B, C]],
    ['userName ge "bela.filter"', [B, C]],
    ['userName lt "bela.filter"', [A]],
    ['userName le "bela.filter"', [A, B]],
    ['userName pr', ALL],
    ['externalId eq "Ext-1"', [A]],
    ['externalId eq "ext-1"', [C]],
    ['externalId pr', [A, C]],
    ['not (externalId pr)', [B]],
    ['not (externalId eq "Ext-1")', [B, C]],
    ['externalId ne "Ext-1"', [B, C]],
    ['not (not (externalId eq "Ext-1"))', [A]],
    ['emails.value eq "anna.50%_off@hospital.TEST"', [A]],
    ['emails co "bela"', [B]],
    ['emails[type eq "work" and value sw "carla"]', [C]],
    ['emails[type eq "work"].value eq "bela.filter@hospital.test"', [B]],
    ['emails[type eq "home"]', []],
    ['emails[type ne "home" and primary eq true]', ALL],
    ['displayName eq "ANNA 50%_OFF \\"QUOTED\\" \\\\ BACK"', [A]],
    ['displayName eq "\\u0062ela"', [B]],
    ['displayName co "%"', [A]],
    ['displayName co "_off"', [A]],
    ['displayName sw "b"', [B]],
    ['displayName eq "nobody" or displayName eq "Çarla"', [C]],
    ['active eq true', [A, C]],
    ['active eq "False"', [B]],
    ['active ne true', [B]],
    ['active eq true and userName sw "c"', [C]],
    ['userName eq "anna.filter" or userName eq "bela.filter" and active eq true', [A]],
    ['(userName eq "anna.filter" or userName eq "bela.filter") and active eq false', [B]],
    [`id eq "${NOBODY}"`, []],
    ['id eq "no id at all"', []],
    ['id ne "no id at all"', ALL],
    ['id pr', ALL],
    ['meta.lastModified gt "2020-01-01T00:00:00Z"', ALL],
    ['meta.created lt "2020-01-01T00:00:00+02:00"', []],
  ])('%s', async (filter, expected) => {
    expect((await directory.found(filter)).sort()).toEqual([...expected].sort());
  });

  it('compares ids and times', async () => {
    expect(await directory.found(`id eq "${bela.id.toUpperCase()}"`)).toEqual([B]);
    expect(await directory.found(`id sw "${carla.id}"`)).toEqual([C]);
    const at = bela.meta.lastModified;
    const by = async (op: string) => (await directory.found(`meta.lastModified ${op} "${at}"`)).sort();
    expect(await by('eq')).toEqual([B]);
    expect(await by('ne')).toEqual([C, A].sort());
    expect(await by('gt')).toEqual([C]);
    expect(await by('ge')).toEqual([B, C].sort());
    expect(await by('lt')).toEqual([A]);
    expect(await by('le')).toEqual([A, B]);
  });

  const nested = (depth: number) => `${'('.repeat(depth)}userName pr${')'.repeat(depth)}`;
  const many = (parts: number) => Array.from({ length: parts }, () => 'id pr').join(' or ');

  it.each([
    'userName',
    'userName eq',
    'eq "x"',
    'userName is "x"',
    'userName eq x',
    "userName eq 'x'",
    'userName eq "x',
    'userName eq "x" and',
    'userName eq "x") or (userName pr',
    '(userName pr',
    'userName pr)',
    'password eq "x"',
    'shoeSize pr',
    'roles.value eq "admin"',
    'status eq "active"',
    'account_id eq "x"',
    'a.account_id eq "x"',
    'emails.__proto__ eq "x"',
    'constructor eq "x"',
    '__proto__ pr',
    'toString pr',
    'id pr constructor id pr',
    'urn:other:User:userName eq "x"',
    'userName eq 7',
    'userName eq true',
    'userName eq null',
    'active eq "perhaps"',
    'active gt true',
    'active co "tr"',
    'meta.lastModified eq "yesterday"',
    'meta.lastModified co "2026"',
    'meta.lastModified gt 7',
    'emails[type co "w"]',
    'emails[emails[type eq "x"]]',
    'userName eq "x\\q"',
    'userName eq "x\\u0000y"',
    'userName eq "line\nbreak"',
    `userName eq "${'\n'.repeat(60)}`,
    'userName eq "x"; DROP TABLE users.account',
    "userName eq \"x\" OR '1'='1'",
    'userName eq "x" /* */ or 1=1 --',
    '$1 eq "x"',
  ])('is refused: %j', async (filter) => {
    const answer = await directory.get('/Users', { filter });
    expect(refusal(answer)).toEqual([400, 'invalidFilter']);
    expect(answer.text).not.toMatch(/syntax error|SELECT|DROP|1=1/);
  });

  it('has limits of length, depth and size, which it says', async () => {
    expect((await directory.get('/Users', { filter: nested(10) })).status).toBe(200);
    expect((await directory.get('/Users', { filter: many(40) })).status).toBe(200);
    const started = performance.now();
    for (const filter of [
      nested(11),
      nested(900),
      many(60),
      'not '.repeat(400) + 'id pr',
      `${'not ('.repeat(300)}id pr${')'.repeat(300)}`,
      `userName eq "${'x'.repeat(10_000)}"`,
      `userName eq "${'\\\\'.repeat(5_000)}"`,
      many(1_200),
      '('.repeat(10_000),
    ]) {
      const answer = await directory.send('post', '/Users/.search', { filter });
      expect([filter.length, ...refusal(answer)]).toEqual([filter.length, 400, 'invalidFilter']);
    }
    const long = await directory.get('/Users', { filter: `userName eq "${'x'.repeat(10_000)}"` });
    expect(refusal(long)).toEqual([400, 'invalidFilter']);
    expect(performance.now() - started).toBeLessThan(5_000);
  });

  it('holds values that mean something to SQL as the text that they are', async () => {
    for (const value of [
      "'; DROP TABLE users.account; --",
      "' OR '1'='1",
      '%',
      '_',
      '\\\\',
      '$1',
      '$$',
      'x\\" or userName pr or \\"',
      'E\\u0027',
    ]) {
      for (const attribute of ['userName', 'externalId', 'emails.value']) {
        const answer = await directory.get('/Users', { filter: `${attribute} eq "${value}"` });
        expect([value, answer.status, answer.body.totalResults]).toEqual([value, 200, 0]);
      }
    }
    expect((await directory.found('userName pr')).length).toBe(3);
  });

  it('is used once, and refused where it comes twice', async () => {
    const twice = await directory.send('get', '/Users?filter=userName%20pr&filter=active%20eq%20true');
    expect(refusal(twice)).toEqual([400, 'invalidValue']);
  });
});

describe('a list', () => {
  const page = async (query: Record<string, string | number>) => {
    const { body } = await directory.get('/Users', query).expect(200);
    const { totalResults, startIndex, itemsPerPage, Resources } = body as {
      totalResults: number;
      startIndex: number;
      itemsPerPage: number;
      Resources: ScimUser[];
    };
    return [totalResults, startIndex, itemsPerPage, Resources.map((one) => one.userName)];
  };

  it('has pages by index, clamped as RFC 7644 section 3.4.2.4 says', async () => {
    expect(await page({})).toEqual([3, 1, 3, ALL]);
    expect(await page({ startIndex: 2, count: 1 })).toEqual([3, 2, 1, [B]]);
    expect(await page({ startIndex: 3, count: 5 })).toEqual([3, 3, 1, [C]]);
    expect(await page({ startIndex: 9 })).toEqual([3, 9, 0, []]);
    expect(await page({ startIndex: 0, count: 1 })).toEqual([3, 1, 1, [A]]);
    expect(await page({ startIndex: -7, count: 1 })).toEqual([3, 1, 1, [A]]);
    expect(await page({ count: 0 })).toEqual([3, 1, 0, []]);
    expect(await page({ count: -3 })).toEqual([3, 1, 0, []]);
    expect(await page({ count: 100_000 })).toEqual([3, 1, 3, ALL]);
    for (const query of [{ count: 'x' }, { startIndex: '1.5' }, { count: '1e9' }, { startIndex: '99999999999' }])
      expect(refusal(await directory.get('/Users', query))).toEqual([400, 'invalidValue']);
  });

  it('is sorted as asked, without a value last, the same each time', async () => {
    const sorted = async (sortBy: string, sortOrder = 'ascending') => (await page({ sortBy, sortOrder }))[3];
    expect(await sorted('userName', 'descending')).toEqual([C, B, A]);
    expect(await sorted('displayName')).toEqual([A, B, C]);
    expect(await sorted('externalId')).toEqual([A, C, B]);
    expect(await sorted('externalId', 'descending')).toEqual([C, A, B]);
    expect(await sorted('meta.lastModified', 'descending')).toEqual([C, B, A]);
    for (const query of [{ sortBy: 'password' }, { sortBy: 'a.email; --' }, { sortBy: 'userName', sortOrder: 'up' }])
      expect(refusal(await directory.get('/Users', query))).toEqual([400, 'invalidValue']);
  });

  it('can be asked for in a body', async () => {
    const { body } = await directory
      .send('post', '/Users/.search', {
        schemas: ['urn:ietf:params:scim:api:messages:2.0:SearchRequest'],
        attributes: ['displayName', 'userName'],
        filter: 'displayName sw "anna"',
        startIndex: 1,
        count: 10,
      })
      .expect(200);
    expect(body).toMatchObject({
      totalResults: 1,
      Resources: [{ schemas: anna.schemas, id: anna.id, displayName: anna.displayName, userName: A }],
    });
    expect(Object.keys((body as { Resources: object[] }).Resources[0]!)).toHaveLength(4);
  });

  it('finds one user among many by an index', async () => {
    await portal.owner.query('BEGIN');
    await portal.owner.query(
      `INSERT INTO users.account (account_id, username, username_key, display_name, email, status, created_at, updated_at)
       SELECT gen_random_uuid(), 'many-' || n, 'many-' || n, 'Many ' || n, 'many-' || n || '@h.test', 'invited', now(), now() FROM generate_series(1, 20000) n`,
    );
    await portal.owner.query(
      `INSERT INTO users.directory_account (account_id, directory_id, external_id, is_active, created_at)
       SELECT account_id, $1, username, true, now() FROM users.account WHERE username LIKE 'many-%'`,
      [directory.id],
    );
    await portal.owner.query('ANALYZE users.account, users.directory_account');
    for (const [where, value] of [
      ['a.username_key = $2::text', 'many-7'],
      ['d.external_id = $2::text', 'many-7'],
      ['lower(a.email) = lower($2::text)', 'many-7@h.test'],
    ]) {
      const { rows } = await portal.owner.query<{ 'QUERY PLAN': string }>(
        `EXPLAIN SELECT 1 FROM users.directory_account d JOIN users.account a ON a.account_id = d.account_id
          WHERE d.directory_id = $1 AND d.removed_at IS NULL AND ${where}`,
        [directory.id, value],
      );
      const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
      expect([where, plan]).toEqual([where, expect.not.stringContaining('Seq Scan')]);
    }
    await portal.owner.query('ROLLBACK');
  });
});
