import { Injectable } from '@nestjs/common';
import type { Ctx } from '../../platform/access/context.js';
import type { Place } from '../../platform/crypto/index.js';
import { Database } from '../../platform/database/database.js';
import { Vault } from '../../platform/database/vault.js';
import { bodyTooLarge } from './records.errors.js';

/** Bytes of a piece; all but a file's last one have exactly so many, so that a byte's piece is found by division. */
export const PIECE_BYTES = 512 * 1024;

type Work = Pick<Ctx, 'db' | 'now' | 'afterCommit'>;

/** Whose body it is: under the feed's key, in rows of the account. */
interface Owner {
  accountId: string;
  source: string;
}

const placeOf = (fileId: string, ordinal: number): Place => ({
  table: 'import_chunk',
  row: `${fileId}/${ordinal}`,
  column: 'body',
});
const scopeOf = (source: string): string => `import:${source}`;

/** One body on its way into the database. Lives for one upload. */
export class BodyStore {
  bytes = 0;
  private ordinal = 0;
  private rest: Uint8Array[] = [];
  private restBytes = 0;

  constructor(
    private readonly put: (work: Work | null, ordinal: number, piece: Buffer) => Promise<void>,
    private readonly maxBytes: number,
  ) {}

  /** Hands every chunk on as soon as its full pieces are stored: a sender cannot be faster than the database. */
  async *through(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of body) {
      this.bytes += chunk.length;
      if (this.bytes > this.maxBytes) throw bodyTooLarge(this.maxBytes);
      this.rest.push(chunk);
      this.restBytes += chunk.length;
      while (this.restBytes >= PIECE_BYTES) await this.putFull();
      yield chunk;
    }
  }

  /** The last piece, within the transaction that makes an import of the file: a crash before its commit leaves none. */
  async finish(work: Work): Promise<void> {
    if (this.restBytes > 0) await this.put(work, this.ordinal, Buffer.concat(this.rest));
  }

  private async putFull(): Promise<void> {
    const all = Buffer.concat(this.rest);
    await this.put(null, this.ordinal++, all.subarray(0, PIECE_BYTES));
    this.rest = [all.subarray(PIECE_BYTES)];
    this.restBytes = all.length - PIECE_BYTES;
  }
}

/** Bodies of imports, sealed in pieces in the database: any replica can work them, and memory does not grow with them. */
@Injectable()
export class ImportBodies {
  constructor(
    private readonly database: Database,
    private readonly vault: Vault,
  ) {}

  /** Full pieces are committed as they come; the last one with the caller's transaction. */
  store(owner: Owner, fileId: string, now: Date, maxBytes: number): BodyStore {
    const put = (work: Work | null, ordinal: number, piece: Buffer): Promise<void> =>
      work
        ? this.put(work, owner, fileId, ordinal, piece)
        : this.apart(owner.accountId, now, (own) => this.put(own, owner, fileId, ordinal, piece));
    return new BodyStore(put, maxBytes);
  }

  /** What came of an upload that broke off. Where this fails as well, the sweeper clears it away. */
  async forget({ accountId }: Owner, fileId: string): Promise<void> {
    await this.database.write(accountId, (db) =>
      db.query('DELETE FROM records.import_chunk WHERE file_id = $1', [fileId]),
    );
  }

  /** A stored body from this byte on. */
  async *read({ accountId }: Owner, file: { id: string; bytes: number }, from = 0): AsyncGenerator<Buffer> {
    for (let at = from; at < file.bytes;) {
      const ordinal = Math.floor(at / PIECE_BYTES);
      const piece = await this.piece(accountId, file.id, ordinal);
      yield piece.subarray(at % PIECE_BYTES);
      at = ordinal * PIECE_BYTES + piece.length;
    }
  }

  private async piece(accountId: string, fileId: string, ordinal: number): Promise<Buffer> {
    const db = this.database.openRead(accountId);
    try {
      const [row] = await db.query<{ body: string }>(
        'SELECT body FROM records.import_chunk WHERE file_id = $1 AND ordinal = $2',
        [fileId, ordinal],
      );
      if (!row) throw new Error(`a piece of an import's body is not there: ${fileId}/${ordinal}`);
      return await this.vault.open({ db }, placeOf(fileId, ordinal), Buffer.from(row.body, 'base64'));
    } finally {
      await db.release();
    }
  }

  private async put(work: Work, owner: Owner, fileId: string, ordinal: number, piece: Buffer): Promise<void> {
    const sealed = await this.vault.seal(work, scopeOf(owner.source), placeOf(fileId, ordinal), piece);
    await work.db.query(
      'INSERT INTO records.import_chunk (file_id, ordinal, account_id, body, received_at) VALUES ($1, $2, $3, $4, $5)',
      [fileId, ordinal, owner.accountId, sealed.toString('base64'), work.now],
    );
  }

  private async apart(accountId: string, now: Date, work: (own: Work) => Promise<void>): Promise<void> {
    const afterCommit: (() => void)[] = [];
    await this.database.write(accountId, (db) =>
      work({ db, now, afterCommit: (action) => void afterCommit.push(action) }),
    );
    for (const action of afterCommit) action();
  }
}
