import { isObject, listOf, member, type JsonObject } from '../values.js';
import type { Findings } from './finding.js';

/** Ids that name one contained resource each, and none that nothing refers to (dom-3): https://hl7.org/fhir/R4/references.html#contained */
export function checkContained(resource: JsonObject, path: string, findings: Findings): void {
  const contained = member(resource, 'contained');
  if (contained === undefined) return;
  const named = localNamesIn(resource);
  const seen = new Set<unknown>();
  listOf(contained).forEach((inner, index) => {
    const id = member(inner, 'id');
    if (typeof id !== 'string') return;
    const place = `${path}.contained[${index}]`;
    if (seen.has(id)) findings.error('contained-invalid', place, 'Two contained resources have the same id.');
    if (!named.has(`#${id}`) && !localNamesIn(inner).has('#')) {
      findings.error(
        'contained-invalid',
        place,
        'Nothing refers to the contained resource, nor it to what contains it.',
      );
    }
    seen.add(id);
  });
}

/** Every string that begins with `#`: a reference, canonical, uri or url. */
function localNamesIn(root: unknown): Set<string> {
  const names = new Set<string>();
  const open: unknown[] = [root];
  while (open.length > 0) {
    const value = open.pop();
    if (typeof value === 'string' && value.startsWith('#')) names.add(value);
    else if (Array.isArray(value) || isObject(value)) for (const inner of Object.values(value)) open.push(inner);
  }
  return names;
}
