export { FhirReadError, type FhirReadErrorCode } from './json/fhir-read-error.js';
export { readBundle, type BundleEntry, type BundleLimits } from './bundle-reader.js';
export { parseReference, rewriteReferences } from './references.js';
export { isSharedType } from './compartment.js';
export { type RecordFacts } from './facts.js';
export { demographicsOf, identifiersOf, type BusinessIdentifier, type Demographics } from './identity.js';
export { instantOf } from './dates.js';
export { inspect, type Inspection } from './inspection.js';
export { ResourceInspector } from './validation/inspector.js';
