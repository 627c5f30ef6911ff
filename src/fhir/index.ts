export { FhirReadError, readAdvice, type FhirReadErrorCode } from './json/fhir-read-error.js';
export { readBundle, type BundleEntry, type BundleLimits } from './bundle-reader.js';
export { parseReference, rewriteReferences } from './references.js';
export { rewriteAttachments, type FoundAttachment } from './attachments.js';
export { isSharedType, patientReferenceOf, provenanceTargetsOf } from './compartment.js';
export { factsOf, type RecordFacts } from './facts.js';
export { type Gist } from './gist.js';
export { asMentioned } from './marks.js';
export {
  demographicsOf,
  identifiersOf,
  isKey,
  patientLinksOf,
  type BusinessIdentifier,
  type Demographics,
  type PatientLink,
} from './identity.js';
export { exactInstantOf, instantOf } from './dates.js';
export { inspect, type Inspection } from './inspection.js';
export { type Finding } from './validation/finding.js';
export { ResourceInspector } from './validation/inspector.js';
