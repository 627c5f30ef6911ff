import { createHash } from 'node:crypto';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Config } from '../../src/platform/config/config.js';
import { checkLedger } from '../harness/ledger.js';
import { freshName, mailedCode, makeAdmin, makeChart, type Caller } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

const codeOf = ({ status, body }: { status: number; body: unknown }) =>
  status < 400 ? null : (body as { code: string }).code;

/** An invited patient, and how they choose a password. */
async function invited(one: Portal, by: Caller) {
  const { id, birthDate, email } = await makeChart(by);
  await by.post(`/v1/patients/${id}/invitations`, { email }).expect(204);
  const activationCode = await mailedCode(one, email);
  const username = freshName('chooser');
  const choose = (password: string) =>
    one.http.post('/v1/auth/activate').send({ activationCode, username, password, dateOfBirth: birthDate });
  return { username, choose };
}

describe('passwords that leaked somewhere', () => {
  let asked: string[] = [];
  let answer: (response: ServerResponse) => void;
  const leaked = 'a password that leaked';
  const suffix = createHash('sha1').update(leaked).digest('hex').toUpperCase().slice(5);
  const padding = createHash('sha1').update('padding').digest('hex').toUpperCase().slice(5);
  const service = createServer((request, response) => {
    asked.push(request.url!);
    answer(response);
  });
  beforeAll(() => new Promise<void>((done) => service.listen(0, '127.0.0.1', done)));
  afterAll(() => {
    service.closeAllConnections();
    service.close();
  });
  beforeEach(() => {
    asked = [];
    answer = (response) => response.end(`${padding}:0\r\n${suffix}:12`);
  });

  const withCheck = async (
    mode: Config['passwords']['breachCheck'],
    work: (one: Portal, by: Caller) => Promise<void>,
  ) => {
    const url = `http://127.0.0.1:${(service.address() as AddressInfo).port}/range/`;
    const one = await startPortal({ env: { BREACH_CHECK: mode, BREACH_CHECK_URL: url } });
    try {
      await work(one, await makeAdmin(one));
      await checkLedger(one);
      expect(JSON.stringify(one.log)).not.toContain(suffix.slice(0, 10));
    } finally {
      await one.close();
    }
  };

  it('are refused when they are set, and asked for at no sign-in', async () => {
    await withCheck('closed', async (one, by) => {
      const { username, choose } = await invited(one, by);
      expect(codeOf(await choose(leaked))).toBe('auth.password-leaked');
      expect(asked.at(-1)).toMatch(/^\/range\/[0-9A-F]{5}$/);
      await choose('a password that did not').expect(204);
      asked = [];
      const signedIn = one.http.post('/v1/auth/login').send({ username, password: 'a password that did not' });
      expect((await signedIn.expect(200)).body).toMatchObject({ status: 'authenticated' });
      expect(asked).toEqual([]);
    });
  });

  it('fail closed: nothing is set while nobody answers, and the invitation is as good as before', async () => {
    await withCheck('closed', async (one, by) => {
      answer = (response) => response.writeHead(500).end();
      const { choose } = await invited(one, by);
      const refused = await choose('a password that did not').expect(503);
      expect(codeOf(refused)).toBe('auth.breach-check-unavailable');
      expect(refused.headers['retry-after']).toBe('10');
      answer = (response) => response.end(`${padding}:0`);
      await choose('a password that did not').expect(204);
    });
  });

  it('fail open by configuration', async () => {
    await withCheck('open', async (one, by) => {
      answer = (response) => response.socket!.destroy();
      const { choose } = await invited(one, by);
      await choose('a password that did not').expect(204);
      expect(asked).toHaveLength(2);
    });
  });
});
