import { FhirReadError } from './fhir-read-error.js';
import { JsonScanner } from './json-scanner.js';

/** Refuses what `readBundle` would refuse, for one document that is already in memory (a resource, a line of NDJSON). */
export function checkJson(document: Uint8Array | string, limits: { maxDepth: number; maxBytes: number }): void {
  const bytes = typeof document === 'string' ? Buffer.from(document, 'utf8') : document;
  if (bytes.length > limits.maxBytes) throw new FhirReadError('too-large', limits.maxBytes);
  const scanner = new JsonScanner({}, limits.maxDepth);
  scanner.write(bytes);
  scanner.end();
}
