import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { sourceIdOf } from '../../src/hl7/ids.js';
import { chartState, importLines, patientText, recordRow, weightText, worked } from '../harness/feed.js';
import {
  acknowledged,
  admission,
  feedsFile,
  fieldsOf,
  message,
  msh,
  nextControlId,
  pid,
  result,
  sendMessage,
} from '../harness/hl7.js';
import { checkLedger } from '../harness/ledger.js';
import { makeAdmin, makeFeed, makePatient, type Caller, type Patient } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

const SOURCE = 'https://lab.test';
const OTHER = 'https://other.test';
const SYSTEMS = { MAIN: 'https://hospital.example.org/mrn' };

let portal: Portal;
let admin: Caller;
let feed: Caller;
let other: Caller;
let pat: Patient;

beforeAll(async () => {
  const file = feedsFile(
    { source: SOURCE, more: { systems: SYSTEMS } },
    { source: OTHER, facility: 'OTHER', more: { systems: {} } },
  );
  portal = await startPortal({ env: { HL7_FEEDS_FILE: file, HL7_LIMIT_MB: '1' } });
  admin = await makeAdmin(portal);
  feed = await makeFeed(portal, admin, SOURCE);
  other = await makeFeed(portal, admin, OTHER);
  pat = await makePatient(portal, admin, { mrn: 'MRN-1' });
});

afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});

interface Listed {
  id: string;
  type: string;
  status: string;
  version: number;
}
const glucose = (value: string, status = 'F', code = '2345-7'): string =>
  `OBX|1|NM|${code}^Glucose^LN||${value}|mmol/L|3.9-6.1|N|||${status}|||20240301081500+0000`;
const listed = async (caller = pat, type = 'Observation'): Promise<Listed[]> =>
  (
    (await caller.get(`/v1/patients/${pat.patientId}/records?type=${type}&limit=200`).expect(200)).body as {
      items: Listed[];
    }
  ).items;
const imports = async (by = feed) =>
  (
    (await by.get('/v1/imports?limit=200').expect(200)).body as {
      items: { id: string; bundleType: string; status: string }[];
    }
  ).items;

