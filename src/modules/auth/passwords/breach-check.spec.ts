import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Writable } from 'node:stream';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Config } from '../../../platform/config/config.js';
import { Logger } from '../../../platform/logging/logger.js';
import { BreachCheck } from './breach-check.js';

const PASSWORD = 'a password that was stölen'.normalize('NFC');
const digest = createHash('sha1').update(PASSWORD).digest('hex').toUpperCase();
const [prefix, suffix] = [digest.slice(0, 5), digest.slice(5)];
const other = (n: number) => createHash('sha1').update(`other ${n}`).digest('hex').toUpperCase().slice(5);
const padding = Array.from({ length: 800 }, (_, n) => `${other(n)}:0`);

let answer: (request: IncomingMessage, response: ServerResponse) => void;
let asked: { url: string; headers: IncomingMessage['headers'] }[] = [];
let server: Server;
let log = '';

const stream = new Writable({
  write(chunk: Buffer, _encoding, done) {
    log += chunk.toString();
    done();
  },
});

const check = (breachCheck: Config['passwords']['breachCheck']) => {
  const { port } = server.address() as AddressInfo;
  const passwords = { breachCheck, breachCheckUrl: `http://127.0.0.1:${port}/range/` };
  return new BreachCheck(Logger.to('info', stream), { passwords } as Config);
};

beforeAll(async () => {
  server = createServer((request, response) => {
    asked.push({ url: request.url!, headers: request.headers });
    answer(request, response);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
});
beforeEach(() => {
  asked = [];
  log = '';
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const lines =
  (...text: string[]) =>
  (_: IncomingMessage, response: ServerResponse) => {
    response.end(text.join('\r\n'));
  };

describe('the look-up among leaked passwords', () => {
  it('says five digits of the digest and nothing else, and asks for padding', async () => {
    answer = lines(...padding, `${suffix}:3`);
    expect(await check('closed').isBreached(PASSWORD.normalize('NFD'))).toBe(true);
    expect(asked.map(({ url }) => url)).toEqual([`/range/${prefix}`]);
    expect(asked[0]!.headers['add-padding']).toBe('true');
    expect(JSON.stringify(asked)).not.toContain(suffix.slice(0, 8));
  });

  it('takes padding for nothing', async () => {
    answer = lines(...padding, `${suffix}:0`);
    expect(await check('closed').isBreached(PASSWORD)).toBe(false);
    answer = lines(...padding, `${other(-1)}:7`);
    expect(await check('closed').isBreached(PASSWORD)).toBe(false);
  });

  it('asks nobody when it is off', async () => {
    expect(await check('off').isBreached(PASSWORD)).toBe(false);
    expect(asked).toEqual([]);
  });

  const WRONG: [string, typeof answer][] = [
    ['an error', (_, response) => response.writeHead(500).end(`${suffix}:3`)],
    ['too many requests', (_, response) => response.writeHead(429).end()],
    ['nothing', lines()],
    ['a page', lines('<html>please sign in</html>')],
    ['one line of garbage among the others', lines(...padding, 'garbage', `${suffix}:3`)],
    ['more than there can be', lines(...Array.from({ length: 10_000 }, (_, n) => `${other(n)}:1`))],
    [
      'half an answer',
      (_, response) => response.writeHead(200, { 'content-length': '9999' }).write(padding[0]!) && response.destroy(),
    ],
    ['a cut connection', (request) => request.socket.destroy()],
    ['a redirect', (_, response) => response.writeHead(302, { location: `/elsewhere/${prefix}` }).end()],
  ];

  it.each(WRONG)('answered with %s, fails as it is told to', async (_, wrong) => {
    answer = wrong;
    await expect(check('closed').isBreached(PASSWORD)).rejects.toMatchObject({
      status: 503,
      code: 'auth.breach-check-unavailable',
    });
    expect(await check('open').isBreached(PASSWORD)).toBe(false);
    expect(asked.every(({ url }) => url === `/range/${prefix}`)).toBe(true);
    expect(log).toContain('leaked passwords could not be asked for');
    for (const secret of [PASSWORD, prefix, suffix]) expect(log).not.toContain(secret);
  });

  it('waits two seconds, for the whole answer', async () => {
    answer = (_, response) => void response.write(`${padding[0]}\r\n`);
    const begun = performance.now();
    await expect(check('closed').isBreached(PASSWORD)).rejects.toMatchObject({ status: 503 });
    expect(performance.now() - begun).toBeLessThan(4_000);
  });

  it('asks eight questions at once and no more, and goes on afterwards', async () => {
    const held: ServerResponse[] = [];
    answer = (_, response) => void held.push(response);
    const one = check('closed');
    const results = Array.from({ length: 12 }, (_, n) =>
      one.isBreached(`${PASSWORD} ${n}`).then(String, () => 'refused'),
    );
    while (held.length < 8) await new Promise((done) => setImmediate(done));
    for (const response of held) response.end(padding.join('\n'));
    const said = await Promise.all(results);
    expect(said.filter((word) => word === 'refused')).toHaveLength(4);
    expect(asked).toHaveLength(8);
    answer = lines(...padding);
    expect(await one.isBreached(PASSWORD)).toBe(false);
  });
});
