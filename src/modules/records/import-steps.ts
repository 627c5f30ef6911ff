import { keyOf, identityOf } from './import-candidates.js';
import type { InspectedEntry } from './import-intake.js';
import type { ImportJob } from './import-job.js';
import { noCounts, type CountsByType, type ImportReport, type Named } from './import-report.js';

const NOT_STORABLE = 'The record cannot be stored: a value in it is beyond what the database takes.';

/** A line that the database does not take. */
export function refuseLine(report: ImportReport, line: readonly InspectedEntry[]): void {
  for (const { index, part, resource } of line) {
    const named: Named = { index, part, type: resource?.inspection.resourceType ?? 'unknown' };
    report.reject(named, 'not-storable', '', NOT_STORABLE);
  }
}

/** Deletions of an export are as old as the export where they do not say it themselves. */
export const withClock = (
  entries: readonly InspectedEntry[],
  { transactionTime }: ImportJob,
): readonly InspectedEntry[] =>
  transactionTime === null
    ? entries
    : entries.map((entry) =>
        entry.request?.method === 'DELETE'
          ? { ...entry, deletedAt: entry.deletedAt ?? transactionTime.toISOString() }
          : entry,
      );

/** Lines are independent: where one record stands in several, each is a version, in the order of the file. */
export function rounds(entries: readonly InspectedEntry[], source: string): InspectedEntry[][] {
  const seen = new Map<string, number>();
  const found: InspectedEntry[][] = [];
  for (const entry of entries) {
    const key = identityOf(entry, source);
    const round = key ? (seen.get(keyOf(key)) ?? 0) : 0;
    if (key) seen.set(keyOf(key), round + 1);
    (found[round] ??= []).push(entry);
  }
  return found;
}

export function add(job: ImportJob, report: ImportReport): void {
  const { counts, byType } = report;
  job.entries += report.entries;
  job.flagged += report.flagged;
  for (const [outcome, count] of Object.entries(counts)) job.counts[outcome as keyof typeof counts] += count;
  // A Map: a type is the sender's word, and an object would take `__proto__` for something else.
  const all = new Map(Object.entries(job.byType));
  for (const [type, more] of Object.entries(byType)) {
    const sum: CountsByType[string] = { entries: 0, ...noCounts(), ...all.get(type) };
    for (const [name, count] of Object.entries(more)) sum[name as keyof typeof sum] += count;
    all.set(type, sum);
  }
  job.byType = Object.fromEntries([...all].sort(([a], [b]) => (a < b ? -1 : 1)));
}
