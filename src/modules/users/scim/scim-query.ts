import { invalidValue } from './scim.errors.js';
import { allAttributes, attributeOf, withoutSchema, type ResourceKind } from './scim.schemas.js';

/** Most resources of one page. */
export const MAX_COUNT = 200;
const DEFAULT_COUNT = 100;
const MAX_NAMES = 50;

/** Which attributes an answer has (RFC 7644 section 3.9). */
export interface Projection {
  only: readonly string[] | null;
  without: readonly string[];
}

export interface ListQuery extends Projection {
  filter: string | null;
  /** Place of the first one, counted from 1. */
  startIndex: number;
  count: number;
  /** Path in lower case. */
  sortBy: string | null;
  isDescending: boolean;
}

const textOf = (name: string, value: unknown): string | null => {
  if (value === undefined || value === '') return null;
  if (typeof value !== 'string') throw invalidValue(`${name} is one text.`);
  return value;
};

function wholeOf(name: string, value: unknown, otherwise: number): number {
  if (value === undefined || value === '') return otherwise;
  const text = typeof value === 'number' ? String(value) : value;
  if (typeof text !== 'string' || !/^-?\d{1,9}$/.test(text)) throw invalidValue(`${name} is a whole number.`);
  return Number(text);
}

function namesOf(kind: ResourceKind, name: string, value: unknown): string[] {
  const given = Array.isArray(value) ? value : (textOf(name, value)?.split(',') ?? []);
  if (given.length > MAX_NAMES) throw invalidValue(`${name} may hold ${MAX_NAMES} names.`);
  return given.map((one) => (withoutSchema(kind, String(one).trim()) ?? '').toLowerCase()).filter(Boolean);
}

/** `attributes` and `excludedAttributes` exclude each other; names that are none are ignored. */
export function projectionOf(kind: ResourceKind, query: Readonly<Record<string, unknown>>): Projection {
  const only = namesOf(kind, 'attributes', query.attributes);
  const without = namesOf(kind, 'excludedAttributes', query.excludedAttributes);
  if (only.length > 0 && without.length > 0) throw invalidValue('Send attributes or excludedAttributes, not both.');
  return { only: only.length > 0 ? only : null, without };
}

/** Parameters of a list, or the body of a search (RFC 7644 sections 3.4.2 and 3.4.3); out of range they are clamped as it says. */
export function listQueryOf(kind: ResourceKind, query: Readonly<Record<string, unknown>>): ListQuery {
  const sortOrder = textOf('sortOrder', query.sortOrder)?.toLowerCase() ?? 'ascending';
  if (sortOrder !== 'ascending' && sortOrder !== 'descending')
    throw invalidValue('sortOrder is ascending or descending.');
  const sortBy = textOf('sortBy', query.sortBy);
  return {
    ...projectionOf(kind, query),
    filter: textOf('filter', query.filter),
    startIndex: Math.max(1, wholeOf('startIndex', query.startIndex, 1)),
    count: Math.min(MAX_COUNT, Math.max(0, wholeOf('count', query.count, DEFAULT_COUNT))),
    sortBy: sortBy === null ? null : (withoutSchema(kind, sortBy) ?? '').toLowerCase(),
    isDescending: sortOrder === 'descending',
  };
}

/** Does the answer have this attribute? */
export function isAsked({ only, without }: Projection, name: string): boolean {
  const path = name.toLowerCase();
  if (without.includes(path)) return false;
  return only === null || only.some((one) => one === path || one.startsWith(`${path}.`));
}

const subNames = (names: readonly string[], name: string): string[] =>
  names.filter((one) => one.startsWith(`${name.toLowerCase()}.`)).map((one) => one.slice(name.length + 1));

function cut(value: unknown, only: readonly string[], without: readonly string[]): unknown {
  if (Array.isArray(value)) return value.map((one) => cut(one, only, without));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).filter(([key]) => {
      const name = key.toLowerCase();
      return !without.includes(name) && (only.length === 0 || only.includes(name));
    }),
  );
}

/** The resource with the attributes that were asked for; `id` and `schemas` always. */
export function project<T extends object>(kind: ResourceKind, resource: T, projection: Projection): T {
  if (projection.only === null && projection.without.length === 0) return resource;
  const kept: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(resource) as [string, unknown][]) {
    const attribute = attributeOf(allAttributes(kind), name);
    // What is no attribute (the version for the ETag) is never presented.
    if (!attribute || attribute.returned === 'always') kept[name] = value;
    else if (isAsked(projection, name)) {
      const isWhole = projection.only === null || projection.only.includes(name.toLowerCase());
      const only = isWhole ? [] : subNames(projection.only!, name);
      kept[name] = cut(value, only, subNames(projection.without, name));
    }
  }
  return kept as T;
}

/** The resources' common frame (RFC 7644 section 3.4.2). */
export interface Listed<T> {
  schemas: string[];
  totalResults: number;
  startIndex: number;
  itemsPerPage: number;
  Resources: T[];
}
