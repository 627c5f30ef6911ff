import { createPrivateKey, generateKeyPairSync, randomBytes, verify } from 'node:crypto';
import { chmod, chown, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { FileKeyManagement } from './file-key-management.js';
import { addKey, announceKey, createKeyFile, removeKey } from './key-file.js';
import { KEY_PURPOSES, KeyFileError, newKeyFile, type KeyEntry, type KeyFile } from './key-material.js';
import { KeyRing } from './key-ring.js';

let directory: string;
let path: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'portico-keys-'));
  path = join(directory, 'keys.json');
});
afterEach(() => rm(directory, { recursive: true }));

async function refusal(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof KeyFileError)) throw new Error(`not refused as a key file: ${String(error)}`);
  return `${error.code}: ${error.message.replaceAll(directory, '')}`;
}

function changed(purpose: string, change: Partial<KeyEntry>): KeyFile {
  const file = newKeyFile();
  return { ...file, keys: file.keys.map((key) => (key.purpose === purpose ? { ...key, ...change } : key)) };
}

function codeOf(content: unknown): string {
  try {
    KeyRing.from(content);
  } catch (error) {
    if (error instanceof KeyFileError) return error.code;
    throw error;
  }
  return 'accepted';
}

const base64 = (value: string | Uint8Array) => Buffer.from(value as string).toString('base64');

