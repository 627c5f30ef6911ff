import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Config } from '../../src/platform/config/config.js';
import { cloneDatabase } from '../harness/database.js';
import { patientText, weightText, type ImportResult } from '../harness/feed.js';
import { makeAdmin, makeFeed, type Caller } from '../harness/people.js';
import { startPortal } from '../harness/portal.js';
import { PortalProcess } from '../harness/process.js';

/** PORTICO_IMPORT_LINES=200000 for the measurement; a small sample otherwise. */
const LINES = Number(process.env.PORTICO_IMPORT_LINES ?? 5_000);
const PER_PATIENT = 500;
const MOST_MB = 400;
const LONG = { ACCESS_TOKEN_MINUTES: '700', REQUEST_TIMEOUT_SECONDS: '3600' };
/** Room enough to work, too little to hold a file. */
const HEAP = '--max-old-space-size=256 --max-semi-space-size=8';

let database: Config['database'];
let feed: Caller;
let server: PortalProcess;

beforeAll(async () => {
  database = await cloneDatabase();
  const seed = await startPortal({ database, env: LONG });
  feed = await makeFeed(seed, await makeAdmin(seed), 'https://large.test');
  await seed.close();
  server = await PortalProcess.on(database, { ...LONG, NODE_OPTIONS: HEAP });
  await server.start();
}, 120_000);

afterAll(() => server.end('SIGKILL'));

function* lines(): Generator<string> {
  for (let n = 0; n < LINES; n++) {
    const patient = `p${Math.floor(n / PER_PATIENT)}`;
    yield `${n % PER_PATIENT === PER_PATIENT / 2 ? patientText(patient, `L-${patient}`) : weightText(`w${n}`, `Patient/${patient}`, `${n}.50`)}\n`;
  }
}

/** Sends as fast as the server takes it. */
const send = (): Promise<string> =>
  new Promise((done, failed) => {
    const headers = {
      authorization: `Bearer ${feed.tokens.accessToken}`,
      'content-type': 'application/fhir+ndjson',
    };
    const message = request(`${server.url}/v1/imports`, { method: 'POST', headers }, (answer) => {
      let body = '';
      answer.setEncoding('utf8').on('data', (text: string) => (body += text));
      answer.on('end', () => done((JSON.parse(body) as { id: string }).id));
    });
    message.on('error', failed);
    void (async () => {
      let block = '';
      for (const line of lines()) {
        block += line;
        if (block.length < 65_536) continue;
        if (!message.write(block)) await new Promise((drained) => message.once('drain', drained));
        block = '';
      }
      message.end(block);
    })();
  });

describe('memory', () => {
  it(
    `does not grow with the import: ${LINES} lines in any order stay below ${MOST_MB} MB`,
    async () => {
      const begun = performance.now();
      const id = await send();
      let result: ImportResult;
      do {
        await sleep(250);
        const answer = await fetch(`${server.url}/v1/imports/${id}`, {
          headers: { authorization: `Bearer ${feed.tokens.accessToken}` },
        });
        result = (await answer.json()) as ImportResult;
      } while (result.status === 'queued' || result.status === 'running');
      expect(result).toMatchObject({ status: 'completed', entries: LINES, created: LINES, rejected: 0 });
      const seconds = (performance.now() - begun) / 1000;
      console.info(
        `${LINES} lines in ${seconds.toFixed(1)} s, ${result.released} released, peak ${server.memory.peak.toFixed(0)} MB`,
      );
      expect(server.memory.peak).toBeLessThan(MOST_MB);
    },
    120_000 + LINES * 20,
  );
});
