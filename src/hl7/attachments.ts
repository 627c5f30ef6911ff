import type { Mapping } from './mapping.js';
import type { Repetition, Segment } from './segment.js';

/** Table 0191 → the first half of a media type, where the sender does not give one. */
const MAIN_TYPES: Readonly<Record<string, string>> = {
  AP: 'application',
  AU: 'audio',
  IM: 'image',
  TEXT: 'text',
  TX: 'text',
  FT: 'text',
  SD: 'application',
  SI: 'image',
};
const SUBTYPES: Readonly<Record<string, string>> = {
  PDF: 'pdf',
  JPEG: 'jpeg',
  JPG: 'jpeg',
  GIF: 'gif',
  TIFF: 'tiff',
  PNG: 'png',
  HTML: 'html',
  RTF: 'rtf',
  XML: 'xml',
  TEXT: 'plain',
  PLAIN: 'plain',
  'OCTET-STREAM': 'octet-stream',
};
const TOKEN = /^[a-z0-9][a-z0-9!#$&^_.+-]{0,60}$/i;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const HEX = /^(?:[0-9A-Fa-f]{2})*$/;

/** ED and RP: a file, or where one lies. What is pointed at is never fetched. */
export function attachmentOf(obx: Segment, { zone }: Mapping): object {
  const value = obx.first(5);
  const title = obx.get(3, 2) ?? obx.get(3, 1);
  const creation = obx.time(14, zone);
  if (value === undefined) return { title, creation };
  const contentType = mediaTypeOf(value.get(2), value.get(3));
  if ((obx.get(2) ?? '').toUpperCase() === 'RP')
    return { contentType: mediaTypeOf(value.get(3), value.get(4)), url: pointerOf(value), title, creation };
  const data = dataOf(obx, value);
  // R4 wants a type beside a content (att-1); what it really is, is looked at when it is stored
  return { contentType: contentType ?? (data && 'application/octet-stream'), data, title, creation };
}

function mediaTypeOf(type: string | undefined, subtype: string | undefined): string | undefined {
  const main = MAIN_TYPES[type?.toUpperCase() ?? ''] ?? type?.toLowerCase();
  const sub = SUBTYPES[subtype?.toUpperCase() ?? ''] ?? subtype?.toLowerCase();
  if (main === undefined || sub === undefined || !TOKEN.test(main) || !TOKEN.test(sub)) return undefined;
  return `${main}/${sub}`;
}

/** RP-1; a URL in it only where it is one that a browser would ask for openly. */
function pointerOf(value: Repetition): string | undefined {
  const text = value.get(1);
  return text !== undefined && URL.canParse(text) && ['http:', 'https:'].includes(new URL(text).protocol)
    ? text
    : undefined;
}

function dataOf(obx: Segment, value: Repetition): string | undefined {
  const text = value.get(5);
  if (text === undefined) return undefined;
  const encoding = (value.get(4) ?? 'A').toUpperCase();
  if (encoding === 'A') return Buffer.from(text, 'utf8').toString('base64');
  const packed = text.replaceAll(/\s+/g, '');
  if (encoding === 'BASE64' && BASE64.test(packed)) return packed;
  if (encoding === 'HEX' && HEX.test(packed)) return Buffer.from(packed, 'hex').toString('base64');
  throw obx.fault('encoding', '102', 5, 'The data are not in the encoding that the field names.');
}
