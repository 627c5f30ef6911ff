import { randomBytes, randomUUID } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { DATA_KEY_BYTES, dataKey, type DataKey } from './cipher.js';
import { type KeyManagement, type WrappedKey } from './key-management.js';

/** A data key as it is stored: never in the clear. */
export interface StoredKey {
  /** UUID, lower case; sealed values name it. */
  readonly id: string;
  /** Whose data it protects: `patient:<uuid>`, `account:<uuid>`, `shared`. */
  readonly scope: string;
  readonly wrapped: WrappedKey;
}

/** Where wrapped data keys live; `C` is the caller's transaction, and every method works inside it. */
export interface DataKeyStore<C> {
  /** The scope's active key. */
  find(c: C, scope: string): Promise<StoredKey | null>;
  findById(c: C, keyId: string): Promise<StoredKey | null>;
  /**
   * Stores a scope's first key unless another transaction was faster (a unique constraint on the scope's active key decides, e.g.
   * ON CONFLICT DO NOTHING under READ COMMITTED), and returns the row that stands.
   */
  insertIfAbsent(c: C, stored: StoredKey): Promise<StoredKey>;
  /** Up to `limit` keys that are wrapped under any other KEK than this one. */
  listNotWrappedUnder(c: C, kekId: string, limit: number): Promise<StoredKey[]>;
  replaceWrapping(c: C, keyId: string, wrapped: WrappedKey): Promise<void>;
}

export interface DataKeysOptions {
  /** Most unwrapped keys in memory; default 5,000. */
  readonly maxCached?: number;
  /** Longest time that an unwrapped key stays in memory, in milliseconds; default 600,000 (10 min). */
  readonly maxAgeMs?: number;
}

/** No key of that id: never made, not visible to this transaction, or erased with the data that it protected. */
export class UnknownDataKeyError extends Error {
  override readonly name = 'UnknownDataKeyError';
  constructor(readonly keyId: string) {
    super(`no data key ${JSON.stringify(keyId)}`);
  }
}

/**
 * One data key per scope, made at first use, stored wrapped. In memory: up to `maxCached` unwrapped keys for at most `maxAgeMs`, not zeroed
 * afterwards; who can read this process's memory can read the KEKs as well. An erased or replaced key may be used by other processes that long.
 */
export class DataKeys<C> {
  readonly #byId: LRUCache<string, DataKey>;
  readonly #activeIdOf: LRUCache<string, string>;
  readonly #unwrapping = new Map<string, Promise<DataKey>>();

  constructor(
    private readonly store: DataKeyStore<C>,
    private readonly kms: KeyManagement,
    options: DataKeysOptions = {},
  ) {
    const bounds = { max: options.maxCached ?? 5_000, ttl: options.maxAgeMs ?? 600_000 };
    this.#byId = new LRUCache(bounds);
    this.#activeIdOf = new LRUCache(bounds);
  }

  /**
   * The key to seal a scope's new data with, made when the scope has none. `onCommit` registers what runs only if the caller's transaction
   * commits: until then the key is found through the store, because a rolled-back key that others write under would lose their data.
   */
  async forWriting(c: C, scope: string, onCommit: (fn: () => void) => void): Promise<DataKey> {
    const known = this.cachedFor(scope);
    if (known) return known;
    const stored = (await this.store.find(c, scope)) ?? (await this.create(c, scope));
    if (stored.scope !== scope) throw new UnknownDataKeyError(stored.id);
    const key = this.#byId.get(stored.id) ?? (await this.unwrapOnce(stored));
    onCommit(() => this.remember(scope, key));
    return key;
  }

  /** The key of an id that a sealed value names; rejects with UnknownDataKeyError or KeyManagementError. */
  async forReading(c: C, keyId: string): Promise<DataKey> {
    const known = this.#byId.get(keyId);
    if (known) return known;
    // each caller asks the store in its own transaction: another's may be aborted, or may not see the row
    const stored = await this.store.findById(c, keyId);
    if (stored?.id !== keyId) throw new UnknownDataKeyError(keyId);
    const key = await this.unwrapOnce(stored);
    // not `activeIdOf`: a key of a transaction that rolls back may be read, never written under, and its id never comes again
    this.#byId.set(keyId, key);
    return key;
  }

  /** Moves up to `batch` keys under the active KEK and resolves with how many; call it, a transaction each, until it is 0, then retire the old KEK. */
  async rotateWrapping(c: C, batch: number): Promise<number> {
    const due = await this.store.listNotWrappedUnder(c, this.kms.activeKekId, batch);
    for (const stored of due) {
      const bytes = await this.kms.unwrap(stored.wrapped, contextOf(stored));
      await this.store.replaceWrapping(c, stored.id, await this.kms.wrap(bytes, contextOf(stored)));
    }
    return due.length;
  }

  /** Drops a key's unwrapped copy from this process, after its stored row was erased. */
  forget({ id, scope }: Pick<StoredKey, 'id' | 'scope'>): void {
    this.#byId.delete(id);
    this.#activeIdOf.delete(scope);
  }

  private cachedFor(scope: string): DataKey | undefined {
    const id = this.#activeIdOf.get(scope);
    return id === undefined ? undefined : this.#byId.get(id);
  }

  private remember(scope: string, key: DataKey): void {
    // setting it again would prolong its stay in memory
    if (!this.#byId.has(key.id)) this.#byId.set(key.id, key);
    this.#activeIdOf.set(scope, key.id);
  }

  private async create(c: C, scope: string): Promise<StoredKey> {
    const id = randomUUID();
    const wrapped = await this.kms.wrap(randomBytes(DATA_KEY_BYTES), contextOf({ id, scope }));
    return this.store.insertIfAbsent(c, { id, scope, wrapped });
  }

  private unwrapOnce(stored: StoredKey): Promise<DataKey> {
    let running = this.#unwrapping.get(stored.id);
    if (!running) {
      running = this.unwrap(stored).finally(() => this.#unwrapping.delete(stored.id));
      this.#unwrapping.set(stored.id, running);
    }
    return running;
  }

  private async unwrap(stored: StoredKey): Promise<DataKey> {
    return dataKey(stored.id, await this.kms.unwrap(stored.wrapped, contextOf(stored)));
  }
}

// binds id and scope: a wrapped key that is copied to another scope's row does not open
function contextOf({ id, scope }: Pick<StoredKey, 'id' | 'scope'>): string {
  return JSON.stringify(['data-key', id, scope]);
}
