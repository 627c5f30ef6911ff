import { Buffer } from 'node:buffer';
import { JsonScanner, type ContainerKind, type ScalarKind } from './json/json-scanner.js';

/** An Attachment (https://hl7.org/fhir/R4/datatypes.html#attachment) or a Binary with what it carries, or says where that is. */
export interface FoundAttachment {
  /** A Binary (https://hl7.org/fhir/R4/binary.html): it has no address of its own. */
  isBinary: boolean;
  contentType?: string;
  title?: string;
  language?: string;
  creation?: string;
  /** As sent. */
  url?: string;
  /** Size in bytes, and base64 of the SHA-1, of the content, as its sender says. */
  size?: number;
  hash?: string;
  /** What stands between the quotes of `data`, as sent; undefined: it is elsewhere. */
  data?: Buffer;
  /** The member that the content, or its address, is in: up to the opening quote of `data`; the whole of `url`. */
  member: string;
}

// Where R4 has an Attachment: there one with an address alone is told from everything else that has a `url`.
const ATTACHMENT_NAMES: ReadonlySet<string> = new Set([
  ...['attachment', 'photo', 'content', 'presentedForm', 'document', 'image'],
  ...['contentAttachment', 'sourceAttachment', 'valueAttachment', 'defaultValueAttachment', 'legallyBindingAttachment'],
]);
const KEPT = ['data', 'url', 'contentType', 'title', 'size', 'hash', 'language', 'creation', 'resourceType'];
const NAMES: ReadonlySet<string> = new Set(KEPT);
const MAX_WORDS = 500;
const MAX_DEPTH = 10_000;
const QUOTE = 0x22;

interface Span {
  start: number;
  end: number;
  kind: ScalarKind;
}

interface OpenObject {
  memberName: string;
  members: Map<string, Span>;
  /** There is more said of its `data` (https://hl7.org/fhir/R4/json.html#primitive). */
  hasShadow: boolean;
}

interface Place {
  found: FoundAttachment;
  /** The member that may be replaced. */
  start: number;
  end: number;
}

/**
 * Puts another member where the content of an attachment, or its address, stands, for all for which `replace` gives one; every other
 * byte stays as sent. In document order. Throws FhirReadError when the text is not JSON.
 */
export function rewriteAttachments(
  resourceText: string,
  replace: (found: FoundAttachment) => string | undefined,
): string {
  // Hardly any record has one, and reading each twice would cost more than storing it. Who writes the names of members in
  // escapes keeps the content in the record's own text.
  if (!/"(?:contentType|attachment|photo|presentedForm)"|Attachment"|"Media"|"Binary"/.test(resourceText))
    return resourceText;
  const bytes = Buffer.from(resourceText, 'utf8');
  const parts: Buffer[] = [];
  let kept = 0;
  for (const { found, start, end } of placesIn(bytes)) {
    const replacement = replace(found);
    if (replacement === undefined) continue;
    parts.push(bytes.subarray(kept, start), Buffer.from(replacement, 'utf8'));
    kept = end;
  }
  if (kept === 0) return resourceText;
  parts.push(bytes.subarray(kept));
  return Buffer.concat(parts).toString('utf8');
}

function placesIn(bytes: Buffer): Place[] {
  const places: Place[] = [];
  // One per open container; an array carries its own member name on to its elements.
  const open: OpenObject[] = [];
  let name = '';
  const scanner = new JsonScanner(
    {
      key(key: string): void {
        name = key;
        if (key === '_data') open.at(-1)!.hasShadow = true;
      },
      begin(kind: ContainerKind): void {
        open.push({ memberName: name, members: new Map(), hasShadow: false });
        if (kind === 'object') name = '';
      },
      end(kind: ContainerKind): void {
        const closed = open.pop()!;
        name = closed.memberName;
        const place = kind === 'object' ? placeOf(bytes, closed) : undefined;
        if (place) places.push(place);
      },
      scalar(kind: ScalarKind, start: number, end: number): void {
        if (NAMES.has(name)) open.at(-1)?.members.set(name, { start, end, kind });
      },
    },
    MAX_DEPTH,
  );
  scanner.write(bytes);
  scanner.end();
  return places.sort((a, b) => a.start - b.start);
}

function placeOf(bytes: Buffer, { memberName, members, hasShadow }: OpenObject): Place | undefined {
  const value = (key: string): unknown => {
    const span = members.get(key);
    return span && (JSON.parse(bytes.toString('utf8', span.start, span.end)) as unknown);
  };
  const words = (key: string): string | undefined => {
    const span = members.get(key);
    if (span?.kind !== 'string') return undefined;
    return (value(key) as string).slice(0, MAX_WORDS);
  };
  const isBinary = words('resourceType') === 'Binary';
  if (members.has('resourceType') && !isBinary) return undefined;
  const data = members.get('data');
  const isCarried = data?.kind === 'string' && !hasShadow && (isBinary || members.has('contentType'));
  const url = isBinary || data ? undefined : members.get('url');
  const isNamed = url?.kind === 'string' && (members.has('contentType') || ATTACHMENT_NAMES.has(memberName));
  const span = isCarried ? data : isNamed ? url : undefined;
  if (!span) return undefined;
  const start = keyStart(bytes, span.start);
  const size = value('size');
  const found: FoundAttachment = {
    isBinary,
    contentType: words('contentType'),
    title: words('title'),
    language: words('language'),
    creation: words('creation'),
    url: members.get('url')?.kind === 'string' ? (value('url') as string) : undefined,
    size: typeof size === 'number' ? size : undefined,
    hash: words('hash'),
    data: isCarried ? bytes.subarray(span.start + 1, span.end - 1) : undefined,
    member: bytes.toString('utf8', start, isCarried ? span.start + 1 : span.end),
  };
  return { found, start, end: span.end };
}

/** Where the key of a value begins: these names have no quote in them, escaped or not. */
function keyStart(bytes: Buffer, valueStart: number): number {
  const close = bytes.lastIndexOf(QUOTE, valueStart - 1);
  return bytes.lastIndexOf(QUOTE, close - 1);
}
