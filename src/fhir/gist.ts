import { detailsOf } from './gist-details.js';
import { valueOf, type ValueWords } from './gist-value.js';
import { parseWithNumbersAsText } from './numbers-as-text.js';
import { listOf, member, textAt } from './values.js';
import { wordsOf } from './words.js';

/** What a person reads of a record on one line, in words and with decimals as sent; the resource itself stays the record. */
export interface Gist {
  value?: ValueWords;
  /** Parts of it, such as systolic and diastolic pressure. */
  parts?: { display: string; value: ValueWords }[];
  /** Further words by name, such as `dosage`. */
  details?: Record<string, string>;
}

// A line, not a document: a panel of hundreds of components is read in the resource.
const MAX_PARTS = 50;

/** Types of whose words some are numbers; to read those as they were sent takes several times as long as JSON.parse. */
const WITH_NUMBERS: ReadonlySet<string> = new Set([
  'Immunization',
  'MedicationAdministration',
  'MedicationDispense',
  'MedicationRequest',
  'MedicationStatement',
  'Observation',
]);

/** `parsed` is the text parsed, which must have passed `readBundle` or `checkJson`. Never throws. */
export function gistOf(parsed: unknown, resourceText?: string): Gist {
  const type = textAt(parsed, 'resourceType') ?? '';
  const resource = resourceText !== undefined && WITH_NUMBERS.has(type) ? parseWithNumbersAsText(resourceText) : parsed;
  const details = detailsOf(type, resource);
  return {
    ...(type === 'Observation' ? observed(resource) : {}),
    ...(Object.keys(details).length > 0 ? { details } : {}),
  };
}

function observed(resource: unknown): Gist {
  const parts = listOf(member(resource, 'component'))
    .slice(0, MAX_PARTS)
    .flatMap((component) => {
      const value = valueOf(component);
      return value ? [{ display: wordsOf(member(component, 'code')) ?? 'Part', value }] : [];
    });
  const value = valueOf(resource);
  return { ...(value ? { value } : {}), ...(parts.length > 0 ? { parts } : {}) };
}
