const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
};
/** What neither HTML nor XML may hold. */
const FORBIDDEN =
  /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/** Text of a record for content and quoted attributes of HTML and XHTML: never markup, whatever it says. */
export const escaped = (text: string): string =>
  text.replace(FORBIDDEN, '\ufffd').replace(/[&<>"']/g, (character) => ENTITIES[character]!);

/**
 * The same in a narrative (https://hl7.org/fhir/R4/narrative.html). Validators look for handlers and addresses in its text without telling
 * words from markup: a sentence about one must not make a summary unsafe for them.
 */
export const narrated = (text: string): string => escaped(text).replaceAll('=', '<span>=</span>');
