import { createHash, createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { createWriteStream, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { ZipFile } from 'yazl';
import {
  consistencyProof,
  cosign,
  formatCheckpoint,
  formatNote,
  formatReceipt,
  inclusionProof,
  leafHash,
  nodeHash,
  rootOf,
  signNote,
  TILE,
  tilePath,
  tileTotal,
  tileWidth,
  verifierKeyOf,
  type NoteSigner,
  type SubtreeHashes,
} from '../../src/tlog/index.js';

export const ORIGIN = 'portal.example/audit';

export function signerOf(name: string, type: 1 | 4, privateKey?: KeyObject): NoteSigner {
  const key = privateKey ?? generateKeyPairSync('ed25519').privateKey;
  return {
    key: verifierKeyOf(name, type, createPublicKey(key)),
    sign: (message) => sign(null, message, key),
  };
}

export const linesIn = (text: Buffer): string[] => text.toString().split('\n').slice(0, -1);
export const textOf = (lines: readonly string[]): Buffer => Buffer.from(lines.map((line) => `${line}\n`).join(''));
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

const salted = (index: number): string =>
  Buffer.from(JSON.stringify([`salt-of-${index}-enough`, 'net', { ip: `198.51.100.${index % 250}` }])).toString(
    'base64url',
  );
const digestOf = (disclosure: string): string => createHash('sha256').update(disclosure).digest('base64url');

/** Events of a few patients, of the server's form, with commitments that open. */
export function makeLines(count: number, patients = 3): string[] {
  const counters = new Map<string, number>();
  return Array.from({ length: count }, (_, i) => {
    const pat = i % 4 === 3 ? undefined : `00000000-0000-4000-8000-00000000000${(i * 7) % patients}`;
    const event = JSON.stringify({
      act: 'R',
      actor: { id: `10000000-0000-4000-8000-00000000000${i % 5}`, roles: ['clinician'] },
      id: `20000000-0000-4000-8000-${String(i).padStart(12, '0')}`,
      net: { _sd: [digestOf(salted(i))] },
      out: 0,
      pat,
      purp: i % 9 === 0 ? '=1+1' : 'TREAT',
      req: `30000000-0000-4000-8000-${String(i).padStart(12, '0')}`,
      sub: 'Record.read',
      t: new Date(Date.UTC(2026, 0, 1) + i * 1000).toISOString(),
      v: 1,
    });
    if (pat === undefined) return `{"e":${event},"i":${i}}`;
    counters.set(pat, (counters.get(pat) ?? 0) + 1);
    return `{"e":${event},"i":${i},"n":${counters.get(pat)!}}`;
  });
}

export function hashesOf(lines: readonly string[]): SubtreeHashes {
  const rows = [lines.map((line) => leafHash(line))];
  const at = (level: number): Buffer[] => {
    if (rows[level]) return rows[level];
    const below = at(level - 1);
    return (rows[level] = Array.from({ length: Math.floor(below.length / 2) }, (_, n) =>
      nodeHash(below[2 * n]!, below[2 * n + 1]!),
    ));
  };
  return (wanted) => Promise.resolve(wanted.map(({ level, n }) => at(level)[n]!));
}

export async function checkpointOf(
  lines: readonly string[],
  size: number,
  signers: readonly NoteSigner[],
  at = 0,
): Promise<string> {
  const body = formatCheckpoint({ origin: ORIGIN, size, root: await rootOf(size, hashesOf(lines)) });
  const signatures = await Promise.all(
    signers.map((signer) => (signer.key.type === 1 ? signNote(body, signer) : cosign(body, at, signer))),
  );
  return formatNote({ body, signatures });
}

export interface BundlePlan {
  kind: 'log' | 'range' | 'events';
  /** The whole log, of which the bundle shows a part. */
  lines: readonly string[];
  size: number;
  previousSize: number;
  /** Places in the bundle. */
  places: readonly number[];
  signers: readonly NoteSigner[];
  filter?: object;
  /** Seconds since 1970, for witnesses. */
  witnessedAt?: number;
}

export type Files = Map<string, Buffer>;

const HEADERS = ['/i', '/n', '/e/id', '/e/actor/id', '/e/pat', '/e/purp'];
const quoted = (cell: string): string => `"${cell.replaceAll('"', '""')}"`;

function csvOf(lines: readonly string[]): Buffer {
  const rows = lines.map((line) => {
    const { e, i, n } = JSON.parse(line) as {
      i: number;
      n?: number;
      e: { id: string; actor: { id: string }; pat?: string; purp: string };
    };
    const cells = [String(i), String(n ?? ''), e.id, e.actor.id, e.pat ?? '', e.purp.replace(/^=/, "'=")];
    return [...cells, line].map(quoted).join(',');
  });
  return textOf([[...HEADERS, 'leaf'].join(','), ...rows]);
}

const BASE = 'https://portal.example';

/** As much of an AuditEvent as a verifier holds against the leaf. */
function fhirOf(places: readonly number[], lines: readonly string[]): Buffer {
  return textOf(
    places.map((place) => {
      const line = lines[place]!;
      const { e } = JSON.parse(line) as {
        e: { id: string; act: string; t: string; out: number; pat?: string; actor: { id: string } };
      };
      const patient = { what: { reference: `Patient/${e.pat}` }, type: { code: '1' } };
      return JSON.stringify({
        resourceType: 'AuditEvent',
        id: e.id,
        extension: [
          { url: `${BASE}/fhir/StructureDefinition/audit-leaf-index`, valueString: String(place) },
          {
            url: `${BASE}/fhir/StructureDefinition/audit-leaf`,
            valueBase64Binary: Buffer.from(line).toString('base64'),
          },
        ],
        action: e.act,
        recorded: e.t,
        outcome: String(e.out),
        agent: [
          { network: { type: '2', address: `198.51.100.${place % 250}` }, requestor: false },
          { who: { identifier: { value: e.actor.id } }, requestor: true },
        ],
        entity: e.pat ? [patient] : [],
      });
    }),
  );
}

function tilesOf(lines: readonly string[], size: number, hashes: SubtreeHashes): Promise<[string, Buffer][]> {
  const names = [];
  for (let level = 0; tileTotal(level, size) > 0; level++)
    for (let n = 0; n * TILE < tileTotal(level, size); n++) names.push({ level, n, width: tileWidth(level, n, size) });
  return Promise.all(
    names.map(async (name) => {
      const wanted = Array.from({ length: name.width }, (_, at) => ({ level: name.level * 8, n: name.n * TILE + at }));
      return [tilePath(name), Buffer.concat(await hashes(wanted))] as [string, Buffer];
    }),
  );
}

/** The files of an export bundle, written from the contract with outside verifiers. */
export async function makeBundle(plan: BundlePlan): Promise<Files> {
  const { lines, size, previousSize, places, signers, kind } = plan;
  const log = lines.slice(0, size);
  const hashes = hashesOf(log);
  const chosen = places.map((place) => lines[place]!);
  const base64 = (list: readonly Buffer[]) => list.map((hash) => hash.toString('base64'));
  const files: Files = new Map([
    ['checkpoint', Buffer.from(await checkpointOf(lines, size, signers, plan.witnessedAt))],
    ['checkpoint.previous', Buffer.from(await checkpointOf(lines, previousSize, signers))],
    [
      'consistency.json',
      Buffer.from(
        JSON.stringify({
          oldSize: previousSize,
          newSize: size,
          hashes: base64(await consistencyProof(previousSize, size, hashes)),
        }),
      ),
    ],
    ['events.ndjson', textOf(chosen)],
    ['events.csv', csvOf(chosen)],
    ['events.fhir.ndjson', fhirOf(places, lines)],
    [
      'disclosures.ndjson',
      textOf(places.map((leafIndex) => JSON.stringify({ leafIndex, disclosure: salted(leafIndex) }))),
    ],
    ['README', Buffer.from('How to verify.\n')],
  ]);
  if (kind === 'range') for (const [name, bytes] of await tilesOf(log, size, hashes)) files.set(name, bytes);
  if (kind === 'events') {
    const proofs = await Promise.all(
      places.map(async (leafIndex) =>
        JSON.stringify({ leafIndex, treeSize: size, hashes: base64(await inclusionProof(leafIndex, size, hashes)) }),
      ),
    );
    files.set('proofs.ndjson', textOf(proofs));
  }
  const own = places.at(-1)!;
  const receipt = {
    index: own,
    proof: await inclusionProof(own, size, hashes),
    checkpoint: files.get('checkpoint')!.toString(),
    extra: Buffer.from(lines[own]!),
  };
  files.set('export.tlog-proof', Buffer.from(formatReceipt(receipt)));
  const root = (await rootOf(size, hashes)).toString('base64');
  const manifest = {
    kind,
    checkpoint: { origin: ORIGIN, size, root },
    lines: places.length,
    firstSeq: places[0],
    lastSeq: own,
    askedFor: { seq: own },
    filter: { ...(kind === 'range' ? { toSeq: own } : {}), ...plan.filter },
  };
  files.set('manifest.json', Buffer.from(JSON.stringify(manifest)));
  return retold(files);
}

/** The manifest made anew to fit the files: what a forger would not forget. */
export function retold(files: Files, change: object = {}): Files {
  const manifest = JSON.parse(files.get('manifest.json')!.toString()) as object;
  const told = [...files].filter(([name]) => name !== 'manifest.json' && !name.startsWith('tile/'));
  const digests = told.map(([name, bytes]) => ({ name, bytes: bytes.length, sha256: sha256(bytes) }));
  return new Map(files).set('manifest.json', Buffer.from(JSON.stringify({ ...manifest, ...change, files: digests })));
}

export function writeFolder(files: Files, folder: string): string {
  for (const [name, bytes] of files) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), bytes);
  }
  return folder;
}

export async function writeZip(files: Files, path: string): Promise<string> {
  const zip = new ZipFile();
  for (const [name, bytes] of files) zip.addBuffer(bytes, name);
  zip.end();
  await pipeline(zip.outputStream, createWriteStream(path));
  return path;
}

/** A plan for a part of the log: all of it, the places `from` to before `to`, or some of those. */
export function planOf(
  lines: readonly string[],
  signer: NoteSigner,
  kind: BundlePlan['kind'],
  size: number,
  from: number,
  to: number,
): BundlePlan {
  const all = Array.from({ length: size }, (_, index) => index);
  const part = kind === 'log' ? all : all.slice(from, to);
  const places = kind === 'events' ? part.filter((place) => place % 3 !== 1) : part;
  return { kind, lines, size, previousSize: Math.max(1, Math.floor(size / 2)), places, signers: [signer] };
}
