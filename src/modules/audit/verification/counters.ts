import { finding, type Finding } from './findings.js';
import type { Leaf } from './leaf.js';

/**
 * The counter of each patient (`/n`): inclusion alone cannot show that a patient's events are all there, numbers that follow
 * each other can. Keeps one number a patient, whatever the number of events.
 */
export class Counters {
  private readonly seen = new Map<string, { first: number; last: number }>();

  /** `fromStart`: the first event of each patient has to be its number 1. `isEveryEvent`: none may be left out in between. */
  constructor(private readonly rule: { fromStart: boolean; isEveryEvent: boolean }) {}

  /** Patients seen. */
  get size(): number {
    return this.seen.size;
  }

  /** From which of their numbers to which each patient's events are here. */
  spans(): { subject: string; from: number; to: number }[] {
    return [...this.seen].map(([subject, { first, last }]) => ({ subject, from: first, to: last }));
  }

  check(leaf: Leaf, where: string, line: number | null): Finding | null {
    const place = { line, index: leaf.index };
    if (leaf.subject === null)
      return leaf.count === null ? null : finding('edit', where, 'an event of no patient has a number', place);
    if (leaf.count === null) return finding('edit', where, "the event has no number among its patient's", place);
    const span = this.seen.get(leaf.subject);
    const before = span?.last ?? (this.rule.fromStart ? 0 : null);
    if (!span) this.seen.set(leaf.subject, { first: leaf.count, last: leaf.count });
    else if (leaf.count > span.last) span.last = leaf.count;
    if (before === null || leaf.count === before + 1) return null;
    if (leaf.count <= before)
      return finding('insertion', where, `number ${leaf.count} of a patient comes after number ${before}`, place);
    return this.rule.isEveryEvent
      ? finding(
          'deletion',
          where,
          `number ${leaf.count} of a patient follows number ${before}: events between are missing`,
          place,
        )
      : null;
  }
}
