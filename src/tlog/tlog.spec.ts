import { createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  consistencyProof,
  cosign,
  cosignatureTime,
  EMPTY_ROOT,
  entryBundle,
  formatCheckpoint,
  formatNote,
  formatReceipt,
  formatSignature,
  formatVerifierKey,
  fromTiles,
  Frontier,
  inclusionProof,
  isSignedBy,
  leafHash,
  nodeHash,
  NoteError,
  parseCheckpoint,
  parseEntryBundle,
  parseNote,
  parseReceipt,
  parseTilePath,
  parseVerifierKey,
  rootOf,
  signNote,
  tilePath,
  TILE,
  verifierKeyOf,
  verifyConsistency,
  verifyInclusion,
  type NoteSigner,
  type SignatureType,
  type SubtreeHashes,
} from './index.js';

const hex = (text: string): Buffer => Buffer.from(text, 'hex');
const base64 = (bytes: Buffer): string => bytes.toString('base64');

/** RFC 6962 §2.1 as it is written there, and nothing else. */
function rootByDefinition(leaves: readonly Buffer[]): Buffer {
  if (leaves.length === 0) return EMPTY_ROOT;
  if (leaves.length === 1) return leafHash(leaves[0]!);
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  return nodeHash(rootByDefinition(leaves.slice(0, k)), rootByDefinition(leaves.slice(k)));
}

const subtreesOf =
  (leaves: readonly Buffer[]): SubtreeHashes =>
  (wanted) =>
    Promise.resolve(wanted.map(({ level, n }) => rootByDefinition(leaves.slice(n * 2 ** level, (n + 1) * 2 ** level))));

const leavesOf = (size: number): Buffer[] => Array.from({ length: size }, (_, at) => Buffer.from(`{"i":${at}}`));

function signerOf(name: string, type: SignatureType, seed: Buffer): NoteSigner {
  const privateKey = createPrivateKey({
    key: Buffer.concat([hex('302e020100300506032b657004220420'), seed]),
    format: 'der',
    type: 'pkcs8',
  });
  const key = verifierKeyOf(name, type, createPublicKey(privateKey));
  return { key, sign: (message) => sign(null, message, privateKey) };
}

const SEED = Buffer.from(Array.from({ length: 32 }, (_, at) => at));
const LOG = signerOf('portal.example/audit', 1, SEED);
const WITNESS = signerOf('officer.example/w1', 4, Buffer.alloc(32, 0x77));

