import type { Leaf } from './leaf.js';
import type { EntryRow } from './log.repository.js';

const memberOf = (value: unknown, name: string): unknown =>
  (value as Record<string, unknown> | null | undefined)?.[name];

/** The first column beside a leaf that does not say what the leaf says; null when all do. Officers search by these columns. */
export function contradictingColumn(row: EntryRow, { event, subject }: Leaf): string | null {
  const columns: [string, boolean][] = [
    ['event_id', row.event_id === event.id],
    ['actor', row.actor === (memberOf(event.actor, 'id') ?? '')],
    ['subject', row.subject === subject],
    ['action', row.action === event.sub],
    ['outcome', row.outcome === event.out],
    ['request_id', row.request_id === event.req],
    ['session_id', row.session_id === (event.ses ?? null)],
    ['occurred', row.occurred.toISOString() === event.t],
  ];
  return columns.find(([, holds]) => !holds)?.[0] ?? null;
}
