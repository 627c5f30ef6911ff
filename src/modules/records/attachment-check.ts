import { createHash, type Hash } from 'node:crypto';
import { isUtf8 } from 'node:buffer';
import { fileTypeFromBuffer } from 'file-type';

/** What was found about a content; its words are fixed sentences, never anything of the content. */
export const ATTACHMENT_FINDINGS = {
  'attachment-type-refused': 'What is in it is of no type that is taken here: it is kept, and handed out to nobody.',
  'attachment-hash': 'It is not what its sender took the hash of: it is kept, and handed out to nobody.',
  'attachment-too-large': 'It is larger than an attachment may be here: it was not kept. Send it in smaller parts.',
  'attachment-type-differs': 'What is in it is not what its sender calls it: it is handed out as what it is.',
  'attachment-size': 'It has not the size that its sender says.',
  'attachment-elsewhere': 'It is kept elsewhere, where nothing is fetched from.',
  'attachment-of-another': 'The Binary belongs to another patient, and is not handed out here.',
} as const;
export type AttachmentFinding = keyof typeof ATTACHMENT_FINDINGS;

/** With one of these it is handed out to nobody. */
const REFUSED: ReadonlySet<AttachmentFinding> = new Set([
  ...(['attachment-type-refused', 'attachment-hash', 'attachment-too-large', 'attachment-of-another'] as const),
]);
export const isRefused = (findings: readonly AttachmentFinding[]): boolean => findings.some((one) => REFUSED.has(one));

/** Types that are taken, by what is in the file, with the ending of its name. */
const TAKEN: ReadonlyMap<string, string> = new Map([
  ['application/pdf', 'pdf'],
  ['application/rtf', 'rtf'],
  ['text/plain', 'txt'],
  ['text/html', 'html'],
  ['text/csv', 'csv'],
  ['text/markdown', 'md'],
  ['application/xml', 'xml'],
  ['application/json', 'json'],
  ['image/jpeg', 'jpg'],
  ['image/png', 'png'],
  ['image/gif', 'gif'],
  ['image/tiff', 'tif'],
  ['image/bmp', 'bmp'],
  ['image/webp', 'webp'],
  ['image/heic', 'heic'],
  ['image/jp2', 'jp2'],
  ['application/dicom', 'dcm'],
  ['application/vnd.openxmlformats-officedocument.wordprocessingml.document', 'docx'],
  ['application/vnd.openxmlformats-officedocument.spreadsheetml.sheet', 'xlsx'],
  ['application/vnd.openxmlformats-officedocument.presentationml.presentation', 'pptx'],
  ['application/vnd.oasis.opendocument.text', 'odt'],
  ['audio/mpeg', 'mp3'],
  ['audio/wav', 'wav'],
  ['audio/mp4', 'm4a'],
  ['audio/ogg', 'ogg'],
  ['video/mp4', 'mp4'],
  ['video/webm', 'webm'],
  ['video/quicktime', 'mov'],
]);

/** Names that other senders have for them. */
const SAME: Readonly<Record<string, string>> = {
  'text/rtf': 'application/rtf',
  'text/xml': 'application/xml',
  'application/xhtml+xml': 'text/html',
  'application/fhir+json': 'application/json',
  'image/jpg': 'image/jpeg',
  'image/pjpeg': 'image/jpeg',
  'application/x-pdf': 'application/pdf',
  'audio/x-wav': 'audio/wav',
  'audio/vnd.wave': 'audio/wav',
  'audio/mp3': 'audio/mpeg',
  'audio/x-m4a': 'audio/mp4',
  'image/heif': 'image/heic',
};

/** What a browser could run: never sent under its own type. */
const ACTIVE: ReadonlySet<string> = new Set(['text/html', 'application/xml']);

/** So much of a content is looked at for its type. */
const HEAD_BYTES = 1024 * 1024;
const MARKUP = /^\uFEFF?\s*<(?:!doctype\s+html|html|head|body|script|svg|iframe|img|style|table|div|p|h[1-6])\b/is;
/** Of a text that says no `<?xml`; more of it is not looked at for tags. */
const MARKUP_CHARACTERS = 4_096;
const TEXTUAL = new Set([
  'text/plain',
  'text/html',
  'text/csv',
  'text/markdown',
  'application/json',
  'application/xml',
]);
/** Control characters that no text has: tab, line ends, form feed and escape (of ISO 2022) it may. */
const NO_TEXT = /[\u0000-\u0008\u000b\u000e-\u001a\u001c-\u001f]/;

/** Digests and beginning of a content, taken as it comes. */
export class ContentFacts {
  private readonly sha1: Hash = createHash('sha1');
  private readonly sha256: Hash = createHash('sha256');
  private readonly heads: Buffer[] = [];
  private headBytes = 0;
  private bytes = 0;

