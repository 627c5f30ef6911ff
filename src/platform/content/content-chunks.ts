import type { Ctx } from '../access/context.js';
import type { Database } from '../database/database.js';
import type { SealedChunk } from './content.js';

/** What one statement carries. */
const STATEMENT_CHARACTERS = 4 * 1024 * 1024;

/**
 * Rows of chunks in a module's own table (`content_id, ordinal, source, body, received_at`): whose rows may be read and written, that
 * table's row policies say.
 */
export class ContentChunks {
  constructor(
    private readonly database: Database,
    private readonly table: string,
  ) {}

  /** Within the caller's transaction. `source`: who brings it. */
  async put({ db, now }: Pick<Ctx, 'db' | 'now'>, source: string, chunks: readonly SealedChunk[]): Promise<void> {
    let batch: SealedChunk[] = [];
    let characters = 0;
    const flush = async (): Promise<void> => {
      if (batch.length > 0)
        await db.query(
          `INSERT INTO ${this.table} (content_id, ordinal, source, body, received_at)
           SELECT x.content_id, x.ordinal, $4, sealed.body, $5 FROM unnest($1::uuid[], $2::integer[]) WITH ORDINALITY AS x(content_id, ordinal, n)
             JOIN unnest(string_to_array($3, ',')) WITH ORDINALITY AS sealed(body, n) USING (n)`,
          [
            ...[batch.map(({ contentId }) => contentId), batch.map(({ ordinal }) => ordinal)],
            ...[batch.map(({ body }) => body).join(','), source, now],
          ],
        );
      batch = [];
      characters = 0;
    };
    for (const chunk of chunks) {
      batch.push(chunk);
      characters += chunk.body.length;
      if (characters >= STATEMENT_CHARACTERS) await flush();
    }
    await flush();
  }

  /**
   * One chunk's row, as this account: who may not read it any more finds none. On a connection of its own each time: what somebody
   * downloads slowly must hold none, and on those that short reads share it would be in their way.
   */
  async read(accountId: string, contentId: string, ordinal: number): Promise<string | undefined> {
    const db = this.database.openRead(accountId);
    try {
      const [row] = await db.query<{ body: string }>(
        `SELECT body FROM ${this.table} WHERE content_id = $1 AND ordinal = $2`,
        [contentId, ordinal],
      );
      return row?.body;
    } finally {
      await db.release();
    }
  }
}
