import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { attachment, documentText, fetchBytes, listOf, pdf, type Listed } from '../harness/attachments.js';
import { bundleOf, entryOf, importBundle, patientText } from '../harness/feed.js';
import { bytes as answered, known, NOBODY, openHospital, SOURCE, type Hospital } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import { makeFeed, makePatient, type Caller, type Patient } from '../harness/people.js';
import { makeProxyOf } from '../harness/reading.js';

let hospital: Hospital;
let pat: Patient & { id: string };
let proxy: Caller & { id: string };
let trusted: Caller & { id: string };
let otherFeed: Caller & { id: string };
let app: pg.Client;
const items = new Map<string, Listed>();
const records = new Map<string, string>();

const CHUNK = 256 * 1024;
const content = pdf(3 * CHUNK + 100, 5);
const labelled = ',"meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"HIV"}]}';
const report = (id: string): string =>
  `{"resourceType":"DiagnosticReport","id":"${id}","status":"final","code":{"text":"Report"},"subject":{"reference":"Patient/pat"},` +
  `"effectiveDateTime":"2025-01-05T08:00:00Z","presentedForm":[${attachment({ text: id })}]}`;

const bringIn = (...entries: string[]) => importBundle(hospital.feed, bundleOf('batch', ...entries));

async function remember(sourceId: string): Promise<void> {
  const { rows } = await hospital.portal.owner.query<{ id: string }>(
    'SELECT record_id AS id FROM records.record WHERE source_id = $1',
    [sourceId],
  );
  records.set(sourceId, rows[0]!.id);
  items.set(sourceId, (await listOf(hospital.clinician, rows[0]!.id))[0]!);
}

beforeAll(async () => {
  hospital = await openHospital();
  pat = await known(makePatient(hospital.portal, hospital.admin, { mrn: 'MRN-PAT' }));
  await hospital.staff
    .post(`/v1/patients/${pat.patientId}/care-team`, { practitionerId: hospital.clinician.practitionerId })
    .expect(201);
  await bringIn(
    entryOf(patientText('pat', 'MRN-PAT')),
    entryOf(documentText('plain', 'Patient/pat', [attachment({ bytes: content, contentType: 'application/pdf' })])),
    entryOf(documentText('twin', 'Patient/pat', [attachment({ bytes: content, contentType: 'application/pdf' })])),
    entryOf(documentText('hiv', 'Patient/pat', [attachment({ text: 'hiv' })], labelled)),
    entryOf(report('report')),
  );
  for (const id of ['plain', 'twin', 'hiv', 'report']) await remember(id);
  proxy = await makeProxyOf(hospital, pat.patientId);
  trusted = await makeProxyOf(hospital, pat.patientId, ['HIV']);
  otherFeed = await known(makeFeed(hospital.portal, hospital.admin, `${SOURCE}/other`));
  app = new pg.Client({ connectionString: hospital.portal.config.database.url });
  await app.connect();
});

afterAll(async () => {
  await app.end();
  await checkLedger(hospital.portal);
  await hospital.portal.close();
});

/** What the second wall alone gives an account: the application's database role, with no condition at all. */
async function throughSecondWall(accountId: string): Promise<string[]> {
  await app.query("SELECT set_config('app.account_id', $1, false)", [accountId]);
  const attachments = await app.query<{ id: string; content: string }>(
    'SELECT attachment_id AS id, content_id AS content FROM records.attachment',
  );
  const chunks = await app.query<{ content: string }>(
    'SELECT DISTINCT content_id AS content FROM records.attachment_chunk',
  );
  expect(chunks.rows.map((row) => row.content).sort()).toEqual(attachments.rows.map((row) => row.content).sort());
  const names = new Map([...items].map(([name, { id }]) => [id, name]));
  return attachments.rows.map(({ id }) => names.get(id)!).sort();
}

