import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { fetchBytes, listOf } from '../harness/attachments.js';
import { importBundle, importLines, type ImportResult } from '../harness/feed.js';
import { checkLedger } from '../harness/ledger.js';
import { makeAdmin, makeClinician, makeFeed, type Caller, type Clinician } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';
import { flat, parse } from '../harness/written-json.js';

const DATA = process.env.PORTICO_SAMPLE_DATA ?? join(import.meta.dirname, '../../../shared/data');
const SETS = ['synthea-2021-notes', 'inferno', 'bulk-ndjson-2025'];
const hasData = SETS.every((folder) => existsSync(join(DATA, folder)));
const suite = hasData ? describe : describe.skip;

interface Carried {
  contentType: string;
  data?: string;
  url?: string;
}

/** Every object with a type of content, in document order. */
function carriedIn(value: unknown): Carried[] {
  if (typeof value !== 'object' || value === null) return [];
  const own = 'contentType' in value ? [value as Carried] : [];
  return [...own, ...Object.values(value).flatMap(carriedIn)];
}

/** By type and id: the texts of all resources of a set. */
function textsOf(folder: string): Map<string, string> {
  const texts = new Map<string, string>();
  const keep = (text: string): void => {
    const { resourceType, id } = JSON.parse(text) as { resourceType: string; id: string };
    texts.set(`${resourceType}/${id}`, text);
  };
  for (const name of readdirSync(join(DATA, folder))) {
    const text = readFileSync(join(DATA, folder, name), 'utf8');
    if (/^[A-Z]\w+\.\d+\.ndjson$/.test(name)) text.split('\n').filter(Boolean).forEach(keep);
    else if (name.endsWith('.json') && text.includes('"Bundle"'))
      for (const { resource } of (JSON.parse(text) as { entry: { resource: object }[] }).entry)
        keep(JSON.stringify(resource));
  }
  return texts;
}

async function importAll(feed: Caller, folder: string): Promise<ImportResult[]> {
  const results: ImportResult[] = [];
  const names = readdirSync(join(DATA, folder)).sort(
    (a, b) => Number(b.includes('Information')) - Number(a.includes('Information')),
  );
  const read = (name: string): string => readFileSync(join(DATA, folder, name), 'utf8');
  const lines = names.filter((name) => /^[A-Z]\w+\.\d+\.ndjson$/.test(name)).map(read);
  if (lines.length > 0) results.push(await importLines(feed, ...lines));
  for (const name of names.filter((one) => one.endsWith('.json')).map(read))
    if (name.includes('"Bundle"')) results.push(await importBundle(feed, name));
  return results;
}

suite(`attachments of real feeds${hasData ? '' : ' (skipped: the folder of sample data is not here)'}`, () => {
  let portal: Portal;
  let admin: Caller;
  let doctor: Clinician;

  beforeAll(async () => {
    portal = await startPortal();
    admin = await makeAdmin(portal);
    doctor = await makeClinician(portal, admin);
  });

  afterAll(async () => {
    await checkLedger(portal);
    await portal.close();
  });

  it.each(SETS)(
    '%s: each is fetched byte for byte, and each record is given back as it was sent',
    async (folder) => {
      const source = `https://${folder}.test/fhir`;
      const feed = await makeFeed(portal, admin, source);
      for (const { rejected, quarantined } of await importAll(feed, folder))
        expect([rejected, quarantined]).toEqual([0, 0]);
      const { rows } = await portal.owner.query<{ key: string; id: string; patientId: string }>(
        `SELECT type || '/' || source_id AS key, record_id AS id, patient_id AS "patientId" FROM records.record WHERE source = $1 AND patient_id IS NOT NULL`,
        [source],
      );
      for (const patientId of new Set(rows.map((row) => row.patientId)))
        await admin.post(`/v1/patients/${patientId}/care-team`, { practitionerId: doctor.practitionerId }).expect(201);
      const texts = textsOf(folder);
      let fetched = 0;
      const look = async ({ key, id }: (typeof rows)[number]): Promise<void> => {
        const sent = texts.get(key)!;
        const carried = carriedIn(JSON.parse(sent));
        if (carried.length === 0) return;
        const items = await listOf(doctor, id);
        expect(items).toHaveLength(carried.length);
        for (const [at, { data, contentType, url }] of carried.entries()) {
          if (data === undefined) {
            expect(items[at]).toMatchObject({ state: 'elsewhere', address: url });
            continue;
          }
          expect(items[at]).toMatchObject({
            state: 'stored',
            contentType,
            type: contentType.split(';')[0],
            findings: [],
          });
          const { body } = await fetchBytes(doctor, items[at]!.url!).expect(200);
          expect((body as Buffer).equals(Buffer.from(data, 'base64'))).toBe(true);
          fetched++;
        }
        const { text } = await doctor.get(`/v1/records/${id}/original`).expect(200);
        expect(flat(parse(text))).toEqual(flat(parse(sent)));
        expect((await doctor.get(`/v1/records/${id}`).expect(200)).text).not.toContain('"data"');
      };
      for (let at = 0; at < rows.length; at += 16) await Promise.all(rows.slice(at, at + 16).map(look));
      expect(fetched).toBeGreaterThan(40);
    },
    180_000,
  );
});
