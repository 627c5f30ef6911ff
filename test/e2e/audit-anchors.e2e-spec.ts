import { createHmac } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { closeAnchors, disputes, done, folder, hand, serve, states, told } from '../harness/anchors.js';
import { checkLedger } from '../harness/ledger.js';
import { PlainLog } from '../harness/plain-log.js';
import { checkpoints, ORIGIN, portalOn, report, sealed } from '../harness/sealing.js';

afterEach(closeAnchors);

describe('a folder', () => {
  it('gets every checkpoint once, in files that are not written again', async () => {
    const root = folder();
    const portal = await portalOn({ env: { AUDIT_ANCHOR_DIR: root } });
    const sizes: number[] = [];
    for (const count of [3, 600, 1]) {
      sizes.push(await sealed(portal, count));
      await hand(portal);
      await hand(portal);
    }
    const files = join(root, encodeURIComponent(ORIGIN));
    const kept = readdirSync(files).sort();
    expect(kept).toEqual(sizes.map((size) => `checkpoint-${String(size).padStart(16, '0')}.txt`));
    expect(kept.map((file) => readFileSync(join(files, file), 'utf8'))).toEqual(
      (await checkpoints(portal)).map(({ note }) => note),
    );
    expect(statSync(join(files, kept[0]!)).mode & 0o777).toBe(0o444);
    expect(await states(portal)).toEqual([done('folder', 604)]);
    await checkLedger(portal);
  });

  it('that holds another checkpoint of this size is evidence: told, audited, and never overwritten', async () => {
    const root = folder();
    const portal = await portalOn({ env: { AUDIT_ANCHOR_DIR: root } });
    await sealed(portal, 3);
    await hand(portal);
    const file = join(root, encodeURIComponent(ORIGIN), 'checkpoint-0000000000000003.txt');
    const other = await new PlainLog(ORIGIN, 3).note(3);
    rmSync(file);
    writeFileSync(file, other);
    portal.clock.forward(601);
    for (let n = 0; n < 2; n++) await hand(portal);
    expect(told(portal)).toEqual([['audit.anchor-conflict', 'folder: another checkpoint of 3 entries is kept there']]);
    expect(await disputes(portal)).toEqual(['audit.anchor-conflict']);
    expect(readFileSync(file, 'utf8')).toBe(other);
  });

  it('that cannot be written stops nothing, is tried again ever more seldom, and told once', async () => {
    const file = join(folder(), 'file');
    writeFileSync(file, '');
    const portal = await portalOn({ env: { AUDIT_ANCHOR_DIR: file } });
    await sealed(portal, 3);
    const failures = async () => (await states(portal))[0]!.failures;
    await hand(portal);
    expect(await states(portal)).toEqual([
      { target: 'folder', size: null, failures: 1, failure: 'audit.anchor-failed: ENOTDIR' },
    ]);
    for (const [seconds, expected] of [
      [5, 1],
      [6, 2],
      [15, 2],
      [6, 3],
      [35, 3],
      [6, 4],
    ] as const) {
      portal.clock.forward(seconds);
      await hand(portal);
      expect([seconds, await failures()]).toEqual([seconds, expected]);
    }
    await portal.http.get('/health/ready').expect(200);
    expect(await sealed(portal, 1)).toBeGreaterThan(3);
    rmSync(file);
    portal.clock.forward(700);
    await hand(portal);
    expect(await states(portal)).toEqual([done('folder', report(portal).size!)]);
    expect(told(portal)).toEqual([['audit.anchor-failed', 'folder: ENOTDIR']]);
    expect(portal.log.filter(({ msg }) => msg === 'a target takes checkpoints again')).toHaveLength(1);
  });
});

