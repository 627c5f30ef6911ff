import { createPublicKey, verify } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { AuditSink } from '../../src/platform/access/audit-sink.js';
import {
  fromTiles,
  inclusionProof,
  isSignedBy,
  leafHash,
  parseCheckpoint,
  parseEntryBundle,
  parseNote,
  parseVerifierKey,
  rootOf,
  tilePath,
  verifyConsistency,
  verifyInclusion,
} from '../../src/tlog/index.js';
import { fillLog } from '../harness/filled-log.js';
import { NOBODY, openHospital, said, waiting, type Hospital } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import { isConsistent, isIncluded, leafHashOf, type PlainTree } from '../harness/rfc6962.js';
import { seal, wholeLog } from '../harness/seals.js';

let hospital: Hospital;
let lines: string[];
let tree: PlainTree;
/** Sizes of two checkpoints; more was logged since the second. */
let [older, size] = [0, 0];

const http = () => hospital.portal.http;
const officer = () => hospital.complianceOfficer;
const at = (leafIndex: number) => JSON.parse(lines[leafIndex]!) as { e: { id: string; pat?: string } };
const hashesOf = (answer: { body: unknown }) =>
  (answer.body as { hashes: string[] }).hashes.map((hash) => Buffer.from(hash, 'base64'));
const waitsForSeal = [409, 'audit.not-sealed-yet'];

beforeAll(async () => {
  hospital = await openHospital();
  const { portal } = hospital;
  await fillLog(portal.owner, 300);
  older = await seal(portal);
  await fillLog(portal.owner, 600);
  size = await seal(portal);
  await fillLog(portal.owner, 10);
  ({ lines, tree } = await wholeLog(portal));
});

afterAll(async () => {
  await checkLedger(hospital.portal);
  await hospital.portal.close();
});

describe('what is signed of the log', () => {
  it('is open to all as the very bytes, verifies with nothing but node:crypto, and is not sent twice', async () => {
    const answer = await http().get('/v1/audit/checkpoint').expect(200);
    expect(answer.headers).toMatchObject({
      'content-type': 'text/plain; charset=utf-8',
      'cache-control': 'public, max-age=5',
    });
    const [body, signatures] = answer.text.split('\n\n') as [string, string];
    expect(body.split('\n').slice(1)).toEqual([String(size), tree.root(size).toString('base64')]);

    const keys = await http().get('/v1/audit/keys').expect(200);
    expect(keys.headers).toMatchObject({ 'cache-control': 'public, max-age=300' });
    const vkeys = keys.text.trimEnd().split('\n');
    const verified = vkeys.filter((vkey) => {
      const [name, id, key] = /^([^+]+)\+([0-9a-f]{8})\+(.+)$/.exec(vkey)!.slice(1) as [string, string, string];
      const line = signatures.split('\n').find((one) => one.startsWith(`\u2014 ${name} `))!;
      const blob = Buffer.from(line.split(' ')[2]!, 'base64');
      const spki = Buffer.concat([
        Buffer.from('302a300506032b6570032100', 'hex'),
        Buffer.from(key, 'base64').subarray(1),
      ]);
      const publicKey = createPublicKey({ key: spki, format: 'der', type: 'spki' });
      return (
        blob.subarray(0, 4).toString('hex') === id &&
        verify(null, Buffer.from(`${body}\n`), publicKey, blob.subarray(4))
      );
    });
    expect(verified).toHaveLength(1);
    expect(isSignedBy(parseNote(answer.text), parseVerifierKey(verified[0]!))).toBe(true);

    const { etag } = answer.headers as { etag: string };
    for (const known of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      const again = await http().get('/v1/audit/checkpoint').set('If-None-Match', known).expect(304);
      expect([again.text, again.headers.etag]).toEqual(['', etag]);
    }
    await http().get('/v1/audit/checkpoint').set('If-None-Match', '"other"').expect(200);
  });

  it('is never kept by a cache when it could not be had', async () => {
    const sink = hospital.portal.app.get(AuditSink);
    const away = jest.spyOn(sink, 'record').mockRejectedValue(new Error('away'));
    for (const path of ['/v1/audit/checkpoint', '/v1/audit/keys', '/v1/audit/tile/0/000']) {
      const answer = await http().get(path);
      expect([answer.status, answer.headers['cache-control'], answer.headers.etag]).toEqual([
        503,
        'no-store',
        undefined,
      ]);
      expect(answer.text).not.toContain(tree.root(size).toString('base64'));
    }
    away.mockRestore();
    const missing = await http().get('/v1/audit/tile/0/999').expect(404);
    expect(missing.headers['cache-control']).toBe('no-store');
  });
});

