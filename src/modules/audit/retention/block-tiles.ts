import { fold, hashesIn, leafHash, TILE } from '../../../tlog/index.js';
import { ArchiveDamaged } from './archive.errors.js';
import { digestPlace, type BlockFiles, type Span } from './block-files.js';

export interface ReadTile {
  /** Number of the tile in the log. */
  tile: number;
  lines: Buffer[];
  /** Computed from the lines. */
  hashes: Buffer[];
  /** Of the 256 hashes. */
  root: Buffer;
  /** The file of the entries. */
  name: string;
}

const HASH = 32;

/** One tile of a block: both files are those that were written, and the one is the hashes of the other. Else {@link ArchiveDamaged}. */
export async function readTile(files: BlockFiles, span: Span, digests: Buffer, tile: number): Promise<ReadTile> {
  const digest = (part: 'entries' | 'tile') => {
    const at = digestPlace(span, part, tile);
    return digests.subarray(at, at + HASH);
  };
  const lines = await files.entries(span, tile, digest('entries'));
  const stored = hashesIn(await files.hashes(span, tile, digest('tile')), 0, TILE);
  const hashes = lines.map(leafHash);
  const isWhole = hashes.length === TILE && hashes.every((hash, at) => hash.equals(stored[at]!));
  const name = files.name(span, 'entries', tile);
  if (!isWhole) throw new ArchiveDamaged(name, false);
  return { tile, lines, hashes, root: fold(hashes), name };
}

/** All tiles of a block, one after the other. */
export async function* readTiles(files: BlockFiles, span: Span, digests: Buffer): AsyncGenerator<ReadTile, void> {
  for (let tile = span.first / TILE; tile < span.end / TILE; tile++) yield await readTile(files, span, digests, tile);
}
