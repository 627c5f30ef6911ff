/** Tolerant readers: what was sent may be anything, and a reader of records never throws. */

export type JsonObject = Record<string, unknown>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** An own member; a name such as `constructor` in hostile input must not reach the prototype. */
export function member(value: unknown, name: string): unknown {
  return isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}

/** Follows member names; an array on the way stands for its first element. */
export function at(value: unknown, ...path: string[]): unknown {
  return path.reduce<unknown>((found, name) => member(first(found), name), value);
}

export function first(value: unknown): unknown {
  return Array.isArray(value) ? (value as unknown[])[0] : value;
}

export function listOf(value: unknown): unknown[] {
  if (Array.isArray(value)) return value as unknown[];
  return value === undefined || value === null ? [] : [value];
}

/** A string with something in it. */
export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value.trim() !== '' ? value : undefined;
}

export function textAt(value: unknown, ...path: string[]): string | undefined {
  return textOf(first(at(value, ...path)));
}

export function textsOf(values: unknown): string[] {
  return listOf(values).filter((value) => textOf(value) !== undefined) as string[];
}
