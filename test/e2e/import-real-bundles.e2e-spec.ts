import { createReadStream, existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readBundle } from '../../src/fhir/index.js';
import { placeOf, unpackRecord } from '../../src/modules/records/record-text.js';
import type { Db } from '../../src/platform/database/db.js';
import { Vault } from '../../src/platform/database/vault.js';
import { withoutContent } from '../harness/attachments.js';
import { importBundle, issuesOf, type ImportResult } from '../harness/feed.js';
import { checkLedger } from '../harness/ledger.js';
import { makeAdmin, makeClinician, makeFeed, type Caller, type Clinician } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';
import { flat, parse } from '../harness/written-json.js';

const DATA = process.env.PORTICO_SAMPLE_DATA ?? join(import.meta.dirname, '../../../shared/data');
const FOLDERS = ['synthea-2020', 'synthea-2021-notes', 'inferno'];
const hasData = FOLDERS.every((folder) => existsSync(join(DATA, folder)));

// Hospitals and practitioners first: patients' Bundles refer to them. The one Group is no Bundle.
const filesOf = (folder: string): string[] =>
  readdirSync(join(DATA, folder))
    .filter((name) => name.endsWith('.json') && !name.startsWith('groupInformation'))
    .sort((a, b) => Number(b.includes('Information')) - Number(a.includes('Information')) || (a < b ? -1 : 1));

interface Sent {
  type: string;
  id: string;
  text: string;
}

async function resourcesOf(path: string): Promise<Sent[]> {
  const sent: Sent[] = [];
  const limits = { maxDepth: 200, maxEntries: 20_000, maxEntryBytes: 1e8, maxBytes: 1e9 };
  await readBundle(createReadStream(path), limits, ({ resourceText: text }) => {
    const { resourceType: type, id } = JSON.parse(text!) as { resourceType: string; id: string };
    sent.push({ type, id, text: text! });
  });
  return sent;
}

const countBy = (types: string[]): Record<string, number> =>
  Object.fromEntries(Object.entries(Object.groupBy(types, (type) => type)).map(([type, all]) => [type, all!.length]));

const suite = hasData ? describe : describe.skip;

