import { ByteWindow } from './json/byte-window.js';
import { FhirReadError, type FhirReadErrorCode } from './json/fhir-read-error.js';
import { type ContainerKind, JsonScanner, type JsonVisitor, type ScalarKind } from './json/json-scanner.js';

export interface BundleLimits {
  /** Open containers at once, the Bundle itself included. */
  maxDepth: number;
  maxEntries: number;
  /** Bytes of one entry with its fullUrl and request. */
  maxEntryBytes: number;
  maxBytes: number;
}

/** Bundle.entry.request: https://hl7.org/fhir/R4/bundle-definitions.html#Bundle.entry.request */
export interface BundleRequest {
  method: string;
  url: string;
  ifNoneExist?: string;
  ifMatch?: string;
  ifNoneMatch?: string;
  ifModifiedSince?: string;
}

export interface BundleEntry {
  index: number;
  fullUrl?: string;
  request?: BundleRequest;
  /** Exactly as sent: numbers keep their digits, unknown elements and escapes stay. */
  resourceText?: string;
}

export interface BundleEnvelope {
  resourceType: 'Bundle';
  type?: string;
  id?: string;
  timestamp?: string;
  entryCount: number;
}

// A chunk may be a whole file; entries are handed on after each slice so that they do not pile up.
const SLICE_BYTES = 64 * 1024;

/**
 * Reads a FHIR Bundle as it arrives and hands each entry on, in order and one at a time; memory is bounded by one entry
 * and one chunk. Entries before a fault are still handed on: only when it returns was the document a whole Bundle.
 * Throws FhirReadError.
 */
export async function readBundle(
  chunks: AsyncIterable<Uint8Array>,
  limits: BundleLimits,
  onEntry: (entry: BundleEntry) => void | Promise<void>,
): Promise<BundleEnvelope> {
  const reading = new BundleReading(limits);
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length; at += SLICE_BYTES) {
      const fault = reading.write(chunk.subarray(at, at + SLICE_BYTES));
      for (const entry of reading.takeEntries()) await onEntry(entry);
      if (fault) throw fault;
    }
  }
  return reading.finish();
}

const ENVELOPE_MEMBERS = new Set(['resourceType', 'type', 'id', 'timestamp']);
const MAX_ENVELOPE_BYTES = 1_024;
const REQUEST_MEMBERS = ['ifNoneExist', 'ifMatch', 'ifNoneMatch', 'ifModifiedSince'] as const;

// Depth of the containers that matter, the Bundle being 1.
const ENTRIES = 2;
const ENTRY = 3;
const RESOURCE = 4;

interface Span {
  start: number;
  end: number;
}

class BundleReading implements JsonVisitor {
  private readonly limits: BundleLimits;
  private readonly scanner: JsonScanner;
  private readonly window = new ByteWindow();
  private readonly envelope = new Map<string, string>();
  private ready: BundleEntry[] = [];
  private entryCount = 0;
  private rootMember = '';
  private entryMember = '';
  private inEntries = false;
  private entryStart: number | undefined;
  private resource: Span | undefined;

  constructor(limits: BundleLimits) {
    this.limits = limits;
    this.scanner = new JsonScanner(this, limits.maxDepth);
  }

  /** Returns a fault in place of throwing it, so that the entries before it are not lost. */
  write(slice: Uint8Array): FhirReadError | undefined {
    const room = this.limits.maxBytes - this.scanner.position;
    try {
      this.scan(slice.length > room ? slice.subarray(0, room) : slice);
    } catch (error) {
      if (error instanceof FhirReadError) return this.located(error);
      throw error;
    }
    return slice.length > room ? new FhirReadError('too-large', this.limits.maxBytes) : undefined;
  }

  takeEntries(): BundleEntry[] {
    const entries = this.ready;
    this.ready = [];
    return entries;
  }

  finish(): BundleEnvelope {
    try {
      this.scanner.end();
    } catch (error) {
      throw error instanceof FhirReadError ? this.located(error) : error;
    }
    if (this.envelope.get('resourceType') !== 'Bundle') this.refuse('not-a-bundle', 0);
    return {
      resourceType: 'Bundle',
      type: this.envelope.get('type'),
      id: this.envelope.get('id'),
      timestamp: this.envelope.get('timestamp'),
      entryCount: this.entryCount,
    };
  }

  key(name: string): void {
    if (this.scanner.depth === 1) this.rootMember = name;
    else if (this.scanner.depth === ENTRY && this.entryStart !== undefined) this.entryMember = name;
  }

  begin(kind: ContainerKind, start: number): void {
    const { depth } = this.scanner;
    if (depth === 1 && kind !== 'object') this.refuse('not-a-bundle', start);
    if (depth === ENTRIES) this.beginRootMember(kind, start);
    if (depth === ENTRY && this.inEntries) this.beginEntry(kind, start);
    if (depth === RESOURCE && this.isResource && kind !== 'object') this.refuse('not-a-bundle', start);
  }

