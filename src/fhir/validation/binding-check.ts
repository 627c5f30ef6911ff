import { r4, type MemberDefinition, type ValueSetCodes } from '../definitions/definitions.js';
import { at, listOf, member, textAt } from '../values.js';
import type { Findings } from './finding.js';

/** Required bindings (https://hl7.org/fhir/R4/terminologies.html#required) of the value sets that can be listed. */
export function checkBinding(value: unknown, definition: MemberDefinition, path: string, findings: Findings): void {
  const { binding } = definition.element;
  if (binding?.strength !== 'required' || binding.valueSet === undefined) return;
  const codes = r4().valueSet(binding.valueSet);
  if (codes && !isBound(value, definition.type, codes)) {
    findings.error('code-not-in-value-set', path, `The code is not in the required value set ${binding.valueSet}.`);
  }
}

function isBound(value: unknown, type: string, codes: ValueSetCodes): boolean {
  switch (type) {
    case 'code':
      return typeof value !== 'string' || codes.all.has(value);
    case 'Coding':
      return holds(value, codes);
    case 'CodeableConcept':
      return isExtensionOnly(value) || listOf(at(value, 'coding')).some((coding) => holds(coding, codes));
    default:
      return true;
  }
}

function holds(coding: unknown, codes: ValueSetCodes): boolean {
  const system = textAt(coding, 'system');
  const code = textAt(coding, 'code');
  return system !== undefined && code !== undefined && codes.bySystem.get(system)?.has(code) === true;
}

/** A data-absent-reason stands where the concept would. */
function isExtensionOnly(concept: unknown): boolean {
  return (
    member(concept, 'extension') !== undefined &&
    member(concept, 'coding') === undefined &&
    member(concept, 'text') === undefined
  );
}
