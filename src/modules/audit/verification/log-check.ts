import {
  frontierAt,
  Frontier,
  leafHash,
  parseVerifierKey,
  type Checkpoint,
  type Subtree,
  type SubtreeHashes,
  type VerifierKey,
} from '../../../tlog/index.js';
import { LogGap } from '../tree/tree.repository.js';
import { openCheckpoint } from './checkpoints.js';
import { contradictingColumn } from './columns.js';
import { finding, Refusal, type Finding } from './findings.js';
import { readLeaf } from './leaf.js';
import { LogCounters } from './log-counters.js';
import type { CheckpointRow, EntryRow, LogBounds, LogRepository, TileHash } from './log.repository.js';
import { PlaceWatch } from './place-watch.js';
import { TreeJudge } from './tree-judge.js';

export interface LogCheckOptions {
  /** Keys of the log under a name, which come from elsewhere than its database. */
  keys: (origin: string) => readonly VerifierKey[];
  /** Stored hashes of the tree, for beginning in the middle. */
  hashes: SubtreeHashes;
  /** Verified before, up to this size: it begins at the newest checkpoint that is not larger. 0: from the first entry. */
  verifiedTo: number;
  /** Entries below were archived: their hashes are still there. */
  archivedTo: number;
  /** A checkpoint that was kept outside: the log has to have grown from it. */
  kept: Checkpoint | null;
  /** Entries at a time, and what is done between two lots. */
  page: number;
  pause: () => Promise<void>;
  onProgress: (index: number, size: number) => void;
}

export interface LogReport {
  verdict: 'verified' | 'refused';
  /** The first bad place first. */
  findings: Finding[];
  from: number;
  size: number;
  /** Of the tree of all entries, as their bytes make it; null where something is wrong. */
  root: Buffer | null;
  /** Size of the newest checkpoint that covers what was read; null where there is none. */
  sealedSize: number | null;
}

const CHECKPOINTS = 500;
const ENTRY = 'audit.entry';
const MOST_FINDINGS = 20;

/**
 * Verifies the log in the database: recomputes every hash from the leaves' bytes, and holds entries, columns, counters, tile
 * hashes, head and checkpoints against each other and against the log's signatures. Memory does not grow with the log.
 */
export class LogCheck {
  private readonly findings: Finding[] = [];
  private readonly watch = new PlaceWatch();
  private tree = Frontier.empty();
  private judge = new TreeJudge(0);
  private from = 0;
  private sealedSize: number | null = null;
  private checkpoints: CheckpointRow[] = [];
  private lastCheckpoint = 0;
  /** Full tiles whose stored hashes were not looked at yet. */
  private readonly tiles: TileHash[] = [];
  private readonly published = new Map<string, VerifierKey[]>();

  constructor(
    private readonly log: LogRepository,
    private readonly options: LogCheckOptions,
  ) {}

  async run(): Promise<LogReport> {
    const bounds = await this.log.bounds();
    const size = bounds.size ?? bounds.top;
    this.checkBounds(bounds, size);
    await this.newest(size);
    await this.begin(size);
    await this.entries(size);
    const root = this.watch.isBroken || this.tree.size !== size ? null : this.tree.root();
    this.note(this.watch.finding(ENTRY));
    this.note(this.judge.end(root && bounds.size !== null ? this.tree : null, bounds.peaks, this.sealedSize));
    // A log that goes less far than what was signed is the first thing to say of it.
    const rank = ({ kind, index }: Finding): number => (kind === 'rollback' ? -2 : (index ?? -1));
    this.findings.sort((a, b) => rank(a) - rank(b));
    const verdict = this.findings.length === 0 ? 'verified' : 'refused';
    return {
      verdict,
      findings: this.findings.slice(0, MOST_FINDINGS),
      from: this.from,
      size,
      root: verdict === 'verified' ? root : null,
      sealedSize: this.sealedSize,
    };
  }

  private note(found: Finding | null): void {
    if (found && this.findings.length < MOST_FINDINGS) this.findings.push(found);
  }

  /** What is wrong at a glance: a head that goes less far than what was signed, entries or tiles beyond it. */
  private checkBounds({ size: head, top, sealed, extraTile }: LogBounds, size: number): void {
    if (head === null) this.note(finding('deletion', 'audit.head', 'the head of the log is gone', { index: top }));
    if (sealed > size)
      this.note(
        finding('rollback', 'audit.head', `the log has ${size} entries, and ${sealed} were signed`, { index: size }),
      );
    if (top > size)
      this.note(
        finding('insertion', ENTRY, 'entries stand behind the end of the log', { index: size, through: top - 1 }),
      );
    if (extraTile)
      this.note(
        finding(
          'insertion',
          'audit.tile_hash',
          `a tile hash of level ${extraTile.level} is of more entries than the log has`,
          { index: size },
        ),
      );
    const { kept } = this.options;
    if (kept && kept.size > size)
      this.note(
        finding('rollback', 'audit.head', `the log has ${size} entries, and had ${kept.size}`, { index: size }),
      );
  }

  /** The newest checkpoint must be signed by a key that is known from elsewhere: the database vouches for keys of older ones only. */
  private async newest(size: number): Promise<void> {
    const row = await this.log.checkpointUpTo(size);
    if (row) await this.open(row, []);
  }

