import { FACT_ELEMENTS, OTHER_TYPES } from './fact-elements.js';
import { parseReference } from './references.js';
import { at, isObject, listOf, member, textAt } from './values.js';

/** What decides how sensitive a record is, and to which visit it belongs. References as sent. */
export interface Marks {
  /** Codes of the sender's meta.security that limit who may read. */
  senderLabels: string[];
  /**
   * All codings of what it is: `system|code`, and the code alone. After a `~` those that are only mentioned in it, such as the reason
   * of a prescription or a part of a panel: nobody finds it by them, and it is as sensitive as they are.
   */
  codes: string[];
  /** Codings of departments and specialties: `system|code`. */
  departments: string[];
  /** Organisations and places that it comes from. */
  departmentReferences: string[];
  encounterReference?: string;
  /** Of a prescription, its medicine, where that is a record of its own: it is as sensitive as its codes. */
  medicineReference?: string;
}

const CONFIDENTIALITY = 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality';
/** Confidentiality up to normal: no more limited than any record of a chart (HL7 v3 Confidentiality U, L, M, N). */
const ORDINARY: ReadonlySet<string> = new Set(['U', 'L', 'M', 'N']);
/** Systems in meta.security that speak of something else: integrity, purpose (HTEST), what was left out of a copy. */
const NOT_OF_SENSITIVITY: ReadonlySet<string> = new Set([
  'http://terminology.hl7.org/CodeSystem/v3-ObservationValue',
  'http://terminology.hl7.org/CodeSystem/v3-ActReason',
]);
/** For a label that is no code that can be shown or compared: the record is limited all the same. */
const RESTRICTED = 'R';
const LABEL = /^[A-Za-z0-9._-]{1,40}$/;
// Nobody finds a record by more codings than these. One with more mentions than are judged by counts as limited.
const MAX_CODES = 100;
const MAX_MENTIONS = 1_000;
const MENTIONED = '~';

/** Codes of one record as codes that are mentioned in another. */
export const asMentioned = (codes: readonly string[]): string[] =>
  codes.flatMap((code) => (code.startsWith(MENTIONED) ? [code] : code.includes('|') ? [MENTIONED + code] : []));

const UNITS = 'http://unitsofmeasure.org';

const DEPARTMENT_CODES = ['serviceType', 'type', 'context.practiceSetting', 'specialty', 'class'];
const DEPARTMENT_REFERENCES = [
  'serviceProvider',
  'performer',
  'performer.actor',
  'custodian',
  'resultsInterpreter',
  'location',
  'location.location',
  'author',
];
const DEPARTMENT_TYPES: ReadonlySet<string> = new Set(['Organization', 'Location', 'HealthcareService']);

export function marksOf(resource: unknown): Marks {
  const type = textAt(resource, 'resourceType') ?? '';
  const references = DEPARTMENT_REFERENCES.flatMap((path) => allAt(resource, path)).flatMap((one) => {
    const reference = textAt(one, 'reference');
    return reference !== undefined && isDepartment(reference) ? [reference] : [];
  });
  const codes = codesOf(type, resource);
  const mentions = mentionsIn(resource, new Set(codes));
  const labels = labelsOf(resource);
  return {
    senderLabels: mentions.length > MAX_MENTIONS ? [...new Set([...labels, RESTRICTED])].sort() : labels,
    codes: [...codes, ...mentions.slice(0, MAX_MENTIONS)],
    departments: [
      ...new Set(DEPARTMENT_CODES.flatMap((path) => allAt(resource, path)).flatMap((one) => tokensOf(one))),
    ],
    departmentReferences: [...new Set(references)],
    medicineReference: textAt(resource, 'medicationReference', 'reference'),
    encounterReference:
      textAt(resource, 'encounter', 'reference') ?? textAt(resource, 'context', 'reference') ?? visit(resource),
  };
}

/** DocumentReference keeps its visit in `context.encounter`. */
const visit = (resource: unknown): string | undefined => textAt(resource, 'context', 'encounter', 'reference');

function labelsOf(resource: unknown): string[] {
  // A document that is kept as a record is as limited as what it holds.
  const all = [resource, ...listOf(member(resource, 'entry')).map((entry) => member(entry, 'resource'))];
  const labels = all
    .flatMap((one) => listOf(at(one, 'meta', 'security')))
    .flatMap((coding) => {
      const system = textAt(coding, 'system') ?? '';
      const code = textAt(coding, 'code') ?? '';
      if (NOT_OF_SENSITIVITY.has(system) || (system === CONFIDENTIALITY && ORDINARY.has(code))) return [];
      return [LABEL.test(code) ? code : RESTRICTED];
    });
  return [...new Set(labels)].sort();
}

function codesOf(type: string, resource: unknown): string[] {
  const elements = Object.hasOwn(FACT_ELEMENTS, type) ? FACT_ELEMENTS[type]! : OTHER_TYPES;
  const concepts = (elements.code ?? ['code']).flatMap((path) => allAt(resource, path));
  const codings = concepts.flatMap((concept) => [...listOf(at(concept, 'coding')), concept]).slice(0, MAX_CODES);
  const codes = codings.flatMap((coding) => {
    const code = textAt(coding, 'code');
    return code === undefined ? [] : [code, `${textAt(coding, 'system') ?? ''}|${code}`];
  });
  return [...new Set(codes)];
}

/** Codings anywhere in the record, contained resources included, but for its labels and for units. */
function mentionsIn(resource: unknown, known: ReadonlySet<string>): string[] {
  const mentions = new Set<string>();
  const look = (value: unknown): void => {
    if (mentions.size > MAX_MENTIONS) return;
    if (Array.isArray(value)) return value.forEach(look);
    if (!isObject(value)) return;
    const { system, code } = value;
    if (typeof system === 'string' && typeof code === 'string' && system !== UNITS && !known.has(`${system}|${code}`))
      mentions.add(`${MENTIONED}${system}|${code}`);
    for (const [name, inner] of Object.entries(value)) if (name !== 'meta') look(inner);
  };
  look(resource);
  return [...mentions];
}

const tokensOf = (concept: unknown): string[] =>
  [...listOf(at(concept, 'coding')), concept].flatMap((coding) => {
    const code = textAt(coding, 'code');
    return code === undefined ? [] : [`${textAt(coding, 'system') ?? ''}|${code}`];
  });

/** A urn may turn out to be one: whoever resolves it sees. */
function isDepartment(reference: string): boolean {
  const parsed = parseReference(reference);
  return parsed.kind === 'urn' || ('type' in parsed && parsed.type !== undefined && DEPARTMENT_TYPES.has(parsed.type));
}

function allAt(value: unknown, path: string): unknown[] {
  return path
    .split('.')
    .reduce<unknown[]>(
      (values, name) => values.flatMap((item) => listOf(isObject(item) ? member(item, name) : undefined)),
      [value],
    );
}
