import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import pg from 'pg';
import { v7 as uuidv7 } from 'uuid';
import { auditPolicy } from '../../src/modules/audit/index.js';
import { authPolicy } from '../../src/modules/auth/index.js';
import { recordsPolicy } from '../../src/modules/records/index.js';
import { visible } from '../../src/modules/records/visibility.js';
import { People, usersPolicy } from '../../src/modules/users/index.js';
import { ROLES_APART } from '../../src/modules/users/role.rules.js';
import { AbilityFactory } from '../../src/platform/access/ability-factory.js';
import type { SignedIn } from '../../src/platform/access/context.js';
import { ROLES, type Role } from '../../src/platform/access/vocabulary.js';
import { accessible, Params } from '../../src/platform/database/accessible.js';
import { cloneDatabase } from '../harness/database.js';
import { NOBODY } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';

const HOUR = 3_600_000;
const SOURCES = ['https://ehr.test/a', 'https://ehr.test/b'];

interface World {
  /** Roles that are held, that were taken away, whose period is over, and whose period is to come. A feed's account has no other role, as the API sees to. */
  accounts: {
    id: string;
    roles: Role[];
    revoked: Role[];
    over: Role[];
    coming: Role[];
    source: string | null;
    status: string;
  }[];
  patients: { id: string; account: string | null }[];
  practitioners: { id: string; account: string | null }[];
  /** Hours from now; null: open. */
  members: { id: string; patient: string; practitioner: string; from: number; to: number | null }[];
  /** `held`: by a clinician; `unseen`: a result that nobody has looked at. */
  records: { id: string; patient: string | null; source: string; labels: string[]; held: boolean; unseen: boolean }[];
  proxies: { id: string; account: string; patient: string; open: string[]; from: number; to: number | null }[];
  /** Patients who wish to hear of results from a clinician first. */
  wishes: string[];
}

const LABELS = ['HIV', 'PSY'];

const PERSONAL = ROLES.filter((role) => role !== 'integration' && role !== 'directory');
const isApart = (a: Role, b: Role) =>
  ROLES_APART.some(([one, other]) => (one === a && other === b) || (one === b && other === a));
const index = fc.nat({ max: 7 });
const maybe = fc.option(index, { freq: 4 });

/** Small worlds: few people, so that they meet often. */
const worlds: fc.Arbitrary<World> = fc
  .record({
    accounts: fc.array(
      fc.record({
        isFeed: fc.nat({ max: 4 }).map((n) => n === 0),
        roles: fc.subarray(PERSONAL, { maxLength: 3 }),
        revoked: fc.subarray([...ROLES], { maxLength: 2 }),
        over: fc.subarray(PERSONAL, { maxLength: 2 }),
        coming: fc.subarray(PERSONAL, { maxLength: 2 }),
        status: fc.constantFrom('active', 'active', 'invited', 'disabled'),
      }),
      { minLength: 1, maxLength: 5 },
    ),
    patients: fc.array(maybe, { minLength: 1, maxLength: 4 }),
    practitioners: fc.uniqueArray(index, { maxLength: 4 }),
    members: fc.array(
      fc.record({
        patient: index,
        practitioner: index,
        from: fc.constantFrom(-48, -24, -1, 1, 24),
        length: fc.constantFrom(null, 0, 1, 12, 72),
      }),
      { maxLength: 10 },
    ),
    records: fc.array(
      fc.record({
        patient: maybe,
        source: fc.nat({ max: 1 }),
        labels: fc.subarray(LABELS),
        held: fc.nat({ max: 3 }).map((n) => n === 0),
        unseen: fc.boolean(),
      }),
      { maxLength: 8 },
    ),
    proxies: fc.array(
      fc.record({
        account: index,
        patient: index,
        open: fc.subarray(LABELS),
        from: fc.constantFrom(-48, -24, -1, 1),
        length: fc.constantFrom(null, 1, 12, 72),
      }),
      { maxLength: 6 },
    ),
    wishes: fc.uniqueArray(index, { maxLength: 2 }),
  })
  .map((drawn) => {
    const at = <T>(list: readonly T[], n: number | null): T | null =>
      n === null ? null : (list[n % list.length] ?? null);
    let feeds = 0;
    const accounts = drawn.accounts.map(({ isFeed, roles, revoked, status, ...drawnPeriods }) => {
      const source = isFeed ? (SOURCES[feeds++] ?? null) : null;
      const held: Role[] = source ? ['integration'] : roles;
      const gone = revoked.filter((role) => role !== 'directory' && !source === (role !== 'integration'));
      const taken: Role[] = [];
      // Each role once, and none beside one that excludes it: the database would refuse them.
      const compatible = (wanted: Role[]) =>
        wanted.filter((role) => {
          const fits = !taken.includes(role) && !gone.includes(role) && !taken.some((other) => isApart(role, other));
          if (fits) taken.push(role);
          return fits;
        });
      const [now, over, coming] = [held, source ? [] : drawnPeriods.over, source ? [] : drawnPeriods.coming].map(
        compatible,
      ) as [Role[], Role[], Role[]];
      return { id: uuidv7(), roles: now, revoked: gone, over, coming, source, status };
    });
    const patients = drawn.patients.map((n) => ({ id: uuidv7(), account: at(accounts, n)?.id ?? null }));
    const practitioners = drawn.practitioners.map((n) => ({ id: uuidv7(), account: accounts[n]?.id ?? null }));
    const open = new Set<string>();
    const members = drawn.members.flatMap(({ patient: p, practitioner: d, from, length }) => {
      const [patient, practitioner] = [at(patients, p)!.id, at(practitioners, d)?.id];
      const pair = `${patient} ${practitioner}`;
      if (practitioner === undefined || (length === null && open.has(pair))) return [];
      if (length === null) open.add(pair);
      return [{ id: uuidv7(), patient, practitioner, from, to: length === null ? null : from + length }];
    });
    const records = drawn.records.map(({ patient, source, ...limits }) => ({
      ...limits,
      id: uuidv7(),
      patient: at(patients, patient)?.id ?? null,
      source: SOURCES[source]!,
    }));
    const granted = new Set<string>();
    const proxies = drawn.proxies.flatMap(({ account: a, patient: p, open: labels, from, length }) => {
      const [account, patient] = [at(accounts, a)!.id, at(patients, p)!.id];
      // One grant of a patient to a person: the database refuses two at the same time.
      if (granted.has(`${account} ${patient}`)) return [];
      granted.add(`${account} ${patient}`);
      return [{ id: uuidv7(), account, patient, open: labels, from, to: length === null ? null : from + length }];
    });
    const wishes = [...new Set(drawn.wishes.map((n) => at(patients, n)!.id))];
    return { accounts, patients, practitioners, members, records, proxies, wishes };
  });

