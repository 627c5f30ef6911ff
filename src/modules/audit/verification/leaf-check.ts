import { Frontier, leafHash, type Checkpoint } from '../../../tlog/index.js';
import type { Counters } from './counters.js';
import type { Opened } from './disclosures.js';
import { finding, type Finding } from './findings.js';
import { canonical, readLeaf, type Leaf } from './leaf.js';
import type { LeafLine } from './leaf-lines.js';
import { PlaceWatch } from './place-watch.js';
import type { Places } from './places.js';

export interface LeafCheck {
  where: string;
  lines: AsyncIterable<LeafLine>;
  places: Places;
  counters: Counters;
  /** For a whole log: its root is compared with this checkpoint's, and with those of older ones on the way. */
  whole: { checkpoint: Checkpoint; older: readonly Checkpoint[] } | null;
  /** Opens what disclosures belong to a leaf that stands where it has to. */
  opened: (leaf: Leaf) => Promise<Opened> | Opened;
}

export interface LeafResult {
  finding: Finding | null;
  count: number;
  first: number | null;
  last: number | null;
}

/** Where a root does not come out, and nothing tells of each place: what the lines themselves give away. */
class Suspicion {
  private found: { line: number; index: number; what: string } | null = null;

  look(line: LeafLine, leaf: Leaf): void {
    if (this.found !== null || leaf.index === null) return;
    const whole =
      leaf.count === null ? { e: leaf.event, i: leaf.index } : { e: leaf.event, i: leaf.index, n: leaf.count };
    // The log writes leaves in one spelling only (RFC 8785).
    if (!line.leaf.equals(Buffer.from(canonical(whole))))
      this.found = { line: line.line, index: leaf.index, what: 'the line is not spelt as the log spells leaves' };
  }

  finding(where: string, from: number, to: number): Finding {
    if (this.found) return finding('edit', where, this.found.what, this.found);
    const place = { index: from, through: to - 1 };
    return finding('edit', where, 'the lines do not lead to the root that was signed', place);
  }
}

/** Holds the leaves of one file against the places that they have to fill. Memory does not grow with their number. */
export class LeafChecker {
  private readonly watch = new PlaceWatch();
  private readonly suspicion = new Suspicion();
  private readonly tree = Frontier.empty();
  private readonly result: LeafResult = { finding: null, count: 0, first: null, last: null };
  /** The first leaf that stands in its place and says something wrong. */
  private other: { line: number; index: number; found: Finding } | null = null;
  private cut: Finding | null = null;
  private lastLine = 0;
  /** Older checkpoints, by whether the lines up to there have their root. */
  private readonly older = new Map<Checkpoint, boolean>();

  constructor(private readonly check: LeafCheck) {}

  async run(): Promise<LeafResult> {
    for await (const line of this.check.lines) await this.take(line);
    for (let place = await this.check.places.next(); place; place = await this.check.places.next())
      this.watch.missing(this.lastLine + 1, place.index);
    this.result.finding = this.first();
    return this.result;
  }

  private async take(line: LeafLine): Promise<void> {
    const { check, watch } = this;
    this.lastLine = line.line;
    const leaf = readLeaf(line.leaf);
    if (watch.isBroken) return watch.next(line.line, (await check.places.next())?.index ?? null, leaf.index, null);
    const place = await check.places.next();
    const hash = leafHash(line.leaf);
    const isGenuine = place?.isGenuine?.(hash) ?? null;
    watch.next(
      line.line,
      place?.index ?? null,
      leaf.index,
      leaf.fault !== null && isGenuine !== true ? false : isGenuine,
    );
    if (!line.isWhole) this.cut = this.cutOff(line.line, place?.index ?? null);
    if (watch.isBroken) return;
    this.note(leaf.index!);
    this.grow(hash, line, leaf, isGenuine);
    const opened = await check.opened(leaf);
    const found =
      check.counters.check(leaf, check.where, line.line) ??
      this.contradiction(line, leaf, opened.values) ??
      opened.finding;
    if (found) this.other ??= { line: line.line, index: leaf.index!, found };
  }

  /** What stands first in the file; the tree is asked where the lines give nothing away. */
  private first(): Finding | null {
    const { where } = this.check;
    const place = this.cut ?? this.watch.finding(where);
    if (place && (!this.other || place.line! <= this.other.line)) return place;
    const root = place ? null : this.ofTree();
    if (!this.other) return root;
    const { line, index, found } = this.other;
    // A leaf that nothing vouches for is wrong itself, and not the file that contradicts it.
    return root && found.where !== where ? finding('edit', where, root.what, { line, index }) : found;
  }

  private cutOff(line: number, index: number | null): Finding {
    return finding('truncation', this.check.where, 'the last line is cut off', { line, index });
  }

  private note(index: number): void {
    this.result.count++;
    this.result.first ??= index;
    this.result.last = index;
  }

  private contradiction(line: LeafLine, leaf: Leaf, opened: readonly unknown[]): Finding | null {
    const what = line.contradiction?.(leaf, opened) ?? null;
    return what === null ? null : finding('edit', this.check.where, what, { line: line.line, index: leaf.index });
  }

  private grow(hash: Buffer, line: LeafLine, leaf: Leaf, isGenuine: boolean | null): void {
    const { whole } = this.check;
    if (!whole) return;
    if (isGenuine === null) this.suspicion.look(line, leaf);
    this.tree.append(hash);
    for (const one of whole.older)
      if (one.size === this.tree.size) this.older.set(one, this.tree.root().equals(one.root));
  }

  /** The root over all lines; where it is wrong, an older checkpoint whose root is right says that the beginning is. */
  private ofTree(): Finding | null {
    const { whole, where } = this.check;
    if (!whole) return null;
    const sound = Math.max(0, ...[...this.older].map(([{ size }, isRight]) => (isRight ? size : 0)));
    if (!this.tree.root().equals(whole.checkpoint.root))
      return this.suspicion.finding(where, sound, whole.checkpoint.size);
    const forked = [...this.older].find(([, isRight]) => !isRight)?.[0];
    if (!forked) return null;
    const place = { index: sound, through: forked.size - 1 };
    return finding('fork', where, `the first ${forked.size} leaves have not the root that was signed before`, place);
  }
}
