/** Chapter 2.7 of HL7 v2: what stands between two escape characters. */
export interface Separators {
  fieldSeparator: string;
  componentSeparator: string;
  repetitionSeparator: string;
  escapeCharacter: string;
  subcomponentSeparator: string;
}

const HEX = /^X((?:[0-9A-F]{2}){1,100})$/i;
const LINES = /^\.(?:br|sp(\d{0,2}))$/;
const LAYOUT = /^(?:H|N|\.(?:fi|nf|ce|in[+-]?\d{0,3}|ti[+-]?\d{0,3}|sk[+-]?\d{0,3}))$/;
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

/** The text that was meant. What is unknown here (other character sets, a sender's own) stays as it was sent. */
export function unescaped(text: string, separators: Separators): string {
  const { escapeCharacter: mark } = separators;
  if (!text.includes(mark)) return text;
  const parts = text.split(mark);
  let plain = parts[0]!;
  for (let at = 1; at < parts.length; at++) {
    const meant = at + 1 < parts.length ? meaningOf(parts[at]!, separators) : undefined;
    if (meant === undefined) plain += mark + parts[at]!;
    else plain += meant + parts[++at]!;
  }
  return plain;
}

function meaningOf(sequence: string, separators: Separators): string | undefined {
  switch (sequence) {
    case 'F':
      return separators.fieldSeparator;
    case 'S':
      return separators.componentSeparator;
    case 'T':
      return separators.subcomponentSeparator;
    case 'R':
      return separators.repetitionSeparator;
    case 'E':
      return separators.escapeCharacter;
  }
  const lines = LINES.exec(sequence);
  if (lines) return '\n'.repeat(Math.max(1, Number(lines[1] ?? 1)));
  if (LAYOUT.test(sequence)) return '';
  const hex = HEX.exec(sequence)?.[1];
  if (hex === undefined) return undefined;
  if (/^(?:0d|0a)+$/i.test(hex)) return '\n';
  const letters = Buffer.from(hex, 'hex').toString('latin1');
  return CONTROL.test(letters) ? undefined : letters;
}
