import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import type { AuditKey, KeyManagement } from '../../../platform/crypto/index.js';
import { formatVerifierKey, Frontier, isSignedBy, leafHash, NoteError, parseNote } from '../../../tlog/index.js';
import { LogKeys } from './log-keys.js';

/** Key management that keeps its keys to itself, as an HSM does. */
function hsm(keys: { key: KeyObject; status: AuditKey['status'] }[]): KeyManagement {
  return {
    activeKekId: '',
    wrap: () => Promise.reject(new Error()),
    unwrap: () => Promise.reject(new Error()),
    auditKeys: keys.map(({ key, status }, at) => ({ id: `${at}`, status, publicKey: createPublicKey(key) })),
    signAudit: (id, message) => Promise.resolve(sign(null, message, keys[Number(id)]!.key)),
  };
}

const SEED = Buffer.from(Array.from({ length: 32 }, (_, at) => at));
const KNOWN = createPrivateKey({
  key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), SEED]),
  format: 'der',
  type: 'pkcs8',
});
const fresh = (): KeyObject => generateKeyPairSync('ed25519').privateKey;
const ORIGIN = 'portal.example/audit';

const LINES = [
  '{"act":"C","seq":0,"t":"2026-01-01T00:00:00.000Z"}',
  '{"act":"R","seq":1,"t":"2026-01-01T00:00:00.001Z"}',
  '{"act":"U","seq":2,"t":"2026-01-01T00:00:00.002Z"}',
];

function rootOfLines(): Buffer {
  const frontier = Frontier.empty();
  for (const line of LINES) frontier.append(leafHash(line));
  return frontier.root();
}

const CHECKPOINT = { origin: ORIGIN, size: 3, root: rootOfLines() };

describe('the keys of the log', () => {
  it('sign the worked example of the C2SP formats to the byte', async () => {
    const keys = new LogKeys(hsm([{ key: KNOWN, status: 'active' }]));
    expect(await keys.sign(CHECKPOINT)).toBe(
      `portal.example/audit
3
wgcMK89qG4snbmxttjPe22MX4CErJEK+s1+gvg9GhaA=

— portal.example/audit nDlzuRN2DRm3a1JZPtQhpp7NeGLXK0nqhbz+c7/8iIVO+8aXoUltIZzjIT11grXAkHFTbG/zL+4rw6/CSbaUHlyB0QM=
`,
    );
    expect(keys.verifiers(ORIGIN).map(formatVerifierKey)).toEqual([
      'portal.example/audit+9c3973b9+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4',
    ]);
  });

  it('sign twice while the former one is kept, and not with one that is only announced', async () => {
    const [active, next, former, oldest] = [fresh(), fresh(), fresh(), fresh()];
    const keys = new LogKeys(
      hsm([
        { key: active, status: 'active' },
        { key: next, status: 'next' },
        { key: former, status: 'retired' },
        { key: oldest, status: 'retired' },
      ]),
    );
    const note = parseNote(await keys.sign(CHECKPOINT));
    expect(keys.verifiers(ORIGIN).map((key) => isSignedBy(note, key))).toEqual([true, false, true, false]);
    for (const one of [former, active, next])
      expect(new LogKeys(hsm([{ key: one, status: 'active' }])).hasSigned(ORIGIN, note)).toBe(one !== next);
  });

  it('let no signature out that nobody can verify', async () => {
    const broken = hsm([{ key: KNOWN, status: 'active' }]);
    broken.signAudit = () => Promise.resolve(Buffer.alloc(64));
    await expect(new LogKeys(broken).sign(CHECKPOINT)).rejects.toThrow(NoteError);
    broken.signAudit = () => Promise.resolve(Buffer.alloc(0));
    await expect(new LogKeys(broken).sign(CHECKPOINT)).rejects.toThrow(NoteError);
  });

  it('have signed neither another text nor for another name', async () => {
    const keys = new LogKeys(hsm([{ key: KNOWN, status: 'active' }]));
    const note = parseNote(await keys.sign(CHECKPOINT));
    expect(keys.hasSigned(ORIGIN, note)).toBe(true);
    expect(keys.hasSigned('else.example/audit', note)).toBe(false);
    expect(keys.hasSigned(ORIGIN, { ...note, body: note.body.replace('\n3\n', '\n4\n') })).toBe(false);
    expect(keys.hasSigned(ORIGIN, { ...note, signatures: [] })).toBe(false);
  });
});
