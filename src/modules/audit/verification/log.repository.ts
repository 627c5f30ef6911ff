import type { Db } from '../../../platform/database/db.js';

type Queries = Pick<Db, 'query'>;

/** One row of the log as it stands, true or not. */
export interface EntryRow {
  idx: string;
  leaf: string;
  leaf_hash: Buffer;
  event_id: string;
  occurred: Date;
  actor: string;
  subject: string | null;
  action: string;
  outcome: number;
  request_id: string;
  session_id: string | null;
}

export interface CheckpointRow {
  size: number;
  origin: string;
  root: Buffer;
  note: string;
}

/** How far the log goes, in one look: what comes later is for the next verification. */
export interface LogBounds {
  /** Null: the row is gone. */
  size: number | null;
  peaks: (Buffer | null)[];
  /** The place after the last entry, and before the first. */
  top: number;
  bottom: number;
  /** A tile hash of more entries than there are: its level and number. */
  extraTile: { level: number; n: number } | null;
  /** Size of the newest checkpoint of the present name; 0 before the first. */
  sealed: number;
}

export interface TileHash {
  level: number;
  n: number;
  hash: Buffer;
}

const BOUNDS = `SELECT h.size, h.peaks, (SELECT min(idx) FROM audit.entry) AS bottom, (SELECT max(idx) + 1 FROM audit.entry) AS top,
    (SELECT max(size) FROM audit.checkpoint WHERE generation = audit.generation()) AS sealed, x.level AS extra_level, x.n AS extra_n
  FROM (SELECT 1) one LEFT JOIN audit.head h ON h.log_id = 1
  LEFT JOIN LATERAL (SELECT l.level, t.n FROM generate_series(1, 7) AS l(level), LATERAL
    (SELECT n FROM audit.tile_hash t WHERE t.level = l.level AND t.n >= h.size / (256::bigint ^ l.level)::bigint ORDER BY n LIMIT 1) t LIMIT 1) x ON true`;

const ENTRIES = `SELECT idx, leaf, leaf_hash, event_id, occurred, actor, subject, action, outcome, request_id, session_id
  FROM audit.entry WHERE idx >= $1 AND idx < $2 ORDER BY idx LIMIT $3`;

// The entry before, of each patient: its number is one less.
const COUNTS = `SELECT w.subject, p.leaf FROM unnest($1::text[]) AS w(subject)
  LEFT JOIN LATERAL (SELECT e.leaf FROM audit.entry e WHERE e.subject = w.subject AND e.idx < $2 ORDER BY e.idx DESC LIMIT 1) p ON true`;

const SUBJECTS = `SELECT s.subject, s.n, s.last_idx, e.leaf,
    EXISTS (SELECT 1 FROM audit.entry x WHERE x.subject = s.subject AND x.idx > s.last_idx) AS has_later
  FROM audit.subject_head s LEFT JOIN audit.entry e ON e.idx = s.last_idx WHERE s.subject > $1 ORDER BY s.subject LIMIT $2`;

// From one patient to the next along the index, so that a page costs the same however many events each has.
const UNCOUNTED = `WITH RECURSIVE walk(subject, nth) AS (
    (SELECT subject, 1 FROM audit.entry WHERE subject > $1 ORDER BY subject LIMIT 1)
    UNION ALL SELECT (SELECT e.subject FROM audit.entry e WHERE e.subject > w.subject ORDER BY e.subject LIMIT 1), w.nth + 1
      FROM walk w WHERE w.subject IS NOT NULL AND w.nth < $2)
  SELECT w.subject, h.subject IS NULL AS uncounted FROM walk w LEFT JOIN audit.subject_head h ON h.subject = w.subject
  WHERE w.subject IS NOT NULL ORDER BY w.nth`;

// A name that was closed had signed what a restore then took away: beyond the place where the next begins, the log is another.
const CHECKPOINTS = `SELECT c.size, c.origin, c.root, c.note FROM
  (SELECT generate_series(1, greatest(audit.generation(), (SELECT max(generation) FROM audit.checkpoint))) AS generation) g
  LEFT JOIN audit.origin next ON next.generation = g.generation + 1, LATERAL
  (SELECT size, origin, root, note FROM audit.checkpoint WHERE generation = g.generation AND size > $1
      AND size <= coalesce(next.begins_at, size) ORDER BY size LIMIT $2) c
  ORDER BY c.size FETCH FIRST $2 ROWS WITH TIES`;

