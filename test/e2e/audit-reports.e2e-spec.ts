import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Sequencer } from '../../src/modules/audit/sequencer.js';
import { again, exported, fetched, linesOf } from '../harness/exports.js';
import { fillLog } from '../harness/filled-log.js';
import { itemsOf, openHospital, pages, said, waiting, type Hospital } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';

interface Leaf {
  act: string;
  actor: { id?: string; roles?: string[] };
  err?: string;
  out: number;
  pat?: string;
  purp?: string;
  ses?: string;
  sub: string;
  t: string;
  res?: { t: string; v?: number }[];
}

interface Count {
  value: string | null;
  who: { id: string; name: string | null; kind: string } | null;
  count: number;
  events: string | null;
}

interface Report {
  total: number;
  events: string;
  logSize: number;
  kinds: { kind: string; count: number; events: string }[];
  groups: { by: string; values: number; counts: Count[] }[];
}

interface Change {
  value: string | null;
  count: number;
  withCount: number;
  difference: number;
  ratio: number | null;
  events: string | null;
  withEvents: string | null;
}

let hospital: Hospital;
/** Made events of one stretch of time in which nothing else happened. */
let made: Leaf[];
const FROM = '2026-01-01T06:00:00.000Z';
const TO = '2026-01-01T09:00:00.000Z';
const PERIOD = `from=${FROM}&to=${TO}`;

const officer = () => hospital.complianceOfficer;
const place = () => hospital.portal.app.get(Sequencer).sequence();

async function leavesOf(from: string, to: string): Promise<Leaf[]> {
  const { rows } = await hospital.portal.owner.query<{ leaf: string }>(
    'SELECT leaf FROM audit.entry WHERE occurred >= $1 AND occurred < $2 ORDER BY idx',
    [from, to],
  );
  return rows.map(({ leaf }) => (JSON.parse(leaf) as { e: Leaf }).e);
}

async function report(query: string): Promise<Report> {
  return (await officer().get(`/v1/audit/reports/period?${query}`).expect(200)).body as Report;
}

const group = (found: Report, by: string) => found.groups.find((one) => one.by === by)!;
const countsOf = (found: Report, by: string): Map<string | null, number> =>
  new Map(group(found, by).counts.map(({ value, count }) => [value, count]));

/** Counted one by one, in the other language. */
function naive(leaves: readonly Leaf[], valuesOf: (leaf: Leaf) => (string | null)[]): Map<string | null, number> {
  const counts = new Map<string | null, number>();
  for (const value of leaves.flatMap(valuesOf)) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}

const OUTCOME: Record<number, string> = { 0: 'success', 4: 'refused', 8: 'failed' };
const VALUES: Record<string, (leaf: Leaf) => (string | null)[]> = {
  action: ({ sub }) => [sub],
  subjectType: ({ sub }) => [sub.split('.')[0]!],
  outcome: ({ out }) => [OUTCOME[out]!],
  role: ({ actor }) => (actor.roles?.length ? actor.roles : [null]),
  purpose: ({ purp }) => [purp ?? null],
  actor: ({ actor }) => [actor.id ?? null],
  patient: ({ pat }) => [pat ?? null],
  hour: ({ t }) => [`${t.slice(0, 13)}:00:00Z`],
  day: ({ t }) => [`${t.slice(0, 10)}T00:00:00Z`],
};

const found = async (link: string): Promise<number> => (await pages(officer(), link, 200)).flat().length;

beforeAll(async () => {
  hospital = await openHospital();
  await fillLog(hospital.portal.owner, 1_500);
  made = await leavesOf(FROM, TO);
  expect(made).toHaveLength(360);
}, 60_000);

afterAll(async () => {
  await checkLedger(hospital.portal);
  await hospital.portal.close();
});