let owner: pg.Client;

beforeAll(async () => {
  owner = new pg.Client({ connectionString: (await cloneDatabase()).ownerUrl });
  await owner.connect();
});

afterAll(async () => {
  await checkLedger({ log: [], owner });
  await owner.end();
});

/** Puts rows into a table as they are; columns that are left out are null, whatever their default. */
const insert = (table: string, rows: object[]): Promise<unknown> =>
  owner.query(`INSERT INTO ${table} SELECT * FROM jsonb_populate_recordset(NULL::${table}, $1)`, [
    JSON.stringify(rows),
  ]);

async function build(world: World, now: Date): Promise<void> {
  const hours = (n: number | null) => (n === null ? null : new Date(now.getTime() + n * HOUR));
  const base = { version: 1, created_at: now, updated_at: now };
  const name = { family: 'F', given: ['G'] };
  await insert(
    'users.account',
    world.accounts.map(({ id: account_id, status }) => ({
      ...{ ...base, account_id, display_name: 'A', email: 'a@test', status, access_version: 1 },
      is_disabled_by_directory: false,
      disabled_reason: status === 'disabled' ? 'left' : null,
    })),
  );
  await insert(
    'users.account_role',
    world.accounts.flatMap(({ id: account_id, roles, revoked, over, coming }) => {
      const given = (role: Role, more: object) => ({
        ...{
          account_role_id: uuidv7(),
          account_id,
          role,
          reason: 'test',
          granted_at: hours(-100),
          granted_via: 'operator',
        },
        ...more,
      });
      return [
        // Some without a period, some in the middle of theirs.
        ...roles.map((role, n) => given(role, n % 2 ? { starts_at: hours(-24), ends_at: hours(24) } : {})),
        ...revoked.map((role) => given(role, { revoked_at: now })),
        ...over.map((role) => given(role, { starts_at: hours(-48), ends_at: hours(-1) })),
        ...coming.map((role) => given(role, { starts_at: hours(1), ends_at: null })),
      ];
    }),
  );
  const feeds = world.accounts.filter(({ source }) => source !== null);
  await insert(
    'users.feed',
    feeds.map(({ id: account_id, source }) => ({ account_id, source })),
  );
  await insert(
    'users.patient',
    world.patients.map(({ id: patient_id, account: account_id }) => ({
      ...{ ...base, ...name, patient_id, account_id, mrn_system: 'test:mrn', mrn: patient_id, sex: 'unknown' },
    })),
  );
  await insert(
    'users.practitioner',
    world.practitioners.map(({ id: practitioner_id, account: account_id }) => ({
      ...{ ...base, ...name, practitioner_id, account_id, specialty: 'S' },
    })),
  );
  await insert(
    'users.care_team_member',
    world.members.map(({ id, patient: patient_id, practitioner: practitioner_id, from, to }) => ({
      ...{ care_team_member_id: id, patient_id, practitioner_id, starts_at: hours(from), ends_at: hours(to) },
      ...{ created_at: now, created_by: NOBODY },
    })),
  );
  await insert(
    'users.proxy_grant',
    world.proxies.map(({ id, account: account_id, patient: patient_id, open: open_labels, from, to }) => ({
      ...{ proxy_grant_id: id, account_id, patient_id, open_labels, starts_at: hours(from), ends_at: hours(to) },
    })),
  );
  await insert(
    'records.chart_wish',
    world.wishes.map((patient_id) => ({ patient_id, account_id: NOBODY, since: now })),
  );
  const records = world.records.map(({ id: record_id, patient: patient_id, source, labels, held, unseen }) => ({
    ...{
      record_id,
      patient_id,
      source,
      source_id: record_id,
      type: 'Observation',
      version: 1,
      status: '',
    },
    ...{ code_system: '', code: '', sort_at: now, content_mac: '\\x00', resource: 'x', received_at: now },
    ...{ is_deleted: false, flags: [], gist: '', day: now, codes: [], words: [], departments: [], origin: 'feed' },
    ...{ sender_labels: labels, labels, acceptance: '', waits_until: '-infinity' },
    held_until: held ? hours(1) : '-infinity',
    category: unseen ? ['laboratory'] : [],
  }));
  await insert('records.record', records);
  await insert('records.record_version', records);
}

