import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { startWitness, type RunningWitness } from '../../src/cli/witness.js';
import { Anchoring } from '../../src/modules/audit/sealing/anchors/anchoring.js';
import { KeyRing } from '../../src/platform/crypto/index.js';
import {
  cosignatureTime,
  formatVerifierKey,
  isSignedBy,
  parseNote,
  parseVerifierKey,
  verifierKeyOf,
} from '../../src/tlog/index.js';
import { testServer } from '../harness/database.js';
import { checkLedger } from '../harness/ledger.js';
import { PlainLog } from '../harness/plain-log.js';
import type { Portal } from '../harness/portal.js';
import { checkpoints, closeAll, ORIGIN, portalOn, report, sealed } from '../harness/sealing.js';

const folder = (): string => mkdtempSync(join(tmpdir(), 'portico-anchors-'));
const servers: Server[] = [];
const witnesses: RunningWitness[] = [];

afterEach(async () => {
  await closeAll();
  for (const witness of witnesses.splice(0)) await witness.close();
  for (const server of servers.splice(0)) {
    server.close();
    server.closeAllConnections();
  }
});

async function serve(
  handler: (request: IncomingMessage, response: ServerResponse, body: string) => void,
): Promise<string> {
  const server = createServer((request, response) => {
    void text(request).then((body) => handler(request, response, body));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  servers.push(server);
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const hand = (portal: Portal) => portal.app.get(Anchoring).turn(true);
const states = async (portal: Portal) =>
  (await portal.app.get(Anchoring).report()).map(({ target, size, failures, failure }) => ({
    target,
    size,
    failures,
    failure,
  }));
const done = (target: string, size: number) => ({ target, size, failures: 0, failure: null });

async function published(portal: Portal): Promise<string> {
  const { rows } = await portal.owner.query<{ note: string }>(
    'SELECT note FROM audit.published ORDER BY size DESC LIMIT 1',
  );
  return rows[0]!.note;
}

async function logKey(): Promise<string> {
  const { auditKeys } = await KeyRing.load(testServer().keyFile);
  return formatVerifierKey(verifierKeyOf(ORIGIN, 1, auditKeys[0]!.publicKey));
}

async function witness(name: string, state = folder()): Promise<RunningWitness> {
  const options = { state, name, log: [await logKey()], listen: '127.0.0.1:0' };
  const started = await startWitness(options, () => undefined);
  witnesses.push(started);
  return started;
}

const disputes = async (portal: Portal): Promise<unknown[]> => {
  const { rows } = await portal.owner.query<{ event: string }>(
    `SELECT event FROM audit.inbox WHERE action = 'Checkpoint.dispute' UNION ALL SELECT leaf::json ->> 'e' FROM audit.entry WHERE action = 'Checkpoint.dispute'`,
  );
  return rows.map(({ event }) => (JSON.parse(event) as { err: string }).err);
};

const told = (portal: Portal) =>
  portal.log.filter(({ msg }) => msg === 'a checkpoint was not taken').map(({ code, reason }) => [code, reason]);

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
    const [{ root, note }] = (await checkpoints(portal)) as [{ root: Buffer; note: string }];
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

describe('a witness', () => {
  const settings = (...all: { url: string; vkey: string }[]) => ({
    AUDIT_WITNESSES: all.map(({ url, vkey }) => `${url}=${vkey}`).join(','),
  });

  it('countersigns every checkpoint, and what is published bears the signatures of all', async () => {
    const all = [await witness('officer.test/w1'), await witness('officer.test/w2')];
    const portal = await portalOn({ env: settings(...all) });
    for (const count of [1, 255, 600, 1]) {
      await sealed(portal, count);
      await hand(portal);
      const note = parseNote(await published(portal));
      expect(note.signatures.map(({ name }) => name)).toEqual([ORIGIN, 'officer.test/w1', 'officer.test/w2']);
      for (const vkey of [await logKey(), ...all.map((one) => one.vkey)])
        expect(isSignedBy(note, parseVerifierKey(vkey))).toBe(true);
    }
    expect(await states(portal)).toEqual([done('witness officer.test/w1', 857), done('witness officer.test/w2', 857)]);
    // Again after ten minutes: the newer line stands in place of the older.
    const before = cosignatureTime(parseNote(await published(portal)).signatures[1]!);
    portal.clock.forward(601);
    await hand(portal);
    const again = parseNote(await published(portal)).signatures;
    expect(again).toHaveLength(3);
    expect(cosignatureTime(again[1]!)).toBeGreaterThanOrEqual(before);
    await checkLedger(portal);
  });

  it('that was away, or has a memory that we do not know of, is led on from where it is', async () => {
    const state = folder();
    const first = await witness('officer.test/w1', state);
    const portal = await portalOn({ env: settings(first) });
    await sealed(portal, 300);
    await hand(portal);
    await portal.owner.query('DELETE FROM audit.anchor');
    await sealed(portal, 77);
    await hand(portal);
    expect(await states(portal)).toEqual([done('witness officer.test/w1', 377)]);
    await witnesses.pop()!.close();
    await sealed(portal, 5);
    await hand(portal);
    expect((await states(portal))[0]).toMatchObject({ failures: 1, failure: 'audit.anchor-failed: ECONNREFUSED' });
    expect(parseNote(await published(portal)).signatures).toHaveLength(1);
  });

  it('that has seen further than the log goes, or another log, is evidence: told and audited', async () => {
    const one = await witness('officer.test/w1');
    const portal = await portalOn({ env: settings(one) });
    await sealed(portal, 300);
    await hand(portal);
    // The same key has signed for another database: this one was restored, as far as the witness can tell.
    const restored = await portalOn({ env: settings(one) });
    await sealed(restored, 100);
    await hand(restored);
    await hand(restored);
    expect(told(restored)).toEqual([
      ['audit.witness-ahead', 'witness officer.test/w1: the witness has signed 300 entries, the log is at 100'],
    ]);
    expect(await disputes(restored)).toEqual(['audit.witness-ahead']);

    const other = await portalOn({ env: settings(one) });
    await other.http.get('/health/ready').expect(200);
    await sealed(other, 299);
    expect(report(other).size).toBe(300);
    await hand(other);
    await sealed(other, 7);
    other.clock.forward(11);
    await hand(other);
    expect(told(other)).toEqual([
      ['audit.witness-conflict', 'witness officer.test/w1: the witness has signed another log of 300 entries'],
    ]);
    expect(await disputes(other)).toEqual(['audit.witness-conflict']);
    expect((await states(other))[0]).toMatchObject({ size: null, failures: 2 });
  });

  it.each([
    ['nothing', 200, ''],
    ['no signature line', 200, 'signed\n'],
    ['the line of another', 200, 'OTHER'],
    ['a signature of another checkpoint', 200, 'REPLAY'],
    ['too much', 200, 'x'.repeat(20_000)],
    ['a size that is none', 409, 'many\n'],
    ['a refusal', 403, ''],
  ])('is believed nothing that it has not signed: it answers %s', async (_, status, reply) => {
    const real = await witness('officer.test/w1');
    const stranger = await witness('officer.test/w1', folder());
    let line = '';
    const url = await serve((__, response) => {
      response.writeHead(status).end(reply === 'OTHER' || reply === 'REPLAY' ? line : reply);
    });
    const portal = await portalOn({ env: settings({ url, vkey: real.vkey }) });
    const signer = reply === 'REPLAY' ? real : stranger;
    const seed = await portalOn({ env: settings(signer) });
    await sealed(seed, reply === 'REPLAY' ? 2 : 3);
    await hand(seed);
    line = `${(await published(seed)).trimEnd().split('\n').at(-1)!}\n`;
    await sealed(portal, 3);
    await hand(portal);
    expect((await states(portal))[0]).toMatchObject({ size: null, failures: 1 });
    expect(parseNote(await published(portal)).signatures).toHaveLength(1);
  });
});
