import {
  DataKeys,
  isUnder,
  keyIdOf,
  open,
  seal,
  type DataKey,
  type DataKeyStore,
  type KeyManagement,
  type Place,
  type StoredKey,
} from '../crypto/index.js';
import type { Db } from './db.js';

interface KeyRow {
  data_key_id: string;
  scope: string;
  kek_id: string;
  wrapped: Buffer;
}

const stored = (row: KeyRow | undefined): StoredKey | null =>
  row ? { id: row.data_key_id, scope: row.scope, wrapped: { kekId: row.kek_id, bytes: row.wrapped } } : null;

const COLUMNS = 'data_key_id, scope, kek_id, wrapped';

/** Wrapped data keys in `platform.data_key`; the unique index on active scopes decides who makes the first key. */
const keyTable: DataKeyStore<Db> = {
  find: async (db, scope) =>
    stored(
      (await db.query<KeyRow>(`SELECT ${COLUMNS} FROM platform.data_key WHERE scope = $1 AND is_active`, [scope]))[0],
    ),
  findById: async (db, id) =>
    stored((await db.query<KeyRow>(`SELECT ${COLUMNS} FROM platform.data_key WHERE data_key_id = $1`, [id]))[0]),
  async insertIfAbsent(db, key) {
    await db.query(
      `INSERT INTO platform.data_key (${COLUMNS}) VALUES ($1, $2, $3, $4) ON CONFLICT (scope) WHERE is_active DO NOTHING`,
      [key.id, key.scope, key.wrapped.kekId, key.wrapped.bytes],
    );
    return (await keyTable.find(db, key.scope))!;
  },
  async listNotWrappedUnder(db, kekId, limit) {
    const rows = await db.query<KeyRow>(
      `SELECT ${COLUMNS} FROM platform.data_key WHERE kek_id <> $1 LIMIT $2 FOR UPDATE SKIP LOCKED`,
      [kekId, limit],
    );
    return rows.map((row) => stored(row)!);
  },
  async replaceWrapping(db, id, wrapped) {
    await db.query('UPDATE platform.data_key SET kek_id = $2, wrapped = $3 WHERE data_key_id = $1', [
      id,
      wrapped.kekId,
      wrapped.bytes,
    ]);
  },
};

/** What sealing needs of a unit of work. */
interface Work {
  readonly db: Db;
  afterCommit(action: () => void): void;
}

/** Seals and opens values under the data key of a scope (`patient:<id>`, `account:<id>`, `shared`), bound to their row and column. */
export class Vault {
  private readonly keys: DataKeys<Db>;

  constructor(kms: KeyManagement) {
    this.keys = new DataKeys(keyTable, kms);
  }

  /** The key for many values of one scope; see {@link seal} for one. */
  keyFor(work: Work, scope: string): Promise<DataKey> {
    return this.keys.forWriting(work.db, scope, (remember) => work.afterCommit(remember));
  }

  async seal(work: Work, scope: string, place: Place, plaintext: Buffer | string): Promise<Buffer> {
    return seal(await this.keyFor(work, scope), place, plaintext);
  }

  async open(work: Pick<Work, 'db'>, place: Place, sealed: Buffer): Promise<Buffer> {
    return open(await this.keys.forReading(work.db, keyIdOf(sealed)), place, sealed);
  }

  /** As {@link open}, for many values at once, in their order. */
  async openAll(work: Pick<Work, 'db'>, values: readonly { place: Place; sealed: Buffer }[]): Promise<Buffer[]> {
    const opened: Buffer[] = [];
    let key: DataKey | null = null;
    for (const { place, sealed } of values) {
      // Those of one chart lie under one key.
      if (!key || !isUnder(key, sealed)) key = await this.keys.forReading(work.db, keyIdOf(sealed));
      opened.push(open(key, place, sealed));
    }
    return opened;
  }

  /** Re-wraps data keys under the active key-encryption key; resolves with how many. */
  rotateWrapping(db: Db, batch: number): Promise<number> {
    return this.keys.rotateWrapping(db, batch);
  }
}