describe('a message over HTTP', () => {
  it('is acknowledged as its sender wrote it, and is in the chart by then, with every digit', async () => {
    const text = result({ mrn: 'MRN-1', obx: [glucose('5.10')], id: 'FIRST', order: 'O1' });
    const answer = await sendMessage(feed, text).expect(200);
    expect(answer.headers['content-type']).toContain('x-application/hl7-v2+er7');
    const { MSH, MSA, ERR } = fieldsOf(answer.body as string);
    expect(MSH!.slice(3, 7)).toEqual(['PORTAL', 'HOSP', 'LAB', 'TOWN']);
    expect([MSH![9], MSH![11], MSH![12]]).toEqual(['ACK^R01^ACK', 'P', '2.5.1']);
    expect(MSH![10]!.length).toBeLessThanOrEqual(20);
    expect([MSA, ERR]).toEqual([['MSA', 'AA', 'FIRST'], undefined]);
    const [observation] = await listed();
    const { text: read } = await pat.get(`/v1/records/${observation!.id}`).expect(200);
    expect(read).toContain('"value":5.10,');
    const history = await pat.get(`/v1/records/${observation!.id}/history`).expect(200);
    expect(JSON.stringify(history.body)).toContain('FIRST');
  });

  it('is an import of its own, with counts and the message it came with', async () => {
    const [latest] = await imports();
    expect(latest).toMatchObject({ bundleType: 'hl7-v2', status: 'completed' });
    const { body } = await feed.get(`/v1/imports/${latest!.id}`).expect(200);
    expect(body).toMatchObject({ entries: 3, created: 3, byType: { Observation: { created: 1 } } });
  });

  it('changes nothing when it is sent again, nor when the same is said under another id', async () => {
    const text = result({ mrn: 'MRN-1', obx: [glucose('4.4', 'F', 'TWICE')], order: 'O2' });
    expect(await acknowledged(feed, text)).toBe('AA');
    const [before, count] = [await chartState(portal), (await imports()).length];
    expect(await acknowledged(feed, text)).toBe('AA');
    expect((await imports()).length).toBe(count);
    expect(await acknowledged(feed, text.replace(/\|M\d+\|P\|/, `|${nextControlId()}|P|`))).toBe('AA');
    expect(await chartState(portal)).toEqual(before);
  });

  it('under the number of another one is another one: senders begin anew', async () => {
    const first = result({ mrn: 'MRN-1', obx: [glucose('1', 'F', 'ANEW')], order: 'O3', id: 'SAME' });
    expect(await acknowledged(feed, first)).toBe('AA');
    expect(await acknowledged(feed, first.replace('ANEW', 'ANEW-2'))).toBe('AA');
    expect(await listed()).toHaveLength(4);
  });

  it('that is older by its sender’s clock goes into the history, and what was withdrawn stays so', async () => {
    const at = (time: string, value: string, status: string) =>
      acknowledged(feed, result({ mrn: 'MRN-1', obx: [glucose(value, status, 'CLOCK')], order: 'O4', at: time }));
    await at('20240301110000+0000', '6.0', 'P');
    const [made] = (await listed()).filter(({ status }) => status === 'preliminary');
    await at('20240301130000+0000', '6.2', 'C');
    await at('20240301120000+0000', '6.1', 'F');
    const now = await pat.get(`/v1/records/${made!.id}`).expect(200);
    expect(now.text).toContain('"value":6.2,');
    expect(now.body).toMatchObject({ status: 'corrected' });
    await at('20240301140000+0000', '', 'D');
    await at('20240301123000+0000', '6.3', 'F');
    const gone = await pat.get(`/v1/records/${made!.id}`).expect(200);
    expect(gone.body).toMatchObject({ status: 'entered-in-error' });
    expect(gone.text).not.toContain('6.3');
  });

  it('comes in any order, also twice, and makes the same chart', async () => {
    let round = 0;
    const states = new Set<string>();
    await fc.assert(
      fc.asyncProperty(fc.shuffledSubarray([0, 1, 2, 3, 0, 2], { minLength: 6 }), async (order) => {
        const code = `ORDER-${++round}`;
        const says = ['P', 'F', 'C', 'A'].map((status, n) =>
          result({
            mrn: 'MRN-1',
            obx: [glucose(`7.${n}`, status, code)],
            order: code,
            at: `2024030111000${n}+0000`,
            id: `${code}.${n}`,
          }),
        );
        for (const n of order) expect(await acknowledged(feed, says[n]!)).toBe('AA');
        const { rows } = await portal.owner.query<{ status: string; versions: string }>(
          `SELECT r.status, (SELECT count(*) FROM records.record_version v WHERE v.record_id = r.record_id) AS versions
             FROM records.record r WHERE r.code = $1`,
          [code],
        );
        states.add(JSON.stringify(rows));
      }),
      { numRuns: 12 },
    );
    expect([...states]).toEqual([JSON.stringify([{ status: 'amended', versions: '3' }])]);
  });

  it('lets go what waited for its patient, whichever way that came', async () => {
    const id = sourceIdOf('Patient', 'MAIN', 'WAITED');
    await importLines(feed, weightText('waits', `Patient/${id}`, '71.50'));
    const row = () => recordRow(portal, { source: SOURCE, type: 'Observation', sourceId: 'waits' });
    expect((await row())!.patientId).toBeNull();
    expect(await acknowledged(feed, admission({ mrn: 'WAITED' }))).toBe('AA');
    expect((await row())!.patientId).not.toBeNull();
    expect((await imports())[0]).toMatchObject({ status: 'completed' });
  });

  it('opens and closes a visit', async () => {
    const visit = admission({ mrn: 'MRN-1' });
    expect(await acknowledged(feed, visit)).toBe('AA');
    expect(await listed(pat, 'Encounter')).toMatchObject([{ type: 'Encounter', status: 'in-progress' }]);
    const over = visit
      .replace('|20240301093000+0000\r', '|20240301093000+0000|20240305\r')
      .replaceAll('A01', 'A08')
      .replace('20240301100000', '20240305100000')
      .replace(/\|M\d+\|P/, '|OVER|P');
    expect(await acknowledged(feed, over)).toBe('AA');
    expect(await listed(pat, 'Encounter')).toMatchObject([{ status: 'finished' }]);
  });

  it('merges charts where an A40 says so, also of somebody who was never heard of', async () => {
    const [old, kept] = [
      await makePatient(portal, admin, { mrn: 'A-OLD' }),
      await makePatient(portal, admin, { mrn: 'A-KEPT' }),
    ];
    await acknowledged(feed, result({ mrn: 'A-OLD', obx: [glucose('9.9')], order: 'OLD' }));
    const merge = message(
      msh({ type: 'ADT^A40^ADT_A39' }),
      'EVN|A40|20240301',
      pid('A-KEPT'),
      'MRG|A-OLD^^^MAIN^MR',
      pid('B-KEPT'),
      'MRG|B-OLD^^^MAIN^MR',
    );
    expect(await acknowledged(feed, merge)).toBe('AA');
    const { rows } = await portal.owner.query(
      'SELECT kind, state, message_id IS NOT NULL AS said FROM records.chart_merge ORDER BY merge_id',
    );
    expect(rows).toEqual([0, 1].map(() => ({ kind: 'hl7-a40', state: 'review', said: true })));
    for (const caller of [old, kept]) await caller.get(`/v1/patients/${kept.patientId}/records`).expect(404);
    const moved = await portal.owner.query(
      `SELECT 1 FROM records.record WHERE patient_id = $1 AND named_patient_id = $2 AND type = 'Observation'`,
      [kept.patientId, old.patientId],
    );
    expect(moved.rows).toHaveLength(1);
  });

  it('is answered in its own character set', async () => {
    const head = msh({ type: 'ADT^A31', more: '||||||8859/1' }).replace('|HOSP|', '|Köln|');
    const latin = Buffer.from(message(head, pid('LATIN', 'Müller^Jörg')), 'latin1');
    const { body } = await sendMessage(feed, latin).expect(200);
    expect(body).toContain('|Köln|');
    expect(fieldsOf(body as string).MSH![18]).toBe('8859/1');
    const { rows } = await portal.owner.query("SELECT family, given FROM users.patient WHERE mrn = 'LATIN'");
    expect(rows).toEqual([{ family: 'Müller', given: ['Jörg'] }]);
    expect(
      await acknowledged(feed, Buffer.from(message(msh({ type: 'ADT^A31' }), pid('LATIN', 'Müller')), 'latin1')),
    ).toBe('AR');
  });

  it('is acknowledged as MSH-15 and MSH-16 ask for it', async () => {
    const asked = async (conditions: string) =>
      (await sendMessage(feed, message(msh({ type: 'ADT^A31', more: `|||${conditions}` }), pid('ENH'))).expect(200))
        .body as string;
    expect(fieldsOf(await asked('AL|NE')).MSA![1]).toBe('CA');
    expect(fieldsOf(await asked('AL|AL')).MSA![1]).toBe('AA');
    expect(await asked('NE|NE')).toBe('');
    expect(await asked('NE|ER')).toBe('');
  });

  it('comes in batches, each answered, and a batch that is not whole is not taken', async () => {
    const two = [
      admission({ mrn: 'BATCH-1' }),
      message(msh({ type: 'ADT^A31' }), 'PID|1||||No^Number'),
      admission({ mrn: 'BATCH-2' }),
    ];
    const { body } = await sendMessage(feed, `BHS|^~\\&\r${two.join('')}BTS|3\r`).expect(422);
    expect((body as string).match(/MSA\|A[AE]/g)).toEqual(['MSA|AA', 'MSA|AE', 'MSA|AA']);
    expect(body).toMatch(/^BHS[^]*BTS\|3\r$/);
    const before = await chartState(portal);
    await sendMessage(feed, `BHS|^~\\&\r${admission({ mrn: 'BATCH-3' })}BTS|2\r`).expect(400);
    expect(await chartState(portal)).toEqual(before);
  });
});

