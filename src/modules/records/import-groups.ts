import { FhirReadError, readAdvice, readBundle, type ResourceInspector } from '../../fhir/index.js';
import type { AttachmentSieve } from './attachment-sieve.js';
import { exactInstantOf } from '../../fhir/index.js';
import type { InspectedEntry } from './import-intake.js';
import { linesOf, type Line, type LinesFrom } from './import-lines.js';

/** Lines that are stored in one transaction, inspected. */
export interface LineGroup {
  entries: InspectedEntry[];
  refused: { line: number; code: string; detail: string }[];
  /** Where the next group begins. */
  next: LinesFrom;
}

// One commit for so many lines; what one group holds is in memory a few times, and the next one beside it.
const GROUP_LINES = 500;
const GROUP_BYTES = 4 * 1024 * 1024;
const ONE_BUNDLE = { maxDepth: 200, maxEntries: 20_000 };

/** Groups of a file's lines from a byte on, in its order. */
export async function* groupsOf(
  body: AsyncIterable<Buffer>,
  from: LinesFrom,
  maxLineBytes: number,
  inspector: ResourceInspector,
  sieve: AttachmentSieve,
): AsyncGenerator<LineGroup> {
  let lines: Line[] = [];
  let bytes = 0;
  for await (const line of linesOf(sieve.through(body), from, maxLineBytes, () => sieve.removed)) {
    lines.push(line);
    bytes += line.text?.length ?? 0;
    if (lines.length < GROUP_LINES && bytes < GROUP_BYTES) continue;
    yield await inspected(lines, maxLineBytes, inspector);
    [lines, bytes] = [[], 0];
  }
  if (lines.length > 0) yield await inspected(lines, maxLineBytes, inspector);
}

async function inspected(
  lines: readonly Line[],
  maxLineBytes: number,
  inspector: ResourceInspector,
): Promise<LineGroup> {
  const readable = lines.filter((line) => line.text !== undefined);
  const inspections = await inspector.inspectMany(readable.map(({ text }) => text!));
  const last = lines.at(-1)!;
  const group: LineGroup = { entries: [], refused: [], next: { byte: last.next, line: last.number } };
  for (const { number, fault } of lines)
    if (fault) group.refused.push({ line: number, code: fault, detail: readAdvice(fault) });
  for (const [at, { number, text }] of readable.entries()) {
    const inspection = inspections[at]!;
    const { resourceType, findings } = inspection;
    if (resourceType === undefined) {
      const [{ code, detail } = UNREADABLE] = findings;
      group.refused.push({ line: number, code, detail });
    } else if (resourceType === 'Bundle' && isCarrier(text!)) {
      await unpack(number, text!, maxLineBytes, group);
    } else group.entries.push({ index: number, resource: { text: text!, inspection } });
  }
  return group;
}

const UNREADABLE = { code: 'missing-type', detail: 'The line is no FHIR resource: it has no resourceType.' };

/** A Bundle that says what to do is a message; a document, such as a patient summary, is a record itself. */
const isCarrier = (text: string): boolean => {
  const { type } = JSON.parse(text) as { type?: unknown };
  return type === 'transaction' || type === 'batch';
};

/**
 * A line of a `deleted` file is a transaction Bundle of DELETEs: https://hl7.org/fhir/uv/bulkdata/export.html#response---complete-status.
 * All or nothing: a line that also brings records is refused, because lines are no place for Bundles of those.
 */
async function unpack(line: number, text: string, maxBytes: number, group: LineGroup): Promise<void> {
  const entries: InspectedEntry[] = [];
  const body = (async function* () {
    yield await Promise.resolve(Buffer.from(text, 'utf8'));
  })();
  try {
    const { timestamp } = await readBundle(body, { ...ONE_BUNDLE, maxEntryBytes: maxBytes, maxBytes }, (entry) => {
      entries.push({ index: line, part: entry.index, fullUrl: entry.fullUrl, request: entry.request });
    });
    const deletedAt = timestamp === undefined ? undefined : exactInstantOf(timestamp);
    if (entries.every(({ request }) => request?.method === 'DELETE'))
      group.entries.push(...entries.map((entry) => ({ ...entry, deletedAt })));
    else group.refused.push({ line, ...NOT_ONLY_DELETIONS });
  } catch (error) {
    if (!(error instanceof FhirReadError)) throw error;
    group.refused.push({ line, code: error.code, detail: error.message });
  }
}

const NOT_ONLY_DELETIONS = {
  code: 'bundle-in-lines',
  detail: 'A Bundle in a file of lines deletes and does nothing else: send what it brings as lines of their own.',
};
