import type { BundleType } from './import-intake.js';

export interface Issue {
  /** Place in the Bundle, from 0; null for the import as a whole, and for a file of lines. */
  entry: number | null;
  /** Line of the file, from 1; null in a Bundle. */
  line: number | null;
  fullUrl: string | null;
  severity: 'error' | 'warning';
  code: string;
  path: string;
  /** A fixed sentence: never a value of the record. */
  detail: string;
}

export type Outcome = 'created' | 'updated' | 'unchanged' | 'deleted' | 'quarantined' | 'rejected';
export type Counts = Record<Outcome, number>;
export type CountsByType = Record<string, Counts & { entries: number }>;

/** What an entry is called in the report. */
export interface Named {
  /** Entry of the Bundle, or line of the file. */
  index: number;
  /** Which one, where a line holds several. */
  part?: number;
  fullUrl?: string;
  type: string;
}

// Far more than anybody reads; a hostile Bundle could ask for millions of rows.
export const MAX_ISSUES = 10_000;
const MAX_TEXT = 500;
const TYPE_NAME = /^[A-Z][A-Za-z]{1,63}$/;

export const noCounts = (): Counts => ({
  created: 0,
  updated: 0,
  unchanged: 0,
  deleted: 0,
  quarantined: 0,
  rejected: 0,
});

/** What became of each entry of one Bundle, or of some lines of a file, and why. */
export class ImportReport {
  private readonly outcomes = new Map<string, { type: string; outcome: Outcome }>();
  /** Records that were stored with findings of the profiles that they claim. */
  flagged = 0;
  private errors: Issue[] = [];
  private warnings: Issue[] = [];
  private isFailed = false;

  constructor(
    private readonly bundleType: BundleType | 'ndjson' | 'hl7-v2',
    /** Issues that there is still room for; below 0: it was said already that there are too many. */
    private readonly room = MAX_ISSUES,
  ) {}

  get entries(): number {
    return this.outcomes.size;
  }

  /** Only a transaction, and a message, are refused as a whole for one broken entry. */
  get isAtomic(): boolean {
    return this.bundleType === 'transaction' || this.bundleType === 'hl7-v2';
  }

  reject(entry: Named, code: string, path: string, detail: string): void {
    this.error(entry, code, path, detail);
    this.settle(entry, 'rejected');
  }

  /** It is kept, apart from the charts, until somebody has put it right. */
  quarantine(entry: Named, code: string, path: string, detail: string): void {
    this.error(entry, code, path, detail);
    this.settle(entry, 'quarantined');
  }

  warn(entry: Named, code: string, path: string, detail: string): void {
    this.warnings.push({ ...this.named(entry), severity: 'warning', code, path: path.slice(0, MAX_TEXT), detail });
  }

  done(entry: Named, outcome: Exclude<Outcome, 'rejected'>): void {
    this.settle(entry, outcome);
  }

  /** A transaction with a broken entry stores nothing at all. */
  get mustFail(): boolean {
    return this.isAtomic && this.errors.length > 0;
  }

  fail(): void {
    this.isFailed = true;
  }

  get hasFailed(): boolean {
    return this.isFailed;
  }

  get counts(): Counts {
    const counts = noCounts();
    for (const { outcome } of this.counted()) counts[outcome]++;
    return counts;
  }

  get byType(): CountsByType {
    // A Map: a type is the sender's word, and an object would take `__proto__` for something else.
    const byType = new Map<string, Counts & { entries: number }>();
    for (const { type, outcome } of this.counted()) {
      const counts = byType.get(type) ?? { entries: 0, ...noCounts() };
      counts.entries++;
      counts[outcome]++;
      byType.set(type, counts);
    }
    return Object.fromEntries([...byType].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  /** By entry; errors before warnings where there are too many for all. */
  get issues(): Issue[] {
    const all = [...this.errors, ...this.warnings];
    const kept = all
      .slice(0, Math.max(this.room, 0))
      .sort((a, b) => (a.entry ?? a.line ?? -1) - (b.entry ?? b.line ?? -1));
    if (this.room >= 0 && all.length > this.room) kept.push(tooMany);
    return kept;
  }

  /** Of a failed transaction only what was rejected: the other entries were neither stored nor found known. */
  private *counted(): Generator<{ type: string; outcome: Outcome }> {
    for (const one of this.outcomes.values()) if (!this.isFailed || one.outcome === 'rejected') yield one;
  }

  private error(entry: Named, code: string, path: string, detail: string): void {
    this.errors.push({ ...this.named(entry), severity: 'error', code, path: path.slice(0, MAX_TEXT), detail });
  }

  private settle({ index, part = 0, type }: Named, outcome: Outcome): void {
    this.outcomes.set(`${index}.${part}`, { type: TYPE_NAME.test(type) ? type : 'unknown', outcome });
  }

  private named({ index, fullUrl }: Named): Pick<Issue, 'entry' | 'line' | 'fullUrl'> {
    const isByLine = this.bundleType === 'ndjson' || this.bundleType === 'hl7-v2';
    const place = isByLine ? { entry: null, line: index } : { entry: index, line: null };
    return { ...place, fullUrl: fullUrl?.slice(0, MAX_TEXT) ?? null };
  }
}

const tooMany: Issue = {
  entry: null,
  line: null,
  fullUrl: null,
  severity: 'warning',
  code: 'too-many-issues',
  path: '',
  detail: 'There are more issues than are listed.',
};