describe('the report of a period', () => {
  it('counts by everything that it is asked for, as counting one by one does', async () => {
    const by = Object.keys(VALUES);
    const counted = await report(`${PERIOD}&top=200&${by.map((one) => `by=${one}`).join('&')}`);
    expect(counted.total).toBe(360);
    expect(counted.groups.map((one) => one.by)).toEqual(by);
    for (const one of by) {
      const expected = naive(made, VALUES[one]!);
      const shown = countsOf(counted, one);
      expect([one, group(counted, one).values]).toEqual([one, expected.size]);
      for (const [value, count] of shown) expect([one, value, count]).toEqual([one, value, expected.get(value)]);
      expect([one, shown.size]).toEqual([
        one,
        Math.min(expected.size, one === 'actor' || one === 'patient' ? 200 : 1e9),
      ]);
    }
  });

  it('lists the most frequent people first, and no more than were asked for', async () => {
    const counts = group(await report(`${PERIOD}&by=patient&top=7`), 'patient').counts.map(({ count }) => count);
    const all = [...naive(made, VALUES.patient!).values()].sort((a, b) => b - a);
    expect(counts).toEqual(all.slice(0, 7));
  });

  it('agrees with the search and with the export for every number', async () => {
    const counted = await report(`${PERIOD}&subjectType=Record&outcome=success&top=3`);
    const ours = made.filter(({ sub, out }) => sub.startsWith('Record.') && out === 0);
    expect(counted.total).toBe(ours.length);
    expect(await found(counted.events)).toBe(counted.total);
    let links = 0;
    for (const { by, counts } of counted.groups)
      for (const { value, count, events } of counts) {
        expect([by, value, events === null]).toEqual([by, value, value === null]);
        if (events !== null) expect([by, value, await found(events), ++links > 0]).toEqual([by, value, count, true]);
      }
    expect(links).toBeGreaterThan(10);

    const asked = await again(officer());
    const filter = { subjectType: 'Record', outcome: 'success', from: FROM, to: TO };
    const { id } = await exported(asked, { filter });
    const lines = linesOf(await fetched(asked, `/v1/audit/exports/${id}/events.ndjson`));
    // The last line is the export's own event.
    expect(lines).toHaveLength(counted.total + 1);
  }, 60_000);

  it('cuts hours and days off where the period ends', async () => {
    const counted = await report('from=2026-01-01T06:30:00Z&to=2026-01-01T08:15:00Z&by=hour&by=day');
    expect(group(counted, 'hour').counts.map(({ value, count }) => [value, count])).toEqual([
      ['2026-01-01T06:00:00Z', 60],
      ['2026-01-01T07:00:00Z', 120],
      ['2026-01-01T08:00:00Z', 30],
    ]);
    for (const { by, counts } of counted.groups)
      for (const { count, events } of counts) expect([by, await found(events!)]).toEqual([by, count]);
  });

  it('says what officers look for: of real people, by the search that finds just that', async () => {
    const { portal, admin, staff, anna } = hospital;
    const from = portal.clock.now().toISOString();
    const dina = (
      await (
        await again(admin)
      ).post('/v1/users', { displayName: 'Dina', email: 'dina@hospital.example', roles: ['staff'] })
    ).body as { id: string };
    await portal.http.post('/v1/auth/login').send({ username: 'nobody', password: 'wrong' }).expect(401);
    const letter = { deliver: 'letter', email: 'carla@example.org' };
    const chart = (
      await staff.post('/v1/patients', {
        ...{ family: 'Letter', given: ['L'], birthDate: '1990-04-05', sex: 'female', mrn: 'L-1' },
      })
    ).body as { id: string };
    await (await again(staff)).post(`/v1/patients/${chart.id}/invitations`, letter).expect(200);
    await (await again(anna)).post('/v1/auth/logout').expect(200);
    await place();
    const to = portal.clock.now().toISOString();
    const counted = await report(`from=${from}&to=${to}&by=action`);
    const numbers = Object.fromEntries(counted.kinds.map(({ kind, count }) => [kind, count]));
    expect(numbers).toMatchObject({
      'sign-in': 3,
      'failed-sign-in': 1,
      'sign-out': 1,
      'automatic-logout': 0,
      'privilege-change': 1,
      print: 1,
      export: 0,
      'break-glass': 0,
    });
    for (const { kind, count, events } of counted.kinds) expect([kind, await found(events)]).toEqual([kind, count]);
    const changes = itemsOf(await officer().get(counted.kinds.find((one) => one.kind === 'privilege-change')!.events));
    expect(changes).toMatchObject([{ action: 'Account.create', actor: { id: admin.id }, actorId: admin.id }]);
    const { rows } = await portal.owner.query<{ leaf: string }>(
      `SELECT leaf FROM audit.entry WHERE action = 'Account.create' ORDER BY idx DESC LIMIT 1`,
    );
    expect((JSON.parse(rows[0]!.leaf) as { e: Leaf }).e.res).toContainEqual(
      expect.objectContaining({ t: 'Account', i: dina.id, b: [], a: ['staff', 'status:invited'] }),
    );
  }, 60_000);

  it('is not counted for longer than is reasonable, and says so', async () => {
    const refused: [string, unknown[]][] = [
      ['from=2026-01-01T00:00:00Z', [400, 'http.invalid']],
      [`${PERIOD}&by=leaf`, [400, 'http.invalid']],
      [`from=${TO}&to=${FROM}`, [422, 'audit.period-backwards']],
      [`from=${FROM}&to=${FROM}`, [422, 'audit.period-backwards']],
      ['from=2024-01-01T00:00:00Z&to=2026-01-01T00:00:00Z', [422, 'audit.period-too-long']],
      ['from=2026-01-01T00:00:00Z&to=2026-02-02T00:00:00Z&by=hour', [422, 'audit.period-too-long']],
    ];
    for (const [query, answer] of refused)
      expect([query, ...said(await officer().get(`/v1/audit/reports/period?${query}`))]).toEqual([query, ...answer]);

    const { owner } = hospital.portal;
    await owner.query('BEGIN; LOCK TABLE audit.entry IN ACCESS EXCLUSIVE MODE');
    const answer = officer()
      .get(`/v1/audit/reports/period?${PERIOD}`)
      .then((response) => said(response));
    await waiting(hospital.portal, 2);
    await owner.query(
      "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = 'portico-reports' AND wait_event_type = 'Lock' AND datname = current_database()",
    );
    expect(await answer).toEqual([422, 'audit.report-too-wide']);
    await owner.query('ROLLBACK');
  });

  it('is an event that names whom it was narrowed to', async () => {
    const { anna } = hospital;
    const answer = await officer().get(`/v1/audit/reports/period?${PERIOD}&patientId=${anna.patientId}`).expect(200);
    expect(answer.body).toMatchObject({
      total: 0,
      groups: expect.arrayContaining([{ by: 'action', values: 0, counts: [] }]),
    });
    await place();
    const [event] = itemsOf(await officer().get(`/v1/audit/events?requestId=${answer.headers['x-request-id']}`));
    expect(event).toMatchObject({
      action: 'AuditReport.read',
      touched: [{ type: 'AuditReport' }, { type: 'Patient', id: anna.patientId }],
    });
  });
});

