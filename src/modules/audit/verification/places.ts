import {
  fold,
  fromTiles,
  hashesIn,
  rootOf,
  TILE,
  tilePath,
  tileWidth,
  verifyInclusion,
  type Checkpoint,
  type TileName,
} from '../../../tlog/index.js';
import { finding, Refusal } from './findings.js';
import { membersOf, type Line } from './lines.js';

/** A place of the log that a line has to fill. */
export interface Place {
  index: number;
  /** Whether a leaf hash is the one of this place under the signed root; null where only the root over all can tell. */
  isGenuine: ((leafHash: Buffer) => boolean) | null;
}

/** The places that lines have to fill, in turn. */
export interface Places {
  next(): Place | null | Promise<Place | null>;
}

/** Every place from `from` to before `to`, with nothing known of each. */
export class PlainPlaces implements Places {
  constructor(
    private at: number,
    private readonly to: number,
  ) {}

  next(): Place | null {
    return this.at < this.to ? { index: this.at++, isGenuine: null } : null;
  }
}

type NumberedTile = TileName & { level: number };

const HASH = 32;

/**
 * Tiles under a signed root (C2SP tlog-tiles). The tiles of the right edge are true because the root is computed of them; a
 * full tile is true because the tile above, true itself, holds its root. One tile a level is kept.
 */
export class TrueTiles {
  private readonly kept = new Map<number, { n: number; bytes: Buffer }>();
  private edge: Promise<void> | null = null;

  /** `read` gives null for a tile that is not there. */
  constructor(
    private readonly checkpoint: Checkpoint,
    private readonly read: (path: string) => Promise<Buffer | null>,
  ) {}

  /** Throws {@link Refusal} when the tile, or one above it, is not there or not true. */
  async tile(level: number, n: number): Promise<Buffer> {
    this.edge ??= this.proveEdge();
    await this.edge;
    const kept = this.kept.get(level);
    if (kept?.n === n) return kept.bytes;
    const width = tileWidth(level, n, this.checkpoint.size);
    const bytes = await this.load({ level, n, width });
    if (width === TILE) {
      const above = await this.tile(level + 1, Math.floor(n / TILE));
      const [hash] = hashesIn(above, n % TILE, 1);
      if (!fold(hashesIn(bytes, 0, TILE)).equals(hash!)) throw this.untrue({ level, n, width });
    }
    this.kept.set(level, { n, bytes });
    return bytes;
  }

  private async proveEdge(): Promise<void> {
    const { size, root } = this.checkpoint;
    const computed = await rootOf(
      size,
      fromTiles(size, (tile) => this.load(tile)),
    );
    if (!computed.equals(root))
      throw new Refusal(finding('edit', 'tile', 'the tiles do not lead to the root that was signed'));
  }

  private async load(tile: NumberedTile): Promise<Buffer> {
    const path = tilePath(tile);
    const bytes = await this.read(path);
    const place = { index: tile.n * TILE ** (tile.level + 1) };
    if (bytes === null) throw new Refusal(finding('deletion', path, 'the tile is missing', place));
    if (bytes.length !== tile.width * HASH)
      throw new Refusal(finding('edit', path, `the tile has not ${tile.width} hashes`, place));
    return bytes;
  }

  private untrue(tile: NumberedTile): Refusal {
    const index = tile.n * TILE ** (tile.level + 1);
    const through = Math.min(this.checkpoint.size, index + tile.width * TILE ** tile.level) - 1;
    return new Refusal(
      finding('edit', tilePath(tile), 'the tile is not the one under the root that was signed', { index, through }),
    );
  }
}

/** Every place from `from` to before `to`, each known by the tiles. */
export class TiledPlaces implements Places {
  private tile: Buffer | null = null;

  constructor(
    private at: number,
    private readonly to: number,
    private readonly tiles: TrueTiles,
  ) {}

  next(): Place | null | Promise<Place> {
    if (this.at >= this.to) return null;
    return this.tile && this.at % TILE !== 0 ? this.place(this.tile) : this.load();
  }

  private async load(): Promise<Place> {
    this.tile = await this.tiles.tile(0, Math.floor(this.at / TILE));
    return this.place(this.tile);
  }

  private place(tile: Buffer): Place {
    const [own] = hashesIn(tile, this.at % TILE, 1);
    return { index: this.at++, isGenuine: (hash) => hash.equals(own!) };
  }
}

interface Proof {
  leafIndex: number;
  treeSize: number;
  hashes: string[];
}

const HASH_TEXT = /^[A-Za-z0-9+/]{43}=$/;

function proofOf(line: Line, where: string): Proof {
  const wrong = (what: string) => new Refusal(finding('edit', where, what, { line: line.number }));
  const value = membersOf(line.bytes);
  const isProof =
    Number.isSafeInteger(value.leafIndex) &&
    Number.isSafeInteger(value.treeSize) &&
    Array.isArray(value.hashes) &&
    value.hashes.every((hash) => typeof hash === 'string' && HASH_TEXT.test(hash));
  if (!isProof) throw wrong('the line is no inclusion proof');
  if (!line.isWhole) throw new Refusal(finding('truncation', where, 'the last line is cut off', { line: line.number }));
  return value as unknown as Proof;
}

/** The places that inclusion proofs name, each with its proof; they come in the order of the log, each once. */
export class ProvedPlaces implements Places {
  private before = -1;

  constructor(
    private readonly lines: AsyncGenerator<Line, void>,
    private readonly checkpoint: Checkpoint,
    private readonly where: string,
  ) {}

  async next(): Promise<Place | null> {
    const { value: line, done } = await this.lines.next();
    if (done || !line) return null;
    const proof = proofOf(line, this.where);
    const place = { line: line.number, index: proof.leafIndex };
    if (proof.treeSize !== this.checkpoint.size)
      throw new Refusal(finding('edit', this.where, 'the proof is of another tree than the checkpoint', place));
    if (proof.leafIndex === this.before)
      throw new Refusal(finding('insertion', this.where, 'the proof comes twice', place));
    if (proof.leafIndex < this.before)
      throw new Refusal(finding('reorder', this.where, `the proof comes after that of leaf ${this.before}`, place));
    this.before = proof.leafIndex;
    const { size, root } = this.checkpoint;
    const hashes = proof.hashes.map((hash) => Buffer.from(hash, 'base64'));
    return {
      index: proof.leafIndex,
      isGenuine: (leafHash) => verifyInclusion({ index: proof.leafIndex, size, leafHash, proof: hashes, root }),
    };
  }
}
