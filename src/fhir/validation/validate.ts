import { r4 } from '../definitions/definitions.js';
import { isObject } from '../values.js';
import { Findings, type Finding, type FindingCode } from './finding.js';
import { checkWithMedplum } from './medplum-check.js';
import { checkOwn } from './own-check.js';
import { checkProfiles } from './profile-check.js';

// On these the library throws, or takes seconds (5 s for a string of 3 MB in an array), and the record is in error anyway.
const NOT_FOR_MEDPLUM: ReadonlySet<FindingCode> = new Set(['too-deep', 'unknown-type', 'string-too-long'] as const);

/**
 * Judges a parsed resource by base R4. An `error` means that it must not be shown as a good record; what is legal R4 but
 * doubtful is a `warning`, and so is whatever it lacks of the profiles that it claims. Never throws, never repeats a value.
 */
export function validateResource(resource: unknown): Finding[] {
  const findings = new Findings();
  if (!isObject(resource)) {
    findings.error('wrong-json-type', '', 'A resource is a JSON object.');
    return findings.list();
  }
  const type = resource.resourceType;
  if (typeof type !== 'string' || !r4().load(type)) {
    findings.error('unknown-type', '', 'resourceType does not name a type of R4.');
    return findings.list();
  }
  checkOwn(resource, findings);
  if (!findings.list().some(({ code }) => NOT_FOR_MEDPLUM.has(code))) checkWithMedplum(resource, findings);
  return findings.hasErrors ? findings.list() : [...findings.list(), ...checkProfiles(resource)];
}