describe('two periods side by side', () => {
  const [now, before] = [
    ['2026-01-01T05:00:00.000Z', '2026-01-01T06:00:00.000Z'],
    ['2026-01-01T01:00:00.000Z', '2026-01-01T04:00:00.000Z'],
  ] as const;
  const compare = async (more: string) =>
    (
      await officer()
        .get(
          `/v1/audit/reports/comparison?from=${now[0]}&to=${now[1]}&withFrom=${before[0]}&withTo=${before[1]}&${more}`,
        )
        .expect(200)
    ).body as { total: Change; changes: Change[]; unusual: { actor: { id: string; name: string | null } }[] };

  it('tell both counts, the difference and the ratio, the largest change first', async () => {
    const [ours, theirs] = [await leavesOf(...now), await leavesOf(...before)];
    for (const by of ['action', 'subjectType', 'outcome', 'role', 'purpose']) {
      const { total, changes } = await compare(`by=${by}`);
      expect(total).toMatchObject({ count: ours.length, withCount: theirs.length, ratio: ours.length / theirs.length });
      const [count, withCount] = [naive(ours, VALUES[by]!), naive(theirs, VALUES[by]!)];
      expect(changes).toHaveLength(new Set([...count.keys(), ...withCount.keys()]).size);
      for (const one of changes) {
        expect([by, one.count, one.withCount]).toEqual([by, count.get(one.value) ?? 0, withCount.get(one.value) ?? 0]);
        expect(one.difference).toBe(one.count - one.withCount);
        expect(one.ratio).toBe(one.withCount === 0 ? null : one.count / one.withCount);
        expect([await found(one.events!), await found(one.withEvents!)]).toEqual([one.count, one.withCount]);
      }
      const sizes = changes.map(({ difference }) => Math.abs(difference));
      expect(sizes).toEqual([...sizes].sort((a, b) => b - a));
    }
  }, 60_000);

  it('show who does unusually much, and not who did as much before', async () => {
    const { portal, anna, clinician } = hospital;
    const day = (hours: number) => new Date(portal.clock.now().getTime() + hours * 3_600_000).toISOString();
    for (let at = 0; at < 12; at++) await clinician.get(`/v1/patients/${anna.patientId}`).expect(200);
    await place();
    const query = (withHours: number) =>
      `/v1/audit/reports/comparison?by=actor&from=${day(-1)}&to=${day(1)}&withFrom=${day(withHours)}&withTo=${day(-1)}`;
    const fresh = (await officer().get(query(-3)).expect(200)).body as {
      unusual: {
        actor: { id: string };
        events: { count: number; withCount: number; expected: number };
        score: number;
      }[];
    };
    const his = fresh.unusual.find(({ actor }) => actor.id === clinician.id)!;
    expect(his).toMatchObject({ actor: { kind: 'person' }, events: { withCount: 0, expected: 0 } });
    expect(his.events.count).toBeGreaterThanOrEqual(12);
    expect(his.score).toBe(his.events.count);
    // Compared with the same stretch, nobody does more than they did.
    const same = `from=${day(-1)}&to=${day(1)}&withFrom=${day(-1)}&withTo=${day(1)}`;
    const { body } = await officer().get(`/v1/audit/reports/comparison?by=actor&${same}`).expect(200);
    expect(body).toMatchObject({ unusual: [], total: { difference: 0, ratio: 1 } });
  });
});

