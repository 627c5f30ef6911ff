import { r4, type MemberDefinition, type TypeDefinition } from '../definitions/definitions.js';
import { isObject, listOf, member, textAt, textsOf, type JsonObject } from '../values.js';
import { checkBinding } from './binding-check.js';
import { checkContained } from './contained-check.js';
import { pathSegment, type Findings } from './finding.js';
import { checkNarrative } from './narrative-check.js';
import { checkReference } from './reference-check.js';
import { checkId, checkPrimitive, isPrimitiveType, isReversed } from './primitive-check.js';
import { checkObservationCodes, checkTypeRules } from './type-rules.js';

// Deeper than any record (QuestionnaireResponse groups and extensions stay under 30), shallower than the stack.
const MAX_DEPTH = 200;

/**
 * What @medplum/core does not look at: required codes, calendar dates, ids, one value[x], empty values, JSON types, Period
 * order, contained rules, active narrative. Walks by the same R4 definitions. Never throws on a JSON value.
 */
export function checkOwn(resource: JsonObject, findings: Findings): void {
  new Walk(findings).resource(resource, textAt(resource, 'resourceType') ?? '', 0, false);
}

class Walk {
  private readonly findings: Findings;
  /** Of the resource being walked that is not itself contained. */
  private containedIds: ReadonlySet<string> = new Set();

  constructor(findings: Findings) {
    this.findings = findings;
  }

  resource(value: unknown, path: string, depth: number, isContained: boolean): void {
    const type = textAt(value, 'resourceType');
    const definition = type !== undefined && r4().isResourceType(type) ? r4().type(type) : undefined;
    if (!isObject(value) || !definition) {
      this.findings.error(
        isObject(value) ? 'unknown-type' : 'wrong-json-type',
        path,
        'There must be a resource of a type that R4 knows.',
      );
      return;
    }
    if (isContained && (member(value, 'contained') !== undefined || textAt(value, 'id') === undefined)) {
      this.findings.error('contained-invalid', path, 'A contained resource has an id and contains no other.');
    }
    const id = member(value, 'id');
    if (typeof id === 'string' && id !== '') checkId(id, `${path}.id`, this.findings);
    const outer = this.containedIds;
    if (!isContained) this.containedIds = idsOf(member(value, 'contained'));
    this.members(value, definition, path, depth, true);
    this.containedIds = outer;
    if (!isContained) checkContained(value, path, this.findings);
    if (type === 'Observation') checkObservationCodes(value, path, this.findings);
  }

  private object(value: unknown, type: string, path: string, depth: number): void {
    if (!isObject(value)) {
      this.findings.error('wrong-json-type', path, 'The value must be a JSON object.');
      return;
    }
    const definition = r4().type(type);
    if (definition) this.members(value, definition, path, depth, false);
    if (type === 'Period') this.period(value, path);
  }

  private members(
    object: JsonObject,
    definition: TypeDefinition,
    path: string,
    depth: number,
    isResource: boolean,
  ): void {
    if (depth > MAX_DEPTH) {
      this.findings.error('too-deep', path, 'The record is nested too deeply to be checked.');
      return;
    }
    const names = Object.keys(object);
    if (isEmpty(names, definition, isResource))
      this.findings.error('empty-value', path, 'An object must not be empty.');
    const choices = new Map<string, string>();
    for (const name of names) {
      if (isResource && name === 'resourceType') continue;
      const found = definition.members.get(name);
      if (found) {
        this.choice(found, name, choices, path);
        this.values(object, name, found, `${path}.${name}`, depth);
      } else {
        this.withoutDefinition(object, name, definition, choices, path, depth);
      }
    }
  }

  private withoutDefinition(
    object: JsonObject,
    name: string,
    definition: TypeDefinition,
    choices: Map<string, string>,
    path: string,
    depth: number,
  ): void {
    const extended = name.startsWith('_') ? definition.members.get(name.slice(1)) : undefined;
    if (extended && isPrimitiveType(extended.type)) {
      this.choice(extended, name.slice(1), choices, path);
      this.extensions(object, name, extended, `${path}.${name}`, depth);
    } else {
      this.findings.error(
        'unknown-element',
        `${path}.${pathSegment(name)}`,
        `${definition.name} has no such element in R4.`,
      );
    }
  }