suite(`real Bundles${hasData ? '' : ' (skipped: the folder of sample data is not here)'}`, () => {
  let portal: Portal;
  let admin: Caller;
  let doctor: Clinician;
  const results = new Map<string, ImportResult>();
  const feeds = new Map<string, Caller>();

  beforeAll(async () => {
    portal = await startPortal();
    admin = await makeAdmin(portal);
    doctor = await makeClinician(portal, admin);
    for (const folder of FOLDERS) feeds.set(folder, await makeFeed(portal, admin, `https://${folder}.test/fhir`));
  });

  afterAll(async () => {
    await checkLedger(portal);
    await portal.close();
  });

  const importAll = async (folder: string): Promise<ImportResult[]> => {
    const all: ImportResult[] = [];
    for (const file of filesOf(folder)) {
      const result = await importBundle(feeds.get(folder)!, readFileSync(join(DATA, folder, file), 'utf8'));
      results.set(`${folder}/${file}`, result);
      all.push(result);
    }
    return all;
  };

  describe.each(FOLDERS)('%s', (folder) => {
    it('is taken in whole, over HTTP, with the counts of its files', async () => {
      await importAll(folder);
      const distinct = new Set<string>();
      for (const file of filesOf(folder)) {
        const sent = await resourcesOf(join(DATA, folder, file));
        const { status, byType, ...counts } = results.get(`${folder}/${file}`)!;
        expect({ file, status, ...counts }).toMatchObject({
          file,
          status: 'completed',
          entries: sent.length,
          rejected: 0,
        });
        expect(Object.fromEntries(Object.entries(byType).map(([type, { entries }]) => [type, entries]))).toEqual(
          countBy(sent.map(({ type }) => type)),
        );
        for (const { type, id } of sent) distinct.add(`${type}/${id}`);
      }
      const { rows } = await portal.owner.query<{ type: string; n: string }>(
        'SELECT type, count(*) AS n FROM records.record WHERE source = $1 GROUP BY type',
        [`https://${folder}.test/fhir`],
      );
      expect(Object.fromEntries(rows.map(({ type, n }) => [type, Number(n)]))).toEqual(
        countBy([...distinct].map((key) => key.split('/')[0]!)),
      );
    }, 180_000);

    it('changes nothing the second time', async () => {
      const state = async () =>
        (
          await portal.owner.query(
            "SELECT string_agg(record_id::text || version || encode(content_mac, 'hex'), ',' ORDER BY record_id) AS s, (SELECT count(*) FROM records.record_version) AS n FROM records.record",
          )
        ).rows;
      const before = await state();
      for (const { entries, created, updated, unchanged } of await importAll(folder))
        expect([created, updated, unchanged]).toEqual([0, 0, entries]);
      expect(await state()).toEqual(before);
    });

    it('stores each resource as it was sent, every number with the same characters; only references differ', async () => {
      const vault = portal.app.get(Vault);
      const db = {
        query: async (text: string, values: unknown[]) => (await portal.owner.query(text, values)).rows,
      } as unknown as Db;
      const { rows } = await portal.owner.query<{
        id: string;
        type: string;
        source_id: string;
        version: number;
        resource: string;
      }>('SELECT record_id AS id, type, source_id, version, resource FROM records.record WHERE source = $1', [
        `https://${folder}.test/fhir`,
      ]);
      const last = new Map<string, string>();
      for (const file of filesOf(folder))
        for (const { type, id, text } of await resourcesOf(join(DATA, folder, file))) last.set(`${type}/${id}`, text);
      let numbers = 0;
      for (const { id, type, source_id, version, resource: sealed } of rows) {
        const { resource } = unpackRecord(
          await vault.open({ db }, placeOf(id, version), Buffer.from(sealed, 'base64')),
        );
        const [sent, stored] = [last.get(`${type}/${source_id}`)!, resource.toString()].map((text) =>
          flat(parse(text)).map(withoutContent),
        );
        expect(stored).toEqual(sent);
        numbers += stored!.filter((line) => /=-?\d/.test(line)).length;
      }
      expect(numbers).toBeGreaterThan(10);
    });

    it('leaves no record of a patient unowned and no reference unresolved but the known ones', async () => {
      const { rows } = await portal.owner.query<{ type: string }>(
        'SELECT DISTINCT type FROM records.record WHERE source = $1 AND patient_id IS NULL ORDER BY 1',
        [`https://${folder}.test/fhir`],
      );
      const directory = [
        'Endpoint',
        'Group',
        'Location',
        'Medication',
        'Organization',
        'Practitioner',
        'PractitionerRole',
      ];
      expect(rows.map(({ type }) => type).filter((type) => !directory.includes(type))).toEqual([]);
      const issues = [];
      for (const [key, { id }] of results)
        if (key.startsWith(folder)) issues.push(...(await issuesOf(feeds.get(folder)!, id)));
      // One MedicationRequest of the Inferno set names another that the set does not hold.
      const expected =
        folder === 'inferno' ? [{ code: 'unresolved-reference', path: '/authorizingPrescription/0/reference' }] : [];
      // What misses a profile that it claims is told of as well, and flagged: see sample-data.spec.ts.
      const others = issues.filter(({ code }) => code !== 'profile');
      expect(others.map(({ code, path }) => ({ code, path }))).toEqual(expected);
    });
  });

  it('a clinician on the care team pages through each whole chart', async () => {
    const { rows: charts } = await portal.owner.query<{ id: string; n: string }>(
      `SELECT patient_id AS id, count(*) FILTER (WHERE status <> 'entered-in-error') AS n FROM records.record WHERE patient_id IS NOT NULL GROUP BY 1`,
    );
    expect(charts.length).toBeGreaterThanOrEqual(15);
    for (const { id, n } of charts) {
      await admin.post(`/v1/patients/${id}/care-team`, { practitionerId: doctor.practitionerId }).expect(201);
      const seen = new Set<string>();
      for (let cursor: string | null = ''; cursor !== null;) {
        const { text } = await doctor
          .get(`/v1/patients/${id}/records?limit=200${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`)
          .expect(200);
        const page = JSON.parse(text) as { items: { id: string; patientId: string }[]; next: string | null };
        for (const item of page.items) {
          expect(item.patientId).toBe(id);
          seen.add(item.id);
        }
        cursor = page.next;
      }
      expect(seen.size).toBe(Number(n));
    }
  });
});
