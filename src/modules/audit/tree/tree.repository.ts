import { Inject, Injectable } from '@nestjs/common';
import { SystemPool } from '../../../platform/database/system-pool.js';
import { fold, hashesIn, type SubtreeHashes } from '../../../tlog/index.js';
import { ArchivedLeaves } from '../retention/archived-leaves.js';
import { AuditorPool } from './auditor-pool.js';

/** How far the log goes, and the tree's right edge: `peaks[l]` is the complete subtree of height l where bit l of the size is set. */
export interface TreeHead {
  size: number;
  peaks: (Buffer | null)[];
}

/** A checkpoint under the log's present name; `note` is the whole signed note, with the lines of those who countersigned. */
export interface SignedCheckpoint {
  origin: string;
  size: number;
  root: Buffer;
  note: string;
  signedAt: Date;
}

/** One entry of the log: its exact bytes, and the hash that is stored beside them. */
export interface LeafRow {
  index: number;
  line: Buffer;
  storedHash: Buffer;
  eventId: string;
  /** The patient whose data it is about. */
  subject: string | null;
}

/** The log does not hold what a tree of this size needs, and neither does its archive. */
export class LogGap extends Error {
  constructor(
    readonly level: number,
    readonly first: number,
  ) {
    super(`the log has no ${level === 0 ? 'entry' : `tile hash of level ${level}`} at ${first}`);
    this.name = 'LogGap';
  }
}

/** A run of stored hashes: leaf hashes (level 0), or hashes of full tiles (level l: height 8 l). */
interface Run {
  level: number;
  first: number;
  count: number;
}

const HASH = 32;
/** Entries of 65,535 bytes at most: this many are 64 MB at worst, half a megabyte as they are. */
const PAGE = 1_000;

// One statement for all runs of leaf hashes, one for all of tile hashes, whatever the proof: each run is one range of a key.
const LEAF_RUNS = `SELECT (SELECT string_agg(e.leaf_hash, ''::bytea ORDER BY e.idx) FROM audit.entry e
    WHERE e.idx >= w.first AND e.idx < w.first + w.count) AS hashes
  FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY AS w (first, count, at) ORDER BY w.at`;
const TILE_RUNS = `SELECT (SELECT string_agg(t.hash, ''::bytea ORDER BY t.n) FROM audit.tile_hash t
    WHERE t.level = w.level AND t.n >= w.first AND t.n < w.first + w.count) AS hashes
  FROM unnest($1::bigint[], $2::bigint[], $3::smallint[]) WITH ORDINALITY AS w (first, count, level, at) ORDER BY w.at`;

const isLeaves = ({ level }: Run): boolean => level === 0;

/** The stored hashes below a complete subtree: itself where it is a leaf or a full tile, else its part of one tile. */
function runBelow({ level, n }: { level: number; n: number }): Run {
  const count = 2 ** (level % 8);
  return { level: Math.floor(level / 8), first: n * count, count };
}

const rootOver = (hashes: Buffer): Buffer => fold(hashesIn(hashes, 0, hashes.length / HASH));

const checkpointOf = (row: {
  origin: string;
  size: string;
  root: Buffer;
  note: string;
  signed_at: Date;
}): SignedCheckpoint => ({ ...row, size: Number(row.size), signedAt: row.signed_at });

/**
 * The log as a tree, over the auditor's connections; what has left the database is read out of the archive. What it gives  is as it stands there: callers verify against a
 * checkpoint.
 */
@Injectable()
export class TreeRepository {
  constructor(
    @Inject(AuditorPool) private readonly pool: SystemPool,
    private readonly archive: ArchivedLeaves,
  ) {}

  async head(): Promise<TreeHead> {
    const [row] = await this.pool.query<{ size: string; peaks: (Buffer | null)[] }>(
      'SELECT size, peaks FROM audit.head WHERE log_id = 1',
    );
    const size = Number(row!.size);
    // Where a bit of the size is not set, what stands there is a leftover.
    const isPeak = (level: number) => Math.floor(size / 2 ** level) % 2 === 1;
    return { size, peaks: row!.peaks.map((peak, level) => (isPeak(level) ? peak : null)) };
  }

  /** Hashes of complete subtrees, with two queries a call at most. Throws {@link LogGap} where one is not in the log. */
  hashes(): SubtreeHashes {
    return async (wanted) => (await this.runs(wanted.map(runBelow))).map(rootOver);
  }

  /** A hash tile's bytes (C2SP tlog-tiles): `count` hashes of the level from place `first` on. */
  async tile(level: number, first: number, count: number): Promise<Buffer> {
    return (await this.runs([{ level, first, count }]))[0]!;
  }

