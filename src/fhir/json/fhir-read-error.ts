export type FhirReadErrorCode =
  | 'malformed-json'
  | 'truncated'
  | 'too-deep'
  | 'too-large'
  | 'too-many-entries'
  | 'entry-too-large'
  | 'not-a-bundle'
  | 'duplicate-key'
  | 'invalid-utf8'
  | 'forbidden-character'
  | 'number-out-of-range';

// What the sender has to do. Fixed sentences: a message that quoted the input would carry clinical content into logs.
const ADVICE: Record<FhirReadErrorCode, string> = {
  'malformed-json': 'The text is not valid JSON (RFC 8259); correct it at the position given and send it again.',
  truncated: 'The text ends before the JSON document does; send the whole document.',
  'too-deep': 'The JSON is nested deeper than this server accepts; flatten it.',
  'too-large': 'The document is larger than this server accepts; split it into smaller ones.',
  'too-many-entries': 'The Bundle has more entries than this server accepts; split it into smaller Bundles.',
  'entry-too-large':
    'One entry is larger than this server accepts; send large attachments as separate Binary resources.',
  'not-a-bundle': 'The document must be a FHIR R4 Bundle: an object with an array of entries, each an object.',
  'duplicate-key': 'An object names the same member twice, so its meaning is ambiguous; send each member once.',
  'invalid-utf8': 'The bytes are not valid UTF-8; encode the document as UTF-8.',
  'forbidden-character': 'A string holds \\u0000 or an unpaired surrogate, which cannot be stored; remove it.',
  'number-out-of-range': 'A number is too long or too large to be stored exactly; send a FHIR decimal.',
};

/** The same sentences for whoever finds such a fault without a document. */
export const readAdvice = (code: FhirReadErrorCode): string => ADVICE[code];

/** Bad input, never a fault of ours. `position` is the byte offset in the document as sent, counted from 0. */
export class FhirReadError extends Error {
  readonly code: FhirReadErrorCode;
  readonly position: number;
  readonly entryIndex: number | undefined;

  constructor(code: FhirReadErrorCode, position: number, entryIndex?: number) {
    super(ADVICE[code]);
    this.name = 'FhirReadError';
    this.code = code;
    this.position = position;
    this.entryIndex = entryIndex;
  }
}