/** What an account may see of each kind: ids, in order. */
interface Sight {
  records: string[];
  patients: string[];
  members: string[];
}

/**
 * Who sees what, from the requirements: a patient their own chart, but what is held back, or waits for a clinician by their own
 * wish; a proxy the same, but what is sensitive and not open to them; a clinician whom they treat right now, all of it; the offices all
 * demographics and care teams, and no record. Whether the account may sign in at all is asked before any of this.
 */
function oracle(world: World, account: World['accounts'][number]): Sight {
  const has = (...roles: Role[]) => roles.some((role) => account.roles.includes(role));
  const mine = world.practitioners.find((one) => one.account === account.id);
  const isTreated = (patient: string) =>
    world.members.some(
      (one) =>
        one.patient === patient && one.practitioner === mine?.id && one.from <= 0 && (one.to === null || one.to > 0),
    );
  const isOwn = (patient: string) =>
    has('patient') && world.patients.some((one) => one.id === patient && one.account === account.id);
  const charts = world.patients.map(({ id }) => id).filter((id) => isOwn(id) || (has('clinician') && isTreated(id)));
  const grantOf = (patient: string) =>
    world.proxies.find(
      (one) =>
        has('proxy') &&
        one.account === account.id &&
        one.patient === patient &&
        one.from <= 0 &&
        (one.to === null || one.to > 0),
    );
  const isSeen = ({ patient, labels, held, unseen }: World['records'][number]): boolean => {
    if (patient === null) return false;
    if (has('clinician') && isTreated(patient)) return true;
    const isOpen = isOwn(patient) || labels.every((label) => grantOf(patient)?.open.includes(label) ?? false);
    return isOpen && (isOwn(patient) || !!grantOf(patient)) && !held && !(unseen && world.wishes.includes(patient));
  };
  const isOffice = has('staff', 'records_officer', 'admin');
  const ids = (things: { id: string }[]) => things.map(({ id }) => id).sort();
  return {
    records: ids(world.records.filter(isSeen)),
    patients: ids(world.patients.filter(({ id }) => isOffice || charts.includes(id))),
    members: ids(world.members.filter(({ patient }) => isOffice || charts.includes(patient))),
  };
}

/**
 * Intended: a feed sees its own rows through the second wall, because an import compares what it brings with what it brought
 * before. The first wall gives it no way to read any of them.
 */
const ownOfFeed = (world: World, { roles, source }: World['accounts'][number]): string[] =>
  roles.includes('integration') ? world.records.filter((one) => one.source === source).map(({ id }) => id) : [];

