import { TILE, type Checkpoint, type Frontier } from '../../../tlog/index.js';
import { finding, type Finding } from './findings.js';
import type { TileHash } from './log.repository.js';

interface Span {
  from: number;
  to: number;
}

/**
 * Where a tree does not come out, the hashes that are stored and signed along the way narrow down what is wrong: tile hashes to
 * 256 entries, checkpoints to those between two of them, the head's peaks to what came after the last.
 */
export class TreeJudge {
  /** A tile whose hash is another, or missing: its row, or what lies below it? The next signature tells. */
  private suspect: Finding | null = null;
  /** Between the last signature that the entries bear out and the first that they do not. */
  private unsigned: Span | null = null;

  /** `sound`: the first leaf that is not known to be what was signed. */
  constructor(private sound: number) {}

  /** `computed` of the leaves, beside those of them that are `stored`. */
  tiles(computed: readonly TileHash[], stored: readonly TileHash[]): void {
    for (const { level, n, hash } of computed) {
      if (this.suspect) return;
      const row = stored.find((one) => one.level === level && one.n === n);
      if (row?.hash.equals(hash)) continue;
      const name = `the tile hash (level ${level}, number ${n})`;
      const index = n * TILE ** level;
      const place = { index, through: index + TILE ** level - 1 };
      this.suspect = row
        ? finding('edit', 'audit.tile_hash', `${name} is not that of the leaves`, place)
        : finding('deletion', 'audit.tile_hash', `${name} is missing`, place);
    }
  }

  /** The tree has just the size of a checkpoint. What is wrong with a tile's hash and nothing else is told here. */
  checkpoint(tree: Frontier, signed: Checkpoint): Finding | null {
    if (this.unsigned) return null;
    if (!tree.root().equals(signed.root)) {
      this.unsigned = { from: this.sound, to: signed.size - 1 };
      return null;
    }
    this.sound = signed.size;
    return this.suspect && this.suspect.through! < signed.size ? this.taken() : null;
  }

  /** After the last entry; `tree` is null where not all of them were read. */
  end(tree: Frontier | null, peaks: readonly (Buffer | null)[], sealedSize: number | null): Finding | null {
    const wrong = tree ? wrongPeak(tree, peaks) : null;
    if (this.unsigned) return this.notSigned(this.unsigned, wrong !== null);
    if (!wrong) return this.taken();
    if (sealedSize === tree!.size)
      return finding('edit', 'audit.head', 'the peaks of the head are not those of the entries', { index: tree!.size });
    const span = this.narrowed({ from: Math.max(wrong.from, this.sound), to: wrong.to });
    return finding('edit', 'audit.entry', 'these entries are not the ones that the head was made of', {
      index: span.from,
      through: span.to,
    });
  }

  /** Where all stored hashes fit what stands there now, somebody has made another history of it; else only entries were changed. */
  private notSigned(span: Span, isHeadOfOthers: boolean): Finding {
    const isForked = !isHeadOfOthers && this.suspect === null;
    const { from, to } = this.narrowed(span);
    return finding(isForked ? 'fork' : 'edit', 'audit.entry', 'these entries are not the ones that were signed', {
      index: from,
      through: to,
    });
  }

  private narrowed({ from, to }: Span): Span {
    const tile = this.suspect;
    if (tile === null || tile.index! > to || tile.through! < from) return { from, to };
    return { from: Math.max(from, tile.index!), to: Math.min(to, tile.through!) };
  }

  private taken(): Finding | null {
    const found = this.suspect;
    this.suspect = null;
    return found;
  }
}

/** The entries below the first peak that is not the head's. */
function wrongPeak(tree: Frontier, peaks: readonly (Buffer | null)[]): Span | null {
  const level = tree.peaks().findLastIndex((peak, at) => peak !== null && !peaks[at]?.equals(peak));
  if (level < 0) return null;
  const width = 2 ** level;
  const from = Math.floor(tree.size / (2 * width)) * 2 * width;
  return { from, to: from + width - 1 };
}
