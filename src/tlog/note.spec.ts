import { createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  consistencyProof,
  cosign,
  cosignatureTime,
  entryBundle,
  formatCheckpoint,
  formatNote,
  formatSignature,
  formatVerifierKey,
  fromTiles,
  Frontier,
  inclusionProof,
  isSignedBy,
  leafHash,
  NoteError,
  parseCheckpoint,
  parseEntryBundle,
  parseNote,
  parseVerifierKey,
  signNote,
  verifierKeyOf,
  type NoteSigner,
  type SignatureType,
} from './index.js';

const hex = (text: string): Buffer => Buffer.from(text, 'hex');
const base64 = (bytes: Buffer): string => bytes.toString('base64');

function rootOfLines(lines: readonly Buffer[]): Buffer {
  const frontier = Frontier.empty();
  for (const line of lines) frontier.append(leafHash(line));
  return frontier.root();
}

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

describe('the worked example', () => {
  const lines = [
    '{"act":"C","seq":0,"t":"2026-01-01T00:00:00.000Z"}',
    '{"act":"R","seq":1,"t":"2026-01-01T00:00:00.001Z"}',
    '{"act":"U","seq":2,"t":"2026-01-01T00:00:00.002Z"}',
  ].map((line) => Buffer.from(line));
  const body = formatCheckpoint({ origin: LOG.key.name, size: 3, root: rootOfLines(lines) });

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
    const leaves = lines.map(leafHash);
    const hashes = fromTiles(3, () => Promise.resolve(Buffer.concat(leaves)));
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
