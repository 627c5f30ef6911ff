import { nodeHash, type SubtreeHashes } from './merkle.js';

/** Hashes in a full tile, and entries in a full bundle (C2SP tlog-tiles). */
export const TILE = 256;
const HASH_BYTES = 32;
const LEVELS = 8;

export type TileLevel = number | 'entries';

export interface TileName {
  level: TileLevel;
  n: number;
  /** Hashes or entries in it: 1 to 256. */
  width: number;
}

const MOST_LEVEL = 63;
const PATH = /^tile\/(entries|0|[1-9]\d?)\/((?:x\d{3}\/)*\d{3})(?:\.p\/([1-9]\d{0,2}))?$/;

/** `tile/<L>/<N>[.p/<W>]`: N in groups of three digits, all but the last behind an x. */
export function tilePath({ level, n, width }: TileName): string {
  const digits = String(n);
  const padded = digits.padStart(Math.ceil(digits.length / 3) * 3, '0');
  const groups = padded.match(/\d{3}/g)!;
  const name = groups.map((group, at) => (at < groups.length - 1 ? `x${group}` : group)).join('/');
  return `tile/${level}/${name}${width === TILE ? '' : `.p/${width}`}`;
}

/** Null when it is none, or not in its one right spelling. */
export function parseTilePath(path: string): TileName | null {
  const [, level, name, width] = PATH.exec(path) ?? [];
  if (level === undefined || name === undefined) return null;
  const tile = {
    level: level === 'entries' ? ('entries' as const) : Number(level),
    n: Number(name.replaceAll(/[x/]/g, '')),
    width: width === undefined ? TILE : Number(width),
  };
  const isRight = Number.isSafeInteger(tile.n) && tilePath(tile) === path;
  return isRight && (tile.level === 'entries' || tile.level <= MOST_LEVEL) ? tile : null;
}

/** How many hashes the level has in a tree of this size; `entries` has as many as level 0. */
export function tileTotal(level: TileLevel, size: number): number {
  return level === 'entries' ? size : Math.floor(size / TILE ** level);
}

/** Width of a tile in a tree of this size; 0: there is no such tile. */
export function tileWidth(level: TileLevel, n: number, size: number): number {
  return Math.max(0, Math.min(TILE, tileTotal(level, size) - n * TILE));
}

/** Each entry behind its length in bytes (16 bit, big endian). Throws RangeError for one that is longer than 65,535. */
export function entryBundle(lines: readonly Buffer[]): Buffer {
  return Buffer.concat(
    lines.flatMap((line) => {
      const length = Buffer.alloc(2);
      length.writeUInt16BE(line.length);
      return [length, line];
    }),
  );
}

/** Throws RangeError when the lengths do not fit the bytes. */
export function parseEntryBundle(bytes: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = at + 2 + bytes.readUInt16BE(at);
    if (end > bytes.length) throw new RangeError('the last entry of a bundle is cut off');
    lines.push(bytes.subarray(at + 2, end));
    at = end;
  }
  return lines;
}

/** `count` hashes of 32 bytes out of many, from place `from` on. */
export const hashesIn = (tile: Buffer, from: number, count: number): Buffer[] =>
  Array.from({ length: count }, (_, at) => tile.subarray((from + at) * HASH_BYTES, (from + at + 1) * HASH_BYTES));

/** Root of 2^k hashes. */
export function fold(hashes: readonly Buffer[]): Buffer {
  let row = [...hashes];
  while (row.length > 1)
    row = Array.from({ length: row.length / 2 }, (_, at) => nodeHash(row[2 * at]!, row[2 * at + 1]!));
  return row[0]!;
}

/**
 * Hashes of subtrees out of tiles, wherever those lie; each tile is read once a question. Nothing here says that a tile is
 * true: what is built of it has to lead to a signed root. Rejects with RangeError when a tile has not its length.
 */
export function fromTiles(size: number, read: (tile: TileName & { level: number }) => Promise<Buffer>): SubtreeHashes {
  return async (wanted) => {
    const tiles = new Map<string, Buffer>();
    const found: Buffer[] = [];
    for (const { level, n } of wanted) {
      const count = 2 ** (level % LEVELS);
      const tile = { level: Math.floor(level / LEVELS), n: Math.floor((n * count) / TILE) };
      const width = tileWidth(tile.level, tile.n, size);
      const name = { ...tile, width };
      const path = tilePath(name);
      const bytes = tiles.get(path) ?? (await read(name));
      if (bytes.length !== width * HASH_BYTES) throw new RangeError(`${path} has not ${width} hashes`);
      tiles.set(path, bytes);
      const from = (n * count) % TILE;
      if (from + count > width) throw new RangeError(`a tree of ${size} leaves has no such subtree`);
      found.push(fold(hashesIn(bytes, from, count)));
    }
    return found;
  };
}
