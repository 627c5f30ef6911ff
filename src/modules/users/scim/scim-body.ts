import type { Type } from '@nestjs/common';
import { validationPipe } from '../../../platform/http/validation.js';
import { invalidSyntax } from './scim.errors.js';
import { allAttributes, attributeOf, withoutSchema, type Attribute, type ResourceKind } from './scim.schemas.js';

export type Plain = Record<string, unknown>;

export const isPlain = (value: unknown): value is Plain =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Null, an empty list and, as some directories send it, an empty text: the attribute has no value (RFC 7643 section 2.5). */
export const isUnassigned = (value: unknown): boolean =>
  value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0);

/** Entra ID sends "True" and "False" for booleans. */
function tidyFlag(value: unknown): unknown {
  if (typeof value !== 'string' || !/^(true|false)$/i.test(value)) return value;
  return value.toLowerCase() === 'true';
}

function tidyOne(value: unknown, attribute: Attribute): unknown {
  if (attribute.type === 'boolean') return tidyFlag(value);
  if (!attribute.subAttributes) return value;
  if (isPlain(value)) return pick(value, attribute.subAttributes);
  // `["a@b"]` in place of `[{"value": "a@b"}]`.
  return attribute.multiValued && typeof value === 'string' ? { value } : value;
}

/** One attribute's value in the form that everything behind expects: known names in their own case, booleans, lists as lists. */
export function tidyValue(value: unknown, attribute: Attribute): unknown {
  if (attribute.multiValued) return [value].flat().map((one) => tidyOne(one, attribute));
  // Entra's older form of a single value: `[{"value": "x"}]`.
  if (Array.isArray(value) && value.length === 1 && !attribute.subAttributes) {
    const [only] = value as unknown[];
    return tidyOne(isPlain(only) && 'value' in only ? only.value : only, attribute);
  }
  return tidyOne(value, attribute);
}

/** What is not in the table, is read-only, or has no value is left out (RFC 7644 sections 3.3 and 3.5.1). */
function pick(
  from: Plain,
  attributes: readonly Attribute[],
  nameOf: (key: string) => string | null = (key) => key,
): Plain {
  const found: Plain = {};
  for (const [key, value] of Object.entries(from)) {
    const name = nameOf(key);
    const attribute = name === null ? undefined : attributeOf(attributes, name);
    if (!attribute || attribute.mutability === 'readOnly' || isUnassigned(value)) continue;
    found[attribute.name] = tidyValue(value, attribute);
  }
  return found;
}

/** A resource as it was sent, reduced to what the portal keeps. */
export function tidyResource(kind: ResourceKind, body: unknown): Plain {
  if (!isPlain(body)) throw invalidSyntax();
  return pick(body, allAttributes(kind), (key) => withoutSchema(kind, key));
}

const pipe = validationPipe();

/** Checks what was sent by the same rules as every other input; 400 names each wrong place. */
export async function validated<T extends object>(type: Type<T>, plain: Plain): Promise<T> {
  return (await pipe.transform(plain, { type: 'body', metatype: type })) as T;
}