describe('a proof of inclusion', () => {
  const verifies = (index: number, treeSize: number, proof: Buffer[], line = lines[index]!): boolean[] => {
    const root = tree.root(treeSize);
    return [
      verifyInclusion({ index, size: treeSize, leafHash: leafHash(line), proof, root }),
      isIncluded({ index, size: treeSize, root }, line, proof),
    ];
  };

  it('of any leaf, by place or by event, in any tree up to the checkpoint verifies, also by the plain definition', async () => {
    for (const index of [0, 1, 255, 256, 511, 512, older, size - 1]) {
      const answer = await officer().get(`/v1/audit/proof/inclusion?index=${index}`).expect(200);
      expect(answer.body).toMatchObject({ leafIndex: index, treeSize: size });
      expect(verifies(index, size, hashesOf(answer))).toEqual([true, true]);
      const byEvent = await officer()
        .get(`/v1/audit/proof/inclusion?eventId=${at(index).e.id}`)
        .expect(200);
      expect(byEvent.body).toEqual(answer.body);
    }
    for (const treeSize of [1, 2, 255, 256, 257, older]) {
      const answer = await officer()
        .get(`/v1/audit/proof/inclusion?index=${treeSize - 1}&size=${treeSize}`)
        .expect(200);
      expect(verifies(treeSize - 1, treeSize, hashesOf(answer))).toEqual([true, true]);
    }
  });

  it('does not verify for another leaf, another place, another tree or with any hash changed', async () => {
    const proof = hashesOf(await officer().get('/v1/audit/proof/inclusion?index=300').expect(200));
    const wrong: boolean[] = [
      ...verifies(300, size, proof, lines[301]),
      ...verifies(300, size, proof, lines[300]!.replace('"m":"GET"', '"m":"PUT"')),
      ...verifies(301, size, proof, lines[300]),
      ...verifies(300, size - 1, proof),
      ...verifies(300, size, proof.slice(1)),
      ...verifies(300, size, proof.slice(0, -1)),
      ...verifies(300, size, [...proof, proof[0]!]),
      ...proof.flatMap((_, place) =>
        verifies(
          300,
          size,
          proof.map((hash, one) => (one === place ? leafHashOf(hash) : hash)),
        ),
      ),
    ];
    expect(wrong).toHaveLength(14 + 2 * proof.length);
    expect(wrong).not.toContain(true);
  });

  it('is refused for what no checkpoint covers and for what is not there', async () => {
    const ask = async (query: string) => said(await officer().get(`/v1/audit/proof/inclusion?${query}`));
    const unsealed = lines.length - 1;
    expect(await ask(`index=${unsealed}`)).toEqual(waitsForSeal);
    expect(await ask(`eventId=${at(unsealed).e.id}`)).toEqual(waitsForSeal);
    expect(await ask(`index=0&size=${size + 1}`)).toEqual(waitsForSeal);
    expect(await ask(`index=0&size=${'9'.repeat(15)}`)).toEqual(waitsForSeal);
    expect(await ask(`index=9&size=9`)).toEqual([422, 'audit.no-such-proof']);
    expect(await ask(`index=0&size=0`)).toEqual([422, 'audit.no-such-proof']);
    expect(await ask(`eventId=${NOBODY}`)).toEqual([404, 'http.not-found']);
    for (const query of [
      '',
      `index=0&eventId=${NOBODY}`,
      'index=-1',
      'index=1.5',
      'index=01x',
      'index=9007199254740993',
    ])
      expect([query, ...(await ask(query))]).toEqual([query, 400, 'http.invalid']);
  });
});

describe('a proof of consistency', () => {
  const root = (of: number) => ({ size: of, root: tree.root(of) });

  it('between any two sizes up to the checkpoint is open to all, and verifies in two ways', async () => {
    for (const [from, to] of [
      [older, size],
      [1, size],
      [256, 257],
      [255, 768],
      [512, 512],
      [0, 5],
    ] as const) {
      const answer = await http().get(`/v1/audit/proof/consistency?from=${from}&to=${to}`).expect(200);
      expect(answer.body).toMatchObject({ oldSize: from, newSize: to });
      const proof = hashesOf(answer);
      const [fromRoot, toRoot] = [tree.root(from), tree.root(to)];
      expect(verifyConsistency({ from, to, fromRoot, toRoot, proof })).toBe(true);
      expect(isConsistent(root(from), root(to), proof)).toBe(true);
      if (proof.length === 0) continue;
      const bent = proof.map((hash, place) => (place === 0 ? leafHashOf(hash) : hash));
      expect(verifyConsistency({ from, to, fromRoot, toRoot, proof: bent })).toBe(false);
      expect(isConsistent(root(from), root(to), bent)).toBe(false);
      expect(verifyConsistency({ from, to, fromRoot: tree.root(from + 1), toRoot, proof })).toBe(false);
    }
    expect((await http().get(`/v1/audit/proof/consistency?from=${older}`)).body).toMatchObject({ newSize: size });
  });

  it('is refused beyond the checkpoint, backwards and without a beginning', async () => {
    const ask = async (query: string) => said(await http().get(`/v1/audit/proof/consistency?${query}`));
    expect(await ask(`from=1&to=${size + 1}`)).toEqual(waitsForSeal);
    expect(await ask(`from=${size + 1}`)).toEqual(waitsForSeal);
    expect(await ask('from=9&to=8')).toEqual([422, 'audit.no-such-proof']);
    expect(await ask('to=8')).toEqual([400, 'http.invalid']);
  });
});

