import { constants } from 'node:fs';
import { mkdir, open, realpath, rename, stat, unlink, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { parseKeyFile } from './key-file-format.js';
import {
  checkMaterial,
  KeyFileError,
  newKey,
  newKeyFile,
  type KeyEntry,
  type KeyFile,
  type KeyPurpose,
} from './key-material.js';

export interface KeyFileOptions {
  /** Accept a file that group or others may read or write: for systems without POSIX modes, and secrets mounted by a container platform. */
  readonly allowLoosePermissions?: boolean;
}

const OWNER_ONLY = 0o600;
const GROUP_AND_OTHERS = 0o077;
const MAX_BYTES = 1_000_000;

/** Reads and checks a key file (mode first, on the opened file, so that it cannot be swapped in between); rejects with KeyFileError. */
export async function readKeyFile(path: string, options: KeyFileOptions = {}): Promise<KeyFile> {
  const handle = await openExisting(path);
  try {
    await refuseUnfitFile(handle, path, options);
    return parseKeyFile(parseJson(await handle.readFile('utf8'), path));
  } finally {
    await handle.close();
  }
}

/**
 * Writes a fresh key file with one key of each purpose, mode 0600, in a folder that it makes where there is none; rejects with KeyFileError 'exists' instead of overwriting.
 * A crash half-way leaves a file that `readKeyFile` refuses as malformed; nothing can have been encrypted under it.
 */
export async function createKeyFile(path: string, now = new Date()): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const handle = await openExclusive(path, `${path} exists already and is not overwritten`, 'exists');
  await writeAndSync(handle, newKeyFile(now));
  await syncDirectory(path);
}

/**
 * Rotation: the announced key of a purpose becomes the active one, or a fresh one where none was announced, and the former
 * is retired; resolves with the new id. The new file is written beside
 * the old one and renamed over it: a crash leaves the old keys in force, and at worst `<path>.new`, which also locks out a second operator.
 */
export async function addKey(
  path: string,
  purpose: KeyPurpose,
  options: KeyFileOptions & { now?: Date } = {},
): Promise<string> {
  let id = '';
  await changed(path, options, (file) => {
    const announced = file.keys.find((key) => key.purpose === purpose && key.status === 'next');
    const added = announced ?? newKey(purpose, options.now);
    id = added.id;
    return file.keys
      .filter((key) => key !== announced)
      .map((key) => (key.purpose === purpose ? { ...key, status: 'retired' as const } : key))
      .concat({ ...added, status: 'active' });
  });
  return id;
}

/** The step before rotation: a new key that every reader knows and no writer uses yet. Rejects with 'exists' when one waits already. */
export async function announceKey(
  path: string,
  purpose: KeyPurpose,
  options: KeyFileOptions & { now?: Date } = {},
): Promise<string> {
  const added = { ...newKey(purpose, options.now), status: 'next' as const };
  await changed(path, options, (file) => {
    if (file.keys.some((key) => key.purpose === purpose && key.status === 'next')) {
      throw new KeyFileError('exists', `a ${purpose} key is announced already: rotate to it`);
    }
    return [...file.keys, added];
  });
  return added.id;
}

/**
 * The step after rotation: a retired signing key signs and verifies nothing any more. Only signing keys, whose tokens live for
 * minutes and whose checkpoints anybody verifies with the published public half: with any other key, what it sealed, wrapped
 * or hashed would be lost.
 */
export async function removeKey(path: string, id: string, options: KeyFileOptions = {}): Promise<KeyPurpose> {
  let purpose: KeyPurpose = 'token-signing';
  await changed(path, options, (file) => {
    const key = file.keys.find((one) => one.id === id);
    const isSigning = key?.purpose === 'token-signing' || key?.purpose === 'audit-signing';
    if (!isSigning || key.status !== 'retired') {
      throw new KeyFileError('missing', 'there is no retired signing key of that id');
    }
    purpose = key.purpose;
    return file.keys.filter((one) => one !== key);
  });
  return purpose;
}

async function changed(
  path: string,
  options: KeyFileOptions,
  change: (file: KeyFile) => readonly KeyEntry[],
): Promise<void> {
  const target = await realpath(path).catch(() => path);
  const draft = `${target}.new`;
  const lock = await openExclusive(draft, `${draft} exists: another rotation runs, or remove it`, 'busy');
  try {
    const file = await readKeyFile(target, options);
    // a defect found now is better than after the next start
    file.keys.forEach(checkMaterial);
    const next = parseKeyFile({ version: 1, keys: change(file) });
    await keepOwner(lock, target);
    await writeAndSync(lock, next);
    await rename(draft, target);
  } catch (error) {
    await lock.close();
    await unlink(draft);
    throw error;
  }
  await syncDirectory(target);
}

// an administrator who rotates must not lock the application's user out of its keys
async function keepOwner(handle: FileHandle, path: string): Promise<void> {
  const [ours, theirs] = await Promise.all([handle.stat(), stat(path)]);
  if (ours.uid !== theirs.uid || ours.gid !== theirs.gid) await handle.chown(theirs.uid, theirs.gid);
}

async function refuseUnfitFile(handle: FileHandle, path: string, options: KeyFileOptions): Promise<void> {
  const info = await handle.stat();
  if (!info.isFile() || info.size > MAX_BYTES) throw new KeyFileError('malformed', `${path} is not a key file`);
  if (!options.allowLoosePermissions && (info.mode & GROUP_AND_OTHERS) !== 0) {
    const mode = (info.mode & 0o777).toString(8).padStart(4, '0');
    throw new KeyFileError('permissions', `${path} is open to others (mode ${mode}): run chmod 600 ${path}`);
  }
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new KeyFileError('malformed', `${path} is not JSON`); // the parser's own message quotes the text
  }
}

async function openExisting(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if (codeOf(error) === 'ENOENT')
      throw new KeyFileError(
        'missing',
        `there is no key file at ${path}: put it there, or set KEY_FILE; a new installation makes one with npm run cli -- keys:create`,
      );
    if (codeOf(error) === 'EACCES') throw new KeyFileError('permissions', `${path} may not be read by this user`);
    throw error;
  }
}

async function openExclusive(path: string, message: string, code: 'exists' | 'busy'): Promise<FileHandle> {
  try {
    return await open(path, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, OWNER_ONLY);
  } catch (error) {
    if (codeOf(error) === 'EEXIST') throw new KeyFileError(code, message);
    throw error;
  }
}

async function writeAndSync(handle: FileHandle, file: KeyFile): Promise<void> {
  try {
    await handle.writeFile(`${JSON.stringify(file, null, 2)}\n`, 'utf8');
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function syncDirectory(path: string): Promise<void> {
  if (process.platform === 'win32') return; // a directory cannot be opened there
  const handle = await open(dirname(path), 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown } | null)?.code;
}
