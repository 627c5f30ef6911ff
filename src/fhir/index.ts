export { checkJson } from './json/check-json.js';
export { FhirReadError, type FhirReadErrorCode } from './json/fhir-read-error.js';
export {
  readBundle,
  type BundleEntry,
  type BundleEnvelope,
  type BundleLimits,
  type BundleRequest,
} from './bundle-reader.js';
export {
  collectReferences,
  parseReference,
  rewriteReferences,
  type FoundReference,
  type ParsedReference,
} from './references.js';
export { isSharedType, patientReferenceOf, provenanceTargetsOf, SHARED_TYPES } from './compartment.js';
export { factsOf, type RecordFacts } from './facts.js';
export { demographicsOf, humanNameOf, identifiersOf, type BusinessIdentifier, type Demographics } from './identity.js';
export { instantOf } from './dates.js';
export { inspect, type Inspection } from './inspection.js';
export { type Finding, type FindingCode } from './validation/finding.js';
export { validateResource } from './validation/validate.js';
export { ResourceInspector, type InspectorOptions } from './validation/inspector.js';