describe('a store', () => {
  const objects = new Map<string, string>();
  const asked: string[] = [];
  let status: number | null;
  let mayRead: boolean;
  let env: Record<string, string>;

  beforeEach(async () => {
    objects.clear();
    asked.length = 0;
    status = null;
    mayRead = true;
    const url = await serve(({ method, url: path = '', headers }, response, body) => {
      asked.push(`${method} ${headers.authorization} ${headers['if-none-match'] ?? ''}`.trim());
      if (status !== null) return void response.writeHead(status, { location: '/elsewhere' }).end('secret words');
      if (method === 'GET') {
        const object = mayRead ? objects.get(path) : undefined;
        return void response.writeHead(object === undefined ? 403 : 200).end(object ?? '');
      }
      const isThere = objects.has(path);
      if (!isThere) objects.set(path, body);
      response.writeHead(isThere ? 412 : 201).end();
    });
    const token = join(folder(), 'token');
    writeFileSync(token, 'first\n');
    env = { AUDIT_ANCHOR_URL: `${url}/bucket/`, AUDIT_ANCHOR_TOKEN_FILE: token };
  });

  it('gets every checkpoint by PUT if it is not there, with the token of this moment', async () => {
    const portal = await portalOn({ env });
    await sealed(portal, 3);
    await hand(portal);
    writeFileSync(env.AUDIT_ANCHOR_TOKEN_FILE!, 'second\n');
    await sealed(portal, 4);
    await hand(portal);
    expect(asked).toEqual(['PUT Bearer first *', 'PUT Bearer second *']);
    expect([...objects]).toEqual(
      (await checkpoints(portal)).map(({ size, note }) => [
        `/bucket/portal.test%2Faudit/checkpoint-${size.padStart(16, '0')}.txt`,
        note,
      ]),
    );
  });

  it('is told again after ten minutes without a new one, and compared with', async () => {
    const portal = await portalOn({ env });
    await sealed(portal, 3);
    await hand(portal);
    portal.clock.forward(590);
    await hand(portal);
    expect(asked).toHaveLength(1);
    portal.clock.forward(11);
    await hand(portal);
    expect(asked.slice(1)).toEqual(['PUT Bearer first *', 'GET Bearer first']);
    expect(await states(portal)).toEqual([done('store', 3)]);
    mayRead = false;
    portal.clock.forward(601);
    await hand(portal);
    expect(await states(portal)).toEqual([done('store', 3)]);
    mayRead = true;
    objects.set([...objects.keys()][0]!, await new PlainLog(ORIGIN, 3).note(3));
    portal.clock.forward(601);
    await hand(portal);
    expect(await disputes(portal)).toEqual(['audit.anchor-conflict']);
  });

  it.each([301, 403, 500, 503])('that answers %d is asked again, and its words are not repeated', async (refusal) => {
    status = refusal;
    const portal = await portalOn({ env });
    await sealed(portal, 3);
    await hand(portal);
    const [state] = await states(portal);
    expect(state).toMatchObject({ size: null, failures: 1, failure: expect.not.stringContaining('secret') });
    status = null;
    portal.clock.forward(11);
    await hand(portal);
    expect(await states(portal)).toEqual([done('store', 3)]);
    expect(asked).toHaveLength(2);
  });
});

describe('a webhook', () => {
  it('gets every checkpoint, signed over the time and the exact body', async () => {
    const secret = 'a secret of thirty-two characters';
    const seen: { headers: IncomingMessage['headers']; body: string }[] = [];
    const url = await serve(({ headers }, response, body) => {
      seen.push({ headers, body });
      response.writeHead(204).end();
    });
    const portal = await portalOn({ env: { AUDIT_WEBHOOK_URL: url, AUDIT_WEBHOOK_SECRET: secret } });
    await sealed(portal, 3);
    await hand(portal);
    const { root, note } = (await checkpoints(portal))[0]!;
    expect(seen).toHaveLength(1);
    const [{ headers, body }] = seen as [(typeof seen)[number]];
    expect(JSON.parse(body)).toEqual({
      origin: ORIGIN,
      size: 3,
      root: root.toString('base64'),
      note,
      signedAt: expect.stringMatching(/Z$/),
    });
    const timestamp = headers['x-portico-timestamp'] as string;
    expect(headers['x-portico-signature']).toBe(
      `v1=${createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex')}`,
    );
  });
});
