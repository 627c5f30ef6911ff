import { stringify } from 'csv-stringify/sync';
import { inclusionProof, type SubtreeHashes } from '../../../tlog/index.js';
import { auditEventOf } from './balp.js';
import { leafOf, type Entry } from './export-leaf.js';

/** A file with something for each entry: what it says of an entry depends on nothing but that entry. */
export interface LineFile {
  name: string;
  mediaType: string;
  /** What stands before the first entry. */
  head: string;
  lines(entries: readonly Entry[]): string | Promise<string>;
}

/** The log's own lines: the evidence. */
export const NDJSON: LineFile = {
  name: 'events.ndjson',
  mediaType: 'application/x-ndjson',
  head: '',
  lines: (entries) => entries.map(({ line }) => `${line}\n`).join(''),
};

/**
 * Columns of the table by JSON pointer (RFC 6901) into the leaf, so that a reader can hold cell against leaf. Of lists the first
 * items; what else a leaf holds stands in its last column.
 */
export const POINTERS: readonly string[] = [
  '/i',
  '/n',
  ...['id', 't', 'act', 'sub', 'out', 'err', 'actor/id', 'actor/roles/0', 'actor/roles/1', 'actor/roles/2'],
  ...['ses', 'pat', 'purp', 'cat/0', 'cat/1', 'cat/2', 'res/0/t', 'res/0/i', 'res/0/v', 'res/0/p', 'more', 'ask/id'],
  ...['http/m', 'http/route', 'http/st', 'http/ms', 'http/bytes', 'req', 'src', 'v'],
].map((name) => (name.startsWith('/') ? name : `/e/${name}`));

const STEPS = POINTERS.map((pointer) => pointer.slice(1).split('/'));

function cell(leaf: unknown, steps: readonly string[]): string {
  let value = leaf;
  for (const step of steps) value = (value as Record<string, unknown> | undefined)?.[step];
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
}

/**
 * `escape_formulas` puts ' before what a spreadsheet would run (= + - @, tab, CR). The leaf begins with { and stays as it is.
 * Lines end in LF, as those of the log: tools that cut lines would take a CR for a part of the leaf.
 */
const rows = (cells: readonly (readonly string[])[]): string =>
  stringify(cells as string[][], { escape_formulas: true, record_delimiter: '\n' });

export const CSV: LineFile = {
  name: 'events.csv',
  mediaType: 'text/csv; charset=utf-8; header=present',
  head: rows([[...POINTERS, 'leaf']]),
  lines: (entries) =>
    rows(
      entries.map((entry) => {
        const leaf = leafOf(entry);
        return [...STEPS.map((steps) => cell(leaf, steps)), entry.line];
      }),
    ),
};

export const fhir = (base: string): LineFile => ({
  name: 'events.fhir.ndjson',
  mediaType: 'application/fhir+ndjson',
  head: '',
  lines: (entries) => entries.map((entry) => `${JSON.stringify(auditEventOf(entry, base))}\n`).join(''),
});

/** What opens the commitments of the lines (RFC 9901); what was erased is missing. */
export const DISCLOSURES: LineFile = {
  name: 'disclosures.ndjson',
  mediaType: 'application/x-ndjson',
  head: '',
  lines: (entries) =>
    entries
      .filter(({ disclosure }) => typeof disclosure === 'string')
      .map(({ index, disclosure }) => `${JSON.stringify({ leafIndex: index, disclosure })}\n`)
      .join(''),
};

/** One inclusion proof a line, in the order of the lines (RFC 6962 §2.1.1). */
export const proofs = (treeSize: number, hashes: SubtreeHashes): LineFile => ({
  name: 'proofs.ndjson',
  mediaType: 'application/x-ndjson',
  head: '',
  async lines(entries) {
    let text = '';
    for (const { index } of entries) {
      const path = await inclusionProof(index, treeSize, hashes);
      const proof = { leafIndex: index, treeSize, hashes: path.map((hash) => hash.toString('base64')) };
      text += `${JSON.stringify(proof)}\n`;
    }
    return text;
  },
});
