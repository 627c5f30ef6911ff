import type { Type } from '@nestjs/common';
import { fieldsOf, type FieldShape } from './fields.js';

/** Text that is JSON already and leaves byte for byte, such as a FHIR resource with its sender's decimals. */
export class RawJson {
  constructor(readonly text: string) {}
}

/** One page of a keyset list. */
export interface Page<T> {
  items: T[];
  next: string | null;
}

type Encoder = (value: object) => string;

const encoders = new WeakMap<Type, Encoder>();

function encodeField(field: FieldShape, value: unknown): string {
  if (value instanceof RawJson) return value.text;
  if (!field.nested || value === null) return JSON.stringify(value);
  if (!field.many) return toJson(field.nested(), value as object);
  return `[${(value as object[]).map((one) => toJson(field.nested!(), one)).join(',')}]`;
}

function encoderOf(view: Type): Encoder {
  const fields = fieldsOf(view).map((field) => ({ field, key: `${JSON.stringify(field.name)}:` }));
  return (value) => {
    let text = '';
    for (const { field, key } of fields) {
      const one = (value as Record<string, unknown>)[field.name];
      if (one === undefined) continue;
      text += `${text === '' ? '' : ','}${key}${encodeField(field, one)}`;
    }
    return `{${text}}`;
  };
}

/** Only what the view declares leaves the server, whatever the service handed over. */
export function toJson(view: Type, value: object): string {
  let encoder = encoders.get(view);
  if (!encoder) encoders.set(view, (encoder = encoderOf(view)));
  return encoder(value);
}

export function pageToJson(view: Type, page: Page<object>): string {
  return `{"items":[${page.items.map((item) => toJson(view, item)).join(',')}],"next":${JSON.stringify(page.next)}}`;
}
