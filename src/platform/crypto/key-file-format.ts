import { KEY_PURPOSES, KeyFileError, type KeyEntry, type KeyFile, type KeyPurpose } from './key-material.js';

// an id stands inside stored password hashes, between dollar signs, and in token headers
const KEY_ID = /^[A-Za-z0-9._-]{1,64}$/;
const ENTRY_FIELDS = ['createdAt', 'id', 'material', 'purpose', 'status'];
/** A key file may be older than this purpose: it can then be rotated and announced to, but not started with. */
const ADDED_LATER: readonly KeyPurpose[] = ['audit-signing'];

/** Checks the shape of a key file (version, fields, unique ids; per purpose exactly one active key and at most one next); throws KeyFileError 'malformed'. */
export function parseKeyFile(value: unknown): KeyFile {
  if (!isObject(value) || value.version !== 1 || !Array.isArray(value.keys)) refuse('needs {version: 1, keys: […]}');
  if (Object.keys(value).length !== 2) refuse('unknown field beside version and keys');
  const keys = value.keys.map(parseEntry);
  if (new Set(keys.map((key) => key.id)).size !== keys.length) refuse('two keys have the same id');
  for (const purpose of KEY_PURPOSES) {
    const count = (status: string) => keys.filter((key) => key.purpose === purpose && key.status === status).length;
    if (count('active') === 0 && ADDED_LATER.includes(purpose)) {
      if (count('retired') > 0) refuse(`has a retired ${purpose} key and no active one`);
    } else if (count('active') !== 1) {
      refuse(`needs exactly one active ${purpose} key, has ${count('active')}`);
    }
    if (count('next') > 1) refuse(`has ${count('next')} next ${purpose} keys, more than one`);
  }
  return { version: 1, keys };
}

function parseEntry(value: unknown, index: number): KeyEntry {
  if (!isObject(value)) refuse(`key number ${index} is not an object`);
  const { id, purpose, createdAt, status, material } = value;
  if (typeof id !== 'string' || !KEY_ID.test(id)) refuse(`key number ${index}: id needs 1 to 64 of A-Z a-z 0-9 . _ -`);
  if (Object.keys(value).sort().join() !== ENTRY_FIELDS.join()) refuse(`key ${id}: needs ${ENTRY_FIELDS.join(', ')}`);
  const known = KEY_PURPOSES.find((one) => one === purpose);
  if (!known) refuse(`key ${id}: unknown purpose`);
  if (status !== 'active' && status !== 'next' && status !== 'retired') {
    refuse(`key ${id}: status is active, next or retired`);
  }
  if (typeof createdAt !== 'string' || Number.isNaN(Date.parse(createdAt))) refuse(`key ${id}: createdAt is no date`);
  if (typeof material !== 'string') refuse(`key ${id}: material is not text`);
  return { id, purpose: known, createdAt, status, material };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function refuse(why: string): never {
  throw new KeyFileError('malformed', `key file: ${why}`);
}