describe('tiles', () => {
  const read = async (path: string): Promise<Buffer> => {
    const answer = await http().get(`/v1/audit/${path}`).buffer(true).expect(200);
    expect(answer.headers).toMatchObject({
      'content-type': 'application/octet-stream',
      'cache-control': path.includes('.p/') ? 'public, max-age=60' : 'public, max-age=604800, immutable',
    });
    return answer.body as Buffer;
  };

  it('are the hashes of the tree, of which anybody builds the signed root and every proof', async () => {
    const first = await read('tile/0/000');
    expect(first.equals(Buffer.concat(tree.leaves.slice(0, 256)))).toBe(true);
    const above = Math.floor(size / 256);
    expect(above).toBeGreaterThanOrEqual(3);
    const roots = Array.from({ length: above }, (_, n) => tree.root((n + 1) * 256, n * 256));
    expect((await read(`tile/1/000.p/${above}`)).equals(Buffer.concat(roots))).toBe(true);

    const hashes = fromTiles(size, (tile) => read(tilePath(tile)));
    const { root } = parseCheckpoint(parseNote((await http().get('/v1/audit/checkpoint')).text).body);
    expect(await rootOf(size, hashes)).toEqual(root);
    expect(await inclusionProof(300, size, hashes)).toEqual(tree.path(300, size));
  });

  it('end where the checkpoint ends, and have one right name each', async () => {
    const [last, width] = [Math.floor(size / 256), size % 256];
    const name = (n: number) => String(n).padStart(3, '0');
    await read(`tile/0/${name(last)}.p/${width}`);
    await read(`tile/0/${name(last)}.p/${width - 1}`);
    await read('tile/0/000.p/7');
    const wrong = [`0/${name(last)}`, `0/${name(last)}.p/${width + 1}`, '1/000', '2/000', '2/000.p/1', '64/000.p/1'];
    const spelled = [
      '',
      '0',
      '0/0',
      '0/00',
      '00/000',
      '0/000.p/0',
      '0/000.p/256',
      '0/000.p/01',
      '0/x000/000',
      '-1/000',
      '0/x001000',
    ];
    const foreign = ['entries', '0/..%2F..%2Fkeys', '0/x999/x999/x999/x999/x999/999', '0/000/', '0/%30%30%30/x'];
    for (const path of [...wrong, ...spelled, ...foreign]) {
      const answer = await http().get(`/v1/audit/tile/${path}`);
      expect([path, ...said(answer)]).toEqual([path, 404, 'http.not-found']);
    }
  });

  it('asked for by whole crowds that have to wait keep no officer waiting', async () => {
    const { owner } = hospital.portal;
    await owner.query('BEGIN; LOCK TABLE audit.tile_hash IN ACCESS EXCLUSIVE MODE');
    const crowd = Array.from({ length: 12 }, () => http().get('/v1/audit/tile/1/000.p/1').then(said));
    await waiting(hospital.portal, 2);
    await officer().get('/v1/audit/events?limit=1').expect(200);
    await officer().get('/v1/audit/proof/inclusion?index=0&size=1').expect(200);
    await owner.query('ROLLBACK');
    for (const [status] of await Promise.all(crowd)) expect([200, 503]).toContain(status);
  });

  it('of entries are for officers, and hold the leaves', async () => {
    const answer = await officer().get('/v1/audit/tile/entries/001').buffer(true).expect(200);
    expect(answer.headers).toMatchObject({ 'content-type': 'application/octet-stream', 'cache-control': 'no-store' });
    expect(parseEntryBundle(answer.body as Buffer).map(String)).toEqual(lines.slice(256, 512));
    const part = await officer().get('/v1/audit/tile/entries/000.p/2').buffer(true).expect(200);
    const plain = lines
      .slice(0, 2)
      .flatMap((line) => [Buffer.of(line.length >> 8, line.length & 255), Buffer.from(line)]);
    expect((part.body as Buffer).equals(Buffer.concat(plain))).toBe(true);
    const unsealed = `/v1/audit/tile/entries/${String(Math.floor(size / 256)).padStart(3, '0')}`;
    expect(said(await officer().get(unsealed))).toEqual([404, 'http.not-found']);
    expect(said(await http().get('/v1/audit/tile/entries/000'))).toEqual([401, 'auth.sign-in-required']);
    expect(said(await hospital.anna.get('/v1/audit/tile/entries/000'))).toEqual([403, 'access.forbidden']);
    const { rows } = await hospital.portal.owner.query<{ res: object[] }>(
      `SELECT event::json #> '{res}' AS res FROM audit.inbox WHERE request_id = $1
       UNION ALL SELECT leaf::json #> '{e,res}' FROM audit.entry WHERE request_id = $1`,
      [answer.headers['x-request-id']],
    );
    expect(rows).toEqual([{ res: [{ i: '256-511', t: 'EntryBundle' }] }]);
  });
});
