import { hashesIn, leafHash, parseEntryBundle, parseTilePath, TILE, tileWidth } from '../../../tlog/index.js';
import { finding, Refusal } from './findings.js';
import type { TrueTiles } from './places.js';

/** Every tile and entry bundle of the export is the one under the signed root, also those that nothing else asked for. */
export async function checkTiles(
  names: readonly string[],
  size: number,
  tiles: TrueTiles,
  read: (name: string) => Promise<Buffer>,
): Promise<void> {
  for (const name of names.filter((one) => one.startsWith('tile/'))) {
    const tile = parseTilePath(name);
    if (!tile || tile.width !== tileWidth(tile.level, tile.n, size))
      throw new Refusal(finding('insertion', name, `a tree of ${size} leaves has no such tile`));
    if (tile.level === 'entries') checkEntries(name, tile.n, await tiles.tile(0, tile.n), await read(name));
    else await tiles.tile(tile.level, tile.n);
  }
}

function checkEntries(name: string, n: number, hashes: Buffer, bytes: Buffer): void {
  let lines: Buffer[];
  try {
    lines = parseEntryBundle(bytes);
  } catch {
    throw new Refusal(finding('edit', name, 'the lengths of the entries do not fit the file', { index: n * TILE }));
  }
  const due = hashesIn(hashes, 0, hashes.length / 32);
  const at = due.findIndex((hash, index) => !lines[index] || !leafHash(lines[index]).equals(hash));
  if (at >= 0)
    throw new Refusal(
      finding('edit', name, 'the entry is not the leaf that the log has here', { index: n * TILE + at }),
    );
  if (lines.length > due.length)
    throw new Refusal(
      finding('insertion', name, 'the bundle has more entries than its tile', { index: n * TILE + due.length }),
    );
}
