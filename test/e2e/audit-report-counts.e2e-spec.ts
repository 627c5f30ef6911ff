import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { v7 as uuidv7 } from 'uuid';
import { EVENT_KINDS } from '../../src/modules/audit/event-kinds.js';
import { known, pages, type Known } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import { makeAdmin, makeStaff, type Caller } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

/** A made event, as the server would write it; everything that a report counts by is left to chance. */
interface Made {
  sub: string;
  out: 0 | 4 | 8;
  actor: string;
  roles: string[] | null;
  pat: string | null;
  purp: string | null;
  err: string | null;
  things: string[];
  isBySystem: boolean;
  minute: number;
}

interface Report {
  total: number;
  kinds: { kind: string; count: number; events: string }[];
  groups: { by: string; values: number; counts: { value: string | null; count: number; events: string | null }[] }[];
}

let portal: Portal;
let officer: Known<Caller>;
let runs = 0;

const people = ['a', 'b', 'c'].map((one) => `0199aaaa-0000-7000-8000-00000000000${one}`);
const charts = ['d', 'e'].map((one) => `0199bbbb-0000-7000-8000-00000000000${one}`);
const CODES = [
  ...[
    'Session.login',
    'Session.verify',
    'Session.end',
    'Account.grant',
    'Account.create',
    'Patient.invite',
    'Record.read',
  ],
  ...['AuditExport.create', 'RecoveryCode.create', 'System.configure', 'Event.list', 'CareTeam.end', 'Accounts.grant'],
];
const REASONS = ['logout', 'idle', 'expired', 'revoked', 'idle-not'].map((one) => `auth.session-ended:${one}`);

const event: fc.Arbitrary<Made> = fc.record({
  sub: fc.constantFrom(...CODES),
  out: fc.constantFrom(0, 4, 8),
  actor: fc.constantFrom('', ...people),
  roles: fc.option(fc.subarray(['admin', 'clinician', 'staff'])),
  pat: fc.option(fc.constantFrom(...charts)),
  purp: fc.option(fc.constantFrom('TREAT', 'BTG', 'HCOMPL')),
  err: fc.option(fc.constantFrom('access.forbidden', ...REASONS)),
  things: fc.subarray(['"t":"Session","v":1', '"t":"Letter"', '"t":"RecoveryCode"', '"t":"Account"']),
  isBySystem: fc.boolean(),
  minute: fc.integer({ min: 0, max: 3 * 1440 - 1 }),
});

beforeAll(async () => {
  portal = await startPortal();
  const admin = await makeAdmin(portal);
  officer = await known(makeStaff(portal, admin, 'compliance_officer'));
}, 60_000);

afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});

const member = (name: string, value: string | null): string => (value === null ? '' : `"${name}":"${value}",`);

function textOf(made: Made, id: string, at: Date): string {
  const roles = made.roles === null ? '' : `,"roles":${JSON.stringify(made.roles)}`;
  const actor = made.actor === '' ? '{}' : `{"id":"${made.actor}"${roles}}`;
  const things = made.things.map((thing) => `{"i":"x",${thing}}`).join(',');
  // What an event says of roles and reasons elsewhere must count for nothing.
  const det = `"det":{"note":"\\"err\\":\\"auth.session-ended:idle\\"","roles":["records_officer"]},`;
  return (
    `{"act":"E","actor":${actor},${det}${member('err', made.err)}"id":"${id}","out":${made.out},${member('pat', made.pat)}` +
    `${member('purp', made.purp)}"req":"${id}",${things === '' ? '' : `"res":[${things}],`}"src":"r","sub":"${made.sub}","t":"${at.toISOString()}","v":1}`
  );
}

/** Puts them into the log by the server's own functions, each run into days of its own. */
async function logged(events: readonly Made[]): Promise<Date> {
  const from = new Date(Date.UTC(2020, 0, 1 + 5 * runs++));
  const rows = events.map((made) => {
    const id = uuidv7();
    return { made, id, at: new Date(from.getTime() + made.minute * 60_000) };
  });
  const column = <T>(of: (row: (typeof rows)[number]) => T): T[] => rows.map(of);
  await portal.owner.query(
    `SELECT audit.submit($1::uuid[], $2::text[], $3::timestamptz[], $4::text[], $5::text[], $6::text[], $7::smallint[], $8::uuid[], $9::uuid[], '{}', '{}', '{}')`,
    [
      column(({ id }) => id),
      column(({ made, id, at }) => textOf(made, id, at)),
      column(({ at }) => at),
      column(({ made }) => made.actor),
      column(({ made }) => made.pat),
      column(({ made }) => made.sub),
      column(({ made }) => made.out),
      column(({ made, id }) => (made.isBySystem ? id : uuidv7())),
      column(() => null),
    ],
  );
  await portal.owner.query('SELECT audit.sequence(100000)');
  return from;
}

const has = (made: Made, thing: string): boolean => made.things.some((one) => one.includes(`"t":"${thing}"`));
const isEnd = ({ sub, isBySystem }: Made): boolean => sub === 'Session.end' && isBySystem;
const endedBy = (made: Made, ...reasons: string[]): boolean =>
  isEnd(made) && reasons.some((reason) => made.err === `auth.session-ended:${reason}`);

