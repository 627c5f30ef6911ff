import { FhirReadError, type FhirReadErrorCode } from './fhir-read-error.js';
import { NumberGrammar } from './number-grammar.js';
import { StringEscapes } from './string-escapes.js';
import { Utf8Check } from './utf8-check.js';

export type ContainerKind = 'object' | 'array';
export type ScalarKind = 'string' | 'number' | 'literal';

/** Told of the document in order. Offsets are bytes of the document as sent, `end` exclusive, strings with their quotes. */
export interface JsonVisitor {
  key?(name: string): void;
  begin?(kind: ContainerKind, start: number): void;
  end?(kind: ContainerKind, start: number, end: number): void;
  scalar?(kind: ScalarKind, start: number, end: number): void;
}

// The widest R4 type (ElementDefinition with its choices) has under 200 members and the longest element name 40 letters;
// beyond these bounds an object is an attempt to fill memory.
const MAX_MEMBERS = 2_000;
const MAX_KEY_BYTES = 256;

const BOM = [0xef, 0xbb, 0xbf];
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const LITERALS: Readonly<Record<number, string>> = { 0x74: 'true', 0x66: 'false', 0x6e: 'null' };

/** Between tokens: what may come next. */
type StructureState = 'value' | 'first-value' | 'first-key' | 'key' | 'colon' | 'after-value' | 'done';
type State = StructureState | 'bom' | 'string' | 'escape' | 'number' | 'literal';

interface Frame {
  kind: ContainerKind;
  start: number;
  keys: Set<string>;
}

/**
 * A strict, incremental JSON scanner (RFC 8259) that says where each value lies and builds none of them.
 * Memory: one key and one frame per open container, whatever the document's size. Throws FhirReadError.
 */
export class JsonScanner {
  private readonly visitor: JsonVisitor;
  private readonly maxDepth: number;
  private state: State = 'bom';
  // Frames are kept for reuse; only the first `depth` of them are open.
  private readonly frames: Frame[] = [];
  private openFrames = 0;
  private chunk: Uint8Array = new Uint8Array();
  private base = 0;
  private tokenStart = 0;
  private isKey = false;
  private keyHasEscape = false;
  private keyHead: Uint8Array | undefined;
  private literal = '';
  private matched = 0;
  private readonly number = new NumberGrammar();
  private readonly escapes = new StringEscapes();
  private readonly utf8 = new Utf8Check();

  constructor(visitor: JsonVisitor, maxDepth: number) {
    this.visitor = visitor;
    this.maxDepth = maxDepth;
  }

  get depth(): number {
    return this.openFrames;
  }

  /** Bytes read so far. */
  get position(): number {
    return this.base;
  }

  write(chunk: Uint8Array): void {
    this.chunk = chunk;
    let at = 0;
    while (at < chunk.length) at = this.readFrom(at);
    if (this.isKey && this.inString) this.keepKeyHead();
    this.base += chunk.length;
  }

  end(): void {
    if (this.state === 'number' && this.openFrames === 0 && this.number.isComplete) this.closeNumber(this.base);
    if (this.state !== 'done') this.fail('truncated', this.base);
  }

  private get inString(): boolean {
    return this.state === 'string' || this.state === 'escape';
  }

  /** Reads a byte, or as much of a string as is there, and returns where to go on. */
  private readFrom(at: number): number {
    const byte = this.chunk[at] as number;
    switch (this.state) {
      case 'string':
        return this.readString(at);
      case 'bom':
        return this.readBom(byte, at);
      case 'escape':
        return this.readEscape(byte, at);
      case 'number':
        return this.readNumber(byte, at);
      case 'literal':
        return this.readLiteral(byte, at);
      case 'value':
      case 'first-value':
      case 'first-key':
      case 'key':
      case 'colon':
      case 'after-value':
      case 'done':
        if (!isWhiteSpace(byte)) this.readStructure(this.state, byte, this.base + at);
        return at + 1;
    }
  }

  private readBom(byte: number, at: number): number {
    if (this.matched === 0 && byte !== BOM[0]) {
      this.state = 'value';
      return at;
    }
    if (byte !== BOM[this.matched]) this.fail('malformed-json', this.base + at);
    this.matched++;
    if (this.matched === BOM.length) this.state = 'value';
    return at + 1;
  }

  private readStructure(state: StructureState, byte: number, offset: number): void {
    switch (state) {
      case 'first-value':
        return byte === 0x5d ? this.close('array', offset) : this.openValue(byte, offset);
      case 'value':
        return this.openValue(byte, offset);
      case 'first-key':
        return byte === 0x7d ? this.close('object', offset) : this.openKey(byte, offset);
      case 'key':
        return this.openKey(byte, offset);
      case 'colon':
        if (byte !== 0x3a) this.fail('malformed-json', offset);
        this.state = 'value';
        return;
      case 'after-value':
        return this.afterValue(byte, offset);
      case 'done':
        return this.fail('malformed-json', offset);
    }
  }

  private openValue(byte: number, offset: number): void {
    this.tokenStart = offset;
    if (byte === QUOTE) return this.openString(false);
    if (byte === 0x7b) return this.open('object', offset);
    if (byte === 0x5b) return this.open('array', offset);
    if (this.number.start(byte)) {
      this.state = 'number';
      return;
    }
    const literal = LITERALS[byte];
    if (literal === undefined) this.fail('malformed-json', offset);
    this.literal = literal;
    this.matched = 1;
    this.state = 'literal';
  }

