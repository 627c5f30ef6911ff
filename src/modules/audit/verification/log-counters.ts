import { LRUCache } from 'lru-cache';
import { finding, type Finding } from './findings.js';
import { readLeaf, type Leaf } from './leaf.js';
import type { LogRepository } from './log.repository.js';

const KEPT = 100_000;
const TABLE = 'audit.entry';

interface Counted {
  leaf: Leaf;
  index: number;
}

/** Each patient's events are numbered from 1 without a gap. The numbers of a bounded lot of patients are kept, others are asked for. */
export class LogCounters {
  private readonly last = new LRUCache<string, number>({ max: KEPT });

  /** `isComplete`: entries before the first place that is left were archived: then a patient may begin with any number. */
  constructor(
    private readonly log: LogRepository,
    private readonly isFromStart: boolean,
  ) {}

  /** Leaves of one page, in order; `from`: the first place of the page. */
  async check(page: readonly Counted[], from: number): Promise<Finding | null> {
    const subjects = new Set(page.map(({ leaf }) => leaf.subject).filter((one) => one !== null));
    const unknown = [...subjects].filter((subject) => !this.last.has(subject));
    const before = unknown.length === 0 ? new Map<string, string | null>() : await this.log.leavesBefore(unknown, from);
    for (const [subject, line] of before) {
      const count = line === null ? (this.isFromStart ? 0 : null) : readLeaf(Buffer.from(line)).count;
      if (count !== null) this.last.set(subject, count);
    }
    for (const one of page) {
      const found = this.one(one);
      if (found) return found;
    }
    return null;
  }

  private one({ leaf: { subject, count }, index }: Counted): Finding | null {
    if (subject === null)
      return count === null ? null : finding('edit', TABLE, 'an event of no patient has a number', { index });
    if (count === null) return finding('edit', TABLE, "the event has no number among its patient's", { index });
    const before = this.last.get(subject);
    this.last.set(subject, count);
    if (before === undefined || count === before + 1) return null;
    return count > before
      ? finding('deletion', TABLE, `number ${count} of a patient follows number ${before}`, { index })
      : finding('insertion', TABLE, `number ${count} of a patient comes after number ${before}`, { index });
  }
}
