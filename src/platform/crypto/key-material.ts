import { createPrivateKey, generateKeyPairSync, randomBytes, randomUUID, type KeyObject } from 'node:crypto';

export const KEY_PURPOSES = ['kek', 'pepper', 'token-signing', 'mac', 'audit-signing'] as const;
export type KeyPurpose = (typeof KEY_PURPOSES)[number];

/** One key of the key file: `material` is base64, raw bytes except for signing keys (PKCS#8 DER, RFC 5958: P-256 for `token-signing`, Ed25519 for `audit-signing`). */
export interface KeyEntry {
  readonly id: string;
  readonly purpose: KeyPurpose;
  readonly createdAt: string;
  /** `next`: announced. Every reader knows it, no writer uses it yet, so that replicas and caches learn of it beforehand. */
  readonly status: 'active' | 'next' | 'retired';
  readonly material: string;
}

export interface KeyFile {
  readonly version: 1;
  readonly keys: readonly KeyEntry[];
}

export type KeyFileErrorCode = 'missing' | 'permissions' | 'malformed' | 'placeholder' | 'exists' | 'busy';

/** A key file that is not used; the message says what the operator does about it and never carries key material. */
export class KeyFileError extends Error {
  override readonly name = 'KeyFileError';
  constructor(
    readonly code: KeyFileErrorCode,
    message: string,
  ) {
    super(message);
  }
}

/** Length of a symmetric key in bytes; a pepper may be longer. */
export const SYMMETRIC_BYTES = 32;

const MAX_PEPPER_BYTES = 1024;

/** A fresh active key from the system's random source (ES256 for `token-signing`, Ed25519 for `audit-signing`, otherwise 32 bytes). */
export function newKey(purpose: KeyPurpose, now = new Date()): KeyEntry {
  const bytes = newMaterial(purpose);
  return {
    id: `${purpose}-${randomUUID()}`,
    purpose,
    createdAt: now.toISOString(),
    status: 'active',
    material: bytes.toString('base64'),
  };
}

/** A complete fresh key file's content, one active key of each purpose, e.g. for a test that needs no file. */
export function newKeyFile(now = new Date()): KeyFile {
  return { version: 1, keys: KEY_PURPOSES.map((purpose) => newKey(purpose, now)) };
}

/** The raw bytes of a symmetric entry; throws KeyFileError on a wrong length or placeholder material. */
export function symmetricBytes(entry: KeyEntry): Buffer {
  const bytes = decode(entry);
  const longest = entry.purpose === 'pepper' ? MAX_PEPPER_BYTES : SYMMETRIC_BYTES;
  if (bytes.length < SYMMETRIC_BYTES || bytes.length > longest) {
    throw new KeyFileError('malformed', `key ${entry.id}: wrong length, ${bytes.length} bytes`);
  }
  refusePlaceholder(entry.id, bytes);
  return bytes;
}

/** The private key of a `token-signing` entry; throws KeyFileError unless it is an EC P-256 key (ES256, RFC 7518 §3.4). */
export function signingPrivateKey(entry: KeyEntry): KeyObject {
  const key = parsePkcs8(entry);
  if (key.asymmetricKeyType !== 'ec' || key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
    throw new KeyFileError('malformed', `key ${entry.id}: token-signing needs an EC P-256 private key`);
  }
  refusePlaceholder(entry.id, Buffer.from(key.export({ format: 'jwk' }).d ?? '', 'base64url'));
  return key;
}

/** The private key of an `audit-signing` entry; throws KeyFileError unless it is an Ed25519 key (RFC 8032, RFC 8410). */
export function auditPrivateKey(entry: KeyEntry): KeyObject {
  const key = parsePkcs8(entry);
  if (key.asymmetricKeyType !== 'ed25519') {
    throw new KeyFileError('malformed', `key ${entry.id}: audit-signing needs an Ed25519 private key`);
  }
  refusePlaceholder(entry.id, Buffer.from(key.export({ format: 'jwk' }).d ?? '', 'base64url'));
  return key;
}

/** Throws KeyFileError unless the material is what the key's purpose asks for. */
export function checkMaterial(entry: KeyEntry): void {
  if (entry.purpose === 'token-signing') signingPrivateKey(entry);
  else if (entry.purpose === 'audit-signing') auditPrivateKey(entry);
  else symmetricBytes(entry);
}

function newMaterial(purpose: KeyPurpose): Buffer {
  if (purpose === 'token-signing') return pkcs8(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
  if (purpose === 'audit-signing') return pkcs8(generateKeyPairSync('ed25519').privateKey);
  return randomBytes(SYMMETRIC_BYTES);
}

const pkcs8 = (key: KeyObject): Buffer => key.export({ format: 'der', type: 'pkcs8' });

function parsePkcs8(entry: KeyEntry): KeyObject {
  const der = decode(entry);
  try {
    return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  } catch {
    throw new KeyFileError('malformed', `key ${entry.id}: not a PKCS#8 private key`);
  }
}

function decode(entry: KeyEntry): Buffer {
  const bytes = Buffer.from(entry.material, 'base64');
  // Buffer.from skips what is not base64: a typing error would silently become another key
  if (bytes.toString('base64') !== entry.material) {
    throw new KeyFileError('malformed', `key ${entry.id}: material is not base64`);
  }
  return bytes;
}

/**
 * Refuses what a person typed instead of generated: text, repetition, counting, few different bytes; 32 random bytes are
 * all printable with probability 2e-14, and have fewer than 16 different values with less than 1e-11.
 */
function refusePlaceholder(id: string, bytes: Buffer): void {
  const isText = bytes.every((byte) => byte >= 0x20 && byte < 0x7f);
  if (isText || new Set(bytes).size < 16 || isRepeated(bytes) || isCounted(bytes)) {
    throw new KeyFileError('placeholder', `key ${id}: placeholder material; generate a key instead`);
  }
}

function isRepeated(bytes: Buffer): boolean {
  const half = bytes.length >> 1;
  for (let period = 1; period <= half; period++) {
    if (bytes.subarray(period).equals(bytes.subarray(0, bytes.length - period))) return true;
  }
  return false;
}

function isCounted(bytes: Buffer): boolean {
  const steps = new Set<number>();
  for (let i = 1; i < bytes.length; i++) steps.add((bytes[i]! - bytes[i - 1]! + 256) % 256);
  return steps.size < 2;
}
