// The HTML that R4 allows (txt-1): chapters 7 to 11 (without 4 of 9) and 15 of HTML 4.0, and links and images.
const ELEMENTS: ReadonlySet<string> = new Set(
  (
    'a abbr acronym address area b basefont bdo big blockquote br caption center cite code col colgroup dd del dfn div dl dt ' +
    'em font h1 h2 h3 h4 h5 h6 hr i img ins kbd li map ol p pre q s samp small span strike strong sub sup table tbody ' +
    'td tfoot th thead tr tt u ul var'
  ).split(' '),
);

const NAME = '[A-Za-z][A-Za-z0-9]*';
const ATTRIBUTE = `[A-Za-z_][\\w.:-]*\\s*=\\s*(?:"[^"<]*"|'[^'<]*')`;
const TAG = `<(/?)(${NAME})((?:\\s+${ATTRIBUTE})*)\\s*(/?)>`;
const TEXT = '[^<&]+';
const CHARACTER = '&(?:#x0*[0-9A-Fa-f]{1,6}|#0*\\d{1,7}|[A-Za-z][A-Za-z0-9]{1,30});';
const COMMENT = '<!--(?:(?!--)[^])*-->';
const TOKEN = new RegExp(`${TAG}|(${TEXT}|${CHARACTER})|${COMMENT}`, 'y');
const NAMESPACE = /\sxmlns\s*=\s*["']http:\/\/www\.w3\.org\/1999\/xhtml["']/;

export type MarkupFault = 'malformed' | 'namespace' | 'element' | 'empty';

/**
 * What is wrong with a narrative's markup (https://hl7.org/fhir/R4/narrative.html#xhtml), if anything: it must be one well-formed
 * div of XHTML, without declarations and entities of its own, and say something. Nothing is made of it: it is read over once.
 */
export function markupFault(xhtml: string): MarkupFault | undefined {
  const source = xhtml.trim();
  const open: string[] = [];
  let hasContent = false;
  let isClosed = false;
  for (TOKEN.lastIndex = 0; TOKEN.lastIndex < source.length;) {
    const token = TOKEN.exec(source);
    if (!token || isClosed) return 'malformed';
    const [, slash, name, attributes = '', isEmpty, text] = token;
    if (name === undefined) {
      hasContent ||= text !== undefined && text.trim() !== '';
      continue;
    }
    if (!ELEMENTS.has(name)) return 'element';
    if (slash) {
      if (open.pop() !== name) return 'malformed';
    } else {
      if (open.length === 0 && !NAMESPACE.test(attributes)) return 'namespace';
      hasContent ||= name === 'img';
      if (!isEmpty) open.push(name);
    }
    isClosed = open.length === 0;
  }
  if (!isClosed) return 'malformed';
  return hasContent ? undefined : 'empty';
}
