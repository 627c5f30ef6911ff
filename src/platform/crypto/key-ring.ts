import { createPublicKey, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import { parseKeyFile } from './key-file-format.js';
import { readKeyFile, type KeyFileOptions } from './key-file.js';
import type { AuditKey } from './key-management.js';
import {
  SYMMETRIC_BYTES,
  auditPrivateKey,
  KeyFileError,
  signingPrivateKey,
  symmetricBytes,
  type KeyEntry,
  type KeyFile,
  type KeyPurpose,
} from './key-material.js';

export interface Pepper {
  readonly id: string;
  readonly key: KeyObject;
}

export interface SigningKey {
  readonly kid: string;
  readonly privateKey: KeyObject;
}

const LABEL = /^[a-z][a-z0-9-]*(\/[a-z0-9-]+)*$/;

/**
 * The validated keys of one key file, in memory for the process's life and in private fields, so that no log line or JSON
 * prints them. A retired key still verifies and unwraps, and an announced one (`next`) already does; taking a key out of the
 * file ends that.
 */
export class KeyRing {
  /** The kid and private key that sign access tokens now (ES256). */
  readonly signingKey: SigningKey;
  /** Every signing key's public half by kid: active, next, retired; a kid that is not in the map is refused. */
  readonly verificationKeys: ReadonlyMap<string, KeyObject>;
  readonly activeKekId: string;
  /** Public halves of the keys that sign checkpoints: the active one first, then announced and retired ones, newest first. */
  readonly auditKeys: readonly AuditKey[];
  readonly #auditPrivateKeys: ReadonlyMap<string, KeyObject>;
  readonly #keks: ReadonlyMap<string, KeyObject>;
  readonly #peppers: ReadonlyMap<string, Pepper>;
  readonly #activePepper: Pepper;
  readonly #macs: readonly Buffer[];
  readonly #subkeys = new Map<string, readonly KeyObject[]>();

  private constructor(file: KeyFile) {
    const signing = ofPurpose(file, 'token-signing').map((e) => ({ kid: e.id, privateKey: signingPrivateKey(e) }));
    const keks = ofPurpose(file, 'kek').map((e) => [e.id, createSecretKey(symmetricBytes(e))] as const);
    const peppers = ofPurpose(file, 'pepper').map((e) => ({ id: e.id, key: createSecretKey(symmetricBytes(e)) }));
    this.signingKey = Object.freeze(signing[0]!);
    this.verificationKeys = new Map(signing.map((key) => [key.kid, createPublicKey(key.privateKey)]));
    this.activeKekId = keks[0]![0];
    this.#keks = new Map(keks);
    this.#peppers = new Map(peppers.map((pepper) => [pepper.id, pepper]));
    this.#activePepper = peppers[0]!;
    this.#macs = ofPurpose(file, 'mac').map(symmetricBytes);
    const audit = ofPurpose(file, 'audit-signing');
    if (audit[0]?.status !== 'active') {
      throw new KeyFileError(
        'missing',
        'the key file has no active audit-signing key (it is older than that purpose): run npm run cli -- keys:rotate audit-signing, then start again',
      );
    }
    this.#auditPrivateKeys = new Map(audit.map((entry) => [entry.id, auditPrivateKey(entry)]));
    this.auditKeys = audit.map(({ id, status }) => ({
      id,
      status,
      publicKey: createPublicKey(this.#auditPrivateKeys.get(id)!),
    }));
  }

  /** Reads and validates a key file; rejects with KeyFileError, on loose permissions before reading a byte of it. */
  static async load(path: string, options?: KeyFileOptions): Promise<KeyRing> {
    return new KeyRing(await readKeyFile(path, options));
  }

  /** Validates content that is already in memory (e.g. of `newKeyFile()`); throws KeyFileError. */
  static from(content: unknown): KeyRing {
    return new KeyRing(parseKeyFile(content));
  }

  /** The KEK of an id, active or retired; undefined when the file has none. */
  kek(id: string): KeyObject | undefined {
    return this.#keks.get(id);
  }

  /** The private half of an audit-signing key; undefined when the file has none of that id. */
  auditPrivateKey(id: string): KeyObject | undefined {
    return this.#auditPrivateKeys.get(id);
  }

  /** The pepper of an id, or the active one without an id; undefined when the file has none of that id. */
  pepper(): Pepper;
  pepper(id: string): Pepper | undefined;
  pepper(id?: string): Pepper | undefined {
    return id === undefined ? this.#activePepper : this.#peppers.get(id);
  }

  /**
   * 32 bytes for one use, HKDF-SHA-256 (RFC 5869) of the active mac key; `label` is a constant of the code ('auth/refresh-token'),
   * never input. Rotating the mac key changes it: open cursors, codes and tokens survive only where the reader tries `subkeys`.
   */
  subkey(label: string): KeyObject {
    return this.subkeys(label)[0]!;
  }

  /** The same of the active and then every other mac key, newest first, for whoever verifies or looks up. */
  subkeys(label: string): readonly KeyObject[] {
    let keys = this.#subkeys.get(label);
    if (!keys) {
      keys = Object.freeze(this.#macs.map((mac) => derive(mac, label)));
      this.#subkeys.set(label, keys);
    }
    return keys;
  }
}

function ofPurpose(file: KeyFile, purpose: KeyPurpose): KeyEntry[] {
  return file.keys.filter((entry) => entry.purpose === purpose).sort(activeThenNewest);
}

function activeThenNewest(a: KeyEntry, b: KeyEntry): number {
  if (a.status !== b.status) return a.status === 'active' ? -1 : 1;
  return Date.parse(b.createdAt) - Date.parse(a.createdAt);
}

function derive(mac: Buffer, label: string): KeyObject {
  if (!LABEL.test(label)) throw new RangeError('a sub-key label is lower case, as in "auth/refresh-token"');
  return createSecretKey(Buffer.from(hkdfSync('sha256', mac, Buffer.alloc(0), `portico/1/${label}`, SYMMETRIC_BYTES)));
}
