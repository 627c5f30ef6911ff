import { TILE, type Checkpoint, type Frontier } from '../../../tlog/index.js';
import { finding, type Finding } from './findings.js';
import type { TileHash } from './log.repository.js';

/**
 * Where a tree does not come out, the hashes that are stored and signed along the way narrow down what is wrong: tile hashes to
 * 256 entries, checkpoints to those between two of them, the head's peaks to what came after the last.
 */
export class TreeJudge {
  /** A tile whose hash is another, or missing: its row, or what lies below it? The next signature tells. */
  private suspect: Finding | null = null;
  private isWrong = false;

  /** `sound`: the first leaf that is not known to be what was signed. */
  constructor(private sound: number) {}

  /** `computed` of the leaves, beside those of them that are `stored`. */
  tiles(computed: readonly TileHash[], stored: readonly TileHash[]): void {
    for (const { level, n, hash } of computed) {
      if (this.isWrong || this.suspect) return;
      const row = stored.find((one) => one.level === level && one.n === n);
      if (row?.hash.equals(hash)) continue;
      const index = n * TILE ** level;
      const place = { index, through: index + TILE ** level - 1 };
      this.suspect = row
        ? finding(
            'edit',
            'audit.tile_hash',
            `the tile hash (level ${level}, number ${n}) is not that of the leaves`,
            place,
          )
        : finding('deletion', 'audit.tile_hash', `the tile hash (level ${level}, number ${n}) is missing`, place);
    }
  }

  /** The tree has just the size of a checkpoint. */
  checkpoint(tree: Frontier, signed: Checkpoint): Finding | null {
    if (this.isWrong) return null;
    const isRight = tree.root().equals(signed.root);
    const from = this.sound;
    if (isRight) {
      this.sound = signed.size;
      return this.suspect && this.suspect.through! < signed.size ? this.taken() : null;
    }
    this.isWrong = true;
    return this.betweenSigned(from, signed.size - 1);
  }

  /** All entries were read: the head's peaks are the last word on those that nobody signed yet. */
  end(tree: Frontier, peaks: readonly (Buffer | null)[], sealedSize: number | null): Finding | null {
    if (this.isWrong) return null;
    const own = tree.peaks();
    const wrong = own.findLastIndex((peak, level) => peak !== null && !peaks[level]?.equals(peak));
    if (wrong < 0) return this.taken();
    if (sealedSize === tree.size)
      return finding('edit', 'audit.head', 'the peaks of the head are not those of the entries', { index: tree.size });
    const width = 2 ** wrong;
    const first = Math.floor(tree.size / (2 * width)) * 2 * width;
    return this.betweenSigned(Math.max(first, this.sound), first + width - 1, 'that the head was made of');
  }

  private betweenSigned(from: number, to: number, what = 'that were signed'): Finding {
    const tile = this.suspect;
    const isInTile = tile !== null && tile.index! <= to && tile.through! >= from;
    const place = isInTile
      ? { index: Math.max(from, tile.index!), through: Math.min(to, tile.through!) }
      : { index: from, through: to };
    return finding(isInTile ? 'edit' : 'fork', 'audit.entry', `these entries are not the ones ${what}`, place);
  }

  private taken(): Finding | null {
    const found = this.suspect;
    this.suspect = null;
    return found;
  }
}