describe('key file', () => {
  it('is created for its owner only, and never overwritten', async () => {
    await createKeyFile(path);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const before = await readFile(path, 'utf8');
    expect(await refusal(createKeyFile(path))).toMatch(/^exists/);
    expect(await readFile(path, 'utf8')).toBe(before);
    expect((await KeyRing.load(path)).signingKey.privateKey.type).toBe('private');
  });

  it('is refused when group or others have any right', async () => {
    await createKeyFile(path);
    for (const mode of [0o640, 0o604, 0o620, 0o601, 0o644]) {
      await chmod(path, mode);
      expect(await refusal(KeyRing.load(path))).toContain('run chmod 600 /keys.json');
      await expect(KeyRing.load(path, { allowLoosePermissions: true })).resolves.toBeInstanceOf(KeyRing);
    }
  });

  it('judges the file behind a link, and refuses what is no key file', async () => {
    await createKeyFile(path);
    await symlink(path, join(directory, 'link'));
    await expect(KeyRing.load(join(directory, 'link'))).resolves.toBeInstanceOf(KeyRing);
    expect(await refusal(KeyRing.load(join(directory, 'none')))).toMatch(/^missing/);
    expect(await refusal(KeyRing.load(directory))).toMatch(/^malformed/);
    await writeFile(join(directory, 'half'), '{"version":1,"keys":[{"material":"c2Vj', { mode: 0o600 });
    expect(await refusal(KeyRing.load(join(directory, 'half')))).toBe('malformed: /half is not JSON');
  });

  it('rotates: a new active key, the former retired, everything old still readable', async () => {
    await createKeyFile(path, new Date('2026-01-01T00:00:00Z'));
    const before = await KeyRing.load(path);
    const wrapped = await new FileKeyManagement(before).wrap(randomBytes(32), 'c');
    for (const purpose of KEY_PURPOSES) await addKey(path, purpose, { now: new Date('2026-02-01T00:00:00Z') });
    const after = await KeyRing.load(path);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(after.activeKekId).not.toBe(before.activeKekId);
    expect(after.signingKey.kid).not.toBe(before.signingKey.kid);
    expect([...after.verificationKeys.keys()]).toEqual([after.signingKey.kid, before.signingKey.kid]);
    expect(after.pepper(before.pepper().id)?.key.equals(before.pepper().key)).toBe(true);
    expect(after.subkeys('x/y')[1]!.equals(before.subkey('x/y'))).toBe(true);
    expect(after.subkey('x/y').equals(before.subkey('x/y'))).toBe(false);
    await expect(new FileKeyManagement(after).unwrap(wrapped, 'c')).resolves.toHaveLength(32);
  });

  it('announces a key that everybody knows before anybody uses it, and rotates to that one', async () => {
    await createKeyFile(path);
    const before = await KeyRing.load(path);
    const kid = await announceKey(path, 'token-signing');
    for (const purpose of ['mac', 'pepper', 'kek'] as const) await announceKey(path, purpose);
    const announced = await KeyRing.load(path);
    expect(announced.signingKey.kid).toBe(before.signingKey.kid);
    expect([...announced.verificationKeys.keys()]).toEqual([before.signingKey.kid, kid]);
    expect(announced.activeKekId).toBe(before.activeKekId);
    expect(announced.pepper().id).toBe(before.pepper().id);
    expect(announced.subkey('x').equals(before.subkey('x'))).toBe(true);
    expect(await refusal(announceKey(path, 'token-signing'))).toMatch(/^exists/);

    for (const purpose of KEY_PURPOSES) await addKey(path, purpose);
    const after = await KeyRing.load(path);
    expect(after.signingKey.kid).toBe(kid);
    // Whoever had read the file before the rotation knows everything that is written after it.
    expect(announced.subkeys('x').some((key) => key.equals(after.subkey('x')))).toBe(true);
    expect(announced.pepper(after.pepper().id)?.key.equals(after.pepper().key)).toBe(true);
    expect(announced.kek(after.activeKekId)).toBeDefined();
    expect(after.subkeys('x')).toHaveLength(2);
  });

  it('gives up a signing key only after it was retired, and no other key ever', async () => {
    await createKeyFile(path);
    const { kid } = (await KeyRing.load(path)).signingKey;
    const macId = (JSON.parse(await readFile(path, 'utf8')) as KeyFile).keys.find(
      ({ purpose }) => purpose === 'mac',
    )!.id;
    for (const id of [kid, macId, 'none', '']) expect(await refusal(removeKey(path, id))).toMatch(/^missing/);
    await addKey(path, 'token-signing');
    await addKey(path, 'mac');
    expect(await refusal(removeKey(path, macId))).toMatch(/^missing/);
    await removeKey(path, kid);
    expect([...(await KeyRing.load(path)).verificationKeys.keys()]).not.toContain(kid);
    await expect(stat(`${path}.new`)).rejects.toThrow('ENOENT');
  });

  it('of before checkpoints were signed gets its first audit-signing key by rotation, and does not start until then', async () => {
    await createKeyFile(path);
    const file = JSON.parse(await readFile(path, 'utf8')) as KeyFile;
    const older = { ...file, keys: file.keys.filter(({ purpose }) => purpose !== 'audit-signing') };
    await writeFile(path, JSON.stringify(older));
    expect(await refusal(KeyRing.load(path))).toMatch(/^missing: .*run npm run cli -- keys:rotate audit-signing/);
    const announced = await announceKey(path, 'audit-signing');
    expect(await refusal(KeyRing.load(path))).toMatch(/keys:rotate audit-signing/);
    await addKey(path, 'mac');
    expect(await addKey(path, 'audit-signing')).toBe(announced);
    expect((await KeyRing.load(path)).auditKeys).toMatchObject([{ id: announced, status: 'active' }]);
    const retired = { ...newKeyFile().keys.at(-1)!, id: 'x', status: 'retired' };
    expect(codeOf({ ...older, keys: [...older.keys, retired] })).toBe('malformed');
  });

  it('signs checkpoints with the key that is named, in this process or wherever key management keeps it', async () => {
    await createKeyFile(path);
    const [before] = (await KeyRing.load(path)).auditKeys;
    const next = await announceKey(path, 'audit-signing');
    await addKey(path, 'audit-signing');
    const ring = await KeyRing.load(path);
    expect(ring.auditKeys.map(({ id, status }) => [id, status])).toEqual([
      [next, 'active'],
      [before!.id, 'retired'],
    ]);
    const keys = new FileKeyManagement(ring);
    for (const { id, publicKey } of keys.auditKeys) {
      const signature = await keys.signAudit(id, Buffer.from('body'));
      expect(verify(null, Buffer.from('body'), publicKey, signature)).toBe(true);
    }
    await expect(keys.signAudit('none', Buffer.from('body'))).rejects.toThrow('unknown-audit-key');
    expect(await removeKey(path, before!.id)).toBe('audit-signing');
    expect((await KeyRing.load(path)).auditKeys).toHaveLength(1);
    expect(await refusal(removeKey(path, next))).toMatch(/^missing/);
  });

  it('lets one of many parallel rotations through at a time', async () => {
    await createKeyFile(path);
    const results = await Promise.allSettled(Array.from({ length: 10 }, () => addKey(path, 'mac')));
    const done = results.filter((result) => result.status === 'fulfilled').length;
    expect(done).toBeGreaterThanOrEqual(1);
    expect((await KeyRing.load(path)).subkeys('x')).toHaveLength(1 + done);
    await expect(stat(`${path}.new`)).rejects.toThrow('ENOENT');
  });

  // only root may give a file away
  (process.getuid?.() === 0 ? it : it.skip)('keeps its owner when an administrator rotates', async () => {
    await createKeyFile(path);
    await chown(path, 12345, 12345);
    await addKey(path, 'kek');
    expect(await stat(path)).toMatchObject({ uid: 12345, gid: 12345 });
  });

  it('stays as it was when a rotation fails', async () => {
    await createKeyFile(path);
    const before = await readFile(path, 'utf8');
    await writeFile(`${path}.new`, '');
    expect(await refusal(addKey(path, 'kek'))).toMatch(/^busy/);
    await rm(`${path}.new`);
    await chmod(path, 0o644);
    expect(await refusal(addKey(path, 'kek'))).toMatch(/^permissions/);
    await expect(stat(`${path}.new`)).rejects.toThrow('ENOENT');
    expect(await readFile(path, 'utf8')).toBe(before);
  });
});

