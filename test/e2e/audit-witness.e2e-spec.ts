import { spawn, type ChildProcess } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { startWitness, type RunningWitness } from '../../src/cli/witness.js';
import { isSignedBy, parseNote, parseSignature, parseVerifierKey, type NoteSignature } from '../../src/tlog/index.js';
import { PlainLog, signerOf } from '../harness/plain-log.js';

const NAME = 'officer.test/w1';

let state: string;
let log: PlainLog;
let running: RunningWitness | null = null;
let said: string[];

async function start(logs = [log.vkey], more: Record<string, string> = {}): Promise<RunningWitness> {
  running = await startWitness({ state, name: NAME, log: logs, listen: '127.0.0.1:0', ...more }, (line) =>
    said.push(line),
  );
  return running;
}

async function stop(): Promise<void> {
  await running?.close();
  running = null;
}

beforeEach(() => {
  state = join(mkdtempSync(join(tmpdir(), 'portico-witness-')), 'state');
  log = new PlainLog('portal.test/audit', 100);
  said = [];
});
afterEach(stop);

const post = (body: string, url = running!.url): Promise<Response> =>
  fetch(`${url}/add-checkpoint`, { method: 'POST', body });

/** Status and text of an answer. */
async function answer(body: Promise<string> | string, url?: string): Promise<[number, string]> {
  const response = await post(await body, url);
  return [response.status, await response.text()];
}

async function cosigned(from: number, to: number, url?: string): Promise<NoteSignature> {
  const [status, text] = await answer(log.submission(from, to), url);
  expect(status).toBe(200);
  return parseSignature(text.trimEnd());
}

