import { Readable, pipeline } from 'node:stream';
import { CsvError, parse, type InfoRecord } from 'csv-parse';
import { finding, Refusal } from './findings.js';
import { canonical, type Leaf } from './leaf.js';
import { linesOf, membersOf } from './lines.js';

/** One line of an export, whatever its form: the leaf's bytes that it carries, and how its other words are held against them. */
export interface LeafLine {
  line: number;
  /** Empty where the line carries none. */
  leaf: Buffer;
  /** False for a last line that is cut off. */
  isWhole: boolean;
  /** What of the line contradicts the leaf, and what disclosures have opened of it; null when nothing does. */
  contradiction: ((leaf: Leaf, opened: readonly unknown[]) => string | null) | null;
}

const LONGEST_LEAF = 65_535;
/** A leaf in base64 and the resource around it. */
const LONGEST_FHIR = 1_000_000;
const LONGEST_RECORD = 1_000_000;

/** `events.ndjson`: the line is the leaf. */
export async function* ndjsonLeaves(chunks: AsyncIterable<Buffer>, where: string): AsyncGenerator<LeafLine> {
  for await (const { number, bytes, isWhole } of linesOf(chunks, where, LONGEST_LEAF))
    yield { line: number, leaf: bytes, isWhole, contradiction: null };
}

const pointerParts = (pointer: string): string[] =>
  pointer
    .slice(1)
    .split('/')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));

/** The value that a JSON pointer (RFC 6901) leads to, as a cell has it: text as it is, nothing for nothing, else JSON. */
function cellOf(leaf: unknown, parts: readonly string[]): string {
  let value = leaf;
  for (const part of parts) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return '';
    value = (value as Record<string, unknown>)[part];
  }
  if (value === undefined || value === null) return '';
  return typeof value === 'string' ? value : canonical(value);
}

/** Cells that a spreadsheet would take for a formula stand behind an apostrophe. */
const isCell = (cell: string, value: string): boolean =>
  cell === value || (/^[=+\-@\t\r\uFF1D\uFF0B\uFF0D\uFF20]/.test(value) && cell === `'${value}`);

function columnsOf(header: readonly string[], where: string): { name: string; parts: string[] }[] {
  if (header.at(-1) !== 'leaf' || header.slice(0, -1).some((name) => !name.startsWith('/')))
    throw new Refusal(finding('edit', where, 'the headers are JSON pointers, and `leaf` is the last', { line: 1 }));
  return header.slice(0, -1).map((name) => ({ name, parts: pointerParts(name) }));
}

/** `events.csv`: the leaf is the last column, and every other cell is what its header points to in the leaf. */
export async function* csvLeaves(chunks: AsyncIterable<Buffer>, where: string): AsyncGenerator<LeafLine> {
  const parser = parse({ info: true, max_record_size: LONGEST_RECORD });
  // The parser is destroyed with the error of either, and tells it to whoever reads.
  pipeline(Readable.from(chunks), parser, () => undefined);
  let columns: { name: string; parts: string[] }[] | null = null;
  try {
    for await (const { record, info } of parser as AsyncIterable<{ record: string[]; info: InfoRecord }>) {
      if (columns === null) {
        columns = columnsOf(record, where);
        continue;
      }
      const named = columns;
      const contradiction = ({ index, count, event }: Leaf): string | null => {
        const whole = { e: event, i: index, n: count };
        const wrong = named.find(({ parts }, at) => !isCell(record[at]!, cellOf(whole, parts)));
        return wrong ? `the cell of ${wrong.name} is not what the leaf says` : null;
      };
      yield { line: info.lines, leaf: Buffer.from(record.at(-1)!), isWhole: true, contradiction };
    }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const line = typeof error.lines === 'number' ? error.lines : null;
    throw new Refusal(finding('edit', where, 'the record is malformed', { line }));
  }
  if (columns === null) throw new Refusal(finding('truncation', where, 'the file has no header', { line: 1 }));
}

type Json = Record<string, unknown>;

interface Resource {
  id?: unknown;
  action?: unknown;
  outcome?: unknown;
  recorded?: unknown;
  extension?: Json[];
  agent?: Json[];
  entity?: Json[];
}

const inside = (value: unknown, ...path: string[]): unknown =>
  path.reduce((inner, name) => (inner as Json | null | undefined)?.[name], value);

const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

const extensionOf = (resource: Resource, name: string): unknown =>
  listOf(resource.extension).find((one) => String(inside(one, 'url')).endsWith(`/${name}`));

/** What every form of AuditEvent has to say of the leaf: who, when, what, how it ended, whose data, and from where. */
function contradictionOf(
  resource: Resource,
  { index, event, subject }: Leaf,
  opened: readonly unknown[],
): string | null {
  const patients = listOf(resource.entity)
    .filter((one) => inside(one, 'type', 'code') === '1')
    .map((one) => inside(one, 'what', 'reference'));
  const users = listOf(resource.agent).map((one) => inside(one, 'who', 'identifier', 'value'));
  const addresses = listOf(resource.agent)
    .filter((one) => inside(one, 'network', 'type') === '2')
    .map((one) => inside(one, 'network', 'address'));
  const known = opened.map((value) => inside(value, 'ip'));
  const user = inside(event.actor, 'id');
  const facts: [string, boolean][] = [
    ['the extension audit-leaf-index', inside(extensionOf(resource, 'audit-leaf-index'), 'valueString') === `${index}`],
    ['id', resource.id === event.id],
    ['recorded', resource.recorded === event.t],
    ['action', resource.action === event.act],
    ['outcome', resource.outcome === JSON.stringify(event.out)],
    ['the patient', JSON.stringify(patients) === JSON.stringify(subject === null ? [] : [`Patient/${subject}`])],
    ['the user', user === undefined || users.includes(user)],
    ['the network address', addresses.every((address) => address === undefined || known.includes(address))],
  ];
  const wrong = facts.find(([, holds]) => !holds);
  return wrong ? `${wrong[0]} is not what the leaf says` : null;
}

/** `events.fhir.ndjson`: the leaf is in the extension `…/audit-leaf` of each AuditEvent. */
export async function* fhirLeaves(chunks: AsyncIterable<Buffer>, where: string): AsyncGenerator<LeafLine> {
  for await (const { number, bytes, isWhole } of linesOf(chunks, where, LONGEST_FHIR)) {
    const resource: Resource = membersOf(bytes);
    const text = inside(extensionOf(resource, 'audit-leaf'), 'valueBase64Binary');
    const leaf = typeof text === 'string' ? Buffer.from(text, 'base64') : Buffer.alloc(0);
    const isExact = leaf.length > 0 && leaf.toString('base64') === text;
    yield {
      line: number,
      leaf: isExact ? leaf : Buffer.alloc(0),
      isWhole,
      contradiction: (held, opened) => contradictionOf(resource, held, opened),
    };
  }
}
