import { createHash, createPublicKey, verify, type KeyObject } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { expect } from '@jest/globals';
import type supertest from 'supertest';
import { fromBufferPromise } from 'yauzl';
import { ExportJobs } from '../../src/modules/audit/exports/export-jobs.js';
import { Sealer } from '../../src/modules/audit/sealing/sealer.js';
import { Sequencer } from '../../src/modules/audit/sequencer.js';
import type { Caller } from './people.js';
import { signInAs } from './people.js';
import type { Portal } from './portal.js';
import { isConsistent, isIncluded, leafHashOf, PlainTree, sha256 } from './rfc6962.js';

export interface ExportAnswer {
  id: string;
  state: string;
  failure: string | null;
  seq: number | null;
  treeSize: number | null;
  mismatchAt: number | null;
  progress: { position: number; end: number | null; lines: number };
  files: { name: string; bytes: number; sha256: string }[];
}

/** Gives all events their places, and has them signed. */
export async function seal({ app }: Portal): Promise<void> {
  await app.get(Sequencer).sequence();
  // The sizes that exports ask for first, then the rest.
  while (await app.get(Sealer).turn(true));
}

/** Seals and works off what waits, as the server does by itself within seconds. */
export async function settle(portal: Portal): Promise<void> {
  await seal(portal);
  portal.clock.forward(2);
  await portal.app.get(ExportJobs).drain();
}

/** In a session whose second factor was shown just now. */
export const again = (caller: Caller): Promise<Caller> => signInAs(caller.portal, caller.credentials);

/** Asks for an export and has it made. */
export async function exported(officer: Caller, body: object): Promise<ExportAnswer> {
  const { body: asked } = await officer.post('/v1/audit/exports', { reason: 'A test', ...body }).expect(202);
  await settle(officer.portal);
  const { id } = asked as ExportAnswer;
  const { body: made } = await officer.get(`/v1/audit/exports/${id}`).expect(200);
  expect(made).toMatchObject({ id, state: 'ready', failure: null });
  return made as ExportAnswer;
}

/** The body as it arrives. */
export const binary = (response: supertest.Response, done: (error: Error | null, body: Buffer) => void): void => {
  buffer(response as unknown as NodeJS.ReadableStream).then(
    (bytes) => done(null, bytes),
    (error: Error) => done(error, Buffer.alloc(0)),
  );
};

/** The bytes of an answer as they arrive; supertest undoes gzip. */
export async function fetched(officer: Caller, path: string, headers: Record<string, string> = {}): Promise<Buffer> {
  const answer = await officer
    .get(path)
    .set({ 'Accept-Encoding': 'identity', ...headers })
    .buffer(true)
    .parse(binary as never);
  expect([path, answer.status]).toEqual([path, 200]);
  return answer.body as Buffer;
}

export async function unzipped(zip: Buffer): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  const reader = await fromBufferPromise(zip, { lazyEntries: true });
  for await (const entry of reader.eachEntry())
    files.set(entry.fileName, await buffer(await reader.openReadStreamPromise(entry)));
  return files;
}

export const linesOf = (file: Buffer | undefined): string[] => {
  const text = file!.toString('utf8');
  expect(text === '' || text.endsWith('\n')).toBe(true);
  return text === '' ? [] : text.slice(0, -1).split('\n');
};

export interface Manifest {
  kind: 'log' | 'range' | 'events';
  lines: number;
  firstSeq: number;
  lastSeq: number;
  checkpoint: { origin: string; size: number; root: string };
  previousSize: number | null;
  askedFor: { by: string; at: string; reason: string; seq: number };
  completeFor: { id: string; firstN: number; lastN: number }[];
  files: { name: string; bytes: number; sha256: string }[];
  tiles: { count: number; sha256: string } | null;
}

export const manifestOf = (files: Map<string, Buffer>): Manifest =>
  JSON.parse(files.get('manifest.json')!.toString()) as Manifest;

interface Head {
  origin: string;
  size: number;
  root: Buffer;
}