describe('the tree', () => {
  it('has the roots of the well-known eight leaves', () => {
    const leaves = [
      '',
      '00',
      '10',
      '2021',
      '3031',
      '40414243',
      '5051525354555657',
      '606162636465666768696a6b6c6d6e6f',
    ].map(hex);
    const frontier = Frontier.empty();
    const roots = leaves.map((leaf) => (frontier.append(leafHash(leaf)), frontier.root().toString('hex')));
    expect(roots.map((root) => root.slice(0, 8))).toEqual([
      '6e340b9c',
      'fac54203',
      'aeb6bcfe',
      'd37ee418',
      '4e3bbb1f',
      '76e67dad',
      'ddb89be4',
      '5dc9da79',
    ]);
    expect(roots[7]).toBe('5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328');
    expect(base64(EMPTY_ROOT)).toBe('47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=');
  });

  it('proves every leaf of every small size, and every older size, to a verifier that knows the roots alone', async () => {
    for (let size = 1; size <= 40; size++) {
      const leaves = leavesOf(size);
      const hashes = subtreesOf(leaves);
      const root = rootByDefinition(leaves);
      expect(await rootOf(size, hashes)).toEqual(root);
      for (let index = 0; index < size; index++) {
        const proof = await inclusionProof(index, size, hashes);
        expect(verifyInclusion({ index, size, leafHash: leafHash(leaves[index]!), proof, root })).toBe(true);
      }
      for (let from = 0; from <= size; from++) {
        const proof = await consistencyProof(from, size, hashes);
        const fromRoot = rootByDefinition(leaves.slice(0, from));
        expect(verifyConsistency({ from, to: size, fromRoot, toRoot: root, proof })).toBe(true);
      }
    }
  });

  it('proves nothing of another leaf, index, size or root, and with no hash more, less, swapped or altered', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 2, max: 300 }),
        fc.nat(),
        fc.nat(),
        fc.integer({ min: 0, max: 6 }),
        async (size, first, second, kind) => {
          const leaves = leavesOf(size);
          const hashes = subtreesOf(leaves);
          const [index, other] = [first % size, second % size];
          const root = rootByDefinition(leaves);
          const proof = await inclusionProof(index, size, hashes);
          const right = { index, size, leafHash: leafHash(leaves[index]!), proof, root };
          expect(verifyInclusion(right)).toBe(true);
          const at = second % proof.length;
          const altered = Buffer.from(proof[at]!);
          altered[first % 32]! ^= 1;
          const wrong = [
            { ...right, index: other === index ? (index + 1) % size : other },
            { ...right, leafHash: leafHash(`${leaves[index]!.toString()} `) },
            { ...right, root: leafHash('another') },
            { ...right, proof: proof.slice(1) },
            { ...right, proof: [...proof, proof[0]!] },
            { ...right, proof: proof.with(at, altered) },
            { ...right, index: size },
          ][kind]!;
          expect(verifyInclusion(wrong)).toBe(false);
        },
      ),
      { seed: 11, numRuns: 200 },
    );
  });

  it('shows no fork and no rollback to be a continuation', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 2, max: 300 }), fc.nat(), fc.nat(), async (to, first, second) => {
        const from = 1 + (first % (to - 1));
        const leaves = leavesOf(to);
        const forked = leaves.with(second % from, Buffer.from('{"i":"another"}'));
        const [fromRoot, toRoot] = [rootByDefinition(leaves.slice(0, from)), rootByDefinition(forked)];
        for (const source of [leaves, forked]) {
          const proof = await consistencyProof(from, to, subtreesOf(source));
          expect(verifyConsistency({ from, to, fromRoot, toRoot, proof })).toBe(false);
          expect(verifyConsistency({ from: to, to: from, fromRoot: toRoot, toRoot: fromRoot, proof })).toBe(false);
        }
        expect(verifyConsistency({ from: 0, to, fromRoot, toRoot, proof: [] })).toBe(false);
      }),
      { seed: 12, numRuns: 150 },
    );
  });

  it('goes on from its peaks, and tells of each subtree that is complete', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 600 }), fc.nat(600), (first, more) => {
        const leaves = leavesOf(first + more);
        const whole = Frontier.empty();
        const found = new Map<string, Buffer>();
        const note = ({ level, n }: { level: number; n: number }, hash: Buffer) => found.set(`${level}/${n}`, hash);
        for (const leaf of leaves.slice(0, first)) whole.append(leafHash(leaf), note);
        const resumed = Frontier.of(
          first,
          whole.peaks().map((peak) => peak ?? leafHash('stale')),
        );
        for (const leaf of leaves.slice(first)) {
          whole.append(leafHash(leaf), note);
          resumed.append(leafHash(leaf));
        }
        expect(resumed.root()).toEqual(whole.root());
        expect(resumed.size).toBe(first + more);
        if (leaves.length >= TILE) expect(found.get('8/0')).toEqual(rootByDefinition(leaves.slice(0, TILE)));
      }),
      { seed: 13, numRuns: 15 },
    );
    expect(() => Frontier.of(2, [leafHash('a')])).toThrow(RangeError);
  });

  it('is the same out of tiles, and a tile that is cut off is refused', async () => {
    for (const size of [1, 255, 256, 257, 768, 1_000, 1_300]) {
      const leaves = leavesOf(size);
      const rows = [leaves.map(leafHash)];
      while (rows.at(-1)!.length >= TILE) {
        const row = rows.at(-1)!;
        rows.push(
          Array.from({ length: Math.floor(row.length / TILE) }, (_, n) => {
            const frontier = Frontier.empty();
            for (const one of row.slice(n * TILE, (n + 1) * TILE)) frontier.append(one);
            return frontier.root();
          }),
        );
      }
      const read = (cut: number) => (tile: { level: number; n: number; width: number }) =>
        Promise.resolve(
          Buffer.concat(rows[tile.level]!.slice(tile.n * TILE, tile.n * TILE + tile.width)).subarray(cut),
        );
      const root = rootByDefinition(leaves);
      expect(await rootOf(size, fromTiles(size, read(0)))).toEqual(root);
      const index = Math.floor(size / 3);
      const proof = await inclusionProof(index, size, fromTiles(size, read(0)));
      expect(verifyInclusion({ index, size, leafHash: leafHash(leaves[index]!), proof, root })).toBe(true);
      await expect(rootOf(size, fromTiles(size, read(1)))).rejects.toThrow(RangeError);
    }
  });
});

