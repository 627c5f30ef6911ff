import fastify from 'fastify';
import pg from 'pg';
import { importLines } from '../harness/feed.js';
import { makeFeed, makePatient, type Caller } from '../harness/people.js';
import type { Portal } from '../harness/portal.js';
import { median } from './statistics.js';

const MRN = 'bench-chart';
const LINES = 5_000;
const CODES = 60;
const TURNS = 40;

const DAY = 86_400_000;
const FIRST = Date.parse('2010-01-01T08:00:00Z');

/** A chart of 5,000 resources: mostly results, with a visit a month, problems, medicines, allergies, vaccines. */
function linesOf(): string[] {
  const lines = [
    `{"resourceType":"Patient","id":"p","identifier":[{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"MR"}]},"system":"https://hospital.example.org/mrn","value":"${MRN}"}],"name":[{"family":"Bench","given":["B"]}],"gender":"female","birthDate":"1980-05-17"}`,
  ];
  const subject = '"subject":{"reference":"Patient/p"}';
  for (let n = 1; n < LINES; n++) {
    const at = new Date(FIRST + n * DAY).toISOString();
    if (n % 30 === 0)
      lines.push(
        `{"resourceType":"Encounter","id":"e${n}","status":"finished","class":{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"AMB"},${subject},"period":{"start":"${at}","end":"${at}"}}`,
      );
    else if (n % 50 === 1)
      lines.push(
        `{"resourceType":"Condition","id":"c${n}","clinicalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/condition-clinical","code":"${n % 100 === 1 ? 'active' : 'resolved'}"}]},"code":{"coding":[{"system":"http://snomed.info/sct","code":"${n}"}],"text":"Problem ${n}"},${subject},"onsetDateTime":"${at}"}`,
      );
    else if (n % 50 === 2)
      lines.push(
        `{"resourceType":"MedicationRequest","id":"m${n}","status":"${n % 100 === 2 ? 'active' : 'stopped'}","intent":"order","medicationCodeableConcept":{"text":"Medicine ${n}"},${subject},"authoredOn":"${at}","dosageInstruction":[{"text":"One a day"}]}`,
      );
    else
      lines.push(
        `{"resourceType":"Observation","id":"o${n}","status":"final","category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"${n % 10 === 5 ? 'vital-signs' : 'laboratory'}"}]}],` +
          `"code":{"coding":[{"system":"http://loinc.org","code":"${n % CODES}-1","display":"Analyte ${n % CODES} [Mass/volume] in Serum or Plasma"}]},${subject},"effectiveDateTime":"${at}",` +
          `"valueQuantity":{"value":${(n % 97) / 10 + 1}0,"unit":"mg/dL","system":"http://unitsofmeasure.org","code":"mg/dL"},"referenceRange":[{"low":{"value":3.50,"unit":"mg/dL"},"high":{"value":5.0,"unit":"mg/dL"}}]}`,
      );
  }
  return lines;
}

/** Charts of others: 20 records each, of the same shape and size; their seals are never opened here. */
async function fill(owner: pg.Client, from: number, to: number): Promise<void> {
  await owner.query(
    `INSERT INTO users.patient (patient_id, mrn_system, mrn, family, given, birth_date, sex, created_at, updated_at)
     SELECT gen_random_uuid(), 'urn:bench', n::text, 'Other', '{O}', '1970-01-01', 'unknown', now(), now() FROM generate_series($1::integer, $2::integer - 1) n`,
    [from, to],
  );
  await owner.query(
    `INSERT INTO records.record (record_id, patient_id, named_patient_id, source, type, source_id, version, category, code_system, code, status, effective_at, sort_at, day,
       codes, words, content_mac, resource, gist, received_at)
     SELECT gen_random_uuid(), p.patient_id, p.patient_id, 'urn:bench', r.type, gen_random_uuid()::text, 1, r.category, r.code_system, r.code, r.status, r.effective_at, r.sort_at, r.day,
            r.codes, r.words, r.content_mac, r.resource, r.gist, now()
       FROM users.patient p CROSS JOIN (SELECT * FROM records.record WHERE type = 'Observation' AND source <> 'urn:bench' ORDER BY source_id LIMIT 20) r
      WHERE p.mrn_system = 'urn:bench' AND p.mrn::integer >= $1 AND p.mrn::integer < $2`,
    [from, to],
  );
  await owner.query('VACUUM ANALYZE records.record');
  await owner.query('VACUUM ANALYZE users.patient');
}

const LINE = `record_id, patient_id, type, category, code_system, code, status, effective_at, sort_at, version, source, source_updated_at, received_at, origin, labels, acceptance, gist`;
const OF = 'FROM bench.chart WHERE patient_id = $1';
const section = (types: string, statuses: string): string =>
  `SELECT ${LINE} ${OF} AND type IN (${types}) AND status IN (${statuses}) ORDER BY sort_at DESC, record_id DESC LIMIT 101`;
const series = (category: string): string =>
  `SELECT ${LINE} FROM (SELECT *, row_number() OVER (PARTITION BY code_system, code ORDER BY sort_at DESC, record_id DESC) AS n
     ${OF} AND type = 'Observation' AND category && '{${category}}') r WHERE n <= 12 ORDER BY code_system, code, n`;