describe('key ring', () => {
  it.each([
    ['zeros', Buffer.alloc(32)],
    ['one byte repeated', Buffer.alloc(32, 0xa7)],
    ['a period of 16', Buffer.concat(Array<Buffer>(2).fill(randomBytes(16)))],
    ['counting', Buffer.from(Array.from({ length: 32 }, (_, i) => i + 200))],
    ['changeme', 'changeme'.repeat(4)],
    ['a phrase', 'please-replace-this-with-32-byte'],
    ['hexadecimal text', randomBytes(16).toString('hex')],
  ])('refuses placeholder material: %s', (_name, material) => {
    for (const purpose of ['kek', 'pepper', 'mac']) {
      expect(codeOf(changed(purpose, { material: base64(material) }))).toBe('placeholder');
    }
  });

  it('refuses wrong lengths, encodings and kinds of key', () => {
    for (const purpose of KEY_PURPOSES) {
      expect(codeOf(changed(purpose, { material: base64(randomBytes(31)) }))).toBe('malformed');
      expect(codeOf(changed(purpose, { material: '' }))).toBe('malformed');
      expect(codeOf(changed(purpose, { material: `${base64(randomBytes(32))}!` }))).toBe('malformed');
    }
    expect(codeOf(changed('kek', { material: base64(randomBytes(33)) }))).toBe('malformed');
    expect(codeOf(changed('pepper', { material: base64(randomBytes(48)) }))).toBe('accepted');
  });

  it('refuses another curve, and a seed that somebody typed, for signing checkpoints', () => {
    const der = (key: ReturnType<typeof createPrivateKey>) => base64(key.export({ format: 'der', type: 'pkcs8' }));
    const ofSeed = (seed: Buffer) =>
      createPrivateKey({
        key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]),
        format: 'der',
        type: 'pkcs8',
      });
    const code = (material: string) => codeOf(changed('audit-signing', { material }));
    expect(code(der(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey))).toBe('malformed');
    expect(code(der(generateKeyPairSync('ed448').privateKey))).toBe('malformed');
    expect(code(der(ofSeed(Buffer.from(Array.from({ length: 32 }, (_, at) => at)))))).toBe('placeholder');
    expect(code(der(ofSeed(Buffer.alloc(32, 0x77))))).toBe('placeholder');
    expect(code(der(ofSeed(randomBytes(32))))).toBe('accepted');
  });

  it('refuses two announced keys of a purpose', () => {
    const file = newKeyFile();
    const next = (id: string) => ({
      ...newKeyFile().keys.find(({ purpose }) => purpose === 'mac')!,
      id,
      status: 'next',
    });
    expect(codeOf({ ...file, keys: [...file.keys, next('a')] })).toBe('accepted');
    expect(codeOf({ ...file, keys: [...file.keys, next('a'), next('b')] })).toBe('malformed');
    expect(codeOf({ ...file, keys: [...file.keys, { ...next('a'), status: 'later' }] })).toBe('malformed');
  });

  it('refuses duplicate ids, unknown fields and other than one active key per purpose', () => {
    const file = newKeyFile();
    const twice = { ...file.keys[0]!, status: 'retired' };
    expect(codeOf(file)).toBe('accepted');
    expect(codeOf({ ...file, keys: [...file.keys, twice] })).toBe('malformed');
    expect(codeOf({ ...file, keys: [...file.keys, { ...file.keys[0]!, id: 'other' }] })).toBe('malformed');
    expect(codeOf({ ...file, keys: file.keys.slice(1) })).toBe('malformed');
    expect(codeOf({ ...file, version: 2 })).toBe('malformed');
    expect(codeOf({ ...file, note: '' })).toBe('malformed');
    expect(codeOf(changed('kek', { id: 'a$b' }))).toBe('malformed');
    expect(codeOf(changed('kek', { createdAt: 'soon' }))).toBe('malformed');
    expect(codeOf(changed('kek', { note: '' } as Partial<KeyEntry>))).toBe('malformed');
    for (const junk of [null, [], 'x', { version: 1, keys: [null] }]) expect(codeOf(junk)).toBe('malformed');
  });

  it('uses the active key, even when a retired one is younger', () => {
    const file = newKeyFile(new Date('2026-01-01T00:00:00Z'));
    const younger = newKeyFile(new Date('2026-02-01T00:00:00Z')).keys.map((key) => ({ ...key, status: 'retired' }));
    const ring = KeyRing.from({ version: 1, keys: [...younger, ...file.keys] });
    const active = file.keys.map((key) => key.id);
    for (const id of [ring.activeKekId, ring.pepper().id, ring.signingKey.kid]) expect(active).toContain(id);
    expect(ring.subkey('x').equals(KeyRing.from(file).subkey('x'))).toBe(true);
  });

  it('derives a sub-key per label, always the same', () => {
    const file = newKeyFile();
    const ring = KeyRing.from(file);
    expect(ring.subkey('auth/code').symmetricKeySize).toBe(32);
    expect(ring.subkey('auth/code').equals(KeyRing.from(file).subkey('auth/code'))).toBe(true);
    expect(ring.subkey('auth/code').equals(ring.subkey('auth/cursor'))).toBe(false);
    expect(() => ring.subkey('Auth code')).toThrow(RangeError);
  });

  it('prints no key', () => {
    const file = newKeyFile();
    const ring = KeyRing.from(file);
    ring.subkey('x');
    const text = inspect(ring, { depth: 9, showHidden: true }) + JSON.stringify(ring);
    for (const key of file.keys) expect(text).not.toContain(key.material.slice(0, 20));
    expect(text).not.toContain('<Buffer');
  });
});

