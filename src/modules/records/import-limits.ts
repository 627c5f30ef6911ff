import type { BundleLimits } from '../../fhir/index.js';
import type { Config } from '../../platform/config/config.js';

// Deeper than any real record (a questionnaire's items, a Bundle in a Bundle), shallow enough for every recursion here.
const MAX_DEPTH = 200;
// One entry is in memory several times while it is read; the contents of large attachments are not in it.
export const MAX_ENTRY_BYTES = 16 * 1024 * 1024;

/** A Bundle is worked as a whole, so its size is bounded; a file of lines is not worked as a whole. */
export const bundleLimits = ({ http }: Pick<Config, 'http'>): BundleLimits => ({
  maxDepth: MAX_DEPTH,
  maxEntries: http.importMaxEntries,
  maxEntryBytes: Math.min(MAX_ENTRY_BYTES, http.importLimit),
  maxBytes: http.importLimit,
});
