import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { importLines, patientText, weightText } from '../harness/feed.js';
import { checkLedger } from '../harness/ledger.js';
import { makeAdmin, makeFeed, type Caller } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

const ORDERS = Number(process.env.PORTICO_ORDERS ?? 4);
const RESOURCES = Number(process.env.PORTICO_ORDER_RESOURCES ?? 200);
const PATIENTS = 4;
const SEED = 20_261_122;

let portal: Portal;
let admin: Caller;

beforeAll(async () => {
  portal = await startPortal();
  admin = await makeAdmin(portal);
});

afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});

const instant = (minute: number): string => new Date(Date.UTC(2024, 0, 1, 0, minute)).toISOString();

/** One version of a weight: its value, its withdrawal, or its deletion, each with a time of its own. */
const version = fc.constantFrom('value', 'value', 'value', 'entered-in-error', 'deletion');
const histories = fc.array(fc.array(version, { minLength: 1, maxLength: 5 }), {
  minLength: RESOURCES,
  maxLength: RESOURCES,
});

function linesOf(kinds: string[][]): string[] {
  const patients = Array.from({ length: PATIENTS }, (_, n) => patientText(`p${n}`, `MRN-${n}`));
  const versions = kinds.flatMap((history, id) =>
    history.map((kind, minute) => {
      if (kind === 'deletion')
        return `{"resourceType":"Bundle","type":"transaction","timestamp":"${instant(minute)}","entry":[{"request":{"method":"DELETE","url":"Observation/w${id}"}}]}`;
      const more = `,"meta":{"lastUpdated":"${instant(minute)}"},"hasMember":[{"reference":"Observation/w${(id + 1) % kinds.length}"}]`;
      const text = weightText(`w${id}`, `Patient/p${id % PATIENTS}`, `${minute}.50`, more);
      return kind === 'value' ? text : text.replace('"final"', '"entered-in-error"');
    }),
  );
  return [...patients, ...versions];
}

/** The chart of a feed by its sender's names: what is shown, whose it is, and everything that it ever was. */
async function chartOf(source: string): Promise<unknown> {
  const { rows } = await portal.owner.query<{ chart: unknown }>(
    `SELECT json_agg(x ORDER BY x.type, x.source_id) AS chart FROM (
       SELECT r.type, r.source_id, r.is_deleted, r.status, r.patient_id, encode(r.content_mac, 'hex') AS shown,
              (SELECT array_agg(encode(v.content_mac, 'hex') ORDER BY v.content_mac) FROM (
                 SELECT content_mac FROM records.record_version h WHERE h.record_id = r.record_id UNION ALL SELECT r.content_mac) v) AS ever
         FROM records.record r WHERE r.source = $1) x`,
    [source],
  );
  return rows[0]!.chart;
}

describe('the order of delivery', () => {
  it(
    `decides nothing: ${RESOURCES} resources' versions in ${ORDERS} orders, with duplicates, in two files each, make one chart`,
    async () => {
      const [kinds] = fc.sample(histories, { numRuns: 1, seed: SEED });
      const lines = linesOf(kinds!);
      const deliveries = fc.tuple(
        fc.shuffledSubarray(lines, { minLength: lines.length }),
        fc.shuffledSubarray(lines, { minLength: 20, maxLength: 60 }),
        fc.nat(lines.length),
      );
      const first = await makeFeed(portal, admin, 'https://order.test/0');
      await importLines(first, ...lines);
      const expected = await chartOf('https://order.test/0');
      let run = 0;
      await fc.assert(
        fc.asyncProperty(deliveries, async ([shuffled, again, cut]) => {
          const source = `https://order.test/${++run}`;
          const feed = await makeFeed(portal, admin, source);
          const sent = [...shuffled, ...again];
          await importLines(feed, ...sent.slice(0, cut));
          await importLines(feed, ...sent.slice(cut));
          expect(await chartOf(source)).toEqual(expected);
          const waiting = await portal.owner.query('SELECT 1 FROM records.awaited WHERE source = $1', [source]);
          expect(waiting.rows).toEqual([]);
        }),
        { numRuns: ORDERS, seed: SEED, endOnFailure: true },
      );
    },
    120_000 + ORDERS * 60_000,
  );
});
