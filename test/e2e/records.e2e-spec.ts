import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { listStatement, findStatement } from '../../src/modules/records/record.repository.js';
import { Params } from '../../src/platform/database/accessible.js';
import { bundleOf, entryOf, importBundle, patientText, weightText } from '../harness/feed.js';
import { checkLedger } from '../harness/ledger.js';
import {
  makeAdmin,
  makeClinician,
  makeFeed,
  makePatient,
  makeStaff,
  type Caller,
  type Clinician,
  type Patient,
} from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

interface RecordBody {
  id: string;
  patientId: string;
  type: string;
  category: string[];
  code: string | null;
  display: string;
  effectiveAt: string | null;
  effectiveText: string | null;
  status: string | null;
  version: number;
  source: string;
  resource: { subject: { reference: string } };
}

interface ListBody {
  items: RecordBody[];
  next: string | null;
}

const SOURCE = 'https://ehr.test/fhir';
const STRANGE_VALUES = ['1.50', '0.0000001000', '-0.0', '1e2', '123456789.123456789'];

let portal: Portal;
let admin: Caller;
let feed: Caller;
let pat: Patient;
let other: Patient;
let doctor: Clinician;

const observation = (id: string, patient: string, at: string, more = ''): string =>
  `{"resourceType":"Observation","id":"${id}","status":"final","code":{"text":"Note"},"subject":{"reference":"${patient}"},"effectiveDateTime":"${at}"${more}}`;

async function list(caller: Caller, patientId: string, query = ''): Promise<ListBody> {
  return (await caller.get(`/v1/patients/${patientId}/records${query}`).expect(200)).body as ListBody;
}

async function walk(caller: Caller, patientId: string, query: string): Promise<string[]> {
  const ids: string[] = [];
  for (let cursor: string | null = ''; cursor !== null;) {
    const page: ListBody = await list(
      caller,
      patientId,
      `?${query}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`,
    );
    ids.push(...page.items.map(({ id }) => id));
    cursor = page.next;
  }
  return ids;
}

beforeAll(async () => {
  portal = await startPortal();
  admin = await makeAdmin(portal);
  feed = await makeFeed(portal, admin, SOURCE);
  pat = await makePatient(portal, admin, { mrn: 'MRN-PAT' });
  other = await makePatient(portal, admin, { mrn: 'MRN-OTHER' });
  doctor = await makeClinician(portal, admin);
  await admin.post(`/v1/patients/${pat.patientId}/care-team`, { practitionerId: doctor.practitionerId }).expect(201);
  const result = await importBundle(
    feed,
    bundleOf(
      'transaction',
      entryOf(patientText('pat', 'MRN-PAT'), { fullUrl: 'urn:uuid:0b7f4a3e-0000-4000-8000-000000000001' }),
      entryOf(patientText('other', 'MRN-OTHER')),
      ...STRANGE_VALUES.map((value, at) =>
        entryOf(weightText(`weight-${at}`, 'urn:uuid:0b7f4a3e-0000-4000-8000-000000000001', value)),
      ),
      entryOf(weightText('other-weight', 'Patient/other', '80')),
      entryOf(observation('month-only', 'Patient/pat', '2021-05')),
      ...Array.from({ length: 12 }, (_, at) => entryOf(observation(`twin-${at}`, 'Patient/pat', '2020-01-01'))),
      entryOf(observation('wrong', 'Patient/pat', '2020-01-02').replace('"final"', '"entered-in-error"')),
    ),
  );
  expect(result).toMatchObject({ status: 'completed', entries: 22, created: 22, rejected: 0 });
});

afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});

describe('a record', () => {
  it('comes out with its fields, and with the decimals of its sender', async () => {
    const { items } = await list(pat, pat.patientId, '?code=29463-7&sort=oldest');
    expect(items).toHaveLength(STRANGE_VALUES.length);
    const texts = await Promise.all(items.map(async ({ id }) => (await pat.get(`/v1/records/${id}`).expect(200)).text));
    for (const value of STRANGE_VALUES)
      expect(texts.some((text) => text.includes(`"value":${value},"unit"`))).toBe(true);
    const one = JSON.parse(texts[0]!) as RecordBody;
    expect(one).toMatchObject({
      patientId: pat.patientId,
      type: 'Observation',
      category: ['vital-signs'],
      code: 'http://loinc.org|29463-7',
      display: 'Body weight',
      effectiveAt: '2024-03-01T15:00:00.000Z',
      effectiveText: '2024-03-01T10:00:00-05:00',
      status: 'final',
      version: 1,
      source: SOURCE,
    });
    expect(one.resource.subject).toEqual({ reference: `Patient/${pat.patientId}` });
    expect(Object.keys(one).slice(0, 6)).toEqual(['id', 'type', 'category', 'code', 'display', 'effectiveAt']);
    expect(Object.keys(one).slice(-2)).toEqual(['patientId', 'resource']);
  });

  it("is the chart itself when it is the chart's Patient", async () => {
    const { body } = await pat.get(`/v1/records/${pat.patientId}`).expect(200);
    expect(body).toMatchObject({ id: pat.patientId, patientId: pat.patientId, type: 'Patient' });
  });

  it('keeps a partial date partial', async () => {
    const { items } = await list(pat, pat.patientId, '?from=2021-05-01&to=2021-05-01');
    expect(items.map(({ effectiveText, effectiveAt }) => [effectiveText, effectiveAt])).toEqual([
      ['2021-05', '2021-05-01T00:00:00.000Z'],
    ]);
  });

  it('lies sealed: no column and no stored byte holds its words', async () => {
    const { rows } = await portal.owner.query<{ line: string; resource: string }>(
      'SELECT r::text AS line, resource FROM records.record r',
    );
    for (const { line, resource } of rows) {
      expect(line).not.toMatch(/Body weight|Feed|123456789\.123/);
      expect(Buffer.from(resource, 'base64').includes('resourceType')).toBe(false);
    }
  });
});

