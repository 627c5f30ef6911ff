import { randomUUID } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { importBundle, bundleOf, entryOf, outcomeOf, patientText, weightText } from '../harness/feed.js';
import { checkLedger } from '../harness/ledger.js';
import { makeAdmin, makeFeed, makePatient, type Caller } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

/** Seconds that a request may take, and kB a second that an upload brings at least. */
const [REQUEST, LEAST_KB] = [2, 4];
const EVERY_MS = 100;
const LONGEST_SECONDS = 12;
const LONGEST_PIECES = ((LONGEST_SECONDS - 1) * 1_000) / EVERY_MS;

let portal: Portal;
let admin: Caller;
let feed: Caller;

beforeAll(async () => {
  portal = await startPortal({
    env: {
      HEADERS_TIMEOUT_SECONDS: '1',
      REQUEST_TIMEOUT_SECONDS: String(REQUEST),
      UPLOAD_LEAST_KB_PER_SECOND: String(LEAST_KB),
      UPLOAD_LONGEST_HOURS: String(LONGEST_SECONDS / 3_600),
    },
  });
  admin = await makeAdmin(portal);
  feed = await makeFeed(portal, admin, 'https://slow.test');
  await makePatient(portal, admin, { mrn: 'MRN-SLOW' });
  await importBundle(feed, bundleOf('transaction', entryOf(patientText('p1', 'MRN-SLOW'))));
});
afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});

interface Answer {
  status: number;
  body: string;
  isClosed: boolean;
  pieces: number;
}

interface Sending {
  headers?: Record<string, string>;
  path?: string;
  /** It stays on the line when the server has said its last word. */
  isStubborn?: boolean;
}

/** Sends the pieces one by one, with a pause where there is none, then the end; resolves when the connection is over, or the answer to a whole body is there. */
function slowly(
  pieces: Iterable<string | null>,
  { headers = {}, path = '/v1/imports', isStubborn = false }: Sending = {},
) {
  const requestId = randomUUID();
  const answer = new Promise<Answer>((done) => {
    const rest = pieces[Symbol.iterator]();
    const state = { sent: 0, isWhole: false, text: '' };
    const socket: Socket = connect({
      ...{ port: Number(new URL(portal.url).port), host: '127.0.0.1', allowHalfOpen: isStubborn },
    });
    const head = { host: 'portal.test', 'transfer-encoding': 'chunked', 'x-request-id': requestId, ...headers };
    const lines = Object.entries(head).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(`POST ${path} HTTP/1.1\r\n${lines.join('')}\r\n`);
    const end = (isClosed: boolean) => {
      clearInterval(timer);
      socket.destroy();
      const [top = '', body = ''] = state.text.split('\r\n\r\n');
      done({ status: Number(top.split(' ')[1]), body, isClosed, pieces: state.sent });
    };
    const timer = setInterval(() => {
      if (!socket.writable || state.isWhole) return;
      const next = rest.next();
      state.isWhole = next.done === true;
      if (next.done) return void socket.write('0\r\n\r\n');
      if (next.value === null) return;
      state.sent++;
      socket.write(`${Buffer.byteLength(next.value).toString(16)}\r\n${next.value}\r\n`);
    }, EVERY_MS);
    socket.on('data', (chunk: Buffer) => {
      state.text += chunk.toString();
      if (state.isWhole) end(false);
    });
    socket.on('error', () => undefined);
    socket.on('close', () => end(true));
  });
  return { requestId, answer };
}

const signedIn = (caller: Caller, type = 'application/fhir+ndjson') => ({
  authorization: `Bearer ${caller.tokens.accessToken}`,
  'content-type': type,
});

function* forever<T>(piece: T): Generator<T> {
  for (;;) yield piece;
}

function* first<T>(pieces: T[], then: T): Generator<T> {
  yield* pieces;
  yield* forever(then);
}

/** Lines of about a kB, so many. */
const linesOf = (count: number, name: string): string[] =>
  Array.from(
    { length: count },
    (_, at) => `${weightText(`${name}-${at}`, 'Patient/p1', '70.0')}${' '.repeat(1_000)}\n`,
  );

