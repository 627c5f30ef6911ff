import { patientReferenceOf, provenanceTargetsOf } from './compartment.js';
import { factsOf, type RecordFacts } from './facts.js';
import { collectReferences, type FoundReference } from './references.js';
import { isObject, textAt } from './values.js';
import type { Finding } from './validation/finding.js';
import { validateResource } from './validation/validate.js';

/** Everything an importer must know about one record, found in a parsed copy; the text itself is never changed. */
export interface Inspection {
  /** Undefined when the text is no resource. */
  resourceType?: string;
  facts: RecordFacts;
  patientReference?: string;
  /** For a Provenance: its patient is that of these. */
  provenanceTargets: string[];
  references: FoundReference[];
  findings: Finding[];
}

/** The text must have passed `readBundle` or `checkJson`, which bound its depth. Never throws. */
export function inspect(resourceText: string): Inspection {
  const resource = parsed(resourceText);
  if (resource === undefined) {
    return unreadable({ severity: 'error', code: 'malformed-json', path: '', detail: 'The text is not valid JSON.' });
  }
  try {
    return inspectResource(resource, resourceText);
  } catch (error) {
    // the stack ran out: only text that was not checked for depth gets here
    if (error instanceof RangeError) {
      return unreadable({ severity: 'error', code: 'too-deep', path: '', detail: 'The record is nested too deeply.' });
    }
    throw error;
  }
}

/** The inspection of a text of which nothing can be said but why. */
export function unreadable(finding: Finding): Inspection {
  return {
    facts: factsOf(undefined),
    provenanceTargets: [],
    references: [],
    findings: [finding],
  };
}

function inspectResource(resource: unknown, text: string): Inspection {
  const type = isObject(resource) ? textAt(resource, 'resourceType') : undefined;
  return {
    resourceType: type,
    facts: factsOf(resource, text),
    patientReference: patientReferenceOf(resource),
    provenanceTargets: provenanceTargetsOf(resource),
    references: collectReferences(resource),
    findings: validateResource(resource),
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
