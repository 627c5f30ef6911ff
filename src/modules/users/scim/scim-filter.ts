import { parse, type Compare, type Filter } from 'scim2-parse-filter';
import { validate as isUuid } from 'uuid';
import type { Params } from '../../../platform/database/accessible.js';
import { invalidFilter } from './scim.errors.js';
import { withoutSchema, type ResourceKind } from './scim.schemas.js';

const MAX_LENGTH = 2_000;
const MAX_DEPTH = 10;
const MAX_NODES = 50;

/** A JSON string without control characters: the parser's own pattern needs exponential time on unclosed ones with line breaks. */
const STRING = /"(?:[^"\\\p{Cc}]|\\.)*"/gu;

const unreadable = (): Error => invalidFilter();

/** The text with each string replaced by its number, and the strings, read as JSON; the parser mangles most escapes. */
function withoutStrings(text: string): { text: string; strings: string[] } {
  const strings: string[] = [];
  const rest = text.replace(STRING, (literal) => {
    try {
      strings.push(JSON.parse(literal) as string);
    } catch {
      throw unreadable();
    }
    return `"${strings.length - 1}"`;
  });
  return { text: rest, strings };
}

function checkDepth(text: string): void {
  let depth = 0;
  for (const char of text) {
    if (char === '(' || char === '[') depth++;
    else if (char === ')' || char === ']') depth--;
    if (depth > MAX_DEPTH) throw invalidFilter(`A filter may be nested ${MAX_DEPTH} deep here.`);
  }
}

