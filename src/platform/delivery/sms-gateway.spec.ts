import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SmsGateway } from './sms-gateway.js';

const SECRET = 'a secret of thirty-two characters';
const seen: { headers: IncomingMessage['headers']; body: string; method: string | undefined }[] = [];
let server: Server;
let answer = 202;
let gateway: SmsGateway;

beforeAll(async () => {
  server = createServer((request, response) => {
    void text(request).then((body) => {
      seen.push({ headers: request.headers, body, method: request.method });
      response.writeHead(answer, { location: '/elsewhere' }).end('whatever it says');
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const webhookUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/send`;
  gateway = new SmsGateway({ webhookUrl, webhookSecret: SECRET });
});
afterAll(() => void server.close());

describe('SmsGateway', () => {
  it('posts the message with a signature over the time and the exact body', async () => {
    answer = 202;
    await gateway.send({ to: '+4915112345678', text: '123456 is your code.\n\n@portal.example #123456' });
    const { headers, body, method } = seen.pop()!;
    expect([method, headers['content-type']]).toEqual(['POST', 'application/json']);
    expect(JSON.parse(body)).toEqual({
      to: '+4915112345678',
      text: '123456 is your code.\n\n@portal.example #123456',
    });
    const timestamp = headers['x-portico-timestamp'] as string;
    expect(Math.abs(Number(timestamp) - Date.now() / 1000)).toBeLessThan(5);
    const expected = createHmac('sha256', SECRET).update(`${timestamp}.${body}`).digest('hex');
    expect(headers['x-portico-signature']).toBe(`v1=${expected}`);
  });

  it.each([301, 400, 401, 429, 500])(
    'rejects on %d, so that the outbox tries again; follows nothing',
    async (status) => {
      answer = status;
      seen.length = 0;
      await expect(gateway.send({ to: '+4915112345678', text: 'x' })).rejects.toThrow();
      expect(seen).toHaveLength(1);
    },
  );
});
