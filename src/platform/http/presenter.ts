import type { Type } from '@nestjs/common';
import { fieldsOf, type FieldShape } from './fields.js';

/** JSON as UTF-8 bytes that leaves as it is, such as a FHIR resource with its sender's decimals. */
export class RawJson {
  constructor(readonly bytes: Buffer) {}
}

/** One page of a keyset list. */
export interface Page<T> {
  items: T[];
  next: string | null;
  /** What the reader of the page has to know of it, in words. */
  notice?: string | null;
}

/** JSON that is being written: text gathers until bytes come between, which are never decoded and are copied once. */
class Draft {
  private readonly pieces: (string | Buffer)[] = [];
  private text = '';

  write(text: string): void {
    this.text += text;
  }

  embed({ bytes }: RawJson): void {
    this.pieces.push(this.text, bytes);
    this.text = '';
  }

  /** Into one buffer of its size: one for each piece would be dozens more for the collector. */
  done(): string | Buffer {
    if (this.pieces.length === 0) return this.text;
    const pieces = [...this.pieces, this.text];
    const out = Buffer.allocUnsafe(pieces.reduce((size, piece) => size + Buffer.byteLength(piece), 0));
    let at = 0;
    for (const piece of pieces) at += typeof piece === 'string' ? out.write(piece, at) : piece.copy(out, at);
    return out;
  }
}

type Encoder = (draft: Draft, value: object) => void;

const encoders = new WeakMap<Type, Encoder>();

function encodeField(draft: Draft, field: FieldShape, value: unknown): void {
  if (value instanceof RawJson) draft.embed(value);
  else if (!field.nested || value === null) draft.write(JSON.stringify(value));
  else if (!field.many) encode(draft, field.nested(), value as object);
  else encodeAll(draft, field.nested(), value as object[]);
}

function encoderOf(view: Type): Encoder {
  const fields = fieldsOf(view).map((field) => ({ field, key: `${JSON.stringify(field.name)}:` }));
  return (draft, value) => {
    let before = '{';
    for (const { field, key } of fields) {
      const one = (value as Record<string, unknown>)[field.name];
      if (one === undefined) continue;
      draft.write(before + key);
      before = ',';
      encodeField(draft, field, one);
    }
    draft.write(before === '{' ? '{}' : '}');
  };
}

function encode(draft: Draft, view: Type, value: object): void {
  let encoder = encoders.get(view);
  if (!encoder) encoders.set(view, (encoder = encoderOf(view)));
  encoder(draft, value);
}

function encodeAll(draft: Draft, view: Type, values: readonly object[]): void {
  draft.write('[');
  values.forEach((value, index) => {
    if (index > 0) draft.write(',');
    encode(draft, view, value);
  });
  draft.write(']');
}

/** Only what the view declares leaves the server, whatever the service handed over. Bytes where {@link RawJson} is in it. */
export function toJson(view: Type, value: object): string | Buffer {
  const draft = new Draft();
  encode(draft, view, value);
  return draft.done();
}

export function pageToJson(view: Type, page: Page<object>): string | Buffer {
  const draft = new Draft();
  draft.write('{"items":');
  encodeAll(draft, view, page.items);
  const notice = page.notice ? `,"notice":${JSON.stringify(page.notice)}` : '';
  draft.write(`,"next":${JSON.stringify(page.next)}${notice}}`);
  return draft.done();
}