  /** The exact bytes of the entries `from` to before `to`, in order, read page by page. Throws {@link LogGap} where one is missing. */
  async *lines(from: number, to: number): AsyncGenerator<Buffer, void, undefined> {
    for (let at = from; at < to;) {
      const rows = await this.pool.query<{ idx: string; leaf: string }>(
        'SELECT idx, leaf FROM audit.entry WHERE idx >= $1 AND idx < $2 ORDER BY idx',
        [at, Math.min(to, at + PAGE)],
        'audit_lines',
      );
      if (Number(rows[0]?.idx) !== at) {
        const archived = await this.archive.lines(at, to);
        if (!archived) throw new LogGap(0, at);
        yield* archived;
        at += archived.length;
        continue;
      }
      for (const { idx, leaf } of rows) {
        if (Number(idx) !== at) throw new LogGap(0, at);
        yield Buffer.from(leaf);
        at++;
      }
    }
  }

  async leaf(index: number): Promise<LeafRow | null> {
    return (await this.one('idx = $1', index)) ?? this.archivedLeaf(index);
  }

  /** Where an event stands; the first place, should it ever stand twice. The archive is not searched for it. */
  async leafOfEvent(eventId: string): Promise<LeafRow | null> {
    return this.one('event_id = $1', eventId);
  }

  async latestCheckpoint(): Promise<SignedCheckpoint | null> {
    const rows = await this.checkpoints('ORDER BY size DESC LIMIT 1', []);
    return rows[0] ?? null;
  }

  async checkpoint(size: number): Promise<SignedCheckpoint | null> {
    const rows = await this.checkpoints('WHERE size = $1', [size]);
    return rows[0] ?? null;
  }

  /** Verifier keys that the log has or had, oldest first. */
  async verifierKeys(): Promise<string[]> {
    const rows = await this.pool.query<{ vkey: string }>('SELECT vkey FROM audit.verifier_key ORDER BY added_at, vkey');
    return rows.map(({ vkey }) => vkey);
  }

  private async checkpoints(rest: string, values: unknown[]): Promise<SignedCheckpoint[]> {
    const sql = `SELECT origin, size, root, note, signed_at FROM audit.published ${rest}`;
    return (await this.pool.query<Parameters<typeof checkpointOf>[0]>(sql, values)).map(checkpointOf);
  }

  private async one(where: string, value: unknown): Promise<LeafRow | null> {
    const [row] = await this.pool.query<{
      idx: string;
      leaf: string;
      leaf_hash: Buffer;
      event_id: string;
      subject: string | null;
    }>(`SELECT idx, leaf, leaf_hash, event_id, subject FROM audit.entry WHERE ${where} ORDER BY idx LIMIT 1`, [value]);
    if (!row) return null;
    return {
      index: Number(row.idx),
      line: Buffer.from(row.leaf),
      storedHash: row.leaf_hash,
      eventId: row.event_id,
      subject: row.subject,
    };
  }

  private async archivedLeaf(index: number): Promise<LeafRow | null> {
    const [line] = (await this.archive.lines(index, index + 1)) ?? [];
    const storedHash = line && (await this.archive.leafHashes(index, 1));
    if (!line || !storedHash) return null;
    const { e } = JSON.parse(line.toString()) as { e: { id: string; pat?: string } };
    return { index, line, storedHash, eventId: e.id, subject: e.pat ?? null };
  }

  private async runs(runs: readonly Run[]): Promise<Buffer[]> {
    const leaves = runs.filter(isLeaves);
    const tiles = runs.filter((run) => !isLeaves(run));
    const [ofLeaves, ofTiles] = await Promise.all([
      this.read(LEAF_RUNS, leaves, []),
      this.read(TILE_RUNS, tiles, [tiles.map(({ level }) => level)]),
    ]);
    return runs.map((run) => (isLeaves(run) ? ofLeaves : ofTiles).shift()!);
  }

  private async read(sql: string, runs: readonly Run[], more: unknown[]): Promise<Buffer[]> {
    if (runs.length === 0) return [];
    const places = [runs.map(({ first }) => first), runs.map(({ count }) => count), ...more];
    const rows = await this.pool.query<{ hashes: Buffer | null }>(sql, places);
    return Promise.all(
      rows.map(async ({ hashes: stored }, at) => {
        const { level, first, count } = runs[at]!;
        if (stored?.length === count * HASH) return stored;
        const archived = level === 0 ? await this.archive.leafHashes(first, count) : null;
        if (archived?.length !== count * HASH) throw new LogGap(level, first);
        return archived;
      }),
    );
  }
}
