import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { chartState, type ImportResult } from '../harness/feed.js';
import { feedsFile, fieldsOf, MllpClient, sendMessage } from '../harness/hl7.js';
import { checkLedger } from '../harness/ledger.js';
import { makeAdmin, makeFeed, type Caller } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

const DATA = join(process.env.PORTICO_SAMPLE_DATA ?? join(import.meta.dirname, '../../../shared/data'), 'hl7v2');
const hasData = existsSync(DATA);
const suite = hasData ? describe : describe.skip;

/** What each message holds, counted by hand. The merge speaks about two pairs of patients. */
const HOLDS: Record<string, Record<string, number>> = {
  'ADT-A01-02.hl7': { Encounter: 1, Patient: 1 },
  'ADT-A08-02.hl7': { Encounter: 1, Patient: 1 },
  'ADT-A40-02.hl7': { Patient: 4 },
  'ADT04-251.hl7': { Encounter: 1, Patient: 1 },
  'LAB-ORU-1.hl7': { DiagnosticReport: 2, Observation: 10, Patient: 1 },
  'MDM-T02-01.hl7': { DocumentReference: 1, Patient: 1 },
  'SIU-S12-01.hl7': { Appointment: 1, Patient: 1 },
};
const FACILITIES = ['GHHSFacility', 'Ntierprise Clinic', 'RDX', '', 'XYZHOSPITAL'];
const senders = FACILITIES.map((facility) => ({ facility }));

suite(`real messages${hasData ? '' : ' (skipped: the folder of sample data is not here)'}`, () => {
  let portal: Portal;
  let feed: Caller;
  const files = hasData ? readdirSync(DATA).filter((name) => name.endsWith('.hl7')) : [];

  beforeAll(async () => {
    const file = feedsFile(
      { source: 'https://http.test', more: { senders, processingIds: ['P', 'T'], networks: [] } },
      { source: 'https://mllp.test', more: { senders, processingIds: ['P', 'T'] } },
    );
    portal = await startPortal({ env: { HL7_FEEDS_FILE: file, MLLP_PORT: '0' } });
    const admin = await makeAdmin(portal);
    feed = await makeFeed(portal, admin, 'https://http.test');
    await makeFeed(portal, admin, 'https://mllp.test');
  });

  afterAll(async () => {
    await checkLedger(portal);
    await portal.close();
  });

  /** Entries by type, of the newest import of a feed. */
  async function held(source: string): Promise<Record<string, number>> {
    const { rows } = await portal.owner.query<{ byType: ImportResult['byType'] }>(
      'SELECT by_type AS "byType" FROM records.import WHERE source = $1 ORDER BY import_id DESC LIMIT 1',
      [source],
    );
    return Object.fromEntries(Object.entries(rows[0]!.byType).map(([type, { entries }]) => [type, entries]));
  }

  it('are all known here', () => {
    expect(files).toEqual(Object.keys(HOLDS));
  });

  it.each(files)('%s goes in over HTTP, whole', async (file) => {
    const { body } = await sendMessage(feed, readFileSync(join(DATA, file)));
    // Where MSH-15 and MSH-16 say never, nothing is answered.
    if (file === 'ADT-A40-02.hl7') expect(body).toBe('');
    else expect(fieldsOf(body as string)).toMatchObject({ MSA: ['MSA', 'AA', expect.any(String)] });
    expect(await held('https://http.test')).toEqual(HOLDS[file]);
  });

  it('go in over MLLP as well, as records of their own feed, and twice changes nothing', async () => {
    const client = await MllpClient.open(portal);
    for (const file of files) {
      client.write(Buffer.concat([Buffer.of(0x0b), readFileSync(join(DATA, file)), Buffer.of(0x1c, 0x0d)]));
      if (file !== 'ADT-A40-02.hl7') expect(fieldsOf((await client.next())!).MSA![1]).toBe('AA');
    }
    expect(await held('https://mllp.test')).toEqual(HOLDS['SIU-S12-01.hl7']);
    const before = await chartState(portal);
    for (const file of files) await sendMessage(feed, readFileSync(join(DATA, file))).expect(200);
    expect(await chartState(portal)).toEqual(before);
    await client.end();
  });

  it('keep what their senders wrote: digits, zones, numbers', async () => {
    const { rows } = await portal.owner.query<{ n: string }>(
      `SELECT count(*) AS n FROM records.record WHERE source = 'https://http.test' AND type = 'Observation' AND status = 'preliminary'`,
    );
    expect(rows).toEqual([{ n: '7' }]);
    const visits = await portal.owner.query<{ at: Date }>(
      `SELECT effective_at AS at FROM records.record WHERE source = 'https://http.test' AND type = 'Encounter' ORDER BY 1`,
    );
    expect(visits.rows.map(({ at }) => at?.toISOString())).toEqual([
      '2015-02-08T10:24:19.000Z',
      '2019-05-04T11:12:05.000Z',
    ]);
  });
});