const errorsOf = async (requestId: string): Promise<unknown[]> => {
  const { rows } = await portal.owner.query<{ event: string }>(
    "SELECT event FROM audit.inbox WHERE request_id = $1 UNION ALL SELECT (leaf::json -> 'e')::text FROM audit.entry WHERE request_id = $1",
    [requestId],
  );
  return rows.map(({ event }) => JSON.parse(event) as unknown);
};

const left = async (): Promise<number> => {
  const { rows } = await portal.owner.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM records.import_chunk c
      WHERE NOT EXISTS (SELECT 1 FROM records.import_file f WHERE f.file_id = c.file_id)`,
  );
  return rows[0]!.n;
};

const TIMEOUT = { err: 'http.timeout', http: expect.objectContaining({ st: 408 }), out: 4 };

describe("a feed's upload", () => {
  it('may take far longer than another request, and every line of it is stored', async () => {
    const lines = linesOf(45, 'slow');
    const { answer } = slowly(lines, { headers: signedIn(feed) });
    const { status, body } = await answer;
    expect(status).toBe(202);
    const { id } = JSON.parse(body) as { id: string };
    expect(await outcomeOf(feed, id)).toMatchObject({ status: 'completed', created: 45, rejected: 0 });
  });

  it('may take as long as one file of several', async () => {
    const { body: opened } = await feed.send('post', '/v1/imports/open').send({}).expect(201);
    const { id } = opened as { id: string };
    const { answer } = slowly(linesOf(35, 'file'), { path: `/v1/imports/${id}/files`, headers: signedIn(feed) });
    expect((await answer).status).toBe(201);
    await feed.send('post', `/v1/imports/${id}/complete`).expect(202);
    expect(await outcomeOf(feed, id)).toMatchObject({ status: 'completed', created: 35 });
  });

  it.each([
    ['trickles', () => forever(' ')],
    ['comes below the least rate', () => forever(' '.repeat((LEAST_KB * 1_024 * EVERY_MS) / 1_000 / 4))],
    ['stops', () => first<string | null>(linesOf(10, 'stopped'), null)],
    ['never ends', () => forever(`${' '.repeat(1_000)}\n`)],
  ])('that %s is ended with 408, its event and the connection, and leaves nothing', async (what, pieces) => {
    // Who says nothing more cannot notice that the other side does not listen any more.
    const { answer, requestId } = slowly(pieces(), { headers: signedIn(feed), isStubborn: what !== 'stops' });
    const { status, body, isClosed } = await answer;
    expect({ status, isClosed }).toEqual({ status: 408, isClosed: true });
    expect(JSON.parse(body)).toMatchObject({ code: 'http.timeout' });
    expect(await errorsOf(requestId)).toEqual([
      expect.objectContaining({ ...TIMEOUT, act: expect.anything() as unknown }),
    ]);
    expect(await left()).toBe(0);
  });

  it('has no more time than others once it was refused', async () => {
    const { answer } = slowly(first(['no bundle'], ' '.repeat(1_000)), {
      headers: signedIn(feed, 'application/fhir+json'),
      isStubborn: true,
    });
    const { status, isClosed, pieces } = await answer;
    expect({ status, isClosed }).toEqual({ status: 400, isClosed: true });
    expect(pieces).toBeLessThan(LONGEST_PIECES);
    expect(await left()).toBe(0);
  });
});

describe('whoever has no such upload', () => {
  it.each([
    ['is nobody', () => ({ 'content-type': 'application/fhir+ndjson' }), '/v1/imports', 401],
    ['is no feed', () => signedIn(admin), '/v1/imports', 403],
    [
      'sends JSON to another route',
      () => ({ ...signedIn(feed), 'content-type': 'application/json' }),
      '/v1/imports/open',
      408,
    ],
  ])('and %s gains no time by a body that comes on', async (_who, headers, path, expected) => {
    const piece = `${' '.repeat(1_000)}\n`;
    const { answer } = slowly(forever(piece), { headers: headers(), path, isStubborn: true });
    const { status, isClosed, pieces } = await answer;
    expect({ status, isClosed }).toEqual({ status: expected, isClosed: true });
    // An upload has six times what the server's own limit leaves.
    expect(pieces).toBeLessThan(LONGEST_PIECES);
  });
});