const db = {
  query: async <Row extends object>(text: string, values: readonly unknown[] = []): Promise<Row[]> =>
    (await owner.query<Row>(text, [...values])).rows,
};

const ids = async (text: string, values: unknown[] = []): Promise<string[]> =>
  (await db.query<{ id: string }>(text, values)).map(({ id }) => id).sort();

const abilities = new AbilityFactory([authPolicy, usersPolicy, recordsPolicy, auditPolicy]);
const people = new People();

/** The first wall alone: the ability's SQL, as a superuser whom no row policy holds back. */
async function throughFirstWall(world: World, accountId: string, now: Date): Promise<Sight[]> {
  const { person } = await people.loadPerson(db, accountId, now);
  // Whose wishes count is asked of the acting account; no row policy holds the superuser back.
  await owner.query(`SELECT set_config('app.account_id', $1, true)`, [accountId]);
  const ctx = { now, actor: { ...person, ability: abilities.for(person) } } as unknown as SignedIn;
  const run = (select: string, condition: (params: Params) => string) => {
    const params = new Params();
    return ids(`${select} WHERE ${condition(params)}`, params.values);
  };
  const records = 'SELECT record_id AS id FROM records.record r';
  const patients = 'SELECT patient_id AS id FROM users.patient p';
  const members = 'SELECT care_team_member_id AS id FROM users.care_team_member c';
  const [record, patient, member] = [
    { columns: { patientId: 'r.patient_id' } },
    { columns: { id: 'p.patient_id' } },
    { columns: { patientId: 'c.patient_id' } },
  ];
  const byChart: string[] = [];
  for (const { id: patientId } of world.patients) {
    byChart.push(
      ...(await run(records, (params) => {
        const known = { ...record, known: { patientId } };
        return `r.patient_id = ${params.add(patientId)} AND ${accessible(ctx, 'list', 'Record', known, params)} AND ${visible(ctx, params, patientId)}`;
      })),
    );
  }
  return [
    {
      records: await run(
        records,
        (params) => `${accessible(ctx, 'read', 'Record', record, params)} AND ${visible(ctx, params)}`,
      ),
      patients: await run(patients, (params) => accessible(ctx, 'read', 'Patient', patient, params)),
      members: await run(members, (params) => accessible(ctx, 'list', 'CareTeam', member, params)),
    },
    {
      records: byChart.sort(),
      patients: await run(patients, (params) => accessible(ctx, 'list', 'Patient', patient, params)),
      members: await run(members, (params) => accessible(ctx, 'list', 'CareTeam', member, params)),
    },
  ];
}

/** The second wall alone: the server's role, told who acts, with no condition at all. */
async function throughSecondWall(accountId: string): Promise<Sight & { versions: string[] }> {
  await owner.query('SET LOCAL ROLE portico_app');
  await owner.query(`SELECT set_config('app.account_id', $1, true)`, [accountId]);
  const sight = {
    records: await ids('SELECT record_id AS id FROM records.record'),
    versions: await ids('SELECT record_id AS id FROM records.record_version'),
    patients: await ids('SELECT patient_id AS id FROM users.patient'),
    members: await ids('SELECT care_team_member_id AS id FROM users.care_team_member'),
  };
  await owner.query('RESET ROLE');
  return sight;
}

const SEEN = { records: 0, patients: 0, members: 0, hidden: 0 };

async function agree(world: World): Promise<void> {
  await owner.query('BEGIN');
  try {
    const now = new Date();
    await build(world, now);
    for (const account of world.accounts) {
      const wanted = oracle(world, account);
      for (const sight of await throughFirstWall(world, account.id, now)) expect(sight).toEqual(wanted);
      const { versions, ...second } = await throughSecondWall(account.id);
      const records = [...new Set([...wanted.records, ...ownOfFeed(world, account)])].sort();
      expect(second).toEqual({ ...wanted, records });
      expect(versions).toEqual(records);
      for (const kind of ['records', 'patients', 'members'] as const) SEEN[kind] += wanted[kind].length;
      SEEN.hidden += world.records.length - wanted.records.length;
    }
    for (const stranger of ['', NOBODY]) {
      expect(await throughSecondWall(stranger)).toEqual({ records: [], versions: [], patients: [], members: [] });
    }
  } finally {
    await owner.query('ROLLBACK');
  }
}

describe('the two walls', () => {
  it('let each account see the same, and what the requirements say', async () => {
    await fc.assert(fc.asyncProperty(worlds, agree), { seed: 20261122, numRuns: 150 });
    // The worlds were not empty ones.
    for (const count of Object.values(SEEN)) expect(count).toBeGreaterThan(50);
  });
});
