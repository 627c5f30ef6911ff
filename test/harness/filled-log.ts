import type pg from 'pg';

const EVERY = 2_000;

/** Events as the server makes them, by number: a few hundred people, patients and sessions, two in each minute of 2026. */
const EVENTS = `WITH made AS (
    SELECT i, pg_temp.named('event ' || i) AS id, pg_temp.named('actor ' || i % 311)::text AS actor, pg_temp.named('request ' || i) AS request,
      pg_temp.named('session ' || i % 997) AS session, CASE WHEN i % 3 > 0 THEN pg_temp.named('chart ' || i % 503)::text END AS chart,
      (ARRAY['Record.read', 'Record.list', 'Session.login', 'Patient.read'])[1 + i % 4] AS code,
      (ARRAY[0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 8])[1 + i % 11]::smallint AS outcome, (ARRAY['TREAT', 'PATRQT', 'HOPERAT'])[1 + i % 3] AS purpose,
      timestamptz '2026-01-01 00:00Z' + i / 2 * interval '1 minute' AS t
    FROM generate_series($1::bigint, $2::bigint) AS i)
  SELECT audit.submit(array_agg(id ORDER BY i),
    array_agg(format('{"act":"%s","actor":{"id":"%s","roles":["%s"]},"cat":["%s"],%s"http":{"m":"GET","ms":%s,"route":"/v1/records/:id","st":%s},"id":"%s","net":{"_sd":["%s"]},"out":%s,%s"purp":"%s","req":"%s","ses":"%s","src":"host:%s","sub":"%s","t":"%s","v":1}',
      (ARRAY['R', 'E'])[1 + i % 2], actor, (ARRAY['clinician', 'patient'])[1 + i % 2], (ARRAY['laboratory', 'vital-signs', 'imaging'])[1 + i % 3],
      CASE WHEN outcome = 0 THEN '' ELSE '"err":"access.forbidden",' END, i % 41, 200 + 50 * outcome, id, pg_temp.digest(pg_temp.opening(i % 997)), outcome,
      CASE WHEN chart IS NULL THEN '' ELSE format('"pat":"%s",', chart) END, purpose, request, session, i % 2, code,
      to_char(t AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) ORDER BY i),
    array_agg(t ORDER BY i), array_agg(actor ORDER BY i), array_agg(chart ORDER BY i), array_agg(code ORDER BY i), array_agg(outcome ORDER BY i),
    array_agg(request ORDER BY i), array_agg(session ORDER BY i), '{}', '{}', '{}') FROM made`;

/** A valid UUID for each name. */
const NAMED = `CREATE OR REPLACE FUNCTION pg_temp.named(text) RETURNS uuid LANGUAGE sql IMMUTABLE
  AS $$ SELECT overlay(overlay(md5($1) placing '8' from 13) placing 'a' from 17)::uuid $$`;

/** What opens the address of a session (RFC 9901), one of 250 of a documentation's network; and what the leaf has of it. */
const OPENING = `CREATE OR REPLACE FUNCTION pg_temp.opening(n bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT translate(encode(convert_to(format('["AAECAwQFBgcICQoL%s","net",{"ip":"198.51.100.%s","ua":"Agent"}]', lpad(n::text, 6, 'A'), n % 250), 'UTF8'), 'base64'), E'+/=\\n', '-_') $$`;
const DIGEST = `CREATE OR REPLACE FUNCTION pg_temp.digest(text) RETURNS text LANGUAGE sql IMMUTABLE
  AS $$ SELECT translate(encode(sha256(convert_to($1, 'UTF8')), 'base64'), E'+/=\\n', '-_') $$`;
const DISCLOSURES = `INSERT INTO audit.disclosure (digest, disclosure, actor)
  SELECT pg_temp.digest(pg_temp.opening(n)), pg_temp.opening(n), '' FROM generate_series(0, 996) AS n ON CONFLICT DO NOTHING`;

/** Appends so many events by the server's own functions, as the owner. */
export async function fillLog(owner: pg.Client, count: number): Promise<void> {
  const { rows } = await owner.query<{ size: string }>('SELECT size FROM audit.head');
  await owner.query(NAMED);
  await owner.query(OPENING);
  await owner.query(DIGEST);
  await owner.query(DISCLOSURES);
  const from = Number(rows[0]!.size);
  for (let at = from; at < from + count; at += EVERY) {
    await owner.query(EVENTS, [at, Math.min(at + EVERY, from + count) - 1]);
    await owner.query('SELECT audit.sequence($1)', [EVERY]);
  }
}
