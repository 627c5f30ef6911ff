import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DownloadJobs } from '../../src/modules/records/downloads/download-jobs.js';
import type { Config } from '../../src/platform/config/config.js';
import { cloneDatabase } from '../harness/database.js';
import { fileOf, prepared, type Downloaded } from '../harness/downloads.js';
import { importLines, patientText, weightText } from '../harness/feed.js';
import { checkLedger } from '../harness/ledger.js';
import { Caller, makeAdmin, makeFeed, makePatient, type Patient } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';
import { PortalProcess } from '../harness/process.js';

const RECORDS = 6_000;
const KILLS = 3;

let database: Config['database'];
let seed: Portal;
let pat: Patient;
let replica: PortalProcess;

beforeAll(async () => {
  database = await cloneDatabase();
  seed = await startPortal({ database });
  const admin = await makeAdmin(seed);
  const feed = await makeFeed(seed, admin, 'https://killed.test');
  pat = await makePatient(seed, admin, { mrn: 'MRN-K' });
  const weights = Array.from({ length: RECORDS }, (_, n) => weightText(`w${n}`, 'Patient/p', `${n}.50`));
  await importLines(feed, patientText('p', 'MRN-K'), ...weights);
  replica = await PortalProcess.on(database);
}, 120_000);

afterAll(async () => {
  await replica.end('SIGKILL');
  await seed.close();
});

describe('a download that is written by a process', () => {
  it(`which is killed ${KILLS} times on its way is whole in the end: every record once, files that were whole not written again`, async () => {
    // From here on only the other process works: this one stands for a replica that is away.
    await seed.app.get(DownloadJobs).beforeApplicationShutdown();
    const { body } = await pat
      .post(`/v1/patients/${pat.patientId}/downloads`, { formats: ['fhir', 'ips', 'html'] })
      .expect(202);
    const { id } = body as Downloaded;
    await seed.app.close();
    const { rows: asked } = await seed.owner.query<{ status: string }>('SELECT status FROM records.download');
    expect(asked).toEqual([{ status: 'queued' }]);
    const chunks = async (): Promise<number> =>
      (await seed.owner.query<{ n: number }>('SELECT count(*)::int AS n FROM records.download_chunk')).rows[0]!.n;
    const madeAt = async (): Promise<unknown[]> =>
      (await seed.owner.query("SELECT name, made_at FROM records.download_file WHERE name = 'health-record.json'"))
        .rows;
    const isWhole: unknown[][] = [];
    for (let kill = 0; kill < KILLS; kill++) {
      // The lease of who was killed runs out.
      await seed.owner.query('UPDATE records.download SET next_at = now() WHERE finished_at IS NULL');
      const before = await chunks();
      await replica.start();
      for (let tries = 0; tries < 2_000 && (await chunks()) === before; tries++) await sleep(5);
      await replica.end('SIGKILL');
      isWhole.push(await madeAt());
    }
    await seed.owner.query('UPDATE records.download SET next_at = now() WHERE finished_at IS NULL');
    const after = await startPortal({ database });
    try {
      const there = new Caller(after, pat.tokens, pat.credentials);
      await prepared(after);
      const done = (await there.get(`/v1/downloads/${id}`).expect(200)).body as Downloaded;
      expect(done).toMatchObject({ status: 'ready', failure: null });
      const { bytes } = await fileOf(there, id, 'health-record.json');
      const { entry } = JSON.parse(bytes.toString('utf8')) as { entry: { fullUrl: string }[] };
      expect(new Set(entry.map(({ fullUrl }) => fullUrl)).size).toBe(RECORDS + 1);
      expect(entry).toHaveLength(RECORDS + 1);
      for (const kept of isWhole.filter((rows) => rows.length > 0)) expect(await madeAt()).toEqual(kept);
      const sizes = await seed.owner.query<{ name: string; isExact: boolean }>(
        `SELECT f.name, f.bytes <= 524288 * count(*) AND f.bytes > 524288 * (count(*) - 1) AS "isExact"
           FROM records.download_file f JOIN records.download_chunk c USING (download_id, name) GROUP BY f.name, f.bytes`,
      );
      expect(sizes.rows.every(({ isExact }) => isExact)).toBe(true);
      await checkLedger(after);
    } finally {
      await after.close();
    }
  }, 300_000);
});
