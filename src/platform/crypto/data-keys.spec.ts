import { randomUUID } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { DataKeys, UnknownDataKeyError, type DataKeyStore, type StoredKey } from './data-keys.js';
import { FileKeyManagement } from './file-key-management.js';
import { type KeyManagement, type WrappedKey } from './key-management.js';
import { newKey, newKeyFile } from './key-material.js';
import { KeyRing } from './key-ring.js';
import { open, seal } from './cipher.js';

class Transaction {
  readonly own = new Map<string, StoredKey>();
  private readonly hooks: (() => void)[] = [];
  private readonly ended = Promise.withResolvers<void>();
  readonly end = this.ended.promise;
  constructor(private readonly store: MemoryStore) {}

  readonly onCommit = (fn: () => void) => void this.hooks.push(fn);

  commit(): void {
    for (const [id, key] of this.own) this.store.committed.set(id, key);
    this.rollback();
    this.hooks.forEach((fn) => fn());
  }

  rollback(): void {
    this.store.open.delete(this);
    this.ended.resolve();
  }
}

/** READ COMMITTED with a unique scope: a second insert waits until the first transaction ends, as PostgreSQL does. */
class MemoryStore implements DataKeyStore<Transaction> {
  readonly committed = new Map<string, StoredKey>();
  readonly open = new Set<Transaction>();
  finds = 0;

  begin(): Transaction {
    const transaction = new Transaction(this);
    this.open.add(transaction);
    return transaction;
  }

  async find(c: Transaction, scope: string): Promise<StoredKey | null> {
    await setImmediate();
    this.finds++;
    return this.visible(c).find((key) => key.scope === scope) ?? null;
  }

  async findById(c: Transaction, keyId: string): Promise<StoredKey | null> {
    await setImmediate();
    this.finds++;
    return this.visible(c).find((key) => key.id === keyId) ?? null;
  }

  async insertIfAbsent(c: Transaction, stored: StoredKey): Promise<StoredKey> {
    for (;;) {
      await setImmediate();
      const winner = this.visible(c).find((key) => key.scope === stored.scope);
      if (winner) return winner;
      const rival = [...this.open].find((t) => t !== c && [...t.own.values()].some((k) => k.scope === stored.scope));
      if (!rival) break;
      await rival.end;
    }
    c.own.set(stored.id, stored);
    return stored;
  }

  listNotWrappedUnder(c: Transaction, kekId: string, limit: number): Promise<StoredKey[]> {
    const due = this.visible(c).filter((key) => key.wrapped.kekId !== kekId);
    return Promise.resolve(due.slice(0, limit));
  }

  replaceWrapping(c: Transaction, keyId: string, wrapped: WrappedKey): Promise<void> {
    const stored = this.visible(c).find((key) => key.id === keyId)!;
    c.own.set(keyId, { ...stored, wrapped });
    return Promise.resolve();
  }

  private visible(c: Transaction): StoredKey[] {
    return [...new Map([...this.committed, ...c.own]).values()];
  }
}

class CountingKms implements KeyManagement {
  unwraps = 0;
  constructor(private readonly inner: KeyManagement) {}
  get activeKekId() {
    return this.inner.activeKekId;
  }
  wrap(dataKey: Buffer, context: string) {
    return this.inner.wrap(dataKey, context);
  }
  async unwrap(wrapped: WrappedKey, context: string) {
    this.unwraps++;
    await setImmediate();
    return this.inner.unwrap(wrapped, context);
  }
  get auditKeys() {
    return this.inner.auditKeys;
  }
  signAudit(keyId: string, message: Buffer) {
    return this.inner.signAudit(keyId, message);
  }
}

const file = newKeyFile();
const place = { table: 't', row: '1', column: 'c' };
const scope = 'patient:1';

function world(options?: { maxCached?: number; maxAgeMs?: number }) {
  const store = new MemoryStore();
  const kms = new CountingKms(new FileKeyManagement(KeyRing.from(file)));
  return { store, kms, keys: new DataKeys(store, kms, options) };
}

