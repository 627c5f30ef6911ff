import type { Hl7Sender } from './message.js';
import type { Repetition, Segment } from './segment.js';
import { authorityOf, codeSystemOf, v2Table } from './systems.js';

// Pieces of FHIR resources. What is undefined is left out when the resource is written.

export interface Coding {
  system?: string;
  code?: string;
  display?: string;
}
export interface Concept {
  coding?: Coding[];
  text?: string;
}
export interface Identifier {
  use?: string;
  type?: Concept;
  system?: string;
  value: string;
}

export const some = <T>(list: readonly (T | undefined)[]): T[] | undefined => {
  const found = list.filter((one) => one !== undefined);
  return found.length > 0 ? found : undefined;
};

/** A table's word for a sender's code; `constructor` and the like are in none. */
export const wordOf = (table: Readonly<Record<string, string>>, code: string | undefined): string | undefined =>
  code !== undefined && Object.hasOwn(table, code) ? table[code] : undefined;

/** https://hl7.org/fhir/R4/datatypes.html#code */
const CODE = /^\S+(?:\s\S+)*$/;

/** CE and CWE: code, text, system, the same once more, and the text that was written. */
export function conceptOf(repetition: Repetition | undefined, sender: Hl7Sender): Concept | undefined {
  if (repetition === undefined) return undefined;
  const coding = some([codingOf(repetition, [1, 2, 3, 14], sender), codingOf(repetition, [4, 5, 6, 17], sender)]);
  const text =
    repetition.get(9) ??
    (coding?.some(({ display }) => display) ? undefined : (repetition.get(2) ?? repetition.get(1)));
  return coding === undefined && text === undefined ? undefined : { coding, text };
}

function codingOf(
  repetition: Repetition,
  [code, display, system, oid]: readonly [number, number, number, number],
  sender: Hl7Sender,
): Coding | undefined {
  const value = repetition.get(code);
  if (value === undefined || !CODE.test(value)) return undefined;
  return {
    system: codeSystemOf(repetition.get(system), repetition.get(oid), sender),
    code: value,
    display: repetition.get(display),
  };
}

/** A code of one of HL7's own tables, which senders give alone; a system that they name counts. */
export function tableConcept(
  repetition: Repetition | undefined,
  table: string,
  sender: Hl7Sender,
): Concept | undefined {
  const concept = conceptOf(repetition, sender);
  for (const coding of concept?.coding ?? []) coding.system ??= v2Table(table);
  return concept;
}

/** CX: an identifier with who gave it out. `type`: table 0203. */
export function identifierOf(cx: Repetition | undefined, sender: Hl7Sender, type = cx?.get(5)): Identifier | undefined {
  const value = cx?.get(1);
  if (cx === undefined || value === undefined) return undefined;
  const coding = type !== undefined && CODE.test(type) ? [{ system: v2Table('0203'), code: type }] : undefined;
  return {
    type: coding && { coding },
    system: authorityOf([cx.get(4, 1), cx.get(4, 2), cx.get(4, 3)], sender),
    value,
  };
}

/** EI: an order's or document's number with who gave it out. */
export function entityIdentifier(ei: Repetition | undefined, sender: Hl7Sender): Identifier | undefined {
  const value = ei?.get(1);
  if (ei === undefined || value === undefined) return undefined;
  return { system: authorityOf([ei.get(2), ei.get(3), ei.get(4)], sender), value };
}

/** What an identifier is told apart by: who gave it out, as the sender says it, and itself. */
export const numberOf = (cx: Repetition): [string, string] => [cx.get(4, 1) ?? cx.get(4, 2) ?? '', cx.get(1) ?? ''];
export const entityNumber = (ei: Repetition): [string, string] => [ei.get(2) ?? ei.get(3) ?? '', ei.get(1) ?? ''];

const NAME_USES: Readonly<Record<string, string>> = {
  L: 'official',
  D: 'usual',
  M: 'maiden',
  N: 'nickname',
  S: 'anonymous',
  T: 'temp',
  A: 'nickname',
};

/** XPN. */
export function nameOf(xpn: Repetition): object | undefined {
  const family = xpn.get(1, 1);
  const given = some([xpn.get(2), ...(xpn.get(3)?.split(/\s+/) ?? [])].filter((part) => part !== ''));
  if (family === undefined && given === undefined) return undefined;
  const use = wordOf(NAME_USES, xpn.get(7) ?? 'L');
  return { use, family, given, prefix: some([xpn.get(5)]), suffix: some([xpn.get(4), xpn.get(6)]) };
}

const ADDRESS_USES: Readonly<Record<string, string>> = { H: 'home', B: 'work', O: 'work', C: 'temp', BA: 'old' };

/** XAD. */
export function addressOf(xad: Repetition): object | undefined {
  const address = {
    use: wordOf(ADDRESS_USES, xad.get(7)),
    line: some([xad.get(1, 1), xad.get(2)]),
    city: xad.get(3),
    district: xad.get(9),
    state: xad.get(4),
    postalCode: xad.get(5),
    country: xad.get(6),
  };
  const { use: _, ...said } = address;
  return Object.values(said).some((part) => part !== undefined) ? address : undefined;
}

const EQUIPMENT: Readonly<Record<string, string>> = {
  PH: 'phone',
  FX: 'fax',
  CP: 'phone',
  BP: 'pager',
  Internet: 'email',
  'X.400': 'email',
};

/** XTN. */
export function contactPointOf(xtn: Repetition, use: 'home' | 'work'): object | undefined {
  const kind = xtn.get(3) ?? '';
  const email = xtn.get(4);
  if (email !== undefined && (kind === 'Internet' || kind === 'X.400')) return { system: 'email', value: email, use };
  const country = xtn.get(5);
  const pieces = [country && `+${country}`, xtn.get(6), xtn.get(7), xtn.get(8) && `ext. ${xtn.get(8)}`].filter(Boolean);
  const value = xtn.get(12) ?? xtn.get(1) ?? (pieces.length > 0 ? pieces.join(' ') : undefined);
  if (value === undefined) return undefined;
  return { system: wordOf(EQUIPMENT, kind) ?? 'phone', value, use: kind === 'CP' ? 'mobile' : use };
}

/** XCN: a person of the hospital, by name and number; whose record it is here is not known. */
export function personOf(xcn: Repetition | undefined, sender: Hl7Sender): object | undefined {
  if (xcn === undefined) return undefined;
  const words = [xcn.get(6), xcn.get(3), xcn.get(4), xcn.get(2, 1), xcn.get(5), xcn.get(7)].filter(
    (word) => word !== undefined,
  );
  const value = xcn.get(1);
  const identifier =
    value === undefined
      ? undefined
      : { system: authorityOf([xcn.get(9, 1), xcn.get(9, 2), xcn.get(9, 3)], sender), value };
  const display = words.length > 0 ? words.join(' ') : value;
  return display === undefined ? undefined : { identifier, display };
}

/** PL: a place in words. */
export const placeOf = (pl: Repetition | undefined): string | undefined => pl?.get(9) ?? pl?.words;

/** Lines of the NTE segments behind another one. */
export function notesOf(notes: readonly Segment[]): string | undefined {
  const lines = notes.flatMap((note) => note.all(3).flatMap((line) => line.text ?? []));
  return lines.length === 0 ? undefined : lines.join('\n');
}