  end(_kind: ContainerKind, start: number, end: number): void {
    const closed = this.scanner.depth + 1;
    if (closed === RESOURCE && this.isResource) this.resource = { start, end };
    if (closed === ENTRY && this.entryStart !== undefined) this.endEntry(end);
    if (closed === ENTRIES) this.inEntries = false;
  }

  scalar(kind: ScalarKind, start: number, end: number): void {
    const { depth } = this.scanner;
    if (depth === 0) this.refuse('not-a-bundle', start);
    if (depth === 1) this.rootScalar(kind, start, end);
    if (depth === ENTRIES && this.inEntries) this.refuse('not-a-bundle', start);
    if (depth === ENTRY && this.isResource) this.refuse('not-a-bundle', start);
  }

  private get isResource(): boolean {
    return this.entryStart !== undefined && this.entryMember === 'resource';
  }

  private scan(slice: Uint8Array): void {
    this.window.append(slice);
    this.scanner.write(slice);
    if (this.entryStart === undefined) this.window.dropBefore(this.scanner.position - MAX_ENVELOPE_BYTES);
    else if (this.isOversized(this.scanner.position)) this.refuse('entry-too-large', this.entryStart);
    else this.window.dropBefore(this.entryStart);
  }

  private beginRootMember(kind: ContainerKind, start: number): void {
    if (this.rootMember !== 'entry') return;
    if (kind !== 'array') this.refuse('not-a-bundle', start);
    this.inEntries = true;
  }

  private beginEntry(kind: ContainerKind, start: number): void {
    if (kind !== 'object') this.refuse('not-a-bundle', start);
    if (this.entryCount >= this.limits.maxEntries) this.refuse('too-many-entries', start);
    this.entryStart = start;
    this.entryMember = '';
    this.resource = undefined;
  }

  private endEntry(end: number): void {
    const start = this.entryStart as number;
    if (this.isOversized(end)) this.refuse('entry-too-large', start);
    this.ready.push(this.entryOf({ start, end }));
    this.entryStart = undefined;
    this.entryCount++;
  }

  private entryOf(span: Span): BundleEntry {
    const { resource } = this;
    const frame = this.parsed(
      resource
        ? `${this.window.text(span.start, resource.start)}null${this.window.text(resource.end, span.end)}`
        : this.window.text(span.start, span.end),
    );
    return {
      index: this.entryCount,
      fullUrl: this.stringMember(frame, 'fullUrl', span.start),
      request: this.requestOf(frame.request, span.start),
      resourceText: resource && this.window.text(resource.start, resource.end),
    };
  }

  private requestOf(value: unknown, start: number): BundleRequest | undefined {
    if (value === undefined) return undefined;
    if (typeof value !== 'object' || value === null) this.refuse('not-a-bundle', start);
    const members = value as Record<string, unknown>;
    const method = this.stringMember(members, 'method', start);
    const url = this.stringMember(members, 'url', start);
    if (method === undefined || url === undefined) this.refuse('not-a-bundle', start);
    const request: BundleRequest = { method, url };
    for (const name of REQUEST_MEMBERS) {
      const member = this.stringMember(members, name, start);
      if (member !== undefined) request[name] = member;
    }
    return request;
  }

  private stringMember(object: Record<string, unknown>, name: string, start: number): string | undefined {
    const value = object[name];
    if (value !== undefined && typeof value !== 'string') this.refuse('not-a-bundle', start);
    return value;
  }

  private rootScalar(kind: ScalarKind, start: number, end: number): void {
    if (this.rootMember === 'entry') this.refuse('not-a-bundle', start);
    if (kind !== 'string' || !ENVELOPE_MEMBERS.has(this.rootMember) || end - start > MAX_ENVELOPE_BYTES) return;
    this.envelope.set(this.rootMember, JSON.parse(this.window.text(start, end)) as string);
  }

  private parsed(text: string): Record<string, unknown> {
    return JSON.parse(text) as Record<string, unknown>;
  }

  private isOversized(end: number): boolean {
    return this.entryStart !== undefined && end - this.entryStart > this.limits.maxEntryBytes;
  }

  // A fault behind the point where the entry had become too large is not reached: otherwise the answer would depend on
  // where the network split the bytes.
  private located(error: FhirReadError): FhirReadError {
    const isTooLarge = this.entryStart !== undefined && this.isOversized(error.position);
    const index = this.inEntries ? this.entryCount : undefined;
    return isTooLarge
      ? new FhirReadError('entry-too-large', this.entryStart as number, index)
      : new FhirReadError(error.code, error.position, index);
  }

  private refuse(code: FhirReadErrorCode, position: number): never {
    throw new FhirReadError(code, position);
  }
}
