import { Buffer } from 'node:buffer';
import { JsonScanner, type ContainerKind, type ScalarKind } from './json/json-scanner.js';
import { isObject, type JsonObject } from './values.js';

/** What a Reference.reference can be: https://hl7.org/fhir/R4/references.html#literal */
export type ParsedReference =
  | { kind: 'urn'; urn: string }
  | { kind: 'relative'; type: string; id: string; version?: string }
  | { kind: 'absolute'; url: string; base?: string; type?: string; id?: string; version?: string }
  | { kind: 'conditional'; type: string; query: string }
  | { kind: 'contained'; id: string }
  | { kind: 'other' };

export interface FoundReference {
  /** JSON pointer (RFC 6901) to the `reference` member. */
  path: string;
  reference: string;
}

const TYPE = '[A-Z][A-Za-z]{1,63}';
const ID = '[A-Za-z0-9.-]{1,64}';
const RELATIVE = new RegExp(`^(${TYPE})/(${ID})(?:/_history/(${ID}))?$`);
const CONDITIONAL = new RegExp(`^(${TYPE})\\?(.+)$`, 's');
const ABSOLUTE = /^https?:\/\/[^\s?#]+$/i;
const URN = /^urn:(?:uuid|oid):\S+$/i;

export function parseReference(reference: string): ParsedReference {
  if (URN.test(reference)) return { kind: 'urn', urn: reference };
  if (reference.startsWith('#')) return { kind: 'contained', id: reference.slice(1) };
  const relative = RELATIVE.exec(reference);
  if (relative) return { kind: 'relative', type: relative[1] ?? '', id: relative[2] ?? '', version: relative[3] };
  const conditional = CONDITIONAL.exec(reference);
  if (conditional) return { kind: 'conditional', type: conditional[1] ?? '', query: conditional[2] ?? '' };
  return ABSOLUTE.test(reference) ? absolute(reference) : { kind: 'other' };
}

function absolute(url: string): ParsedReference {
  const segments = url.split('/');
  for (const length of [4, 2]) {
    const found = RELATIVE.exec(segments.slice(-length).join('/'));
    // scheme, empty and host come first: without them `https://Patient/1` would name a host as a type
    if (!found || segments.length - length < 3) continue;
    const base = segments.slice(0, -length).join('/');
    return { kind: 'absolute', url, base, type: found[1], id: found[2], version: found[3] };
  }
  return { kind: 'absolute', url };
}

// Three R4 elements named `reference` are a uri and no Reference: DetectedIssue.reference (a resource's own member),
// Immunization.education.reference, and Expression.reference (an Expression always has its language, even in extensions).
function isReference(object: { memberName: string; hasLanguage: boolean; isResource: boolean }): boolean {
  return !object.isResource && !object.hasLanguage && object.memberName !== 'education';
}

/** Every Reference.reference of a resource, contained resources and extensions included, in document order. */
export function collectReferences(value: unknown): FoundReference[] {
  const found: FoundReference[] = [];
  collect(value, '', '', found);
  return found;
}

function collect(value: unknown, path: string, memberName: string, found: FoundReference[]): void {
  if (Array.isArray(value)) {
    value.forEach((item, index) => collect(item, `${path}/${index}`, memberName, found));
    return;
  }
  if (!isObject(value)) return;
  for (const [name, item] of Object.entries(value)) {
    const itemPath = `${path}/${pointerToken(name)}`;
    if (name === 'reference' && typeof item === 'string' && isReference(shapeOf(value, memberName))) {
      found.push({ path: itemPath, reference: item });
    } else {
      collect(item, itemPath, name, found);
    }
  }
}

function shapeOf(object: JsonObject, memberName: string) {
  return {
    memberName,
    hasLanguage: Object.hasOwn(object, 'language'),
    isResource: Object.hasOwn(object, 'resourceType'),
  };
}

function pointerToken(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1');
}

/**
 * Replaces the Reference.reference values for which `resolve` gives another one; every other byte stays as sent.
 * Throws FhirReadError when the text is not JSON.
 */
export function rewriteReferences(resourceText: string, resolve: (reference: string) => string | undefined): string {
  const bytes = Buffer.from(resourceText, 'utf8');
  const parts: Buffer[] = [];
  let kept = 0;
  for (const { start, end } of referenceSpans(bytes)) {
    const reference = JSON.parse(bytes.toString('utf8', start, end)) as string;
    const replacement = resolve(reference);
    if (replacement === undefined || replacement === reference) continue;
    parts.push(bytes.subarray(kept, start), Buffer.from(JSON.stringify(replacement), 'utf8'));
    kept = end;
  }
  if (kept === 0) return resourceText;
  parts.push(bytes.subarray(kept));
  return Buffer.concat(parts).toString('utf8');
}

interface Span {
  start: number;
  end: number;
}

interface OpenObject {
  memberName: string;
  hasLanguage: boolean;
  isResource: boolean;
  reference?: Span;
}

// The reader refused deeper documents before; this only bounds memory.
const MAX_DEPTH = 10_000;

function referenceSpans(bytes: Uint8Array): Span[] {
  const spans: Span[] = [];
  // One per open container; an array carries its own member name on to its elements.
  const open: OpenObject[] = [];
  let name = '';
  const scanner = new JsonScanner(
    {
      key(key: string): void {
        name = key;
        const object = open.at(-1) as OpenObject;
        if (key === 'language') object.hasLanguage = true;
        if (key === 'resourceType') object.isResource = true;
      },
      begin(kind: ContainerKind): void {
        open.push({ memberName: name, hasLanguage: false, isResource: false });
        if (kind === 'object') name = '';
      },
      end(kind: ContainerKind): void {
        const closed = open.pop() as OpenObject;
        name = closed.memberName;
        if (kind === 'object' && closed.reference && isReference(closed)) spans.push(closed.reference);
      },
      scalar(kind: ScalarKind, start: number, end: number): void {
        const object = open.at(-1);
        if (kind === 'string' && name === 'reference' && object) object.reference = { start, end };
      },
    },
    MAX_DEPTH,
  );
  scanner.write(bytes);
  scanner.end();
  return spans.sort((a, b) => a.start - b.start);
}