/** The kinds in other words, by hand. */
const KINDS: Record<string, (made: Made) => boolean> = {
  'sign-in': (made) => /^Session\.(login|verify)$/.test(made.sub) && made.out === 0 && has(made, 'Session'),
  'failed-sign-in': ({ sub, out }) => /^Session\.(login|verify)$/.test(sub) && out !== 0,
  'sign-out': (made) => endedBy(made, 'logout'),
  'automatic-logout': (made) => endedBy(made, 'idle', 'expired'),
  'session-ended': (made) => isEnd(made) && !endedBy(made, 'logout', 'idle', 'expired'),
  'privilege-change': ({ sub, out }) => /^(Account\.(grant|create)|CareTeam\.end)$/.test(sub) && out === 0,
  export: ({ sub, out }) => sub === 'AuditExport.create' && out === 0,
  print: (made) => made.sub === 'Patient.invite' && made.out === 0 && has(made, 'Letter'),
  'secret-shown': (made) =>
    /^(RecoveryCode\.create|Session\.(login|verify))$/.test(made.sub) && made.out === 0 && has(made, 'RecoveryCode'),
  'break-glass': ({ purp }) => purp === 'BTG',
  'configuration-change': ({ sub }) => sub === 'System.configure',
  'audit-access': ({ sub, out }) => sub === 'Event.list' && out === 0,
};

const iso = (from: Date, minutes: number): string => new Date(from.getTime() + minutes * 60_000).toISOString();
const VALUES: Record<string, (made: Made, from: Date) => (string | null)[]> = {
  action: ({ sub }) => [sub],
  subjectType: ({ sub }) => [sub.split('.')[0]!],
  outcome: ({ out }) => [{ 0: 'success', 4: 'refused', 8: 'failed' }[out]],
  role: ({ roles, actor }) => (actor !== '' && roles?.length ? roles : [null]),
  purpose: ({ purp }) => [purp],
  actor: ({ actor }) => [actor || null],
  patient: ({ pat }) => [pat],
  hour: ({ minute }, from) => [iso(from, minute - (minute % 60)).replace('.000', '')],
  day: ({ minute }, from) => [iso(from, minute - (minute % 1440)).replace('.000', '')],
};

function naive(events: readonly Made[], from: Date, by: string): [string | null, number][] {
  const counts = new Map<string | null, number>();
  for (const value of events.flatMap((made) => VALUES[by]!(made, from)))
    counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts];
}

const sorted = (pairs: [string | null, number][]): string[] => pairs.map((pair) => JSON.stringify(pair)).sort();

describe('the numbers of a report', () => {
  it('are those of counting one by one, over logs left to chance', async () => {
    expect(Object.keys(KINDS).sort()).toEqual([...EVENT_KINDS].sort());
    const by = Object.keys(VALUES);
    const window = fc.tuple(fc.integer({ min: 0, max: 2000 }), fc.integer({ min: 1, max: 3000 }));
    await fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 60 }), window, async (events, [begin, length]) => {
        const day = await logged(events);
        const period = `from=${iso(day, begin)}&to=${iso(day, begin + length)}`;
        const ours = events.filter(({ minute }) => minute >= begin && minute < begin + length);
        const query = `${period}&top=200&${by.map((one) => `by=${one}`).join('&')}`;
        const report = (await officer.get(`/v1/audit/reports/period?${query}`).expect(200)).body as Report;
        expect(report.total).toBe(ours.length);
        for (const { kind, count } of report.kinds)
          expect([kind, count]).toEqual([kind, ours.filter(KINDS[kind]!).length]);
        for (const { by: one, counts } of report.groups) {
          const found = counts.map(({ value, count }): [string | null, number] => [value, count]);
          expect([one, sorted(found)]).toEqual([one, sorted(naive(ours, day, one))]);
        }
      }),
      { seed: 3, numRuns: 25 },
    );
  }, 120_000);

  it('lead to just so many events, whatever narrows them', async () => {
    const narrower = fc.constantFrom(
      ...['', '&role=staff', '&outcome=refused', '&subjectType=Session', '&action=Account', '&kind=session-ended'],
      ...['&purpose=BTG', `&actorId=${people[0]}`, `&patientId=${charts[0]}`, '&code=auth.session-ended:idle'],
    );
    await fc.assert(
      fc.asyncProperty(fc.array(event, { minLength: 5, maxLength: 30 }), narrower, async (events, more) => {
        const day = await logged(events);
        const query = `from=${iso(day, 0)}&to=${iso(day, 4320)}${more}&by=role&by=action&by=actor&by=day`;
        const report = (await officer.get(`/v1/audit/reports/period?${query}`).expect(200)).body as Report;
        const numbers = [
          ...report.kinds.map((one) => ({ ...one, value: one.kind })),
          ...report.groups.flatMap((one) => one.counts),
        ];
        for (const { value, count, events: link } of numbers) {
          if (link === null) continue;
          expect([more, value, (await pages(officer, link, 200)).flat().length]).toEqual([more, value, count]);
        }
      }),
      { seed: 5, numRuns: 8 },
    );
  }, 120_000);
});
