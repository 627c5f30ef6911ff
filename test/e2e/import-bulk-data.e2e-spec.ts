import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { placeOf, unpackRecord } from '../../src/modules/records/record-text.js';
import type { Db } from '../../src/platform/database/db.js';
import { Vault } from '../../src/platform/database/vault.js';
import { withoutContent } from '../harness/attachments.js';
import { chartState, importBundle, importLines, issuesOf, outcomeOf, type ImportResult } from '../harness/feed.js';
import { checkLedger } from '../harness/ledger.js';
import { makeAdmin, makeFeed, type Caller } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';
import { flat, parse } from '../harness/written-json.js';

const DATA = process.env.PORTICO_SAMPLE_DATA ?? join(import.meta.dirname, '../../../shared/data');
const EXPORT = join(DATA, 'bulk-ndjson-2025');
const IPS = join(DATA, 'ips-1.1.0/Bundle-bundle-minimal.json');
const hasData = existsSync(EXPORT) && existsSync(IPS);
const SOURCE = 'https://bulk.test/fhir';

interface Manifest {
  transactionTime: string;
  output: { type: string; url: string; count: number }[];
}

const suite = hasData ? describe : describe.skip;

suite(`a Bulk Data export${hasData ? '' : ' (skipped: the folder of sample data is not here)'}`, () => {
  let portal: Portal;
  let admin: Caller;
  let feed: Caller;
  const manifest = (): Manifest => JSON.parse(readFileSync(join(EXPORT, 'manifest.json'), 'utf8')) as Manifest;

  beforeAll(async () => {
    portal = await startPortal();
    admin = await makeAdmin(portal);
    feed = await makeFeed(portal, admin, SOURCE);
  });

  afterAll(async () => {
    await checkLedger(portal);
    await portal.close();
  });

  /** As a client of Bulk Data would hand it over: file by file, in the manifest's order. */
  async function handOver(): Promise<ImportResult> {
    const { transactionTime, output } = manifest();
    const { id } = (await feed.post('/v1/imports/open', { transactionTime }).expect(201)).body as { id: string };
    for (const { url } of output)
      await feed
        .send('post', `/v1/imports/${id}/files?name=${url}`)
        .set('Content-Type', 'application/fhir+ndjson')
        .send(readFileSync(join(EXPORT, url)))
        .expect(201);
    await feed.post(`/v1/imports/${id}/complete`).expect(202);
    return outcomeOf(feed, id);
  }

  it('is taken in whole, with the counts of its manifest, every record in a chart or the directory', async () => {
    const result = await handOver();
    const { output } = manifest();
    expect(result).toMatchObject({ status: 'completed', rejected: 0, quarantined: 0 });
    expect(Object.fromEntries(Object.entries(result.byType).map(([type, { created }]) => [type, created]))).toEqual(
      Object.fromEntries(output.map(({ type, count }) => [type, count])),
    );
    const { rows } = await portal.owner.query<{ type: string }>(
      'SELECT DISTINCT type FROM records.record WHERE patient_id IS NULL ORDER BY 1',
    );
    expect(rows.map(({ type }) => type)).toEqual(['Location', 'Organization', 'Practitioner', 'PractitionerRole']);
  });

  it('changes nothing the second time', async () => {
    const before = await chartState(portal);
    const { created, updated, unchanged, entries } = await handOver();
    expect([created, updated, unchanged]).toEqual([0, 0, entries]);
    expect(await chartState(portal)).toEqual(before);
  });

  it('comes out as it went in, every number with the same characters; only references differ', async () => {
    const vault = portal.app.get(Vault);
    const db = {
      query: async (text: string, values: unknown[]) => (await portal.owner.query(text, values)).rows,
    } as unknown as Db;
    const sent = new Map<string, string>();
    for (const { url } of manifest().output)
      for (const line of readFileSync(join(EXPORT, url), 'utf8').split('\n').filter(Boolean)) {
        const { resourceType, id } = JSON.parse(line) as { resourceType: string; id: string };
        sent.set(`${resourceType}/${id}`, line);
      }
    const { rows } = await portal.owner.query<{ id: string; key: string; version: number; resource: string }>(
      `SELECT record_id AS id, type || '/' || source_id AS key, version, resource FROM records.record WHERE source = $1`,
      [SOURCE],
    );
    expect(rows).toHaveLength(sent.size);
    for (const { id, key, version, resource } of rows) {
      const plain = await vault.open({ db }, placeOf(id, version), Buffer.from(resource, 'base64'));
      const [stored, asSent] = [unpackRecord(plain).resource.toString(), sent.get(key)!].map((text) =>
        flat(parse(text)).map(withoutContent),
      );
      expect(stored).toEqual(asSent);
    }
  });

  it('leaves what its files do not hold as it was sent, and says so', async () => {
    const { rows } = await portal.owner.query<{ key: string }>('SELECT DISTINCT key FROM records.awaited');
    const { body } = await feed.get('/v1/imports?limit=1').expect(200);
    const [{ id }] = (body as { items: [{ id: string }] }).items;
    const codes = new Set((await issuesOf(feed, id)).map(({ code }) => code));
    expect([...codes].filter((code) => code !== 'unresolved-reference')).toEqual([]);
    // What is waited for is not there: nothing that was sent is among it.
    const stored = await portal.owner.query<{ key: string }>(
      "SELECT type || '/' || source_id AS key FROM records.record WHERE source = $1",
      [SOURCE],
    );
    const known = new Set(stored.rows.map(({ key }) => key));
    expect(rows.filter(({ key }) => known.has(key))).toEqual([]);
  });

  it('may be followed by a patient summary (IPS), a document, and by a single Group', async () => {
    const summary = readFileSync(IPS, 'utf8');
    const { entry } = JSON.parse(summary) as { entry: unknown[] };
    const result = await importBundle(feed, summary);
    expect(result).toMatchObject({ status: 'completed', bundleType: 'document', created: entry.length });
    const folder = join(DATA, 'synthea-2020');
    const group = readdirSync(folder).find((name) => name.startsWith('groupInformation'))!;
    const text = readFileSync(join(folder, group), 'utf8').replace(/\n\s*/g, '');
    expect(await importLines(feed, text)).toMatchObject({ status: 'completed', created: 1 });
  });
});