/** The same SQL without rights, audit or seals: a plain copy of the rows, with the same indexes. */
const FLOOR: Record<string, readonly string[]> = {
  page: [`SELECT ${LINE}, resource ${OF} ORDER BY sort_at DESC, record_id DESC LIMIT 51`],
  filtered: [
    `SELECT ${LINE}, resource ${OF} AND codes @> ARRAY['http://loinc.org|7-1'] ORDER BY sort_at DESC, record_id DESC LIMIT 51`,
  ],
  summary: [
    `SELECT type, count(*) ${OF} GROUP BY type`,
    `SELECT ${LINE} ${OF} AND type = 'Encounter' ORDER BY sort_at DESC, record_id DESC LIMIT 1`,
    `SELECT ${LINE} ${OF} AND sort_at >= '2023-08-01' ORDER BY sort_at DESC, record_id DESC LIMIT 51`,
    series('vital-signs'),
    series('laboratory'),
    section("'Condition'", "'active'"),
    section("'MedicationRequest', 'MedicationStatement'", "'active'"),
    section("'AllergyIntolerance'", "'active'"),
    section("'Immunization'", "'completed'"),
  ],
};

async function floorServer(
  owner: pg.Client,
  url: string,
  patientId: string,
): Promise<{ url: string; close: () => Promise<void> }> {
  await owner.query(`CREATE SCHEMA IF NOT EXISTS bench; DROP TABLE IF EXISTS bench.chart;
    CREATE TABLE bench.chart AS SELECT * FROM records.record WHERE patient_id = '${patientId}';
    UPDATE bench.chart SET resource = repeat('x', length(resource) * 3 / 4), gist = repeat('x', length(gist) * 3 / 4);
    ALTER TABLE bench.chart ADD PRIMARY KEY (record_id);
    CREATE INDEX ON bench.chart (patient_id, sort_at DESC, record_id DESC);
    CREATE INDEX ON bench.chart (patient_id, type, sort_at DESC, record_id DESC);
    CREATE INDEX ON bench.chart (patient_id, code_system, code, sort_at DESC, record_id DESC) WHERE type = 'Observation';
    GRANT USAGE ON SCHEMA bench TO PUBLIC; GRANT SELECT ON bench.chart TO PUBLIC`);
  await owner.query('VACUUM FULL ANALYZE bench.chart');
  const pool = new pg.Pool({ connectionString: url, max: 9 });
  const app = fastify();
  app.get<{ Params: { what: string } }>('/:what', async ({ params: { what } }) =>
    Promise.all(
      FLOOR[what]!.map(
        async (text, at) => (await pool.query({ name: `${what}${at}`, text, values: [patientId] })).rows as object[],
      ),
    ),
  );
  const address = await app.listen({ port: 0, host: '127.0.0.1' });
  return { url: address, close: async () => (await app.close(), pool.end()) };
}

async function milliseconds(url: string, headers: Record<string, string> = {}): Promise<number> {
  const begun = performance.now();
  const answer = await fetch(url, { headers });
  const body = await answer.text();
  if (answer.status !== 200) throw new Error(`${url}: ${answer.status} ${body.slice(0, 200)}`);
  return performance.now() - begun;
}

/**
 * Reads of a chart of 5,000 resources, one at a time, in turns with the floor; once for each number of other charts. What it
 * shows is that their number costs nothing.
 */
export async function chartReads(portal: Portal, admin: Caller, others: readonly number[]): Promise<object[]> {
  const patient = await makePatient(portal, admin, { mrn: MRN });
  const feed = await makeFeed(portal, admin, 'https://bench.example.org/chart');
  const { created } = await importLines(feed, ...linesOf());
  if (created !== LINES) throw new Error(`${created} of ${LINES} records came in`);
  const { owner } = portal;
  const paths: Record<string, string> = {
    page: `/v1/patients/${patient.patientId}/records?limit=50`,
    filtered: `/v1/patients/${patient.patientId}/records?limit=50&code=http%3A%2F%2Floinc.org%7C7-1`,
    text: `/v1/patients/${patient.patientId}/records?limit=50&text=analyte%207`,
    absent: `/v1/patients/${patient.patientId}/records?limit=50&code=not-there`,
    timeline: `/v1/patients/${patient.patientId}/timeline?limit=20`,
    summary: `/v1/patients/${patient.patientId}/summary`,
  };
  const rows: object[] = [];
  let there = 0;
  for (const count of others) {
    await fill(owner, there, count);
    there = count;
    const floor = await floorServer(owner, portal.config.database.url, patient.patientId);
    const headers = {
      authorization: `Bearer ${(await patient.get('/v1/me').expect(200), patient.tokens.accessToken)}`,
    };
    const row: Record<string, number> = { charts: count };
    for (const [name, path] of Object.entries(paths)) {
      const taken: { portal: number; floor: number }[] = [];
      for (let turn = -5; turn < TURNS; turn++) {
        const one = {
          portal: await milliseconds(portal.url + path, headers),
          floor: FLOOR[name] ? await milliseconds(`${floor.url}/${name}`) : 0,
        };
        if (turn >= 0) taken.push(one);
      }
      row[`${name} ms`] = Number(median(taken.map((one) => one.portal)).toFixed(1));
      if (FLOOR[name]) row[`${name} of floor`] = Number(median(taken.map((one) => one.floor / one.portal)).toFixed(2));
    }
    await floor.close();
    rows.push(row);
  }
  return rows;
}
