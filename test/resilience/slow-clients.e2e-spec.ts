import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { checkLedger } from '../harness/ledger.js';
import { startPortal, type Portal } from '../harness/portal.js';

/** Seconds; and how late the server may look at its connections (connectionsCheckingInterval). */
const [HEADERS, REQUEST, LOOK] = [1, 2, 1];
/** For a machine that is busy. */
const SLACK_MS = 1_500;
const MANY = 500;

let portal: Portal;
beforeAll(async () => {
  portal = await startPortal({
    env: { HEADERS_TIMEOUT_SECONDS: String(HEADERS), REQUEST_TIMEOUT_SECONDS: String(REQUEST) },
  });
});
afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});

interface Ended {
  status: number;
  requestId: string;
  text: string;
  ms: number;
}

/** Sends a beginning, then one piece every 100 ms, until the server has had enough. */
function trickle(beginning: string, piece: string, opened?: (socket: Socket) => void): Promise<Ended> {
  return new Promise((done) => {
    const begun = performance.now();
    let text = '';
    const socket = connect(Number(new URL(portal.url).port), '127.0.0.1', () => {
      socket.write(beginning);
      opened?.(socket);
    });
    const timer = setInterval(() => socket.writable && piece !== '' && socket.write(piece), 100);
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    // It may be cut while a piece is under way.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearInterval(timer);
      const requestId = /^x-request-id: (.*)\r$/m.exec(text)?.[1] ?? '';
      done({ status: Number(text.split(' ')[1]), requestId, text, ms: performance.now() - begun });
    });
  });
}

const eventsOf = async (requestId: string): Promise<unknown[]> => {
  const { rows } = await portal.owner.query<{ event: string }>(
    "SELECT event FROM audit.inbox WHERE request_id = $1 UNION ALL SELECT (leaf::json -> 'e')::text FROM audit.entry WHERE request_id = $1",
    [requestId],
  );
  return rows.map(({ event }) => JSON.parse(event) as unknown);
};

const HEAD = 'POST /v1/auth/login HTTP/1.1\r\nHost: portal.test\r\n';
const TIMEOUT = { err: 'http.timeout', http: expect.objectContaining({ st: 408 }), out: 4 };

describe('a slow client', () => {
  it.each([
    ['trickles its headers', `${HEAD}X-Slow: `, 'a', HEADERS],
    ['stops within its headers', HEAD, '', HEADERS],
    ['says nothing at all', '', '', HEADERS],
    ['trickles its body', `${HEAD}Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{`, ' ', REQUEST],
    [
      'trickles chunks',
      `${HEAD}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`,
      '1\r\n \r\n',
      REQUEST,
    ],
  ])('that %s is ended with 408, and its event', async (_what, beginning, piece, seconds) => {
    const { status, requestId, text, ms } = await trickle(beginning, piece);
    expect(status).toBe(408);
    expect(text).toContain('application/problem+json');
    expect(ms).toBeGreaterThan(seconds * 1_000 - 100);
    expect(ms).toBeLessThan((seconds + LOOK) * 1_000 + SLACK_MS);
    expect(await eventsOf(requestId)).toEqual([expect.objectContaining(TIMEOUT)]);
  });

  it(`does not stop others, and neither do ${MANY} of them`, async () => {
    const sockets: Socket[] = [];
    const all = Array.from({ length: MANY }, (_, at) =>
      trickle(
        at % 2 === 0 ? HEAD : `${HEAD}Content-Type: application/json\r\nContent-Length: 99\r\n\r\n`,
        '',
        (socket) => sockets.push(socket),
      ),
    );
    while (sockets.length < MANY) await new Promise((done) => setTimeout(done, 5));
    // Others are answered while the slow ones still hold their connections, not after them.
    await Promise.all(Array.from({ length: 20 }, () => portal.http.get('/health/ready').expect(200)));
    expect(sockets.filter((socket) => socket.readyState === 'open').length).toBeGreaterThan(MANY / 2);
    const ended = await Promise.all(all);
    expect(new Set(ended.map(({ status }) => status))).toEqual(new Set([408]));
    const { rows } = await portal.owner.query<{ n: number }>(
      `SELECT count(DISTINCT request_id)::int AS n FROM
         (SELECT request_id, event FROM audit.inbox UNION ALL SELECT request_id, leaf FROM audit.entry) e
        WHERE request_id = ANY($1) AND event LIKE '%"err":"http.timeout"%'`,
      [ended.map(({ requestId }) => requestId)],
    );
    expect(rows[0]!.n).toBe(MANY);
  });
});
