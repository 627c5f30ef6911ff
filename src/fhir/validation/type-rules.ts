import { evalFhirPathTyped, LRUCache, type Constraint, type FhirPathAtom, type TypedValue } from '@medplum/core';
import { r4, type MemberDefinition } from '../definitions/definitions.js';
import { at, isObject, listOf, member, textAt, type JsonObject } from '../values.js';
import type { Findings } from './finding.js';

const UCUM: TypedValue = { type: 'uri', value: 'http://unitsofmeasure.org' };
const SIMPLE_QUANTITY = 'http://hl7.org/fhir/StructureDefinition/SimpleQuantity';
// ele-1 and ref-1 are decided by the walk, per-1 with unequal precision in mind, ext-1 by the library, rng-2 below.
const ELSEWHERE: ReadonlySet<string> = new Set(['ele-1', 'ref-1', 'per-1', 'ext-1', 'rng-2']);

const parsed = new LRUCache<FhirPathAtom>(200);
const rulesByType = new Map<string, readonly Constraint[]>();

/**
 * The invariants that R4 gives a data type itself (qty-3, cpt-2, rat-1, att-1 …: https://hl7.org/fhir/R4/datatypes.html).
 * @medplum/core judges resources and their parts by their invariants, but no data type by its own.
 */
export function checkTypeRules(value: JsonObject, found: MemberDefinition, path: string, findings: Findings): void {
  for (const rule of rulesOf(found.type)) if (!holds(rule, value, found.type)) broken(rule.key, path, findings);
  const isSimple = found.element.type.some(({ profile }) => profile?.includes(SIMPLE_QUANTITY));
  if (isSimple && member(value, 'comparator') !== undefined) broken('sqty-1', path, findings);
  if (found.type === 'Range' && isUpsideDown(value)) broken('rng-2', path, findings);
}

/** obs-7, which the library answers wrongly: its `intersect` never finds two equal codings. */
export function checkObservationCodes(observation: JsonObject, path: string, findings: Findings): void {
  if (!Object.keys(observation).some((name) => /^value[A-Z]/.test(name))) return;
  const codes = new Set(listOf(at(observation, 'code', 'coding')).map(keyOf));
  for (const component of listOf(member(observation, 'component'))) {
    if (listOf(at(component, 'code', 'coding')).some((coding) => codes.has(keyOf(coding)))) {
      return broken('obs-7', path, findings);
    }
  }
}

function rulesOf(type: string): readonly Constraint[] {
  let rules = rulesByType.get(type);
  if (!rules) {
    rules = (r4().type(type)?.rules ?? []).filter(({ key }) => !ELSEWHERE.has(key));
    rulesByType.set(type, rules);
  }
  return rules;
}

function holds({ expression }: Constraint, value: JsonObject, type: string): boolean {
  try {
    const [answer] = evalFhirPathTyped(expression, [{ type, value }], { '%ucum': UCUM }, parsed);
    return answer?.value === true;
  } catch {
    // It falls over values of the wrong type, which are an error by themselves.
    return true;
  }
}

/** Numbers of unequal units are not compared: 500 mg is less than 1 g. */
function isUpsideDown(range: JsonObject): boolean {
  const [low, high] = [member(range, 'low'), member(range, 'high')];
  const [from, to] = [member(low, 'value'), member(high, 'value')];
  const isComparable = ['system', 'code', 'unit'].every((name) => textAt(low, name) === textAt(high, name));
  return isComparable && typeof from === 'number' && typeof to === 'number' && from > to;
}

function keyOf(coding: unknown): unknown {
  return isObject(coding) ? JSON.stringify(['system', 'version', 'code', 'display'].map((name) => coding[name])) : {};
}

function broken(key: string, path: string, findings: Findings): void {
  findings.error('invariant', path, `Invariant ${key} of R4 is not met.`);
}
