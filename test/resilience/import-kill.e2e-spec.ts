import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Config } from '../../src/platform/config/config.js';
import { cloneDatabase } from '../harness/database.js';
import { importLines, outcomeOf, patientText, sendBundle, weightText } from '../harness/feed.js';
import { checkLedger } from '../harness/ledger.js';
import { Caller, makeAdmin, makeFeed } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';
import { PortalProcess } from '../harness/process.js';

const LINES = 4_000;
const KILLS = 3;

let database: Config['database'];
let seed: Portal;
let feed: Caller;
let replica: PortalProcess;

beforeAll(async () => {
  database = await cloneDatabase();
  seed = await startPortal({ database });
  feed = await makeFeed(seed, await makeAdmin(seed), 'https://killed.test');
  replica = await PortalProcess.on(database);
}, 60_000);

afterAll(async () => {
  await replica.end('SIGKILL');
  await seed.close();
});

const lines = (mrn: string): string[] => [
  ...Array.from({ length: LINES / 2 }, (_, n) => weightText(`w${n}`, 'Patient/p', `${n}.50`)),
  patientText('p', mrn),
  ...Array.from({ length: LINES / 2 }, (_, n) => weightText(`w${n}`, 'Patient/p', `${n}.75`)),
];

const state = async (source: string): Promise<unknown> =>
  (
    await seed.owner.query(
      `SELECT r.source_id, r.version, encode(r.content_mac, 'hex') AS mac, r.patient_id IS NULL AS held,
              (SELECT array_agg(encode(v.content_mac, 'hex') ORDER BY v.version) FROM records.record_version v WHERE v.record_id = r.record_id) AS earlier
         FROM records.record r WHERE r.source = $1 ORDER BY r.type, r.source_id`,
      [source],
    )
  ).rows;

describe('an import that is worked by a process', () => {
  it(`which is killed ${KILLS} times on its way goes on where it stood, and ends as if nothing had happened: nothing twice, nothing lost`, async () => {
    const undisturbed = await makeFeed(seed, await makeAdmin(seed), 'https://undisturbed.test');
    const whole = await importLines(undisturbed, ...lines('MRN-K'));
    const { body } = await sendBundle(feed, lines('MRN-K').join('\n'), 'application/fhir+ndjson')
      .set('X-Request-Id', '01990000-0000-7000-8000-00000000c111')
      .expect(202);
    const { id } = body as { id: string };
    const position = async (): Promise<number> =>
      (await seed.owner.query<{ n: number }>('SELECT entries AS n FROM records.import WHERE import_id = $1', [id]))
        .rows[0]!.n;
    // From here on only the other process works: this one stands for a replica that is away.
    await seed.app.close();
    let before = await position();
    for (let kill = 0; kill < KILLS; kill++) {
      // The lease of who was killed runs out.
      await seed.owner.query('UPDATE records.import SET next_at = now() WHERE import_id = $1', [id]);
      await replica.start();
      for (let tries = 0; tries < 2_000 && (await position()) <= before; tries++) await sleep(10);
      await replica.end('SIGKILL');
      before = await position();
    }
    await seed.owner.query('UPDATE records.import SET next_at = now() WHERE import_id = $1', [id]);
    const after = await startPortal({ database });
    try {
      const there = new Caller(after, feed.tokens, feed.credentials);
      const result = await outcomeOf(there, id);
      const { created, updated, unchanged, entries, released } = whole;
      expect(result).toMatchObject({ status: 'completed', created, updated, unchanged, entries, released });
      expect(await state('https://killed.test')).toEqual(await state('https://undisturbed.test'));
      const left = await seed.owner.query('SELECT 1 FROM records.import_chunk UNION ALL SELECT 1 FROM records.awaited');
      expect(left.rows).toEqual([]);
      await checkLedger(after);
    } finally {
      await after.close();
    }
  }, 300_000);
});
