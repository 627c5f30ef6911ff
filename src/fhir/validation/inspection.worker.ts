import { checkJson } from '../json/check-json.js';
import { FhirReadError } from '../json/fhir-read-error.js';
import { inspect, unreadable, type Inspection } from '../inspection.js';

// Deeper than any real record, shallow enough for every recursion; how large a text may be, its reader has decided.
const LIMITS = { maxDepth: 200, maxBytes: Number.MAX_SAFE_INTEGER };

/** Runs in a worker thread: one message in, one out. */
export default function inspectBatch(texts: string[]): Inspection[] {
  return texts.map(checked);
}

/** A line of a file was read by nobody yet: what JSON.parse lets pass, such as the same key twice, is found here. */
function checked(text: string): Inspection {
  try {
    checkJson(text, LIMITS);
  } catch (error) {
    if (!(error instanceof FhirReadError)) throw error;
    return unreadable({ severity: 'error', code: error.code, path: '', detail: error.message });
  }
  return inspect(text);
}
