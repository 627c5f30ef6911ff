import type pg from 'pg';
import { Frontier, leafHash } from '../../src/tlog/index.js';

const TABLES = ['entry', 'head', 'tile_hash', 'subject_head', 'checkpoint', 'disclosure'];

/** A superuser of the database, with triggers disabled, time, and a copy of how everything was. */
export class Tamperer {
  private constructor(private readonly owner: pg.Client) {}

  static async of(owner: pg.Client): Promise<Tamperer> {
    for (const table of TABLES) await owner.query(`CREATE TABLE public.kept_${table} AS SELECT * FROM audit.${table}`);
    await owner.query('SET session_replication_role = replica');
    return new Tamperer(owner);
  }

  sql(text: string, ...values: unknown[]): Promise<unknown> {
    return this.owner.query(text, values);
  }

  /** Puts everything back as it was. */
  async mend(): Promise<void> {
    for (const table of TABLES) {
      await this.sql(`DELETE FROM audit.${table}`);
      await this.sql(`INSERT INTO audit.${table} SELECT * FROM public.kept_${table}`);
    }
  }

  /** Every hash anew after leaves were changed, so that all but the signatures fits. */
  async rehash(): Promise<void> {
    const { rows } = await this.owner.query<{ leaf: string }>('SELECT leaf FROM audit.entry ORDER BY idx');
    const tree = Frontier.empty();
    const tiles: [number, number, Buffer][] = [];
    for (const { leaf } of rows)
      tree.append(leafHash(leaf), ({ level, n }, hash) => {
        if (level > 0 && level % 8 === 0) tiles.push([level / 8, n, hash]);
      });
    await this.sql('DELETE FROM audit.tile_hash');
    for (const tile of tiles) await this.sql('INSERT INTO audit.tile_hash VALUES ($1, $2, $3)', ...tile);
    await this.sql(`UPDATE audit.entry SET leaf_hash = sha256('\\x00'::bytea || convert_to(leaf, 'UTF8'))`);
    await this.sql('UPDATE audit.head SET size = $1, peaks = $2', tree.size, tree.peaks());
  }

  /** Moves all entries from a place on. */
  async renumber(from: number, by: number): Promise<void> {
    await this.sql('CREATE TEMPORARY TABLE moved AS SELECT * FROM audit.entry WHERE idx >= $1', from);
    await this.sql('DELETE FROM audit.entry WHERE idx >= $1', from);
    await this.sql('UPDATE moved SET idx = idx + $1', by);
    await this.sql('INSERT INTO audit.entry SELECT * FROM moved');
    await this.sql('DROP TABLE moved');
  }

  /** Puts a copy of one entry at a place that is free. */
  copy(from: number, to: number): Promise<unknown> {
    return this.sql(
      `INSERT INTO audit.entry SELECT $1, leaf, leaf_hash, event_id, occurred, sequenced, actor, subject, action, outcome, request_id, session_id
         FROM audit.entry WHERE idx = $2`,
      to,
      from,
    );
  }
}
