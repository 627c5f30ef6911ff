import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { chartState, worked } from '../harness/feed.js';
import { acknowledged, feedsFile, fieldsOf, result, sendMessage } from '../harness/hl7.js';
import { checkLedger } from '../harness/ledger.js';
import { makeAdmin, makeFeed, makeStaff, type Caller } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

const SOURCE = 'https://lab.test';

let portal: Portal;
let feed: Caller;
let officer: Caller;

beforeAll(async () => {
  portal = await startPortal({ env: { HL7_FEEDS_FILE: feedsFile({ source: SOURCE }) } });
  const admin = await makeAdmin(portal);
  feed = await makeFeed(portal, admin, SOURCE);
  officer = await makeStaff(portal, admin, 'records_officer');
});

afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});

const glucose = (value: string, status = 'F', code = '2345-7'): string =>
  `OBX|1|NM|${code}^Glucose^LN||${value}|mmol/L|3.9-6.1|N|||${status}|||20240301081500+0000`;
describe('a message that cannot be taken', () => {
  interface Item {
    id: string;
    type: string;
    sourceId: string;
    version: number;
    operationOutcome: { issue: { expression?: string[] }[] };
  }
  const work = async (state = 'open'): Promise<Item[]> =>
    (
      (await officer.get(`/v1/imports/quarantine?state=${state}&limit=200`).expect(200)).body as { items: Item[] }
    ).items.filter(({ type }) => type === 'Hl7Message');
  const itemOf = async (sourceId: string, state = 'open') =>
    (await work(state)).find((item) => item.sourceId === sourceId)!;
  const put = (id: string, version: number, text: string) =>
    officer
      .send('put', `/v1/imports/quarantine/${id}`)
      .set('If-Match', `"${version}"`)
      .set('Content-Type', 'application/hl7-v2')
      .send(text);
  const broken = (id: string, code: string) =>
    result({ mrn: 'MRN-1', id, order: id, obx: [glucose('5.55', 'Q', code)] });

  it('lies on the work list as a whole, with where it is wrong, and the next one is taken', async () => {
    const before = await chartState(portal);
    const { body } = await sendMessage(feed, broken('BAD-1', 'BAD')).expect(422);
    expect(fieldsOf(body as string)).toMatchObject({
      MSA: ['MSA', 'AE', 'BAD-1'],
      ERR: ['ERR', '', 'OBX^1^11', '103^Table value not found^HL70357', 'E', '', '', '', expect.any(String) as unknown],
    });
    expect(await chartState(portal)).toEqual(before);
    const item = await itemOf('BAD-1');
    expect(item.operationOutcome.issue[0]).toMatchObject({ expression: ['OBX[1]-11'] });
    const view = await officer.get(`/v1/imports/quarantine/${item.id}`).expect(200);
    expect(view.body).toMatchObject({ message: broken('BAD-1', 'BAD'), resource: null });
    expect(await acknowledged(feed, broken('BAD-1', 'BAD'))).toBe('AE');
    expect(await work()).toHaveLength((await work()).filter(({ sourceId }) => sourceId !== 'BAD-1').length + 1);
    expect(await acknowledged(feed, result({ mrn: 'MRN-1', order: 'AFTER', obx: [glucose('1', 'F', 'AFTER')] }))).toBe(
      'AA',
    );
  });

  it('is put right, tried again, and gets into its chart', async () => {
    const { id, version } = await itemOf('BAD-1');
    const right = broken('BAD-1', 'BAD').replace('|||Q|||', '|||F|||');
    await put(id, version, right.replace('BAD-1|P', 'OTHER|P')).expect(422);
    await put(id, version, 'no message').expect(400);
    const still = await put(id, version, broken('BAD-1', 'WORSE')).expect(200);
    expect((still.body as Item).operationOutcome.issue).toHaveLength(1);
    const put2 = await put(id, (still.body as Item).version, right).expect(200);
    expect((put2.body as Item).operationOutcome.issue).toEqual([]);
    await officer.post(`/v1/imports/quarantine/${id}/retry`).expect(202);
    await worked(portal);
    expect(await itemOf('BAD-1', 'released')).toMatchObject({ id });
    const { rows } = await portal.owner.query("SELECT message_id FROM records.record WHERE code = 'BAD'");
    expect(rows).toEqual([{ message_id: 'BAD-1' }]);
  });

  it('that is no better comes back to the list, and is discarded for a reason', async () => {
    await acknowledged(feed, broken('BAD-2', 'BAD-2'));
    const { id } = await itemOf('BAD-2');
    await officer.post(`/v1/imports/quarantine/${id}/retry`).expect(202);
    await worked(portal);
    expect(await itemOf('BAD-2')).toMatchObject({ id });
    await officer.post(`/v1/imports/quarantine/${id}/discard`, { reason: 'A test of the interface.' }).expect(200);
    expect(await acknowledged(feed, broken('BAD-2', 'BAD-2'))).toBe('AE');
    expect(await itemOf('BAD-2')).toBeUndefined();
  });
});
