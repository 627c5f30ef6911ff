import { Injectable } from '@nestjs/common';
import { Params } from '../../../platform/database/accessible.js';
import { entryConditions, PLACE } from '../entry-filter.js';
import { ArchivedLeaves } from '../retention/archived-leaves.js';
import { archivedRows } from '../retention/archived-rows.js';
import { AuditorPool } from '../tree/auditor-pool.js';
import { LogGap } from '../tree/tree.repository.js';
import type { Entry } from './export-leaf.js';
import { planOf, type Plan } from './export-plan.js';
import type { FixedExport } from './export.repository.js';

/** Entries of one query. */
const PAGE = 500;
/** Entries at once: of 60 kB each at most, half a kilobyte as they are. Written out they stay below what the collector calls large. */
const PORTION = 40;
/** Places that one statement looks at, however few of them it finds: none runs long, and the progress is seen. */
const WINDOW = 50_000;

interface Row {
  idx: string;
  leaf: string;
  leaf_hash: Buffer;
  disclosure?: string | null;
}

export interface EntryPage {
  entries: Entry[];
  /** All places before this one have been looked at. */
  position: number;
}

const entryOf = ({ idx, leaf, leaf_hash: storedHash, disclosure }: Row): Entry => ({
  index: Number(idx),
  line: leaf,
  storedHash,
  disclosure,
});

/** The entries of an export in the order of the log, page by page: never more than one page is in memory. */
@Injectable()
export class ExportEntries {
  constructor(
    private readonly pool: AuditorPool,
    private readonly archive: ArchivedLeaves,
  ) {}

  /** From behind the place `after` on. Throws {@link LogGap} where an entry is missing that must be there. */
  async *pages(row: FixedExport, after: number | null): AsyncGenerator<EntryPage, void, undefined> {
    const plan = planOf(row.filter, row.ownIdx, row.treeSize);
    const begin = after === null ? plan.from : Math.max(plan.from, after + 1);
    for (let at = begin; at < plan.to;) {
      const page = await this.page(row, plan, at);
      for (let n = 0; n < page.entries.length; n += PORTION) {
        const entries = page.entries.slice(n, n + PORTION);
        yield { entries, position: entries.at(-1)!.index + 1 };
      }
      yield { entries: [], position: page.position };
      at = page.position;
    }
    if (plan.ownLast === null || (after !== null && after >= plan.ownLast)) return;
    const params = new Params();
    const own = [`e.idx = ${params.add(plan.ownLast)}`];
    const entries = await this.read(row, own, params);
    if (entries.length === 0)
      entries.push(
        ...((await this.archived(row, { ...plan, to: plan.ownLast + 1 }, plan.ownLast, false))?.entries ?? []),
      );
    if (entries.length === 0) throw new LogGap(0, plan.ownLast);
    yield { entries, position: plan.ownLast + 1 };
  }

  private async page(row: FixedExport, plan: Plan, at: number): Promise<EntryPage> {
    const until = Math.min(plan.to, at + WINDOW);
    const params = new Params();
    const where = [`e.idx >= ${params.add(at)}`, `e.idx < ${params.add(until)}`];
    if (plan.kind === 'events') where.push(...entryConditions(row.filter, params));
    const entries = await this.read(row, where, params);
    // Asked afterwards: a block that left the database meanwhile is in the archive by now.
    if (entries[0]?.index !== at) {
      const archived = await this.archived(row, plan, at, plan.kind === 'events');
      if (archived) return archived;
    }
    const isFull = entries.length === PAGE;
    if (plan.kind !== 'events') {
      const hole = entries.findIndex(({ index }, n) => index !== at + n);
      if (hole >= 0) throw new LogGap(0, at + hole);
      if (!isFull && entries.length < until - at) throw new LogGap(0, at + entries.length);
    }
    return { entries, position: isFull ? entries.at(-1)!.index + 1 : until };
  }

  /** The same out of the archive; null: it has no entry of this place. */
  private async archived(row: FixedExport, plan: Plan, at: number, isFiltered: boolean): Promise<EntryPage | null> {
    const found = await archivedRows(this.archive, at, plan.to);
    if (!found) return null;
    const params = new Params();
    const where = isFiltered ? entryConditions(row.filter, params) : [];
    return { entries: await this.read(row, where, params, found.from(params)), position: found.end };
  }

  private async read(
    { isDisclosing }: FixedExport,
    where: string[],
    { values }: Params,
    from = 'audit.entry',
  ): Promise<Entry[]> {
    const narrowed = where.length > 0 ? `WHERE ${where.join(' AND ')}` : '';
    // First the page, then what opens its lines: joined the other way round, every page would open the whole window.
    const page = (more: string) =>
      `SELECT e.idx, e.leaf, e.leaf_hash${more} FROM ${from} e ${narrowed} ORDER BY e.idx LIMIT ${PAGE}`;
    const opened = `SELECT p.*, d.disclosure FROM (${page(`, ${PLACE} AS place`)}) p
      LEFT JOIN audit.disclosure d ON d.digest = p.place ORDER BY p.idx`;
    const rows = await this.pool.query<Row>(isDisclosing ? opened : page(''), values);
    return rows.map(entryOf);
  }
}