describe('a witness', () => {
  it('signs what continues the last checkpoint, with the time, and keeps it', async () => {
    const { vkey } = await start();
    for (const [from, to] of [
      [0, 1],
      [1, 7],
      [7, 7],
      [7, 64],
      [64, 100],
    ] as const) {
      const signature = await cosigned(from, to);
      expect(isSignedBy({ body: log.body(to), signatures: [signature] }, parseVerifierKey(vkey))).toBe(true);
      const kept = parseNote(readFileSync(join(state, 'portal.test%2Faudit.checkpoint.txt'), 'utf8'));
      expect(kept.body).toBe(log.body(to));
      expect([log.signer.key, parseVerifierKey(vkey)].map((key) => isSignedBy(kept, key))).toEqual([true, true]);
    }
    expect(await (await fetch(running!.url)).text()).toContain(log.body(100));
    expect(await (await fetch(`${running!.url}/latest`)).text()).toContain(vkey);
  });

  it('goes on from where it was when it comes back, with the same key', async () => {
    const { vkey } = await start();
    await cosigned(0, 50);
    await stop();
    expect((await start()).vkey).toBe(vkey);
    expect(await answer(log.submission(0, 100))).toEqual([409, '50\n']);
    await cosigned(50, 100);
  });

  it('refuses to go back, and says how far it is', async () => {
    await start();
    await cosigned(0, 60);
    for (const [from, to] of [
      [0, 40],
      [40, 50],
      [0, 60],
      [59, 60],
      [61, 100],
    ] as const) {
      const response = await post(await log.submission(from, to));
      expect([response.status, await response.text()]).toEqual([409, '60\n']);
      expect(response.headers.get('content-type')).toBe('text/x.tlog.size');
    }
    expect((await answer(log.submission(60, 40)))[0]).toBe(400);
    await cosigned(60, 100);
  });

  it('refuses a fork, and keeps what the log has signed as evidence', async () => {
    await start();
    await cosigned(0, 60);
    for (const forkedAt of [0, 30, 59]) {
      const fork = log.fork(forkedAt);
      expect((await answer(fork.submission(60, 100)))[0]).toBe(422);
      expect(await answer(fork.submission(60, 60))).toEqual([409, '60\n']);
    }
    // The right proof of another root, and a root with the proof of another.
    const [, ...proof] = (await log.submission(60, 100)).split('\n\n')[0]!.split('\n');
    const mixed = `old 60\n${proof.join('\n')}\n\n${await log.fork(80).note(100)}`;
    expect((await answer(mixed))[0]).toBe(422);
    expect((await answer(`old 60\n\n${await log.note(100)}`))[0]).toBe(422);
    expect(said.every((line) => line.includes('does not continue the last one'))).toBe(true);
    const evidence = readdirSync(join(state, 'evidence')).map((file) =>
      readFileSync(join(state, 'evidence', file), 'utf8'),
    );
    expect(evidence).toContain(await log.fork(30).note(60));
    await cosigned(60, 61);
  });

  it('signs nothing for logs that it does not know, and nothing that the log has not signed', async () => {
    await start();
    expect((await answer(new PlainLog('else.test/audit', 9).submission(0, 9)))[0]).toBe(404);
    const thief = signerOf(log.origin, generateKeyPairSync('ed25519'));
    expect((await answer(log.submission(0, 9, thief)))[0]).toBe(403);
    const forged = (await log.submission(0, 9)).replace('\n9\n', '\n8\n');
    expect((await answer(forged))[0]).toBe(403);
    expect(readdirSync(state).filter((file) => file.endsWith('.txt'))).toEqual([]);
  });

  it('takes either key of a log that exchanges its key', async () => {
    const next = signerOf(log.origin, generateKeyPairSync('ed25519'));
    const renewed = new PlainLog(log.origin, 100, { signer: next });
    await start([log.vkey, renewed.vkey]);
    await cosigned(0, 9);
    expect((await answer(renewed.submission(9, 19)))[0]).toBe(200);
  });

  it('reads no more than it must, and nothing that is malformed', async () => {
    await start();
    const right = await log.submission(0, 9);
    for (const bad of [
      '',
      'old 0',
      right.replace('old 0', 'old 00'),
      right.replace('old 0', 'old -1'),
      right.replace('old 0', 'old 0\nAAAA'),
      right.replace('old 0', `old 0\n${`${Buffer.alloc(32).toString('base64')}\n`.repeat(64).trimEnd()}`),
      right.replace('\n9\n', '\n09\n'),
      right.slice(0, -1),
      right.replaceAll('\n', '\r\n'),
    ])
      expect([bad.slice(0, 20), (await answer(bad))[0]]).toEqual([bad.slice(0, 20), 400]);
    expect((await answer(`old 0\n${Buffer.alloc(32).toString('base64')}\n\n${await log.note(9)}`))[0]).toBe(422);
    expect((await answer('x'.repeat(70_000)))[0]).toBe(413);
    expect((await fetch(`${running!.url}/add-checkpoint`)).status).toBe(405);
    expect((await fetch(`${running!.url}/../state/lock`)).status).toBe(404);
    expect((await fetch(running!.url, { method: 'DELETE' })).status).toBe(405);
    await cosigned(0, 9);
  });

  it('signs one way only when everybody asks at once', async () => {
    const { vkey } = await start();
    await cosigned(0, 10);
    const fork = log.fork(10);
    const sizes = Array.from({ length: 40 }, (_, n) => 11 + n);
    const asked = await Promise.all(
      sizes.map(async (size) => ({ size, all: await answer((size % 2 ? log : fork).submission(10, size)) })),
    );
    const signed = asked.filter(({ all: [status] }) => status === 200);
    expect(signed).toHaveLength(1);
    expect(asked.filter(({ all: [status] }) => status === 409)).toHaveLength(39);
    const [{ size, all }] = signed as [(typeof signed)[number]];
    const body = (size % 2 ? log : fork).body(size);
    expect(isSignedBy({ body, signatures: [parseSignature(all[1].trimEnd())] }, parseVerifierKey(vkey))).toBe(true);
    expect(await (await fetch(running!.url)).text()).toContain(body);
  });

  it('signs nothing that it cannot keep', async () => {
    await start();
    await cosigned(0, 10);
    const file = join(state, 'portal.test%2Faudit.checkpoint.txt');
    const kept = readFileSync(file, 'utf8');
    // A folder in the way of the draft: also root cannot write over it.
    mkdirSync(`${file}.${process.pid}.new`);
    expect(await answer(log.submission(10, 20))).toEqual([500, 'not done\n']);
    expect(readFileSync(file, 'utf8')).toBe(kept);
    rmdirSync(`${file}.${process.pid}.new`);
    await cosigned(10, 20);
  });

  it('does not start with a damaged memory, with a key that others may read, nor twice with one memory', async () => {
    await start();
    await cosigned(0, 10);
    const file = join(state, 'portal.test%2Faudit.checkpoint.txt');
    const lock = join(state, 'lock');
    writeFileSync(lock, '1\n');
    await expect(start()).rejects.toThrow('is in use by process 1');
    writeFileSync(lock, `${process.pid}\n`);
    await stop();
    const kept = readFileSync(file, 'utf8');
    writeFileSync(file, kept.slice(0, 40));
    await expect(start()).rejects.toThrow('the note has no signatures');
    writeFileSync(file, kept);
    const key = join(state, 'witness.key.pem');
    expect(statSync(key).mode & 0o777).toBe(0o600);
    chmodSync(key, 0o644);
    await expect(start()).rejects.toThrow(`run chmod 600 ${key}`);
    chmodSync(key, 0o600);
    await start();
    await cosigned(10, 11);
  });

  it('says what it needs', async () => {
    await expect(start([])).rejects.toThrow('--log is needed');
    await expect(start([(await start()).vkey])).rejects.toThrow('is no verifier key of a log');
    await stop();
    await expect(start([log.vkey], { listen: 'nowhere' })).rejects.toThrow('--listen is host:port');
    await expect(start([log.vkey], { name: 'with blank' })).rejects.toThrow('no spaces');
  });
});

