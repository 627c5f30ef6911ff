import type { MemberDefinition } from '../definitions/definitions.js';
import { parseReference } from '../references.js';
import { textAt } from '../values.js';
import type { Findings } from './finding.js';

const BASE = 'http://hl7.org/fhir/StructureDefinition/';

/** `containedIds` are those of the resource around it, which is what `#id` may name (ref-1); `#` alone is that resource. */
export function checkReference(
  value: unknown,
  definition: MemberDefinition,
  containedIds: ReadonlySet<string>,
  path: string,
  findings: Findings,
): void {
  const reference = textAt(value, 'reference');
  if (reference === undefined) return;
  const parsed = parseReference(reference);
  if (parsed.kind === 'contained') {
    if (parsed.id !== '' && !containedIds.has(parsed.id)) {
      findings.error('contained-invalid', path, 'The reference names no contained resource.');
    }
    return;
  }
  const type = 'type' in parsed ? parsed.type : undefined;
  const targets = targetsOf(definition);
  if (type !== undefined && targets !== undefined && !targets.has(type)) {
    findings.warning('reference-target', path, 'R4 expects a reference to another type here.');
  }
}

/** Undefined when any type may be named. */
function targetsOf(definition: MemberDefinition): ReadonlySet<string> | undefined {
  const profiles = definition.element.type.find(({ code }) => code === 'Reference')?.targetProfile ?? [];
  const types = profiles.filter((profile) => profile.startsWith(BASE)).map((profile) => profile.slice(BASE.length));
  return types.length === 0 || types.length < profiles.length || types.includes('Resource')
    ? undefined
    : new Set(types);
}
