import type { RecordFacts } from '../../fhir/index.js';
import type { Place } from '../../platform/crypto/index.js';

/** Words of a record that lists show and no column may hold, because they are clinical. */
export interface RecordHead {
  display: string;
  /** When, as sent: partial dates stay partial, words stay words. */
  effectiveText?: string;
}

export interface OpenedRecord {
  head: RecordHead;
  /** The FHIR resource as sent but for its resolved references, as UTF-8. */
  resource: Buffer;
}

const NEWLINE = 0x0a;

/** What is sealed: one line with the head, then the resource, so that reading never parses the resource. */
export function packRecord({ display, effectiveText }: RecordFacts, resourceText: string): Buffer {
  const head: RecordHead = { display, effectiveText };
  return Buffer.from(`${JSON.stringify(head)}\n${resourceText}`, 'utf8');
}

export function unpackRecord(plaintext: Buffer): OpenedRecord {
  const end = plaintext.indexOf(NEWLINE);
  return {
    head: JSON.parse(plaintext.toString('utf8', 0, end)) as RecordHead,
    resource: plaintext.subarray(end + 1),
  };
}

/** One place for a version wherever it lies, so that its sealed bytes can move into the history as they are. */
export const placeOf = (recordId: string, version: number): Place => ({
  table: 'record',
  row: `${recordId}/${version}`,
  column: 'resource',
});

/** Key scope of a record: its patient's own, or one of the feed for what belongs to no patient. */
export const scopeOf = (patientId: string | null, source: string): string =>
  patientId === null ? `shared:${source}` : `patient:${patientId}`;

/** FHIR's token form `system|code`; null when there is no code. */
export const codeToken = (system: string, code: string): string | null => (code === '' ? null : `${system}|${code}`);

const WORD = /^[A-Za-z0-9._-]{1,40}$/;

/** The category that the audit trail shows: a code; a sender's sentence in its place stays out of what nobody can erase. */
export const auditCategory = (category: readonly string[]): string | undefined =>
  category.find((code) => WORD.test(code));
