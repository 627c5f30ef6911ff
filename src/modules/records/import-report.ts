import type { ImportStatus } from './import.dto.js';
import type { BundleType } from './import-intake.js';

export interface Issue {
  /** Place in the Bundle, from 0; null for the import as a whole. */
  entry: number | null;
  fullUrl: string | null;
  severity: 'error' | 'warning';
  code: string;
  path: string;
  /** A fixed sentence: never a value of the record. */
  detail: string;
}

export type Outcome = 'created' | 'updated' | 'unchanged' | 'rejected';
export type Counts = Record<Outcome, number>;
export type CountsByType = Record<string, Counts & { entries: number }>;

/** What an entry is called in the report. */
interface Named {
  index: number;
  fullUrl?: string;
  type: string;
}

// Far more than anybody reads; a hostile Bundle could ask for millions of rows.
const MAX_ISSUES = 10_000;
const MAX_TEXT = 500;
const TYPE_NAME = /^[A-Z][A-Za-z]{1,63}$/;

const noCounts = (): Counts => ({ created: 0, updated: 0, unchanged: 0, rejected: 0 });

/** What became of each entry of one Bundle, and why. */
export class ImportReport {
  private readonly outcomes = new Map<number, { type: string; outcome: Outcome }>();
  private errors: Issue[] = [];
  private warnings: Issue[] = [];
  private isFailed = false;

  constructor(
    private readonly bundleType: BundleType,
    readonly entries: number,
  ) {}

  reject(entry: Named, code: string, path: string, detail: string): void {
    this.errors.push({ ...this.named(entry), severity: 'error', code, path: path.slice(0, MAX_TEXT), detail });
    this.outcomes.set(entry.index, { type: TYPE_NAME.test(entry.type) ? entry.type : 'unknown', outcome: 'rejected' });
  }

  warn(entry: Named, code: string, path: string, detail: string): void {
    this.warnings.push({ ...this.named(entry), severity: 'warning', code, path: path.slice(0, MAX_TEXT), detail });
  }

  done(entry: Named, outcome: Exclude<Outcome, 'rejected'>): void {
    this.outcomes.set(entry.index, { type: entry.type, outcome });
  }

  /** A transaction with a broken entry stores nothing at all. */
  get mustFail(): boolean {
    return this.bundleType === 'transaction' && this.errors.length > 0;
  }

  fail(): void {
    this.isFailed = true;
  }

  get status(): ImportStatus {
    if (this.isFailed) return 'failed';
    return this.errors.length > 0 ? 'completed-with-issues' : 'completed';
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
    const kept = all.slice(0, MAX_ISSUES).sort((a, b) => (a.entry ?? -1) - (b.entry ?? -1));
    if (all.length > MAX_ISSUES) kept.push(tooMany);
    return kept;
  }

  /** Of a failed transaction only what was rejected: the other entries were neither stored nor found known. */
  private *counted(): Generator<{ type: string; outcome: Outcome }> {
    for (const one of this.outcomes.values()) if (!this.isFailed || one.outcome === 'rejected') yield one;
  }

  private named({ index, fullUrl }: Named): Pick<Issue, 'entry' | 'fullUrl'> {
    return { entry: index, fullUrl: fullUrl?.slice(0, MAX_TEXT) ?? null };
  }
}

const tooMany: Issue = {
  entry: null,
  fullUrl: null,
  severity: 'warning',
  code: 'too-many-issues',
  path: '',
  detail: 'There are more issues than are listed.',
};