describe('who may send', () => {
  it('is the feed by its own list: a forged sender is refused, and nothing is kept', async () => {
    const [before, count] = [await chartState(portal), (await imports()).length];
    const forged = admission({ mrn: 'MRN-1', facility: 'OTHER' });
    const { body } = await sendMessage(feed, forged).expect(400);
    expect(fieldsOf(body as string)).toMatchObject({
      MSA: ['MSA', 'AR', expect.anything()],
      ERR: [
        'ERR',
        '',
        'MSH^1^4',
        expect.stringContaining('103^') as unknown,
        'E',
        '',
        '',
        '',
        expect.any(String) as unknown,
      ],
    });
    expect(await chartState(portal)).toEqual(before);
    expect((await imports()).length).toBe(count);
  });

  it('reaches no other feed’s patient by a number of its own authority, and merges none of them', async () => {
    const before = await listed();
    expect(await acknowledged(other, result({ mrn: 'MRN-1', obx: [glucose('66.6')], facility: 'OTHER' }))).toBe('AA');
    const merge = message(msh({ type: 'ADT^A40', facility: 'OTHER' }), pid('MINE'), 'MRG|MRN-1^^^MAIN^MR');
    expect(await acknowledged(other, merge)).toBe('AA');
    expect(await listed()).toEqual(before);
    await pat.get(`/v1/patients/${pat.patientId}/records`).expect(200);
  });

  it('takes no record out of a chart by using its number for somebody else', async () => {
    expect(
      await acknowledged(feed, result({ mrn: 'MRN-1', obx: [glucose('3.3', 'F', 'REUSED')], order: 'REUSED' })),
    ).toBe('AA');
    const before = await chartState(portal);
    const reused = result({ mrn: 'SOMEBODY', obx: [glucose('8.8', 'F', 'REUSED')], order: 'REUSED' });
    expect(await acknowledged(feed, reused)).toBe('AE');
    expect(await chartState(portal)).toEqual(before);
  });

  it('is nobody but feeds that the operator has named', async () => {
    const third = await makeFeed(portal, admin, 'https://third.test');
    const { body } = await third
      .send('post', '/v1/imports/hl7')
      .set('Content-Type', 'application/hl7-v2')
      .send(admission({ mrn: 'X' }))
      .expect(403);
    expect(body).toMatchObject({ code: 'records.hl7-not-agreed' });
    await pat
      .send('post', '/v1/imports/hl7')
      .set('Content-Type', 'application/hl7-v2')
      .send(admission({ mrn: 'X' }))
      .expect(403);
  });

  it('sends it as HL7, and not too much of it', async () => {
    const send = (type: string, text: string) =>
      feed.send('post', '/v1/imports/hl7').set('Content-Type', type).send(text);
    expect((await send('text/plain', admission({ mrn: 'X' })).expect(415)).body).toMatchObject({
      code: 'http.media-type',
    });
    expect((await send('application/hl7-v2', 'x'.repeat(1024 * 1024 + 1)).expect(413)).body).toMatchObject({
      code: 'records.too-large',
    });
    for (const text of ['', '\u0000', 'MSH', '{}', 'MSH|^~\\&\u0000|'])
      expect(fieldsOf((await sendMessage(feed, text).expect(400)).body as string).MSA![1]).toBe('AR');
  });

  it('may say the same person by FHIR as well: one chart, and each feed’s own record', async () => {
    await importLines(feed, patientText('fhir-1', 'MRN-1'));
    await worked(portal);
    expect(await listed(pat, 'Patient')).toHaveLength(2);
  });
});
