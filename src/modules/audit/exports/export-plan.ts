import { TILE, tileTotal, tileWidth, type TileName } from '../../../tlog/index.js';
import type { EntryFilter } from '../entry-filter.js';

/** Which events were asked for: by what they say, or by their places. Both ends of a range are in it. */
export interface ExportFilter extends EntryFilter {
  fromSeq?: number;
  toSeq?: number;
}

/** What an export holds, once its own event has its place and a checkpoint covers it. */
export interface Plan {
  /** `log`: all that the checkpoint covers; `range`: lines without a gap, shown by tiles; `events`: chosen ones, each with its proof. */
  kind: 'log' | 'range' | 'events';
  /** Places that are searched: from here up to, and without, `to`. */
  from: number;
  to: number;
  /** Place of the export's own event, where it is to be the last line, whatever the filter says. */
  ownLast: number | null;
}

const isNarrowed = ({ fromSeq: _, toSeq: __, ...filter }: ExportFilter): boolean =>
  Object.values(filter).some((value) => value !== undefined);

/**
 * An export ends with its own event, so that nothing newer can be hidden either; only a range whose end was asked for ends
 * there, because a line beyond a gap would make it none.
 */
export function planOf(filter: ExportFilter, ownIdx: number, treeSize: number): Plan {
  const from = filter.fromSeq ?? 0;
  const isClosed = filter.toSeq !== undefined;
  const to = isClosed ? filter.toSeq! + 1 : ownIdx + 1;
  if (isNarrowed(filter)) return { kind: 'events', from, to: Math.min(to, ownIdx), ownLast: ownIdx };
  return { kind: from === 0 && to === treeSize ? 'log' : 'range', from, to, ownLast: null };
}

/** Patients whose events must all be there, one counter after the other: nothing but their ids (and a beginning) narrows the export. */
export function completeFor({ fromSeq: _, patientIds, ...filter }: ExportFilter): readonly string[] {
  return Object.values(filter).every((value) => value === undefined) ? (patientIds ?? []) : [];
}

/**
 * The hash tiles by which a range leads to the root: those above each of its leaves, and on every level the last one, whose
 * hashes are the tree's right edge.
 */
export function* tilesOf(from: number, to: number, treeSize: number): Generator<TileName & { level: number }> {
  for (let level = 0; tileTotal(level, treeSize) > 0; level++) {
    const span = TILE ** (level + 1);
    const last = Math.ceil(tileTotal(level, treeSize) / TILE) - 1;
    const until = Math.min(last, Math.floor((to - 1) / span));
    for (let n = Math.floor(from / span); n <= until; n++) yield { level, n, width: tileWidth(level, n, treeSize) };
    if (until < last) yield { level, n: last, width: tileWidth(level, last, treeSize) };
  }
}
