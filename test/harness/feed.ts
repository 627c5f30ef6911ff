import { request } from 'node:http';
import type supertest from 'supertest';
import type { Caller } from './people.js';
import { ImportJobs } from '../../src/modules/records/import-jobs.js';
import type { Portal } from './portal.js';

/** A resource as text: what is sent must keep its decimals. */
export type ResourceText = string;

export interface EntryOptions {
  fullUrl?: string;
  request?: { method: string; url: string };
}

export const entryOf = (resource: ResourceText, { fullUrl, request: sent }: EntryOptions = {}): string =>
  `{${fullUrl === undefined ? '' : `"fullUrl":${JSON.stringify(fullUrl)},`}${sent ? `"request":${JSON.stringify(sent)},` : ''}"resource":${resource}}`;

export const bundleOf = (type: string, ...entries: string[]): string =>
  `{"resourceType":"Bundle","type":${JSON.stringify(type)},"entry":[${entries.join(',')}]}`;

export const patientText = (
  id: string,
  mrn: string,
  system = 'https://hospital.example.org/mrn',
  more = '',
): ResourceText =>
  `{"resourceType":"Patient","id":"${id}","identifier":[{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"MR"}]},` +
  `"system":"${system}","value":"${mrn}"}],"name":[{"family":"Feed","given":["Fee"]}],"gender":"female","birthDate":"1980-05-17"${more}}`;

/** A body weight; `value` is the number as it is written. */
export const weightText = (id: string, patient: string, value: string, more = ''): ResourceText =>
  `{"resourceType":"Observation","id":"${id}","status":"final","category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category",` +
  `"code":"vital-signs"}]}],"code":{"coding":[{"system":"http://loinc.org","code":"29463-7","display":"Body weight"}]},"subject":{"reference":"${patient}"},` +
  `"effectiveDateTime":"2024-03-01T10:00:00-05:00","valueQuantity":{"value":${value},"unit":"kg","system":"http://unitsofmeasure.org","code":"kg"}${more}}`;

export const sendBundle = (feed: Caller, bundle: string, type = 'application/fhir+json'): supertest.Test =>
  feed.send('post', '/v1/imports').set('Content-Type', type).send(bundle);

export interface ImportResult {
  id: string;
  status: string;
  entries: number;
  created: number;
  updated: number;
  unchanged: number;
  deleted: number;
  quarantined: number;
  rejected: number;
  flagged: number;
  released: number;
  failure: string | null;
  byType: Record<string, Record<string, number> & { entries: number }>;
}

/** Works off what is queued, in this process, and resolves when nothing is due any more. */
export const worked = (portal: Portal): Promise<void> => portal.app.get(ImportJobs).drain();

/** What has become of an import, once it is over. */
export async function outcomeOf(feed: Caller, id: string): Promise<ImportResult> {
  for (let tries = 0; tries < 3_000; tries++) {
    await worked(feed.portal);
    const { rows } = await feed.portal.owner.query<{ over: boolean }>(
      'SELECT finished_at IS NOT NULL AS over FROM records.import WHERE import_id = $1',
      [id],
    );
    // Another replica is at it.
    if (rows[0]?.over === false) await new Promise((later) => setTimeout(later, 20));
    else return (await feed.get(`/v1/imports/${id}`).expect(200)).body as ImportResult;
  }
  throw new Error(`the import ${id} does not end`);
}

/** Imports a file with a resource a line. */
export async function importLines(feed: Caller, ...lines: string[]): Promise<ImportResult> {
  const { body } = await sendBundle(feed, lines.join('\n'), 'application/fhir+ndjson').expect(202);
  return outcomeOf(feed, (body as { id: string }).id);
}

/** Imports a Bundle and answers what GET /v1/imports/:id says of it. */
export async function importBundle(feed: Caller, bundle: string): Promise<ImportResult> {
  const { body } = await sendBundle(feed, bundle).expect(202);
  return outcomeOf(feed, (body as { id: string }).id);
}

export async function issuesOf(
  feed: Caller,
  id: string,
): Promise<
  {
    entry: number | null;
    line: number | null;
    severity: string;
    code: string;
    path: string;
    detail: string;
    fullUrl: string | null;
  }[]
> {
  return ((await feed.get(`/v1/imports/${id}/issues?limit=200`).expect(200)).body as { items: never[] }).items;
}

/** Streams a body as it comes, with or without saying its length before, and answers what was read: also while it still sends. */
export async function streamBody(
  caller: Caller,
  path: string,
  chunks: Iterable<Buffer>,
  length?: number,
): Promise<{ status: number; body: string; sent: number }> {
  return new Promise((resolve, reject) => {
    let sent = 0;
    const headers = {
      authorization: `Bearer ${caller.tokens.accessToken}`,
      'content-type': 'application/fhir+json',
      ...(length === undefined ? {} : { 'content-length': length }),
    };
    const message = request(new URL(path, caller.portal.url), { method: 'POST', headers }, (response) => {
      let body = '';
      response
        .setEncoding('utf8')
        .on('data', (text: string) => (body += text))
        .on('end', () => {
          resolve({ status: response.statusCode!, body, sent });
          message.destroy();
        });
    });
    message.on('error', reject);
    void (async () => {
      for (const chunk of chunks) {
        if (message.destroyed) return;
        sent += chunk.length;
        if (!message.write(chunk)) await new Promise((drained) => message.once('drain', drained));
      }
      message.end();
    })();
  });
}

interface RecordRow {
  id: string;
  patientId: string | null;
  version: number;
}

/** What is stored of a feed's record, by its id there. */
export async function recordRow(
  portal: Portal,
  { source, type, sourceId }: { source: string; type: string; sourceId: string },
): Promise<RecordRow | undefined> {
  const { rows } = await portal.owner.query<RecordRow>(
    'SELECT record_id AS id, patient_id AS "patientId", version FROM records.record WHERE source = $1 AND type = $2 AND source_id = $3',
    [source, type, sourceId],
  );
  return rows[0];
}

/** Everything that imports write, but for the imports themselves. */
export async function chartState(portal: Portal): Promise<unknown> {
  const { rows } = await portal.owner.query<{ state: unknown }>(
    `SELECT json_build_array(
       (SELECT json_agg(x ORDER BY x.record_id) FROM (SELECT record_id, version, patient_id, encode(content_mac, 'hex') AS mac FROM records.record) x),
       (SELECT json_agg(x ORDER BY x.record_id, x.version) FROM (SELECT record_id, version FROM records.record_version) x),
       (SELECT json_agg(x ORDER BY x.patient_id) FROM users.patient x),
       (SELECT json_agg(x ORDER BY x.record_id, x.system, x.value) FROM records.directory_identifier x)) AS state`,
  );
  return rows[0]!.state;
}