describe('the worked example', () => {
  const lines = [
    '{"act":"C","seq":0,"t":"2026-01-01T00:00:00.000Z"}',
    '{"act":"R","seq":1,"t":"2026-01-01T00:00:00.001Z"}',
    '{"act":"U","seq":2,"t":"2026-01-01T00:00:00.002Z"}',
  ].map((line) => Buffer.from(line));
  const body = formatCheckpoint({ origin: LOG.key.name, size: 3, root: rootByDefinition(lines) });

  it('is signed and countersigned to the byte', async () => {
    expect(formatVerifierKey(LOG.key)).toBe(
      'portal.example/audit+9c3973b9+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4',
    );
    expect(body).toBe('portal.example/audit\n3\nwgcMK89qG4snbmxttjPe22MX4CErJEK+s1+gvg9GhaA=\n');
    expect(formatSignature(await signNote(body, LOG))).toBe(
      '\u2014 portal.example/audit nDlzuRN2DRm3a1JZPtQhpp7NeGLXK0nqhbz+c7/8iIVO+8aXoUltIZzjIT11grXAkHFTbG/zL+4rw6/CSbaUHlyB0QM=',
    );
    const cosignature = await cosign(body, 1_767_225_600, WITNESS);
    expect(formatSignature(cosignature)).toBe(
      '\u2014 officer.example/w1 HX6AhwAAAABpVbkAPwZoynyAI8IIi1VHAehRfXXeMioje3FE0367MMXWxJUbtwYu/ml7F/OWFeX7TVPqfNvTyGJVPyqbRv5rySw1DA==',
    );
    expect(cosignatureTime(cosignature)).toBe(1_767_225_600);
  });

  it('has its proofs and its bundle', async () => {
    const hashes = subtreesOf(lines);
    const leaves = lines.map(leafHash);
    expect(await inclusionProof(1, 3, hashes)).toEqual([leaves[0], leaves[2]]);
    expect((await inclusionProof(2, 3, hashes)).map(base64)).toEqual(['ONcOM569xPemlpdlA7YZDEQ1rOSwZK/3DdwPCFUpP8E=']);
    expect(await consistencyProof(2, 3, hashes)).toEqual([leaves[2]]);
    const bundle = entryBundle(lines);
    expect([bundle.length, bundle.subarray(0, 10).toString('hex')]).toEqual([156, '00327b22616374223a22']);
    expect(parseEntryBundle(bundle)).toEqual(lines);
    expect(() => parseEntryBundle(bundle.subarray(0, -1))).toThrow(RangeError);
  });
});

