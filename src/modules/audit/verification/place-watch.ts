import { finding, type Finding } from './findings.js';

interface Break {
  line: number;
  expected: number | null;
  found: number | null;
}

/**
 * Two sequences side by side: the places that must come, and the places that the lines say they have. It stops at the first
 * line that does not fit, and goes on looking just enough to tell what was done there; a few numbers are all that it keeps.
 */
export class PlaceWatch {
  private broken: Break | null = null;
  /** The line that was due at the break comes later. */
  private expectedComes = false;
  /** The place that the line at the break has is still due. */
  private foundIsDue = false;
  /** A line of that place comes again. */
  private foundComes = false;
  /** The line after the break fits again. */
  private isInStep: boolean | null = null;

  get isBroken(): boolean {
    return this.broken !== null;
  }

  /**
   * `expected`: the place that is due, null after the last; `found`: what the line says, null when it says none; `isGenuine`:
   * whether the line's bytes are those of the place that is due, null when nothing tells.
   */
  next(line: number, expected: number | null, found: number | null, isGenuine: boolean | null): void {
    if (this.broken === null) {
      if (expected === null || found !== expected || isGenuine === false) this.broken = { line, expected, found };
      return;
    }
    this.isInStep ??= expected !== null && found === expected;
    this.due(expected);
    if (found !== null && found === this.broken.expected) this.expectedComes = true;
    if (found !== null && found === this.broken.found) this.foundComes = true;
  }

  /** A place that is due although no line is left. The first of them, where all lines fitted, is where the log was cut off. */
  missing(line: number, expected: number): void {
    if (this.broken) this.due(expected);
    else this.broken = { line, expected, found: -1 };
  }

  /** As {@link missing}, for all places from `from` to before `to`. */
  missingRange(line: number, from: number, to: number): void {
    if (from < to) this.missing(line, from);
    const found = this.broken?.found ?? -1;
    if (found >= from && found < to) this.missing(line, found);
  }

  finding(where: string): Finding | null {
    if (this.broken === null) return null;
    const { line, expected, found } = this.broken;
    const place = { line, index: expected ?? found };
    const [kind, what] = this.tell(expected, found);
    return finding(kind, where, what, place);
  }

  private due(expected: number | null): void {
    if (expected !== null && expected === this.broken!.found) this.foundIsDue = true;
  }

  private tell(expected: number | null, found: number | null): [Finding['kind'], string] {
    const has = found === null ? 'a line that is no leaf' : `leaf ${found}`;
    if (expected === null) return ['insertion', `${has} comes after the last that belongs here`];
    if (found === -1) return ['truncation', 'nothing comes from here on'];
    if (this.expectedComes)
      return this.foundIsDue && !this.foundComes && found !== expected
        ? ['reorder', `${has} stands in the place of leaf ${expected}, which comes later`]
        : ['insertion', `${found === expected ? 'another line' : has} stands before leaf ${expected}`];
    if (found === expected) return ['edit', 'the bytes are not those that the log has here'];
    if (this.isInStep || found === null || found < expected)
      return ['edit', `${has} stands in the place of leaf ${expected}, which comes nowhere`];
    return ['deletion', `leaf ${expected} is missing: ${has} follows`];
  }
}