describe('data keys', () => {
  it('makes one key per scope and finds it again after commit, without the store', async () => {
    const { store, kms, keys } = world();
    const t = store.begin();
    const made = await keys.forWriting(t, scope, t.onCommit);
    const other = await keys.forWriting(t, 'patient:2', t.onCommit);
    expect(other.id).not.toBe(made.id);
    t.commit();
    const { finds } = store;
    const { unwraps } = kms;
    const later = store.begin();
    expect(await keys.forWriting(later, scope, later.onCommit)).toBe(made);
    expect(await keys.forReading(later, made.id)).toBe(made);
    expect([store.finds, kms.unwraps]).toEqual([finds, unwraps]);
  });

  it('finds an uncommitted key again in its own transaction only', async () => {
    const { store, keys } = world();
    const t = store.begin();
    const made = await keys.forWriting(t, scope, t.onCommit);
    expect((await keys.forWriting(t, scope, t.onCommit)).id).toBe(made.id);
    expect((await keys.forReading(t, made.id)).id).toBe(made.id);
    t.rollback();
    const next = store.begin();
    const fresh = await keys.forWriting(next, scope, next.onCommit);
    expect(fresh.id).not.toBe(made.id);
  });

  it('gives parallel creators the same key, in one process and in two', async () => {
    for (let round = 0; round < 50; round++) {
      const { store, keys, kms } = world();
      const replica = new DataKeys(store, kms);
      const ids = await Promise.all(
        Array.from({ length: 8 }, async (_, i) => {
          const t = store.begin();
          const key = await (i % 2 ? keys : replica).forWriting(t, scope, t.onCommit);
          await setImmediate();
          t.commit();
          return key.id;
        }),
      );
      expect(new Set(ids).size).toBe(1);
      expect(store.committed.size).toBe(1);
    }
  });

  it('lets the second creator win when the first rolls back', async () => {
    const { store, keys } = world();
    const first = store.begin();
    const lost = await keys.forWriting(first, scope, first.onCommit);
    const second = store.begin();
    const waiting = keys.forWriting(second, scope, second.onCommit);
    await setImmediate();
    first.rollback();
    const kept = await waiting;
    second.commit();
    expect(kept.id).not.toBe(lost.id);
    const later = store.begin();
    expect((await keys.forWriting(later, scope, later.onCommit)).id).toBe(kept.id);
  });

  it('unwraps once for concurrent misses, while each transaction asks the store itself', async () => {
    const { store, kms } = world();
    const t = store.begin();
    const { id } = await new DataKeys(store, kms).forWriting(t, scope, t.onCommit);
    t.commit();
    kms.unwraps = store.finds = 0;
    const cold = new DataKeys(store, kms);
    const found = await Promise.all(Array.from({ length: 20 }, () => cold.forReading(store.begin(), id)));
    expect(new Set(found).size).toBe(1);
    expect([kms.unwraps, store.finds]).toEqual([1, 20]);
  });

  it('refuses an unknown id, and a key moved to another scope or id', async () => {
    const { store, keys } = world();
    await expect(keys.forReading(store.begin(), randomUUID())).rejects.toBeInstanceOf(UnknownDataKeyError);
    const t = store.begin();
    const { id } = await keys.forWriting(t, scope, t.onCommit);
    const stored = t.own.get(id)!;
    const forged = randomUUID();
    store.committed.set(id, { ...stored, scope: 'patient:2' });
    store.committed.set(forged, { ...stored, id: forged });
    const other = store.begin();
    const cold = world().kms;
    const fresh = new DataKeys(store, cold);
    await expect(fresh.forWriting(other, 'patient:2', other.onCommit)).rejects.toMatchObject({ code: 'tampered' });
    await expect(fresh.forReading(other, forged)).rejects.toMatchObject({ code: 'tampered' });
    await expect(fresh.forReading(other, forged)).rejects.toMatchObject({ code: 'tampered' });
  });

  it('keeps no more keys than its bound, and none longer than its time', async () => {
    const { store, kms, keys } = world({ maxCached: 2, maxAgeMs: 40 });
    const t = store.begin();
    const made = [];
    for (const n of [1, 2, 3]) made.push(await keys.forWriting(t, `patient:${n}`, t.onCommit));
    t.commit();
    kms.unwraps = 0;
    await keys.forReading(store.begin(), made[2]!.id);
    expect(kms.unwraps).toBe(0);
    await keys.forReading(store.begin(), made[0]!.id);
    expect(kms.unwraps).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 60));
    await keys.forReading(store.begin(), made[2]!.id);
    expect(kms.unwraps).toBe(2);
  });

  it('forgets an erased key', async () => {
    const { store, keys } = world();
    const t = store.begin();
    const { id } = await keys.forWriting(t, scope, t.onCommit);
    t.commit();
    store.committed.clear();
    keys.forget({ id, scope });
    await expect(keys.forReading(store.begin(), id)).rejects.toBeInstanceOf(UnknownDataKeyError);
  });

  it('moves all keys under a new KEK, after which the old one is not needed', async () => {
    const { store, keys } = world();
    const t = store.begin();
    const sealed: Buffer[] = [];
    for (let n = 0; n < 5; n++) sealed.push(seal(await keys.forWriting(t, `p:${n}`, t.onCommit), place, `text ${n}`));
    t.commit();
    const others = file.keys.filter((key) => key.purpose !== 'kek');
    const retired = file.keys.filter((key) => key.purpose === 'kek').map((key) => ({ ...key, status: 'retired' }));
    const fresh = newKey('kek');
    const both = new FileKeyManagement(KeyRing.from({ version: 1, keys: [...others, ...retired, fresh] }));
    const rotating = new DataKeys(store, both);
    const counts: number[] = [];
    do {
      const step = store.begin();
      counts.push(await rotating.rotateWrapping(step, 2));
      step.commit();
    } while (counts.at(-1));
    expect(counts).toEqual([2, 2, 1, 0]);
    const newOnly = new FileKeyManagement(KeyRing.from({ version: 1, keys: [...others, fresh] }));
    const after = new DataKeys(store, newOnly);
    for (const [n, bytes] of sealed.entries()) {
      const key = await after.forReading(
        store.begin(),
        bytes.toString('hex', 1, 17).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-'),
      );
      expect(open(key, place, bytes).toString()).toBe(`text ${n}`);
    }
  });
});
