import iconv from 'iconv-lite';
import { Hl7Fault } from './fault.js';

/** Table 0211 (https://terminology.hl7.org/CodeSystem-v2-0211.html) as far as it can be read here; what is not in it is refused. */
const CHARSETS: Readonly<Record<string, string>> = {
  ASCII: 'ascii',
  '8859/1': 'iso-8859-1',
  '8859/2': 'iso-8859-2',
  '8859/3': 'iso-8859-3',
  '8859/4': 'iso-8859-4',
  '8859/5': 'iso-8859-5',
  '8859/6': 'iso-8859-6',
  '8859/7': 'iso-8859-7',
  '8859/8': 'iso-8859-8',
  '8859/9': 'iso-8859-9',
  '8859/15': 'iso-8859-15',
  'GB 18030-2000': 'gb18030',
  'KS X 1001': 'euc-kr',
  'BIG-5': 'big5',
  UNICODE: 'utf-8',
  'UNICODE UTF-8': 'utf-8',
};
export const CHARSET_NAMES: readonly string[] = Object.keys(CHARSETS);

const BOM = Buffer.from([0xef, 0xbb, 0xbf]);
/** MSH-18, first repetition, of bytes read as Latin-1: the charsets taken here keep ASCII as it is. */
const MSH_FIELDS = 18;
const HEAD_BYTES = 4_096;
const REPLACED = '\uFFFD';
// Segments end with CR; everything else below the blank is no text, and FHIR could not hold it.
const NO_TEXT = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/;

export interface Decoded {
  text: string;
  /** As MSH-18 names it. */
  charset: string;
}

/**
 * Bytes of one message or batch → text, by MSH-18, else by what is known of the sender; a byte order mark says UTF-8. What the
 * charset has no letter for is refused: a name with holes would be another name.
 */
export function decode(bytes: Buffer, fallback: string): Decoded {
  const isMarked = bytes.subarray(0, BOM.length).equals(BOM);
  const content = isMarked ? bytes.subarray(BOM.length) : bytes;
  const charset = declaredIn(content) ?? (isMarked ? 'UNICODE UTF-8' : fallback);
  const encoding = Object.hasOwn(CHARSETS, charset) ? CHARSETS[charset]! : undefined;
  const refuse = (code: string, detail: string): Hl7Fault =>
    new Hl7Fault(code, '103', { line: 1, segment: 'MSH', sequence: 1, field: 18 }, detail, true);
  if (encoding === undefined) throw refuse('charset', 'The character set that MSH-18 names cannot be read here.');
  const isAscii = encoding === 'ascii' && content.some((byte) => byte > 0x7f);
  const text = isAscii ? REPLACED : iconv.decode(content, encoding, { stripBOM: false });
  if (text.includes(REPLACED))
    throw refuse('charset', 'The message has bytes that are no letters of its character set.');
  if (NO_TEXT.test(text)) throw refuse('forbidden-character', 'The message has control characters that are no text.');
  return { text, charset };
}

export const encode = (text: string, charset: string): Buffer =>
  iconv.encode(text, (Object.hasOwn(CHARSETS, charset) ? CHARSETS[charset] : undefined) ?? 'utf-8');

/** Undefined: MSH-18 is empty, or there is no MSH. */
function declaredIn(bytes: Buffer): string | undefined {
  const head = bytes.toString('latin1', 0, HEAD_BYTES);
  const at = head.search(/(?:^|[\r\n])MSH./);
  if (at < 0) return undefined;
  const [header = ''] = head
    .slice(at)
    .trimStart()
    .split(/[\r\n]/);
  const [charset = ''] = (header.split(header.charAt(3))[MSH_FIELDS - 1] ?? '').split(header.charAt(5));
  return charset.trim() === '' ? undefined : charset.trim().toUpperCase();
}