/** Reads everything that a verification holds against each other, page by page, over the auditor's connections. */
export class LogRepository {
  constructor(private readonly db: Queries) {}

  async bounds(): Promise<LogBounds> {
    const [row] = await this.db.query<{
      size: string | null;
      peaks: (Buffer | null)[] | null;
      bottom: string | null;
      top: string | null;
      sealed: string | null;
      extra_level: number | null;
      extra_n: string | null;
    }>(BOUNDS);
    const { size, peaks, bottom, top, sealed, extra_level: level, extra_n: n } = row!;
    return {
      size: size === null ? null : Number(size),
      peaks: peaks ?? [],
      bottom: Number(bottom ?? 0),
      top: Number(top ?? 0),
      sealed: Number(sealed ?? 0),
      extraTile: level === null ? null : { level, n: Number(n) },
    };
  }

  entries(from: number, to: number, limit: number): Promise<EntryRow[]> {
    return this.db.query<EntryRow>(ENTRIES, [from, to, limit], 'verify_entries');
  }

  /** The leaf of each patient's entry before this place; null for none. */
  async leavesBefore(subjects: readonly string[], before: number): Promise<Map<string, string | null>> {
    const rows = await this.db.query<{ subject: string; leaf: string | null }>(
      COUNTS,
      [subjects, before],
      'verify_counts',
    );
    return new Map(rows.map(({ subject, leaf }) => [subject, leaf]));
  }

  /** Those of the wanted tile hashes that are stored. */
  async tileHashes(wanted: readonly TileHash[]): Promise<TileHash[]> {
    const rows = await this.db.query<{ level: number; n: string; hash: Buffer }>(
      'SELECT t.level, t.n, t.hash FROM unnest($1::smallint[], $2::bigint[]) AS w(level, n) JOIN audit.tile_hash t ON t.level = w.level AND t.n = w.n',
      [wanted.map(({ level }) => level), wanted.map(({ n }) => n)],
      'verify_tiles',
    );
    return rows.map(({ level, n, hash }) => ({ level, n: Number(n), hash }));
  }

  /** Checkpoints larger than `after`, smallest first; of each former name, those that the log still bears out. All of one size, or none. */
  async checkpoints(after: number, limit: number): Promise<CheckpointRow[]> {
    const rows = await this.db.query<{ size: string; origin: string; root: Buffer; note: string }>(
      CHECKPOINTS,
      [after, limit],
      'verify_checkpoints',
    );
    return rows.map((row) => ({ ...row, size: Number(row.size) }));
  }

  /** The newest checkpoint of the present name that is not larger. */
  async checkpointUpTo(size: number): Promise<CheckpointRow | null> {
    const [row] = await this.db.query<{ size: string; origin: string; root: Buffer; note: string }>(
      'SELECT size, origin, root, note FROM audit.checkpoint WHERE generation = audit.generation() AND size <= $1 ORDER BY size DESC LIMIT 1',
      [size],
    );
    return row ? { ...row, size: Number(row.size) } : null;
  }

  /** Keys that were published for a name of the log. */
  async publishedKeys(origin: string): Promise<string[]> {
    const rows = await this.db.query<{ vkey: string }>('SELECT vkey FROM audit.verifier_key WHERE origin = $1', [
      origin,
    ]);
    return rows.map(({ vkey }) => vkey);
  }

  /** Leaves of all events with a code that is rare, such as those of retention. */
  eventsOf(action: string): Promise<{ leaf: string }[]> {
    return this.db.query('SELECT leaf FROM audit.entry WHERE action COLLATE "C" = $1 ORDER BY idx', [action]);
  }

  /** Each patient's counter beside the entry that it points to. */
  subjects(after: string, limit: number) {
    return this.db.query<{ subject: string; n: string; last_idx: string; leaf: string | null; has_later: boolean }>(
      SUBJECTS,
      [after, limit],
    );
  }

  /** Patients of whom entries tell, in order, and whether their counter is missing. */
  patients(after: string, limit: number): Promise<{ subject: string; uncounted: boolean }[]> {
    return this.db.query(UNCOUNTED, [after, limit]);
  }

  disclosures(after: string, limit: number): Promise<{ digest: string; disclosure: string }[]> {
    return this.db.query('SELECT digest, disclosure FROM audit.disclosure WHERE digest > $1 ORDER BY digest LIMIT $2', [
      after,
      limit,
    ]);
  }
}