/** What both walls give, by way of the API. */
async function throughApi(caller: Caller): Promise<string[]> {
  const found: string[] = [];
  for (const [name, { id }] of items) {
    const { status } = await fetchBytes(caller, `/v1/attachments/${id}`, { Range: 'bytes=0-0' });
    const listed = await caller.get(`/v1/records/${records.get(name)}/attachments`);
    const original = await caller.get(`/v1/records/${records.get(name)}/original`);
    if (status === 206) found.push(name);
    expect([name, listed.status, original.status]).toEqual([name, ...(status === 206 ? [200, 200] : [404, 404])]);
    if (status === 206) continue;
    // Not even that there is one.
    expect(await answered(caller, 'get', `/v1/attachments/${id}`)).toBe(
      await answered(caller, 'get', `/v1/attachments/${NOBODY}`),
    );
  }
  return found.sort();
}

const ALL = ['hiv', 'plain', 'report', 'twin'];
async function expectOpen(caller: Caller & { id: string }, expected: string[]): Promise<void> {
  expect(await throughApi(caller)).toEqual(expected);
  expect(await throughSecondWall(caller.id)).toEqual(expected);
}

describe('an attachment is open to whom its record is open, by each of the two walls', () => {
  it('the patient and the team all, a proxy what is not sensitive, strangers nothing', async () => {
    await expectOpen(pat, ALL);
    await expectOpen(hospital.clinician, ALL);
    await expectOpen(trusted, ALL);
    await expectOpen(proxy, ['plain', 'report', 'twin']);
    await expectOpen(hospital.anna, []);
    for (const nobody of ['', NOBODY, hospital.staff.id, hospital.admin.id, otherFeed.id])
      expect(await throughSecondWall(nobody)).toEqual([]);
  });

  it('not while a clinician holds the record back', async () => {
    const until = new Date(hospital.portal.clock.now().getTime() + 86_400_000).toISOString();
    const hold = { reason: 'preventing-harm', explanation: 'In person.', until };
    await hospital.clinician.post(`/v1/records/${records.get('plain')}/hold`, hold).expect(201);
    for (const caller of [pat, trusted]) await expectOpen(caller, ['hiv', 'report', 'twin']);
    await expectOpen(hospital.clinician, ALL);
    await hospital.clinician.send('delete', `/v1/records/${records.get('plain')}/hold`).expect(204);
    await expectOpen(pat, ALL);
  });

  it('not before a clinician has looked at the result, where the patient wishes so', async () => {
    const wish = (resultsAfterReview: boolean) =>
      pat.send('put', `/v1/patients/${pat.patientId}/chart-settings`).send({ resultsAfterReview }).expect(200);
    await wish(true);
    await expectOpen(pat, ['hiv', 'plain', 'twin']);
    await wish(false);
    await expectOpen(pat, ALL);
  });

  it('with earlier versions, as sensitive as they were', async () => {
    const old = items.get('hiv')!;
    await bringIn(entryOf(documentText('hiv', 'Patient/pat', [attachment({ text: 'no more' })])));
    await remember('hiv');
    await fetchBytes(proxy, items.get('hiv')!.url!).expect(200);
    await fetchBytes(proxy, old.url!).expect(404);
    for (const caller of [pat, trusted, hospital.clinician]) await fetchBytes(caller, old.url!).expect(200);
    await app.query("SELECT set_config('app.account_id', $1, false)", [proxy.id]);
    expect((await app.query('SELECT 1 FROM records.attachment WHERE attachment_id = $1', [old.id])).rows).toEqual([]);
  });

  it('and written by no feed but its own', async () => {
    await app.query("SELECT set_config('app.account_id', $1, false)", [otherFeed.id]);
    const changed = await app.query("UPDATE records.attachment SET head = 'x'");
    expect(changed.rowCount).toBe(0);
    const insert = (source: string) =>
      app.query(
        `INSERT INTO records.attachment (attachment_id, record_id, version, ordinal, source, head, received_at) VALUES (gen_random_uuid(), $1, 1, 9, $2, 'x', now())`,
        [records.get('plain'), source],
      );
    await expect(insert(SOURCE)).rejects.toThrow(/row-level security/);
    await expect(insert(`${SOURCE}/other`)).rejects.toThrow(/row-level security/);
    await expect(app.query('DELETE FROM records.attachment_chunk')).rejects.toThrow(/permission denied/);
    await expect(app.query("UPDATE records.attachment_chunk SET body = 'x'")).rejects.toThrow(/permission denied/);
  });
});