describe('names in the trail', () => {
  it('stand beside ids, of today and for officers alone; who is not there any more is erased', async () => {
    const { portal, admin, anna, clinician } = hospital;
    const answer = await clinician.get(`/v1/patients/${anna.patientId}`).expect(200);
    await place();
    const read = async () =>
      itemsOf(await officer().get(`/v1/audit/events?requestId=${answer.headers['x-request-id']}`))[0]!;
    const { rows } = await portal.owner.query<{ family: string; name: string }>(
      'SELECT p.family, a.display_name AS name FROM users.patient p, users.account a WHERE p.patient_id = $1 AND a.account_id = $2',
      [anna.patientId, clinician.id],
    );
    expect(await read()).toMatchObject({
      actor: { id: clinician.id, name: rows[0]!.name, kind: 'person' },
      patient: { id: anna.patientId, name: expect.stringContaining(`${rows[0]!.family}, `), kind: 'patient' },
    });
    const { version } = (await admin.get(`/v1/users/${clinician.id}`).expect(200)).body as { version: number };
    await admin
      .patch(`/v1/users/${clinician.id}`, { displayName: 'Dr Renamed' })
      .set('If-Match', `"${version}"`)
      .expect(200);
    expect(await read()).toMatchObject({ actor: { name: 'Dr Renamed' } });
    const gone = itemsOf(await officer().get(`/v1/audit/events?${PERIOD}&limit=1`))[0]!;
    expect(gone.actor).toEqual({ id: gone.actorId, name: null, kind: 'erased' });
    // No name ever got into the log.
    const { rows: named } = await portal.owner.query('SELECT 1 FROM audit.entry WHERE strpos(leaf, $1) > 0', [
      'Renamed',
    ]);
    expect(named).toEqual([]);
  });

  it('come out of the database for no other role, whatever the server asks', async () => {
    const { portal, anna, admin, staff } = hospital;
    const asked = async (who: string): Promise<number> => {
      await portal.owner.query('BEGIN');
      await portal.owner.query(`SELECT set_config('app.account_id', $1, true)`, [who]);
      const { rowCount } = await portal.owner.query('SELECT * FROM users.names_of($1, $2)', [
        [admin.id],
        [anna.patientId],
      ]);
      await portal.owner.query('ROLLBACK');
      return rowCount!;
    };
    expect([await asked(officer().id), await asked(admin.id), await asked(staff.id), await asked('')]).toEqual([
      2, 0, 0, 0,
    ]);
  });
});