describe('the witness as a process', () => {
  let child: ChildProcess | null = null;

  async function launch(): Promise<string> {
    const args = ['--import', './test/harness/typescript.mjs', 'src/cli.ts', 'witness'];
    const options = ['--state', state, '--name', NAME, '--log', log.vkey, '--listen', '127.0.0.1:0'];
    // None of the portal's settings.
    const env = { PATH: process.env.PATH, HOME: process.env.HOME };
    child = spawn(process.execPath, [...args, ...options], { env, stdio: ['ignore', 'pipe', 'inherit'] });
    let out = '';
    for await (const chunk of child.stdout! as AsyncIterable<Buffer>) {
      out += chunk.toString();
      const url = /AUDIT_WITNESSES=(http:\/\/[^=]+)=officer\.test\/w1\+[0-9a-f]{8}\+\S+\n/.exec(out)?.[1];
      if (url) return url;
    }
    throw new Error(`the witness did not start: ${out}`);
  }

  async function kill(): Promise<void> {
    const ended = once(child!, 'exit');
    child!.kill('SIGKILL');
    await ended;
    child = null;
  }

  afterEach(async () => {
    if (child) await kill();
  });

  it('has kept every checkpoint that it gave a signature for, whenever it is killed', async () => {
    let last = 0;
    for (let round = 0; round < 3; round++) {
      const url = await launch();
      const first = last;
      expect(await answer(log.submission(first === 0 ? 1 : 0, 100), url)).toEqual([409, `${first}\n`]);
      for (let size = first + 1; size <= first + 8; size++) {
        await cosigned(last, size, url);
        last = size;
      }
      // One more is under way when it dies: signed or not, it never goes back.
      void answer(log.submission(last, last + 1), url).catch(() => undefined);
      await kill();
      const kept = readFileSync(join(state, 'portal.test%2Faudit.checkpoint.txt'), 'utf8');
      const size = Number(parseNote(kept).body.split('\n')[1]);
      expect([last, last + 1]).toContain(size);
      expect(parseNote(kept).body).toBe(log.body(size));
      last = size;
    }
  }, 60_000);

  it('lets nobody hold it up who says nothing', async () => {
    const url = new URL(await launch());
    const silent = connect(Number(url.port), url.hostname);
    await once(silent, 'connect');
    silent.write('POST /add-checkpoint HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nold');
    await cosigned(0, 10, url.origin);
    silent.destroy();
  }, 60_000);
});
