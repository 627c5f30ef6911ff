/** A number as it is written. */
class Written {
  constructor(readonly digits: string) {}
}

// In Node 24, not yet in TypeScript's library.
type Reviver = (key: string, value: unknown, context: { source: string }) => unknown;
/** JSON with its numbers as they are written. */
export const parse = (text: string): unknown =>
  (JSON.parse as (text: string, reviver: Reviver) => unknown)(text, (_key, value, { source }) =>
    typeof value === 'number' ? new Written(source) : value,
  );

/** Every number as it is written, with where it stands; every other value but references as it is. */
export function flat(value: unknown, path = '', into: string[] = []): string[] {
  if (value instanceof Written) into.push(`${path}=${value.digits}`);
  else if (typeof value === 'object' && value !== null)
    for (const [key, inner] of Object.entries(value)) flat(inner, `${path}/${key}`, into);
  else into.push(`${path}=${path.endsWith('/reference') ? '(reference)' : JSON.stringify(value)}`);
  return into;
}
