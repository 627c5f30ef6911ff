import type { Findings } from './finding.js';
import { markupFault, type MarkupFault } from './narrative-markup.js';

// Elements that R4 narrative may not hold and that act when shown, by whatever prefix: https://hl7.org/fhir/R4/narrative.html#xhtml
const ACTIVE_ELEMENT =
  /<\s*\/?\s*(?:[\w.-]+:)?(?:script|noscript|template|iframe|frame|frameset|noframes|object|embed|applet|form|input|button|textarea|select|link|meta|base|style|svg|math|audio|video|source|title|xmp|plaintext|noembed|dialog|portal)\b/i;
const EVENT_HANDLER = /[\s"'/]on[a-z]{3,30}\s*=\s*["']|<[^<>]*[\s"'/]on[a-z]{3,30}\s*=/i;
/** Of links and pictures; data may be a picture of dots. Browsers pass over control characters and blanks before a scheme. */
const ACTIVE_URL =
  /(?:href|src|action|background|poster)\s*=\s*["']?[\u0000-\u0020]*(?:javascript|vbscript|data\s*:(?!\s*image\/(?:png|jpe?g|gif|webp|bmp)\b))/i;
/** What styles of the sender may not do: run, or fetch sheets. */
const ACTIVE_STYLE =
  /\sstyle\s*=\s*(?:"[^"]*|'[^']*)(?:expression\s*\(|javascript\s*:|-moz-binding|behavior\s*:|@import)/i;
const FAULTS: Readonly<Record<MarkupFault, string>> = {
  malformed: 'The narrative must be one well-formed XHTML div.',
  namespace: 'The narrative’s div must have the namespace of XHTML.',
  element: 'The narrative holds an element that R4 does not allow there.',
  empty: 'The narrative must say something.',
};

/** Narrative is never put into a page raw; this only keeps a record that tries from counting as good. */
export function checkNarrative(xhtml: string, path: string, findings: Findings): void {
  const fault = /^\s*<div[\s>]/.test(xhtml) ? markupFault(xhtml) : 'malformed';
  // one that says nothing hides nothing either, and an official example of R4 has one
  if (fault) findings.add(fault === 'empty' ? 'warning' : 'error', 'narrative-invalid', path, FAULTS[fault]);
  const plain = decoded(xhtml);
  const isActive = [ACTIVE_ELEMENT, EVENT_HANDLER, ACTIVE_STYLE].some((one) => one.test(plain));
  if (isActive || ACTIVE_URL.test(compact(plain))) {
    findings.error('narrative-unsafe', path, 'The narrative holds active content, which R4 does not allow.');
  }
}

/** Names by which HTML, and no XML, spells a scheme: https://html.spec.whatwg.org/multipage/named-characters.html */
const NAMED: Readonly<Record<string, string>> = {
  Tab: '\t',
  NewLine: '\n',
  colon: ':',
  lpar: '(',
  sol: '/',
  equals: '=',
};

/** A reference by number, with any zeros before it, or by such a name; browsers ask for no semicolon after a number. */
const REFERENCE = /&(?:#x0*([0-9a-f]{1,6})(?![0-9a-f]);?|#0*(\d{1,7})(?!\d);?|(Tab|NewLine|colon|lpar|sol|equals);)/gi;

function decoded(xhtml: string): string {
  return xhtml.replace(REFERENCE, (all: string, hex?: string, digits?: string, name?: string) => {
    if (name !== undefined) return NAMED[name] ?? all;
    const point = hex === undefined ? Number(digits) : Number.parseInt(hex, 16);
    // a decoded angle bracket stays text to a browser
    return point <= 0x10ffff && point !== 0x3c ? String.fromCodePoint(point) : '';
  });
}

// Browsers pass over tabs and line ends inside a URL's scheme.
function compact(text: string): string {
  return text.replace(/[\t\r\n]/g, '');
}