/** What a fetch ends in: the right bytes, or a refusal; never other bytes. */
async function fetched(): Promise<'right' | 'refused' | 'broken off'> {
  try {
    const { status, body } = await fetchBytes(pat, items.get('plain')!.url!);
    if (status !== 200) return 'refused';
    expect((body as Buffer).equals(content)).toBe(true);
    return 'right';
  } catch (error) {
    expect(String(error)).toMatch(/aborted|ECONNRESET|socket hang up/);
    return 'broken off';
  }
}

const reported = async (): Promise<Record<string, unknown>[]> =>
  (
    await hospital.portal.owner.query<{ det: Record<string, unknown> }>(
      `SELECT event::jsonb -> 'det' AS det FROM audit.inbox WHERE action = 'Attachment.tampered'
       UNION ALL SELECT leaf::jsonb #> '{e,det}' FROM audit.entry WHERE action = 'Attachment.tampered'`,
    )
  ).rows.map(({ det }) => det);

describe('whoever has the database in hand', () => {
  const OWN = `content_id = (SELECT content_id FROM records.attachment WHERE attachment_id = $1)`;
  const TWINS = `(SELECT content_id FROM records.attachment WHERE attachment_id = $2)`;
  /** What is done to a chunk, and whether it may go unnoticed because it changes nothing. */
  const CHUNKS: [string, string, boolean][] = [
    [
      'the content it is of',
      `UPDATE records.attachment_chunk SET content_id = gen_random_uuid() WHERE ${OWN} AND ordinal = 1`,
      false,
    ],
    ['its position', `UPDATE records.attachment_chunk SET ordinal = 7 WHERE ${OWN} AND ordinal = 2`, false],
    [
      'two positions, swapped',
      `UPDATE records.attachment_chunk c SET body = o.body FROM records.attachment_chunk o WHERE c.${OWN} AND o.content_id = c.content_id AND (c.ordinal, o.ordinal) IN ((0, 1), (1, 0))`,
      false,
    ],
    [
      'its body, for that of another content with the same bytes',
      `UPDATE records.attachment_chunk c SET body = o.body FROM records.attachment_chunk o WHERE c.${OWN} AND o.content_id = ${TWINS} AND o.ordinal = c.ordinal AND c.ordinal = 0`,
      false,
    ],
    [
      'one character of its body',
      `UPDATE records.attachment_chunk SET body = overlay(body PLACING 'AAAA' FROM 2001) WHERE ${OWN} AND ordinal = 1`,
      false,
    ],
    ['the last one, cut off', `DELETE FROM records.attachment_chunk WHERE ${OWN} AND ordinal = 3`, false],
    [
      'the one before, put in place of the last',
      `UPDATE records.attachment_chunk c SET body = o.body FROM records.attachment_chunk o WHERE c.${OWN} AND o.content_id = c.content_id AND o.ordinal = 2 AND c.ordinal = 3`,
      false,
    ],
    ['whose it is said to be', `UPDATE records.attachment_chunk SET source = 'x' WHERE ${OWN}`, true],
    ['when it came', `UPDATE records.attachment_chunk SET received_at = now() WHERE ${OWN}`, true],
  ];
  /** The same of its row. */
  const ROWS: [string, string, boolean][] = [
    [
      'its content, for another with the same bytes',
      `UPDATE records.attachment SET content_id = ${TWINS} WHERE attachment_id = $1`,
      false,
    ],
    [
      'its head, for that of another',
      `UPDATE records.attachment SET head = (SELECT head FROM records.attachment WHERE attachment_id = $2) WHERE attachment_id = $1`,
      false,
    ],
    [
      'one character of its head',
      `UPDATE records.attachment SET head = overlay(head PLACING 'AAAA' FROM 201) WHERE attachment_id = $1`,
      false,
    ],
    ['its place in the record', 'UPDATE records.attachment SET ordinal = 5 WHERE attachment_id = $1', false],
    [
      'a literal that is not its own',
      `UPDATE records.attachment SET literal_id = content_id WHERE attachment_id = $1`,
      false,
    ],
    [
      'its record',
      `UPDATE records.attachment SET record_id = (SELECT record_id FROM records.attachment WHERE attachment_id = $2), ordinal = 8 WHERE attachment_id = $1`,
      false,
    ],
    ['whose it is said to be', `UPDATE records.attachment SET source = 'x' WHERE attachment_id = $1`, true],
    ['what it is said to wait for', `UPDATE records.attachment SET wants = 'Binary/x' WHERE attachment_id = $1`, true],
    [
      'of which Binary it is said to be',
      `UPDATE records.attachment SET of_binary = gen_random_uuid() WHERE attachment_id = $1`,
      true,
    ],
    ['when it came', `UPDATE records.attachment SET received_at = now() WHERE attachment_id = $1`, true],
  ];

  it.each([...CHUNKS, ...ROWS])(
    'and changes %s: gets no other bytes handed out, and is reported',
    async (_, attack, isHarmless) => {
      const { owner } = hospital.portal;
      for (const table of ['attachment', 'attachment_chunk'])
        await owner.query(`CREATE TEMP TABLE kept_${table} AS SELECT * FROM records.${table}`);
      const before = (await reported()).length;
      const both = [items.get('plain')!.id, items.get('twin')!.id];
      await owner.query(attack.includes('$2') ? attack : attack, attack.includes('$2') ? both : both.slice(0, 1));
      const result = await fetched();
      const events = (await reported()).slice(before);
      for (const table of ['attachment_chunk', 'attachment']) {
        await owner.query(`DELETE FROM records.${table}`);
        await owner.query(`INSERT INTO records.${table} SELECT * FROM kept_${table}`);
        await owner.query(`DROP TABLE kept_${table}`);
      }
      if (isHarmless) return expect([result, events]).toEqual(['right', []]);
      expect(['refused', 'broken off']).toContain(result);
      expect(events).toEqual([expect.objectContaining({ attachment: items.get('plain')!.id })]);
      expect(await fetched()).toBe('right');
    },
  );

  it('and moves its version: it is not there any more', async () => {
    const { owner } = hospital.portal;
    const { id } = items.get('plain')!;
    await owner.query('UPDATE records.attachment SET version = 9 WHERE attachment_id = $1', [id]);
    expect(await fetched()).toBe('refused');
    await owner.query('UPDATE records.attachment SET version = 1 WHERE attachment_id = $1', [id]);
    expect(await fetched()).toBe('right');
  });

  it('has tried every column', async () => {
    const { rows } = await hospital.portal.owner.query<{ column_name: string; table_name: string }>(
      `SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'records' AND table_name IN ('attachment', 'attachment_chunk')`,
    );
    const tried = (table: string): string[] =>
      [...CHUNKS, ...ROWS]
        .filter(([, attack]) => attack.startsWith(`UPDATE records.${table} `))
        .flatMap(([, attack]) => [...attack.matchAll(/(?:SET|,) (\w+) =/g)].map(([, column]) => column!));
    const untried = rows.filter(({ table_name, column_name }) => !tried(table_name).includes(column_name));
    // The key that is asked for, and the version, which was tried above.
    expect(untried.map(({ column_name }) => column_name).sort()).toEqual(['attachment_id', 'version']);
  });
});
