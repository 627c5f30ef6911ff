import type { Db } from '../../../platform/database/db.js';
import type { Span } from './block-files.js';

type Queries = Pick<Db, 'query'>;

export interface ArchivedBlock extends Span {
  firstAt: Date;
  lastAt: Date;
  /** SHA-256 of its SHA256SUMS. */
  digest: Buffer;
  bytes: number;
  /** Null: the files are written, and the entries still in the database. */
  detachedAt: Date | null;
  deletedAt: Date | null;
}

/** A block as officers see it: one that is in the database has no digest yet. */
export interface ListedBlock extends Span {
  firstAt: Date | null;
  lastAt: Date | null;
  digest: Buffer | null;
  bytes: number;
  detachedAt: Date | null;
  deletedAt: Date | null;
  /** Legal holds that keep it from being deleted. */
  holds: string[];
}

export const ARCHIVED = `block::float8 AS block, first_idx::float8 AS first, end_idx::float8 AS "end", first_at AS "firstAt", last_at AS "lastAt", digest,
  bytes::float8 AS bytes, detached_at AS "detachedAt", deleted_at AS "deletedAt"`;

/** A legal hold h that is in force, over a block b. */
const HELD = `(h.from_at IS NULL OR b.last_at >= h.from_at) AND (h.to_at IS NULL OR b.first_at < h.to_at)
  AND NOT EXISTS (SELECT 1 FROM audit.hold_release r WHERE r.hold_id = h.hold_id)`;

// Times of a block in the database: both ends of an index, whatever its size. The block that is being filled ends before its end.
const LISTED = `WITH rule AS (SELECT r.size AS span, h.size FROM audit.block_rule r, audit.head h),
    page AS (SELECT n FROM rule, LATERAL generate_series(least($1::bigint - 1, (size - 1) / span), 0, -1) AS n LIMIT $2),
    b AS (SELECT n AS block, n * span AS first_idx, least((n + 1) * span, size) AS end_idx, coalesce(a.first_at, e.first_at) AS first_at,
        coalesce(a.last_at, e.last_at) AS last_at, CASE WHEN a.detached_at IS NOT NULL THEN a.digest END AS digest,
        CASE WHEN a.detached_at IS NULL THEN coalesce(pg_total_relation_size(to_regclass(format('audit.entry_%s', n))), 0) ELSE a.bytes END AS bytes,
        a.detached_at, a.deleted_at
      FROM page CROSS JOIN rule LEFT JOIN audit.archived_block a ON a.block = n
      LEFT JOIN LATERAL (SELECT (SELECT min(occurred) FROM audit.entry WHERE idx >= n * span AND idx < (n + 1) * span) AS first_at,
        (SELECT max(occurred) FROM audit.entry WHERE idx >= n * span AND idx < (n + 1) * span) AS last_at) e ON a.block IS NULL)
  SELECT ${ARCHIVED}, ARRAY(SELECT h.hold_id::text FROM audit.hold h WHERE ${HELD} ORDER BY h.hold_id) AS holds FROM b ORDER BY block DESC`;

/** Which blocks there are, and where they are. */
export class BlocksRepository {
  constructor(private readonly db: Queries) {}

  /** Newest first, from before the block `before`. */
  list(before: number | null, limit: number): Promise<ListedBlock[]> {
    return this.db.query<ListedBlock>(LISTED, [before ?? Number.MAX_SAFE_INTEGER, limit]);
  }

  /** Blocks that have left the database, or whose files are written, from this one on. */
  archived(from: number, limit: number): Promise<ArchivedBlock[]> {
    return this.db.query<ArchivedBlock>(
      `SELECT ${ARCHIVED} FROM audit.archived_block WHERE block >= $1 ORDER BY block LIMIT $2`,
      [from, limit],
    );
  }

  /** SHA-256 of each of a block's files, one behind the other. */
  async digests(block: number): Promise<Buffer> {
    const [row] = await this.db.query<{ digests: Buffer }>(
      'SELECT digests FROM audit.archived_block WHERE block = $1',
      [block],
    );
    return row!.digests;
  }

  /** The block that has left the database with this entry in it; null: the entry is in the database, or nowhere. */
  async holding(index: number): Promise<(Span & { deletedAt: Date | null }) | null> {
    const [row] = await this.db.query<Span & { deletedAt: Date | null }>(
      `SELECT block::float8 AS block, first_idx::float8 AS first, end_idx::float8 AS "end", deleted_at AS "deletedAt"
         FROM audit.archived_block WHERE block = $1::bigint / (SELECT size FROM audit.block_rule) AND detached_at IS NOT NULL`,
      [index],
      'block_holding',
    );
    return row ?? null;
  }

  /** 32 bytes out of a block's digests. */
  async digestAt(block: number, place: number): Promise<Buffer> {
    const [row] = await this.db.query<{ digest: Buffer }>(
      'SELECT substring(digests FROM $2 FOR 32) AS digest FROM audit.archived_block WHERE block = $1',
      [block, place + 1],
      'block_digest',
    );
    return row!.digest;
  }

  /** Whether an entry from this place to that one was deleted. */
  async hasDeleted(from: number, to: number): Promise<boolean> {
    const rows = await this.db.query(
      'SELECT 1 FROM audit.archived_block WHERE deleted_at IS NOT NULL AND first_idx <= $2 AND end_idx > $1 LIMIT 1',
      [from, to],
    );
    return rows.length > 0;
  }

  /** How far the database begins: places before `archivedTo` are in the archive or deleted, none before `deletedTo` but of held blocks is left. */
  async edge(): Promise<{ archivedTo: number; archivedUntil: Date | null; deletedTo: number }> {
    const [row] = await this.db.query<{ archivedTo: number; archivedUntil: Date | null; deletedTo: number }>(
      `SELECT coalesce(max(end_idx), 0)::float8 AS "archivedTo", max(last_at) AS "archivedUntil",
         coalesce(max(end_idx) FILTER (WHERE deleted_at IS NOT NULL), 0)::float8 AS "deletedTo"
         FROM audit.archived_block WHERE detached_at IS NOT NULL`,
      [],
      'block_edge',
    );
    return row!;
  }
}