  add(bytes: Buffer): void {
    this.sha1.update(bytes);
    this.sha256.update(bytes);
    this.bytes += bytes.length;
    if (this.headBytes >= HEAD_BYTES) return;
    // A copy where there is more to come: a view would keep all of it.
    const head = Buffer.from(bytes.subarray(0, HEAD_BYTES - this.headBytes));
    this.heads.push(head);
    this.headBytes += head.length;
  }

  async found(): Promise<Found> {
    const head = Buffer.concat(this.heads);
    return {
      bytes: this.bytes,
      sha1: this.sha1.digest('base64'),
      sha256: this.sha256.digest('hex'),
      ...(await typeOf(head, head.length === this.bytes)),
    };
  }
}

export interface Found {
  bytes: number;
  /** Base64, as Attachment.hash has it. */
  sha1: string;
  /** Hexadecimal. */
  sha256: string;
  /** By what is in it; undefined: no type that is known. */
  type?: string;
  /** Of text whose beginning is UTF-8. */
  isUtf8: boolean;
}

async function typeOf(head: Buffer, isWhole: boolean): Promise<{ type?: string; isUtf8: boolean }> {
  const mime = (await fileTypeFromBuffer(head))?.mime;
  const type = mime === undefined ? undefined : canonical(mime);
  // XML is told by its first line alone, and may be a page.
  if (type !== undefined && type !== 'application/xml') return { type, isUtf8: false };
  let end = head.length;
  // At most three bytes of a character that goes on beyond the beginning.
  for (let cut = 0; !isWhole && cut < 3 && !isUtf8(head.subarray(0, end)); cut++) end--;
  const is = isUtf8(head.subarray(0, end));
  // Else of one byte a character: ISO 8859, Windows.
  const text = is ? head.toString('utf8', 0, end) : head.toString('latin1');
  if (head.length === 0 || NO_TEXT.test(text)) return { type, isUtf8: false };
  const isMarkup = MARKUP.test(text.slice(0, MARKUP_CHARACTERS).replace(/^\uFEFF?\s*<\?xml[^>]*>/i, ''));
  return { type: isMarkup ? 'text/html' : (type ?? 'text/plain'), isUtf8: is };
}

const canonical = (type: string): string => {
  const bare = (type.split(';')[0] ?? '').trim().toLowerCase();
  const known = SAME[bare] ?? bare;
  return known.endsWith('+xml') ? 'application/xml' : known.endsWith('+json') ? 'application/json' : known;
};

/**
 * What a content is handed out as, and what is wrong with it. Its own bytes decide (R4 Attachment.contentType is its sender's word);
 * a hash that differs means that it is not what was sent, a size that differs is a note to the reader.
 */
export function judge(
  found: Found,
  stated: { contentType?: string; size?: number; hash?: string },
): { type: string | null; findings: AttachmentFinding[] } {
  const declared = stated.contentType === undefined ? undefined : canonical(stated.contentType);
  // What is plain text by itself may be the table, or the notes, that its sender calls it.
  const isNamedText = found.type === 'text/plain' && declared !== undefined && TEXTUAL.has(declared);
  const type = isNamedText ? declared : found.type;
  const isTaken = type !== undefined && TAKEN.has(type);
  const findings: AttachmentFinding[] = [];
  // An empty one is of every type.
  if (!isTaken && found.bytes > 0) findings.push('attachment-type-refused');
  else if (declared !== undefined && isTaken && !isSameType(declared, type)) findings.push('attachment-type-differs');
  if (stated.hash !== undefined && !isSameHash(stated.hash, found.sha1)) findings.push('attachment-hash');
  if (stated.size !== undefined && stated.size !== found.bytes) findings.push('attachment-size');
  return { type: isTaken ? type : null, findings };
}

/** A page may be XML, and XML a page. */
const isSameType = (declared: string, type: string): boolean =>
  declared === type || (ACTIVE.has(declared) && ACTIVE.has(type)) || declared === 'application/octet-stream';

const isSameHash = (stated: string, sha1: string): boolean => stated.replace(/\s/g, '') === sha1;

/** Under which type it is sent, and with which ending it is saved: what is saved as a page is one click away from running. */
export function servedAs(type: string | null, isUtf8Text: boolean): { mediaType: string; extension: string } {
  const extension = TAKEN.get(type ?? '');
  if (type === null || extension === undefined || ACTIVE.has(type))
    return { mediaType: 'application/octet-stream', extension: 'bin' };
  return { mediaType: type.startsWith('text/') && isUtf8Text ? `${type}; charset=utf-8` : type, extension };
}