/** C2SP signed-note with one verifier key, as section 1.2 of the standard has it; null when that key has not signed it. */
export function openNote(note: string, vkey: string): Head | null {
  const [name, id, key] = vkey.split(/\+(.*?)\+(.*)/s) as [string, string, string];
  const publicKey: KeyObject = createPublicKey({
    key: Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), Buffer.from(key, 'base64').subarray(1)]),
    format: 'der',
    type: 'spki',
  });
  const end = note.indexOf('\n\n');
  const body = note.slice(0, end + 1);
  const isSigned = note
    .slice(end + 2)
    .split('\n')
    .filter((line) => line.startsWith(`\u2014 ${name} `))
    .map((line) => Buffer.from(line.split(' ')[2]!, 'base64'))
    .filter((blob) => blob.subarray(0, 4).toString('hex') === id)
    .some((blob) => verify(null, Buffer.from(body), publicKey, blob.subarray(4)));
  const [origin, size, root] = body.split('\n') as [string, string, string];
  return isSigned ? { origin, size: Number(size), root: Buffer.from(root, 'base64') } : null;
}

const hashesOf = (tile: Buffer): Buffer[] =>
  Array.from({ length: tile.length / 32 }, (_, at) => tile.subarray(at * 32, at * 32 + 32));

/** A hash tile of a tree of that size, by the layout of C2SP tlog-tiles. */
function tileOf(files: Map<string, Buffer>, size: number, level: number, n: number): Buffer[] {
  const width = Math.min(256, Math.floor(size / 256 ** level) - n * 256);
  const digits = String(n).padStart(Math.ceil(String(n).length / 3) * 3, '0');
  const path = `tile/${level}/${digits.replace(/\d{3}(?=\d)/g, 'x$&/')}${width < 256 ? `.p/${width}` : ''}`;
  const hashes = hashesOf(files.get(path) ?? Buffer.alloc(0));
  expect([path, hashes.length]).toEqual([path, width]);
  return hashes;
}

/** The root out of the last tile of each level: its hashes are the complete subtrees on the tree's right edge. */
function rootByTiles(files: Map<string, Buffer>, { size }: Head): Buffer {
  const peaks: Buffer[] = [];
  for (let level = 7; level >= 0; level--) {
    const count = Math.floor(size / 256 ** level) % 256;
    let hashes = count === 0 ? [] : tileOf(files, size, level, Math.floor(size / 256 ** (level + 1)));
    for (let width = 128; width >= 1; width /= 2) {
      if (hashes.length < width) continue;
      peaks.push(new PlainTree(hashes.slice(0, width)).root());
      hashes = hashes.slice(width);
    }
  }
  return peaks.reduceRight((root, peak) => sha256(Buffer.of(1), peak, root));
}

/** That each leaf stands in its tile, each full tile in the one above it, and so up to a tile of the right edge. */
function leavesByTiles(files: Map<string, Buffer>, { size }: Head, first: number, leaves: readonly Buffer[]): boolean {
  return leaves.every((leaf, at) => {
    let [level, index, hash] = [0, first + at, leaf];
    for (;;) {
      const tile = tileOf(files, size, level, Math.floor(index / 256));
      if (!tile[index % 256]!.equals(hash)) return false;
      if (tile.length < 256) return true;
      [level, index, hash] = [level + 1, Math.floor(index / 256), new PlainTree(tile).root()];
    }
  });
}

const indexOf = (line: string): number => (JSON.parse(line) as { i: number }).i;

/**
 * Everything that section 2 of the standard lets a stranger look at, with no code of the server: digests, signature, root,
 * tiles or proofs, consistency with the checkpoint before, the receipt. Resolves with the lines.
 */