  /** At the newest checkpoint up to which everything was read before: what is stored there has to be what was signed. */
  private async begin(size: number): Promise<void> {
    const { verifiedTo, archivedTo, hashes } = this.options;
    const start = verifiedTo > archivedTo ? await this.log.checkpointUpTo(Math.min(verifiedTo, size)) : null;
    const from = Math.max(archivedTo, start?.size ?? 0);
    if (from === 0) return;
    const stored = await this.storedAt(from, hashes);
    if (!stored) return;
    if (start && start.size === from) {
      const signed = await this.open(start);
      if (signed && !stored.root().equals(signed.root)) {
        this.note(
          finding('fork', ENTRY, 'the stored hashes are not those that were signed', { index: 0, through: from - 1 }),
        );
        return;
      }
      if (!signed) return;
      this.sealedSize = from;
    }
    [this.tree, this.from, this.lastCheckpoint] = [stored, from, from];
    this.judge = new TreeJudge(from);
  }

  /** The tree up to there, out of stored hashes; null, and noted, where one is gone. */
  private async storedAt(size: number, hashes: SubtreeHashes): Promise<Frontier | null> {
    try {
      return await frontierAt(size, hashes);
    } catch (error) {
      if (!(error instanceof LogGap)) throw error;
      const what = 'the stored hashes of the entries before this place are not all there';
      this.note(finding('deletion', 'audit.tile_hash', what, { index: 0, through: size - 1 }));
      return null;
    }
  }

  private async entries(to: number): Promise<void> {
    const { page, pause, onProgress } = this.options;
    const counters = new LogCounters(this.log, this.options.archivedTo === 0);
    let at = this.from;
    let place = this.from;
    let next = this.log.entries(at, to, page);
    for (;;) {
      const rows = await next;
      if (rows.length === 0) break;
      at = Number(rows.at(-1)!.idx) + 1;
      // Read while this page is worked on.
      next = this.log.entries(at, to, page);
      next.catch(() => undefined);
      await this.page(rows, place, counters);
      place += rows.length;
      onProgress(at, to);
      await pause();
    }
    this.watch.missingRange(0, place, to);
  }

  private async page(rows: readonly EntryRow[], from: number, counters: LogCounters): Promise<void> {
    const read = [];
    for (const [at, row] of rows.entries()) {
      const line = Buffer.from(row.leaf);
      const leaf = readLeaf(line);
      const hash = leafHash(line);
      const index = from + at;
      if (this.watch.isBroken) {
        this.watch.next(0, index, leaf.index, null);
        continue;
      }
      this.watch.next(
        0,
        index,
        leaf.index,
        leaf.fault === null && hash.equals(row.leaf_hash) && Number(row.idx) === index,
      );
      if (this.watch.isBroken) continue;
      const column = contradictingColumn(row, leaf);
      if (column) this.note(finding('edit', ENTRY, `the column ${column} is not what the leaf says`, { index }));
      read.push({ leaf, index });
      this.tree.append(hash, (subtree, root) => this.completed(subtree, root));
      await this.atCheckpoint();
      this.atKept();
    }
    this.note(await counters.check(read, from));
    await this.compareTiles();
  }

  private completed({ level, n }: Subtree, hash: Buffer): void {
    if (level > 0 && level % 8 === 0) this.tiles.push({ level: level / 8, n, hash });
  }

  private async compareTiles(): Promise<void> {
    const tiles = this.tiles.splice(0);
    if (tiles.length > 0) this.judge.tiles(tiles, await this.log.tileHashes(tiles));
  }

  private async atCheckpoint(): Promise<void> {
    const { size } = this.tree;
    while ((await this.peek())?.size === size) {
      const signed = await this.open(this.checkpoints.shift()!);
      this.lastCheckpoint = size;
      if (!signed) continue;
      this.sealedSize = size;
      await this.compareTiles();
      this.note(this.judge.checkpoint(this.tree, signed));
    }
  }

  private atKept(): void {
    const { kept } = this.options;
    if (kept?.size === this.tree.size) this.note(this.judge.checkpoint(this.tree, kept));
  }

  private async peek(): Promise<CheckpointRow | undefined> {
    if (this.checkpoints.length === 0 && this.lastCheckpoint !== Infinity) {
      this.checkpoints = await this.log.checkpoints(this.lastCheckpoint, CHECKPOINTS);
      if (this.checkpoints.length === 0) this.lastCheckpoint = Infinity;
    }
    return this.checkpoints[0];
  }

  /** A checkpoint that the log has signed, as it was signed; null, and noted, where it is none. */
  private async open(row: CheckpointRow, others?: readonly VerifierKey[]): Promise<Checkpoint | null> {
    const where = 'audit.checkpoint';
    try {
      const keys = [...this.options.keys(row.origin), ...(others ?? (await this.publishedKeys(row.origin)))];
      const signed = openCheckpoint(row.note, { keys, witnesses: [] }, where);
      if (signed.size !== row.size || !signed.root.equals(row.root) || signed.origin !== row.origin)
        throw new Refusal(finding('edit', where, 'the columns are not what was signed'));
      return signed;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.note({ ...error.finding, index: row.size });
      return null;
    }
  }

  private async publishedKeys(origin: string): Promise<VerifierKey[]> {
    let keys = this.published.get(origin);
    if (!keys) this.published.set(origin, (keys = (await this.log.publishedKeys(origin)).map(parseVerifierKey)));
    return keys;
  }
}