  private choice(found: MemberDefinition, name: string, choices: Map<string, string>, path: string): void {
    if (found.choice === undefined) return;
    const other = choices.get(found.choice);
    if (other !== undefined && other !== name) {
      this.findings.error('choice-conflict', `${path}.${found.choice}`, 'Only one type of this element may be given.');
    }
    choices.set(found.choice, name);
  }

  private values(object: JsonObject, name: string, found: MemberDefinition, path: string, depth: number): void {
    const value = object[name];
    if (!found.isArray) {
      if (Array.isArray(value))
        this.findings.error('wrong-json-type', path, 'The element does not repeat: no JSON array.');
      else this.value(value, found, path, depth);
      return;
    }
    if (!Array.isArray(value)) {
      this.findings.error('wrong-json-type', path, 'The element repeats: it must be a JSON array.');
      return;
    }
    if (value.length === 0) this.findings.error('empty-value', path, 'An array must not be empty.');
    const partners = member(object, `_${name}`);
    value.forEach((item: unknown, index) => {
      // null keeps the place of a primitive that has only extensions: https://hl7.org/fhir/R4/json.html#primitive
      const isPlaceholder = item === null && Array.isArray(partners) && isObject(partners[index]);
      if (!isPlaceholder) this.value(item, found, `${path}[${index}]`, depth);
    });
  }

  private value(value: unknown, found: MemberDefinition, path: string, depth: number): void {
    if (value === null) {
      this.findings.error('null-value', path, 'An element without a value is left out, not null.');
    } else if (found.type === 'Resource') {
      this.resource(value, path, depth + 1, found.element.path.endsWith('.contained'));
    } else if (isPrimitiveType(found.type)) {
      checkPrimitive(value, found.type, path, this.findings);
      if (found.type === 'xhtml' && typeof value === 'string') checkNarrative(value, path, this.findings);
      checkBinding(value, found, path, this.findings);
    } else {
      this.object(value, found.type, path, depth + 1);
      if (found.type === 'Reference') checkReference(value, found, this.containedIds, path, this.findings);
      if (isObject(value)) checkTypeRules(value, found, path, this.findings);
      checkBinding(value, found, path, this.findings);
    }
  }

  private extensions(object: JsonObject, name: string, found: MemberDefinition, path: string, depth: number): void {
    const value = object[name];
    const values = object[name.slice(1)];
    if (!found.isArray) {
      this.extension(value, values, path, depth);
    } else if (!Array.isArray(value)) {
      this.findings.error('wrong-json-type', path, 'The element repeats: it must be a JSON array.');
    } else {
      value.forEach((item: unknown, index) => {
        if (item !== null) this.extension(item, listOf(values)[index], `${path}[${index}]`, depth);
      });
    }
  }

  /** `partner` is the value beside it: without one there must be an extension that says why (ele-1). */
  private extension(value: unknown, partner: unknown, path: string, depth: number): void {
    this.object(value, 'Element', path, depth + 1);
    if ((partner ?? null) === null && isObject(value) && member(value, 'extension') === undefined) {
      this.findings.error('empty-value', path, 'There must be a value or an extension.');
    }
  }

  private period(period: JsonObject, path: string): void {
    const start = textAt(period, 'start');
    const end = textAt(period, 'end');
    if (start !== undefined && end !== undefined && isReversed(start, end)) {
      this.findings.error('period-reversed', path, 'The period ends before it starts.');
    }
  }
}

/** An id says nothing (ele-1); of a primitive, the value beside it may. */
function isEmpty(names: readonly string[], { name: type }: TypeDefinition, isResource: boolean): boolean {
  if (isResource) return names.length === 1;
  return names.length === 0 || (type !== 'Element' && names.length === 1 && names[0] === 'id');
}

function idsOf(contained: unknown): ReadonlySet<string> {
  return new Set(textsOf(listOf(contained).map((resource) => member(resource, 'id'))));
}