export function verifyBundle(files: Map<string, Buffer>, vkey: string): string[] {
  const manifest = manifestOf(files);
  for (const { name, bytes, sha256: digest } of manifest.files) {
    expect([name, files.get(name)?.length]).toEqual([name, bytes]);
    expect([name, createHash('sha256').update(files.get(name)!).digest('hex')]).toEqual([name, digest]);
  }
  const told = [...manifest.files.map(({ name }) => name), 'manifest.json'];
  expect([...files.keys()].filter((name) => !name.startsWith('tile/')).sort()).toEqual(told.sort());
  const head = openNote(files.get('checkpoint')!.toString(), vkey)!;
  expect(head).toMatchObject({ ...manifest.checkpoint, root: Buffer.from(manifest.checkpoint.root, 'base64') });
  const lines = linesOf(files.get('events.ndjson'));
  expect(lines).toHaveLength(manifest.lines);
  const leaves = lines.map(leafHashOf);
  if (manifest.kind === 'log') {
    expect(lines).toHaveLength(head.size);
    expect(new PlainTree(leaves).root()).toEqual(head.root);
  } else if (manifest.kind === 'range') {
    expect(rootByTiles(files, head)).toEqual(head.root);
    expect(leavesByTiles(files, head, manifest.firstSeq, leaves)).toBe(true);
    lines.forEach((line, at) => expect(indexOf(line)).toBe(manifest.firstSeq + at));
  } else {
    const proofs = linesOf(files.get('proofs.ndjson')).map(
      (line) => JSON.parse(line) as { leafIndex: number; treeSize: number; hashes: string[] },
    );
    expect(proofs).toHaveLength(lines.length);
    proofs.forEach(({ leafIndex, treeSize, hashes }, at) => {
      expect([leafIndex, treeSize]).toEqual([indexOf(lines[at]!), head.size]);
      const path = hashes.map((hash) => Buffer.from(hash, 'base64'));
      expect(isIncluded({ ...head, index: leafIndex }, lines[at]!, path)).toBe(true);
    });
  }
  verifyPrevious(files, head, manifest, vkey);
  verifyReceipt(files, head, manifest);
  return lines;
}

function verifyPrevious(files: Map<string, Buffer>, head: Head, { previousSize }: Manifest, vkey: string): void {
  if (previousSize === null) {
    expect(files.has('checkpoint.previous') || files.has('consistency.json')).toBe(false);
    return;
  }
  const older = openNote(files.get('checkpoint.previous')!.toString(), vkey)!;
  const proof = JSON.parse(files.get('consistency.json')!.toString()) as {
    oldSize: number;
    newSize: number;
    hashes: string[];
  };
  expect([older.size, proof.oldSize, proof.newSize]).toEqual([previousSize, previousSize, head.size]);
  const hashes = proof.hashes.map((hash) => Buffer.from(hash, 'base64'));
  expect(isConsistent(older, head, hashes)).toBe(true);
}

function verifyReceipt(files: Map<string, Buffer>, head: Head, { askedFor }: Manifest): void {
  const text = files.get('export.tlog-proof')!.toString();
  const [above, ...note] = text.split('\n\n') as [string, ...string[]];
  expect(note.join('\n\n')).toBe(files.get('checkpoint')!.toString());
  const [first, extra, index, ...hashes] = above.split('\n') as [string, string, string, ...string[]];
  expect([first, index]).toEqual(['c2sp.org/tlog-proof@v1', `index ${askedFor.seq}`]);
  const leaf = Buffer.from(extra.replace(/^extra /, ''), 'base64');
  const path = hashes.map((hash) => Buffer.from(hash, 'base64'));
  expect(isIncluded({ ...head, index: askedFor.seq }, leaf, path)).toBe(true);
}

/** The log's verifier key, as an auditor has it by another road. */
export async function verifierKey(portal: Portal): Promise<string> {
  const { rows } = await portal.owner.query<{ vkey: string }>('SELECT vkey FROM audit.verifier_key ORDER BY added_at');
  return rows[0]!.vkey;
}

export interface Leaf {
  i: number;
  n?: number;
  e: {
    id: string;
    sub: string;
    out: number;
    req: string;
    pat?: string;
    err?: string;
    http?: { bytes?: number; st: number };
    res?: { t: string; i: string }[];
  };
}

export const leavesOf = (lines: readonly string[]): Leaf[] => lines.map((line) => JSON.parse(line) as Leaf);

export const bundleOf = async (officer: Caller, id: string): Promise<Map<string, Buffer>> =>
  unzipped(await fetched(officer, `/v1/audit/exports/${id}/bundle`));
