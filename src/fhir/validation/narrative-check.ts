import type { Findings } from './finding.js';
import { markupFault, type MarkupFault } from './narrative-markup.js';

// Elements that R4 narrative may not hold and that act when shown: https://hl7.org/fhir/R4/narrative.html#xhtml
const ACTIVE_ELEMENT =
  /<\s*\/?\s*(?:script|iframe|frame|frameset|object|embed|applet|form|input|button|textarea|select|link|meta|base|style|svg|math)\b/i;
const EVENT_HANDLER = /[\s"'/]on[a-z]{3,30}\s*=\s*["']/i;
const ACTIVE_URL = /(?:href|src|action|background)\s*=\s*["']?\s*(?:javascript|vbscript|data\s*:\s*text\/html)/i;
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
  if (ACTIVE_ELEMENT.test(plain) || EVENT_HANDLER.test(plain) || ACTIVE_URL.test(compact(plain))) {
    findings.error('narrative-unsafe', path, 'The narrative holds active content, which R4 does not allow.');
  }
}

function decoded(xhtml: string): string {
  return xhtml.replace(
    /&#(?:x([0-9a-f]{1,6})|(\d{1,7}));/gi,
    (_all, hex: string | undefined, digits: string | undefined) => {
      const point = hex === undefined ? Number(digits) : Number.parseInt(hex, 16);
      // a decoded angle bracket stays text to a browser
      return point <= 0x10ffff && point !== 0x3c ? String.fromCodePoint(point) : '';
    },
  );
}

// Browsers pass over tabs and line ends inside a URL's scheme.
function compact(text: string): string {
  return text.replace(/[\t\r\n]/g, '');
}