describe('a note', () => {
  const body = formatCheckpoint({ origin: LOG.key.name, size: 7, root: leafHash('root') });
  const signed = async () => ({ body, signatures: [await signNote(body, LOG), await cosign(body, 9, WITNESS)] });

  it('is what it was after writing and reading, with both who signed it known', async () => {
    const note = parseNote(formatNote(await signed()));
    expect(note).toEqual(await signed());
    expect([isSignedBy(note, LOG.key), isSignedBy(note, WITNESS.key)]).toEqual([true, true]);
    expect(isSignedBy(note, signerOf('somebody.else', 1, SEED).key)).toBe(false);
    expect(isSignedBy(note, signerOf(LOG.key.name, 1, Buffer.alloc(32, 1)).key)).toBe(false);
    expect(parseCheckpoint(note.body)).toEqual({ origin: LOG.key.name, size: 7, root: leafHash('root') });
  });

  it('that says something else than what was signed is refused, not merely unsigned', async () => {
    const { signatures } = await signed();
    for (const other of [body.replace('\n7\n', '\n8\n'), body.replace('portal', 'porta1')]) {
      const note = parseNote(formatNote({ body: other, signatures }));
      for (const { key } of [LOG, WITNESS]) expect(() => isSignedBy(note, key)).toThrow(NoteError);
    }
    const later = { ...signatures[1]!, blob: Buffer.from(signatures[1]!.blob) };
    later.blob[7]!++;
    expect(() => isSignedBy({ body, signatures: [later] }, WITNESS.key)).toThrow(NoteError);
  });

  it('survives no changed byte unnoticed', async () => {
    const text = Buffer.from(formatNote(await signed()));
    const keys = [LOG.key, WITNESS.key];
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.integer({ min: 0, max: 7 }), (at, bit) => {
        const changed = Buffer.from(text);
        changed[at]! ^= 1 << bit;
        let signers = 0;
        try {
          const note = parseNote(changed.toString());
          if (formatNote(note) === text.toString()) return;
          signers = keys.filter((key) => isSignedBy(note, key)).length;
        } catch (error) {
          expect(error).toBeInstanceOf(NoteError);
        }
        expect(signers).toBeLessThan(2);
      }),
      { seed: 14, numRuns: 800 },
    );
  });

  it.each([
    ['no signature', `${body}\n`],
    ['no empty line', body],
    ['a carriage return', `${body}\r\n\u2014 a AAAAAAAA\n`],
    ['a plain hyphen', `${body}\n- a AAAAAAAA\n`],
    ['a name with a plus', `${body}\n\u2014 a+b AAAAAAAA\n`],
    ['base64 of another spelling', `${body}\n\u2014 a AAAAAAB=\n`],
    ['no signature behind the key id', `${body}\n\u2014 a AAAAAA==\n`],
    ['no newline at its end', `${body}\n\u2014 a AAAAAAAA`],
  ])('with %s is none', (_, text) => {
    expect(() => parseNote(text)).toThrow(NoteError);
  });

  it.each([
    ['a leading zero', 'o\n01\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n'],
    ['a negative size', 'o\n-1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n'],
    ['a size past what is exact', 'o\n9999999999999999\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n'],
    ['an extension line', 'o\n1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\nmore\n'],
    ['a root that is too short', 'o\n1\n47DEQg==\n'],
    ['no padding', 'o\n1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU\n'],
  ])('is no checkpoint with %s', (_, text) => {
    expect(() => parseCheckpoint(text)).toThrow(NoteError);
  });

  it.each([
    ['another id', 'portal.example/audit+9c3973b8+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4'],
    ['another name', 'portal.example/audi+9c3973b9+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4'],
    ['another type', 'portal.example/audit+9c3973b9+AgOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4'],
    ['no key', 'portal.example/audit+9c3973b9+AQ=='],
  ])('has no verifier key with %s', (_, vkey) => {
    expect(() => parseVerifierKey(vkey)).toThrow(NoteError);
    expect(formatVerifierKey(parseVerifierKey(formatVerifierKey(LOG.key)))).toBe(formatVerifierKey(LOG.key));
  });
});

describe('the files of a log', () => {
  it.each([
    ['tile/0/000', { level: 0, n: 0, width: 256 }],
    ['tile/0/x001/000', { level: 0, n: 1000, width: 256 }],
    ['tile/2/x001/x234/067.p/3', { level: 2, n: 1_234_067, width: 3 }],
    ['tile/entries/000.p/255', { level: 'entries', n: 0, width: 255 }],
  ] as const)('%s', (path, tile) => {
    expect(tilePath(tile)).toBe(path);
    expect(parseTilePath(path)).toEqual(tile);
  });

  it.each([
    'tile/00/000',
    'tile/0/0',
    'tile/0/000.p/0',
    'tile/0/000.p/256',
    'tile/0/x000/001',
    'tile/64/000',
    'tile/data/000',
    'tile/0/../000',
    '/tile/0/000',
    'tile/0/001/000',
  ])('%s is none', (path) => {
    expect(parseTilePath(path)).toBeNull();
  });

  it('hold a receipt that is read as it was written, and refused when it is of another form', () => {
    const receipt = {
      index: 5,
      proof: [leafHash('a'), leafHash('b')],
      checkpoint: 'o\n6\nroot\n\n\u2014 o AAAA\n',
      extra: Buffer.from('{"i":5}'),
    };
    const text = formatReceipt(receipt);
    expect(parseReceipt(text)).toEqual(receipt);
    expect(parseReceipt(formatReceipt({ ...receipt, proof: [], extra: undefined }))).toEqual({
      index: 5,
      proof: [],
      checkpoint: receipt.checkpoint,
    });
    for (const bad of [text.slice(1), text.replace('index 5', 'index 05'), text.replace('index 5\n', ''), ''])
      expect(() => parseReceipt(bad)).toThrow(NoteError);
  });
});
