import { at, listOf, member, textAt, textOf, textsOf } from './values.js';

export interface BusinessIdentifier {
  system?: string;
  value: string;
  /** Codes of Identifier.type from HL7 v2 table 0203, such as MR, SS, DL. */
  types: string[];
  use?: string;
  /** A medical record number: the only identifier that may tie an account to a chart. */
  isMrn: boolean;
}

export interface Demographics {
  family?: string;
  given: string[];
  /** As sent: a partial date stays partial. */
  birthDate?: string;
  /** Patient.gender, the administrative sex: male | female | other | unknown. */
  sex?: string;
}

/** Patient.link that says that two Patient records are one person and which of them goes on. */
export interface PatientLink {
  /** `replaced-by`: the other one goes on; `replaces`: this one does. */
  type: 'replaced-by' | 'replaces';
  reference: string;
}

const MRN = 'MR';
// A key that is longer can be looked up by nobody: PostgreSQL's indexes take 2.7 kB in all.
const MAX_KEY = 500;
const MAX_NAME = 300;
const MAX_GIVEN = 20;
// Each is looked at in the database; nobody is more persons than this.
const MAX_LINKS = 100;

/** Can something be found by this? */
export const isKey = (...parts: (string | undefined)[]): boolean =>
  parts.reduce((length, part) => length + (part?.length ?? 0), 0) <= MAX_KEY;

/** Patient.identifier with a value; an identifier marked `old` is given with its use, so that the caller can pass it over. */
export function identifiersOf(patient: unknown): BusinessIdentifier[] {
  return listOf(at(patient, 'identifier')).flatMap((identifier) => {
    const value = textAt(identifier, 'value');
    if (value === undefined || !isKey(textAt(identifier, 'system'), value)) return [];
    const types = textsOf(listOf(at(identifier, 'type', 'coding')).map((coding) => textAt(coding, 'code')));
    return [
      {
        system: textAt(identifier, 'system'),
        value,
        types,
        use: textAt(identifier, 'use'),
        isMrn: types.includes(MRN),
      },
    ];
  });
}

/** https://hl7.org/fhir/R4/patient-definitions.html#Patient.link; `refer` and `seealso` merge nobody. */
export function patientLinksOf(patient: unknown): PatientLink[] {
  const links = listOf(at(patient, 'link')).slice(0, MAX_LINKS);
  return links.flatMap((link) => {
    const type = textAt(link, 'type');
    const reference = textAt(link, 'other', 'reference');
    return (type === 'replaced-by' || type === 'replaces') && reference !== undefined ? [{ type, reference }] : [];
  });
}

export function demographicsOf(patient: unknown): Demographics {
  const name = preferredName(member(patient, 'name'));
  return {
    family: textAt(name, 'family')?.slice(0, MAX_NAME),
    given: textsOf(member(name, 'given'))
      .slice(0, MAX_GIVEN)
      .map((given) => given.slice(0, MAX_NAME)),
    birthDate: textAt(patient, 'birthDate'),
    sex: textAt(patient, 'gender'),
  };
}

/** The name to show a person by: the official one, else the usual, else one that is not old. */
export function humanNameOf(names: unknown): string | undefined {
  const name = preferredName(names);
  const parts = [...textsOf(member(name, 'prefix')), ...textsOf(member(name, 'given')), textAt(name, 'family')];
  return textAt(name, 'text') ?? textOf(textsOf(parts).join(' '));
}

function preferredName(names: unknown): unknown {
  const all = listOf(names);
  const withUse = (use: string) => all.find((name) => textAt(name, 'use') === use);
  return withUse('official') ?? withUse('usual') ?? all.find((name) => textAt(name, 'use') !== 'old') ?? all[0];
}