  private openKey(byte: number, offset: number): void {
    if (byte !== QUOTE) this.fail('malformed-json', offset);
    this.tokenStart = offset;
    this.openString(true);
  }

  private openString(isKey: boolean): void {
    this.isKey = isKey;
    this.keyHasEscape = false;
    this.keyHead = undefined;
    this.escapes.reset();
    this.state = 'string';
  }

  private open(kind: ContainerKind, offset: number): void {
    if (this.openFrames >= this.maxDepth) this.fail('too-deep', offset);
    const frame = (this.frames[this.openFrames] ??= { kind, start: offset, keys: new Set() });
    frame.kind = kind;
    frame.start = offset;
    if (frame.keys.size > 0) frame.keys.clear();
    this.openFrames++;
    this.visitor.begin?.(kind, offset);
    this.state = kind === 'object' ? 'first-key' : 'first-value';
  }

  private afterValue(byte: number, offset: number): void {
    const kind = this.frame.kind;
    if (byte === 0x2c) this.state = kind === 'object' ? 'key' : 'value';
    else if (byte === 0x7d && kind === 'object') this.close('object', offset);
    else if (byte === 0x5d && kind === 'array') this.close('array', offset);
    else this.fail('malformed-json', offset);
  }

  private close(kind: ContainerKind, offset: number): void {
    const { start } = this.frame;
    this.openFrames--;
    this.valueEnded();
    this.visitor.end?.(kind, start, offset + 1);
  }

  private valueEnded(): void {
    this.state = this.openFrames === 0 ? 'done' : 'after-value';
  }

  // The hot loop: most bytes of a resource lie inside strings.
  private readString(from: number): number {
    const { chunk, utf8 } = this;
    if (this.escapes.isHalfPair && chunk[from] !== BACKSLASH) this.fail('forbidden-character', this.base + from);
    const stop = this.isKey ? Math.min(chunk.length, this.keyLimit - this.base) : chunk.length;
    let isInside = utf8.isInside;
    for (let at = from; at < stop; at++) {
      const byte = chunk[at] as number;
      if (byte >= 0x80 || isInside) {
        if (!utf8.accept(byte)) this.fail('invalid-utf8', this.base + at);
        isInside = utf8.isInside;
      } else if (byte === QUOTE) {
        this.closeString(at);
        return at + 1;
      } else if (byte === BACKSLASH) {
        this.escapes.begin();
        this.keyHasEscape = true;
        this.state = 'escape';
        return at + 1;
      } else if (byte < 0x20) {
        this.fail('malformed-json', this.base + at);
      }
    }
    if (this.isKey && this.base + Math.max(from, stop) >= this.keyLimit) this.fail('too-large', this.tokenStart);
    return stop;
  }

  /** The closing quote of a key stands before this offset, however the bytes were split into chunks. */
  private get keyLimit(): number {
    return this.tokenStart + MAX_KEY_BYTES + 2;
  }

  private readEscape(byte: number, at: number): number {
    const step = this.escapes.accept(byte);
    if (step === 'malformed') this.fail('malformed-json', this.base + at);
    if (step === 'forbidden') this.fail('forbidden-character', this.base + at);
    if (step === 'complete') this.state = 'string';
    return at + 1;
  }

  private closeString(at: number): void {
    const offset = this.base + at;
    if (this.isKey) {
      this.closeKey(at);
      return;
    }
    this.valueEnded();
    this.visitor.scalar?.('string', this.tokenStart, offset + 1);
  }

  private closeKey(at: number): void {
    const name = this.keyName(at);
    const { keys } = this.frame;
    const size = keys.size;
    keys.add(name);
    if (keys.size === size) this.fail('duplicate-key', this.tokenStart);
    if (size >= MAX_MEMBERS) this.fail('too-large', this.tokenStart);
    this.isKey = false;
    this.state = 'colon';
    this.visitor.key?.(name);
  }

  private keyName(at: number): string {
    const from = Math.max(0, this.tokenStart + 1 - this.base);
    const tail = Buffer.from(this.chunk.buffer, this.chunk.byteOffset + from, at - from);
    const bytes = this.keyHead ? Buffer.concat([this.keyHead, tail]) : tail;
    const text = bytes.toString('utf8');
    return this.keyHasEscape ? (JSON.parse(`"${text}"`) as string) : text;
  }

  private keepKeyHead(): void {
    const from = Math.max(0, this.tokenStart + 1 - this.base);
    this.keyHead = Buffer.concat([this.keyHead ?? new Uint8Array(), this.chunk.subarray(from)]);
  }

  private readNumber(byte: number, at: number): number {
    if (this.number.accept(byte)) return at + 1;
    this.closeNumber(this.base + at);
    return at;
  }

  private closeNumber(end: number): void {
    if (!this.number.isComplete) this.fail('malformed-json', end);
    if (this.number.isOutOfRange) this.fail('number-out-of-range', this.tokenStart);
    this.valueEnded();
    this.visitor.scalar?.('number', this.tokenStart, end);
  }

  private readLiteral(byte: number, at: number): number {
    if (byte !== this.literal.charCodeAt(this.matched)) this.fail('malformed-json', this.base + at);
    this.matched++;
    if (this.matched === this.literal.length) {
      this.valueEnded();
      this.visitor.scalar?.('literal', this.tokenStart, this.base + at + 1);
    }
    return at + 1;
  }

  private get frame(): Frame {
    return this.frames[this.openFrames - 1] as Frame;
  }

  private fail(code: FhirReadErrorCode, position: number): never {
    throw new FhirReadError(code, position);
  }
}

function isWhiteSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}