describe('the list of a chart', () => {
  it('pages through equal times without losing or repeating one, in both directions', async () => {
    const newest = await walk(pat, pat.patientId, 'limit=5');
    const oldest = await walk(pat, pat.patientId, 'limit=5&sort=oldest');
    expect(new Set(newest).size).toBe(newest.length);
    expect(newest).toHaveLength(1 + STRANGE_VALUES.length + 1 + 12);
    expect(oldest).toEqual([...newest].reverse());
  });

  it('filters by type, category, code and time, and leaves out what was entered in error', async () => {
    const count = async (query: string) => (await list(pat, pat.patientId, `?limit=200&${query}`)).items.length;
    expect(await count('type=Patient')).toBe(1);
    expect(await count('type=Observation')).toBe(18);
    expect(await count('category=vital-signs')).toBe(5);
    expect(await count('code=http://loinc.org|29463-7')).toBe(5);
    expect(await count('code=http://snomed.info/sct|29463-7')).toBe(0);
    expect(await count('to=2020-01-01')).toBe(12);
    expect(await count('from=2020-01-02&to=2024-03-01T14:59:59Z')).toBe(1);
    expect(await count('from=2024-03-01T15:00:00Z&to=2024-03-01T15:00:00Z')).toBe(5);
  });

  it('refuses what it does not know', async () => {
    const codes = async (query: string) =>
      (await pat.get(`/v1/patients/${pat.patientId}/records?${query}`).expect(400)).body.errors[0].pointer;
    expect(await codes('patient=1')).toBe('/patient');
    expect(await codes('from=2020-02-30')).toBe('/from');
    expect(await codes('sort=best')).toBe('/sort');
    expect(await codes('cursor=abc')).toBe('/cursor');
  });

  it("does not take another list's cursor", async () => {
    const { next } = await list(pat, pat.patientId, '?limit=5');
    await pat
      .get(`/v1/patients/${pat.patientId}/records?limit=5&type=Observation&cursor=${encodeURIComponent(next!)}`)
      .expect(400);
    await doctor.get(`/v1/patients/${pat.patientId}/records?limit=5&cursor=${encodeURIComponent(next!)}`).expect(400);
  });

  it('touches in the audit trail each record that it answered, with category and version', async () => {
    const requestId = randomUUID();
    const { items } = (
      await doctor
        .get(`/v1/patients/${pat.patientId}/records?category=vital-signs`)
        .set('X-Request-Id', requestId)
        .expect(200)
    ).body as ListBody;
    const { rows } = await portal.owner.query<{ event: string; subject: string }>(
      `SELECT event, subject FROM audit.inbox WHERE request_id = $1 UNION ALL SELECT (leaf::json->'e')::text, subject FROM audit.entry WHERE request_id = $1`,
      [requestId],
    );
    expect(rows.map(({ subject }) => subject)).toEqual([pat.patientId]);
    const event = JSON.parse(rows[0]!.event) as { cat: string[]; res: { t: string; i: string; v: number }[] };
    expect(event.cat).toEqual(['vital-signs']);
    expect(event.res.map(({ i }) => i).sort()).toEqual(items.map(({ id }) => id).sort());
    expect(event.res[0]).toMatchObject({ t: 'Observation', v: 1 });
  });
});

