export { FhirReadError, readAdvice, type FhirReadErrorCode } from './json/fhir-read-error.js';
export { readBundle, type BundleEntry, type BundleLimits } from './bundle-reader.js';
export { parseReference, rewriteReferences } from './references.js';
export { rewriteAttachments, type FoundAttachment } from './attachments.js';
export { isSharedType, patientReferenceOf, provenanceTargetsOf } from './compartment.js';
export { factsOf, type RecordFacts } from './facts.js';
export { type Gist } from './gist.js';
export { type ValueWords } from './gist-value.js';
export { type Marks } from './marks.js';
export {
  demographicsOf,
  identifiersOf,
  patientLinksOf,
  type BusinessIdentifier,
  type Demographics,
  type PatientLink,
} from './identity.js';
export { instantOf } from './dates.js';
export { inspect, unreadable, type Inspection } from './inspection.js';
export { type Finding } from './validation/finding.js';
export { ResourceInspector } from './validation/inspector.js';