/** A filter (RFC 7644 section 3.4.2.2) within limits of length, depth and size; anything else is 400 invalidFilter. */
export function parseFilter(filter: string): Filter {
  if (filter.length > MAX_LENGTH) throw invalidFilter(`A filter may have ${MAX_LENGTH} characters here.`);
  const { text, strings } = withoutStrings(filter);
  if (/["\\\p{Cc}]/u.test(text.replace(/"\d+"/g, ''))) throw unreadable();
  checkDepth(text);
  let tree: Filter;
  try {
    tree = parse(text);
  } catch {
    throw unreadable();
  }
  let nodes = 0;
  const restore = (node: Filter): Filter => {
    if (++nodes > MAX_NODES) throw invalidFilter(`A filter may have ${MAX_NODES} parts here.`);
    if ('filters' in node) return { ...node, filters: node.filters.map(restore) };
    if ('filter' in node) return { ...node, filter: restore(node.filter) };
    if ('valFilter' in node) return { ...node, valFilter: restore(node.valFilter) };
    if (!('compValue' in node) || typeof node.compValue !== 'string') return node;
    const value = strings[Number(node.compValue)];
    if (value === undefined || value.includes('\u0000')) throw unreadable();
    return { ...node, compValue: value };
  };
  return restore(tree);
}

/** How an attribute stands in the database. */
export type Column =
  /** Text that is compared without case; `key`: the column holds this form of it already. */
  | { kind: 'text'; sql: string; key?: (value: string) => string }
  | { kind: 'exact'; sql: string }
  | { kind: 'id'; sql: string }
  | { kind: 'flag'; sql: string }
  | { kind: 'time'; sql: string }
  /** The same for every resource. */
  | { kind: 'constant'; value: string | boolean }
  /** Something that there are many of: equality only. */
  | { kind: 'one-of'; sql: (param: string) => string };

/** Columns by path in lower case. */
export type Columns = Readonly<Record<string, Column>>;

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)$/;
const ORDER: Record<string, string> = { gt: '>', ge: '>=', lt: '<', le: '<=' };

const textOf = ({ compValue }: Compare): string => {
  if (typeof compValue !== 'string') throw invalidFilter('This attribute is compared with a text in quotes.');
  return compValue;
};

function flagOf({ op, compValue }: Compare): boolean {
  const text = String(compValue).toLowerCase();
  if ((op !== 'eq' && op !== 'ne') || (text !== 'true' && text !== 'false'))
    throw invalidFilter('A boolean is compared with true or false, by eq or ne.');
  return text === 'true';
}

function compareText(op: string, left: string, right: string): string {
  switch (op) {
    case 'eq':
      return `${left} = ${right}`;
    case 'ne':
      return `${left} IS DISTINCT FROM ${right}`;
    case 'co':
      return `strpos(${left}, ${right}) > 0`;
    case 'sw':
      return `starts_with(${left}, ${right})`;
    case 'ew':
      return `right(${left}, length(${right})) = ${right}`;
    default:
      return `${left} COLLATE "C" ${ORDER[op]!} ${right}`;
  }
}

function compareTime(node: Compare, sql: string, params: Params): string {
  const text = textOf(node);
  if (!TIME.test(text) || Number.isNaN(Date.parse(text)))
    throw invalidFilter('A time is compared with one such as 2026-11-22T09:00:00Z.');
  const right = `${params.add(new Date(text))}::timestamptz`;
  if (node.op === 'eq') return `${sql} = ${right}`;
  if (node.op === 'ne') return `${sql} IS DISTINCT FROM ${right}`;
  if (!ORDER[node.op]) throw invalidFilter('A time is compared by eq, ne, gt, ge, lt or le.');
  return `${sql} ${ORDER[node.op]!} ${right}`;
}

function compareConstant(node: Compare, value: string | boolean): string {
  if (node.op !== 'eq' && node.op !== 'ne') throw invalidFilter('This attribute is compared by eq or ne.');
  const isSame = typeof value === 'boolean' ? flagOf(node) === value : textOf(node).toLowerCase() === value;
  return String((node.op === 'eq') === isSame);
}

function compareId(node: Compare, sql: string, params: Params): string {
  const text = textOf(node);
  if (node.op !== 'eq' && node.op !== 'ne') return compareText(node.op, `${sql}::text`, `${params.add(text)}::text`);
  // What is no UUID is nobody's id.
  if (!isUuid(text)) return String(node.op === 'ne');
  return `${sql} ${node.op === 'eq' ? '=' : '<>'} ${params.add(text)}::uuid`;
}

function compare(node: Compare, column: Column, params: Params): string {
  switch (column.kind) {
    case 'text':
      return column.key
        ? compareText(node.op, column.sql, `${params.add(column.key(textOf(node)))}::text`)
        : compareText(node.op, `lower(${column.sql})`, `lower(${params.add(textOf(node))}::text)`);
    case 'exact':
      return compareText(node.op, column.sql, `${params.add(textOf(node))}::text`);
    case 'id':
      return compareId(node, column.sql, params);
    case 'flag':
      return `${column.sql} ${node.op === 'ne' ? '<>' : '='} ${String(flagOf(node))}`;
    case 'time':
      return compareTime(node, column.sql, params);
    case 'constant':
      return compareConstant(node, column.value);
    case 'one-of': {
      const text = textOf(node);
      if (node.op !== 'eq') throw invalidFilter('This attribute is compared by eq.');
      return isUuid(text) ? column.sql(`${params.add(text)}::uuid`) : 'false';
    }
  }
}

const OPERATORS = new Set(['eq', 'ne', 'co', 'sw', 'ew', 'gt', 'ge', 'lt', 'le']);

/**
 * A filter as a condition in SQL. Every value is a parameter, every column one of the table's: an attribute or operator that
 * is not known is 400 invalidFilter, never left out.
 */
export function filterToSql(filter: string, kind: ResourceKind, columns: Columns, params: Params): string {
  const columnOf = (path: string, parent: string): Column => {
    const name = withoutSchema(kind, path);
    const full = `${parent === '' ? '' : `${parent}.`}${name ?? ''}`.toLowerCase();
    if (name === null || !Object.hasOwn(columns, full))
      throw invalidFilter(`Filter by one of these attributes: ${Object.keys(columns).join(', ')}.`);
    return columns[full]!;
  };
  const present = (column: Column): string => {
    if (column.kind === 'one-of') throw invalidFilter('This attribute is compared by eq.');
    return column.kind === 'constant' ? 'true' : `(${column.sql} IS NOT NULL)`;
  };
  const toSql = (node: Filter, parent: string): string => {
    if (node.op === 'and' || node.op === 'or')
      return `(${node.filters.map((one) => toSql(one, parent)).join(node.op === 'and' ? ' AND ' : ' OR ')})`;
    // What has no value does not equal: NOT must not make it unknown.
    if (node.op === 'not') return `(NOT coalesce(${toSql(node.filter, parent)}, false))`;
    if (node.op === '[]') {
      if (parent !== '') throw unreadable();
      return `(${toSql(node.valFilter, withoutSchema(kind, node.attrPath) ?? '')})`;
    }
    if (node.op === 'pr') return present(columnOf(node.attrPath, parent));
    // The parser takes any word between two comparisons for an operator.
    if (!('compValue' in node) || !OPERATORS.has(node.op)) throw unreadable();
    return `(${compare(node, columnOf(node.attrPath, parent), params)})`;
  };
  return toSql(parseFilter(filter), '');
}