describe('key management on a key file', () => {
  const ring = KeyRing.from(newKeyFile());
  const kms = new FileKeyManagement(ring);

  it('unwraps only with the same context, KEK and bytes', async () => {
    const dataKey = randomBytes(32);
    const wrapped = await kms.wrap(dataKey, 'patient:1');
    expect(wrapped.kekId).toBe(ring.activeKekId);
    await expect(kms.unwrap(wrapped, 'patient:1')).resolves.toEqual(dataKey);
    await expect(kms.unwrap(wrapped, 'patient:2')).rejects.toMatchObject({ code: 'tampered' });
    await expect(kms.unwrap({ ...wrapped, kekId: 'kek-x' }, 'patient:1')).rejects.toMatchObject({
      code: 'unknown-kek',
    });
    for (let bit = 0; bit < wrapped.bytes.length * 8; bit++) {
      const bytes = Buffer.from(wrapped.bytes);
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      await expect(kms.unwrap({ ...wrapped, bytes }, 'patient:1')).rejects.toMatchObject({ code: 'tampered' });
    }
    for (const length of [0, 1, 28, wrapped.bytes.length - 1]) {
      const bytes = wrapped.bytes.subarray(0, length);
      await expect(kms.unwrap({ ...wrapped, bytes }, 'patient:1')).rejects.toMatchObject({ code: 'tampered' });
    }
  });

  it('does not try another KEK than the one that is named', async () => {
    const file = newKeyFile();
    const kek = file.keys.find((key) => key.purpose === 'kek')!;
    const renamed = { ...file, keys: file.keys.map((key) => (key === kek ? { ...key, id: 'kek-renamed' } : key)) };
    const wrapped = await new FileKeyManagement(KeyRing.from(file)).wrap(randomBytes(32), 'c');
    const other = new FileKeyManagement(KeyRing.from(renamed));
    await expect(other.unwrap(wrapped, 'c')).rejects.toMatchObject({ code: 'unknown-kek' });
    await expect(other.unwrap({ ...wrapped, kekId: 'kek-renamed' }, 'c')).rejects.toMatchObject({ code: 'tampered' });
  });
});
