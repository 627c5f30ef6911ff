import { exactInstantOf, instantOf } from './dates.js';
import { FACT_ELEMENTS, OTHER_TYPES, type FactElements } from './fact-elements.js';
import { gistOf, type Gist } from './gist.js';
import { humanNameOf, isKey } from './identity.js';
import { marksOf, type Marks } from './marks.js';
import { at, isObject, listOf, member, textAt, textOf, textsOf } from './values.js';

/** What lists, filters and their order need of a record; everything else is read from the record's own text. */
export interface RecordFacts {
  type: string;
  sourceId?: string;
  versionId?: string;
  /** ISO instant in UTC, to the microsecond where it says so: for comparing versions. */
  lastUpdated?: string;
  category: string[];
  code?: { system?: string; code?: string };
  /** Words for a person; never empty. */
  display: string;
  /** ISO instant in UTC, for ordering only: a partial date stands for its start. */
  effectiveAt?: string;
  /** As sent: partial stays partial, words stay words. */
  effectiveText?: string;
  status?: string;
  /** Further words that lists show of it. */
  gist: Gist;
  /** What its sensitivity is told by. */
  marks: Marks;
}

const UNKNOWN_TYPE = 'Resource';
const WITHDRAWN = 'entered-in-error';
const PEOPLE = new Set(['Patient', 'Practitioner', 'RelatedPerson', 'Person']);
// A list line, not the text itself: CodeableConcept.text has been seen holding whole notes.
const MAX_DISPLAY = 500;

/** `text`: the resource as sent, for its numbers; without it they may have lost their zeros. */
export function factsOf(resource: unknown, text?: string): RecordFacts {
  const type = textAt(resource, 'resourceType') ?? UNKNOWN_TYPE;
  const elements = Object.hasOwn(FACT_ELEMENTS, type) ? (FACT_ELEMENTS[type] ?? OTHER_TYPES) : OTHER_TYPES;
  const concepts = (elements.code ?? ['code'])
    .flatMap((path) => allAt(resource, path))
    .flatMap((concept) => [concept, containedCode(resource, concept)])
    .filter(isObject);
  const effectiveText = firstText(resource, elements.effective ?? []);
  return {
    type,
    sourceId: textAt(resource, 'id'),
    versionId: textAt(resource, 'meta', 'versionId'),
    lastUpdated: exactInstantOf(textAt(resource, 'meta', 'lastUpdated') ?? ''),
    category: categoriesOf(resource, elements),
    code: concepts.map(codeOf).find((code) => code !== undefined),
    display: displayOf(resource, type, elements, concepts),
    effectiveAt: instant(effectiveText),
    effectiveText,
    status: statusOf(resource, elements),
    gist: gistOf(resource, text),
    marks: marksOf(resource),
  };
}

/** The code of a contained resource that a reference such as `#med1` names; other references are the importer's to follow. */
function containedCode(resource: unknown, concept: unknown): unknown {
  const reference = textAt(concept, 'reference');
  if (reference?.startsWith('#') !== true) return undefined;
  const contained = listOf(member(resource, 'contained')).find((item) => textAt(item, 'id') === reference.slice(1));
  return member(contained, 'code');
}

function instant(text: string | undefined): string | undefined {
  return text === undefined ? undefined : instantOf(text);
}

function displayOf(resource: unknown, type: string, elements: FactElements, concepts: unknown[]): string {
  const person = PEOPLE.has(type) ? humanNameOf(member(resource, 'name')) : undefined;
  const concept = () => textOf(concepts.map(wordsOf).find((words) => words !== undefined));
  const words = () => firstText(resource, elements.words ?? []);
  const found = person ?? (elements.wordsFirst ? (words() ?? concept()) : (concept() ?? words()));
  return (found ?? withCode(spaced(type), concepts)).trim().slice(0, MAX_DISPLAY);
}

function withCode(name: string, concepts: unknown[]): string {
  const code = concepts.map((concept) => codeOf(concept)?.code).find((text) => text !== undefined);
  return code === undefined ? name : `${name} (${code})`;
}

/** CodeableConcept.text, else a coding's display, else that of a Reference or Coding itself. */
function wordsOf(concept: unknown): string | undefined {
  const codings = listOf(at(concept, 'coding'));
  const display = codings.map((coding) => textAt(coding, 'display')).find((words) => words !== undefined);
  return textAt(concept, 'text') ?? display ?? textAt(concept, 'display');
}

function codeOf(concept: unknown): RecordFacts['code'] {
  const codings = [...listOf(at(concept, 'coding')), concept];
  const coding = codings.find(
    (candidate) =>
      textAt(candidate, 'code') !== undefined && isKey(textAt(candidate, 'system'), textAt(candidate, 'code')),
  );
  return coding === undefined ? undefined : { system: textAt(coding, 'system'), code: textAt(coding, 'code') };
}

function categoriesOf(resource: unknown, elements: FactElements): string[] {
  const values = (elements.category ?? ['category']).flatMap((path) => allAt(resource, path));
  const codes = values.flatMap((value) =>
    isObject(value)
      ? [...listOf(at(value, 'coding')), value].flatMap((coding) => textAt(coding, 'code') ?? [])
      : textsOf(value),
  );
  return [...new Set(codes)];
}

/**
 * `entered-in-error` wins over everything: for Condition and AllergyIntolerance it is said in verificationStatus, and a
 * withdrawn record must not look active because of its clinicalStatus.
 */
function statusOf(resource: unknown, elements: FactElements): string | undefined {
  const verification = codeOf(member(resource, 'verificationStatus'))?.code;
  if (verification === WITHDRAWN) return WITHDRAWN;
  return (
    firstText(resource, elements.status ?? ['status']) ??
    codeOf(member(resource, 'clinicalStatus'))?.code ??
    verification ??
    activeText(member(resource, 'active'))
  );
}

function activeText(active: unknown): string | undefined {
  return typeof active === 'boolean' ? (active ? 'active' : 'inactive') : undefined;
}

function firstText(resource: unknown, paths: readonly string[]): string | undefined {
  for (const path of paths) {
    const text = textsOf(allAt(resource, path))[0];
    if (text !== undefined) return text;
  }
  return undefined;
}

function allAt(value: unknown, path: string): unknown[] {
  return path
    .split('.')
    .reduce<unknown[]>((values, name) => values.flatMap((item) => listOf(member(item, name))), [value]);
}

/** `DiagnosticReport` is read as "Diagnostic report". */
function spaced(type: string): string {
  return type.replace(/(?<=[a-z])[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}