describe('who sees a chart', () => {
  /** The same request id for both, because the answer holds it. */
  async function sameAnswer(caller: Caller, paths: [string, string]): Promise<void> {
    const requestId = randomUUID();
    const [one, two] = [
      await caller.get(paths[0]).set('X-Request-Id', requestId).expect(404),
      await caller.get(paths[1]).set('X-Request-Id', requestId).expect(404),
    ];
    const { date: _one, ...headers } = one.headers as Record<string, string>;
    const { date: _two, ...others } = two.headers as Record<string, string>;
    expect([one.text, headers]).toEqual([two.text, others]);
  }

  it("another patient's chart and record answer byte for byte as if they did not exist", async () => {
    const theirs = (await list(other, other.patientId)).items.find(({ type }) => type === 'Observation')!;
    for (const caller of [pat, doctor]) {
      await sameAnswer(caller, [`/v1/records/${theirs.id}`, `/v1/records/${randomUUID()}`]);
      await sameAnswer(caller, [`/v1/patients/${other.patientId}/records`, `/v1/patients/${randomUUID()}/records`]);
    }
  });

  it('a clinician sees the panel, from the first to the last day on the care team', async () => {
    expect((await list(doctor, pat.patientId)).items.length).toBeGreaterThan(10);
    const { body } = await admin.get(`/v1/patients/${pat.patientId}/care-team`).expect(200);
    const member = (body as { items: { id: string }[] }).items[0]!;
    await admin.post(`/v1/patients/${pat.patientId}/care-team/${member.id}/end`);
    const refused = await doctor.get(`/v1/patients/${pat.patientId}/records`);
    expect([403, 404]).toContain(refused.status);
    await admin.post(`/v1/patients/${pat.patientId}/care-team`, { practitionerId: doctor.practitionerId }).expect(201);
    expect((await list(doctor, pat.patientId)).items.length).toBeGreaterThan(10);
  });

  it('nobody else: not the front desk, the administrator, the officers, nor the feed that brought it', async () => {
    const { items } = await list(pat, pat.patientId);
    const staff = await makeStaff(portal, admin, 'staff');
    const officer = await makeStaff(portal, admin, 'records_officer');
    const compliance = await makeStaff(portal, admin, 'compliance_officer');
    for (const caller of [admin, staff, officer, compliance, feed]) {
      expect((await caller.get(`/v1/patients/${pat.patientId}/records`)).status).toBe(403);
      expect((await caller.get(`/v1/records/${items[0]!.id}`)).status).toBe(403);
    }
    await portal.http.get(`/v1/records/${items[0]!.id}`).expect(401);
  });
});

describe('without the first wall', () => {
  let app: pg.Client;
  beforeAll(async () => {
    app = new pg.Client({ connectionString: portal.config.database.url });
    await app.connect();
  });
  afterAll(() => app.end());

  const rowsAs = async (accountId: string | null, statement: { text: string; values: unknown[] }): Promise<number> => {
    await app.query("SELECT set_config('app.account_id', $1, false)", [accountId ?? '']);
    return (await app.query(statement.text, statement.values)).rows.length;
  };
  const wholeList = (patientId: string) =>
    listStatement(patientId, { oldestFirst: false, after: null, limit: 200 }, new Params(), 'true');

  it('row-level security alone answers nothing of another patient', async () => {
    const [mine, theirs, doctors] = [await pat.accountId(), await other.accountId(), await doctor.accountId()];
    expect(await rowsAs(mine, wholeList(pat.patientId))).toBeGreaterThan(10);
    expect(await rowsAs(theirs, wholeList(other.patientId))).toBe(2);
    expect(await rowsAs(theirs, wholeList(pat.patientId))).toBe(0);
    expect(await rowsAs(doctors, wholeList(pat.patientId))).toBeGreaterThan(10);
    expect(await rowsAs(doctors, wholeList(other.patientId))).toBe(0);
    expect(await rowsAs(await admin.accountId(), wholeList(pat.patientId))).toBe(0);
    expect(await rowsAs(null, wholeList(pat.patientId))).toBe(0);
    expect(await rowsAs(theirs, findStatement(pat.patientId, new Params(), 'true'))).toBe(0);
    expect(await rowsAs(mine, findStatement(pat.patientId, new Params(), 'true'))).toBe(1);
  });

  it('and nobody but a feed writes, and a feed only its own', async () => {
    const steal = {
      text: "UPDATE records.record SET status = 'final' WHERE patient_id = $1 RETURNING 1",
      values: [pat.patientId],
    };
    expect(await rowsAs(await pat.accountId(), steal)).toBe(0);
    const stranger = await makeFeed(portal, admin, 'https://stranger.test');
    expect(await rowsAs(await stranger.accountId(), steal)).toBe(0);
    expect(await rowsAs(await stranger.accountId(), wholeList(pat.patientId))).toBe(0);
    const forged = {
      text: `INSERT INTO records.record SELECT gen_random_uuid(), patient_id, source, type, 'forged', version, category, code_system, code, status, effective_at, sort_at,
               source_updated_at, content_mac, resource, import_id, received_at FROM (SELECT $1::uuid AS patient_id, $2::text AS source, 'Basic' AS type, 1 AS version,
               '{}'::text[] AS category, '' AS code_system, '' AS code, '' AS status, NULL::timestamptz AS effective_at, now() AS sort_at, NULL::timestamptz AS source_updated_at,
               ''::bytea AS content_mac, '' AS resource, NULL::uuid AS import_id, now() AS received_at) x RETURNING 1`,
      values: [pat.patientId, SOURCE],
    };
    await expect(rowsAs(await stranger.accountId(), forged)).rejects.toThrow(/row-level security/);
    await expect(app.query('DELETE FROM records.record')).rejects.toThrow(/permission denied/);
  });
});
