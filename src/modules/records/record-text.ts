import type { Gist, RecordFacts } from '../../fhir/index.js';
import { seal, type DataKey, type Place } from '../../platform/crypto/index.js';

/** Words of a record that lists show and no column may hold, because they are clinical. */
export interface RecordHead extends Gist {
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

export const headOf = ({ display, effectiveText, gist }: RecordFacts): RecordHead => ({
  display,
  effectiveText,
  ...gist,
});

/** What is sealed: one line with the head, then the resource, so that reading never parses the resource. */
export function packRecord(facts: RecordFacts, resourceText: string): Buffer {
  return Buffer.from(`${JSON.stringify(headOf(facts))}\n${resourceText}`, 'utf8');
}

/** A version as its row holds it, in base64: the record, and its head alone for summaries, which would open it for a line. */
export function sealRecord(
  key: DataKey,
  { recordId, version, packed }: { recordId: string; version: number; packed: Buffer },
): { resource: string; gist: string } {
  const head = packed.subarray(0, packed.indexOf(NEWLINE));
  return {
    resource: seal(key, placeOf(recordId, version), packed).toString('base64'),
    gist: seal(key, gistPlaceOf(recordId, version), head).toString('base64'),
  };
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

export const gistPlaceOf = (recordId: string, version: number): Place => ({
  ...placeOf(recordId, version),
  column: 'gist',
});

const DAY = /^\d{4}-\d\d-\d\d(?!\d)/;

/** The day that it is listed under: its sender's, whatever the zone of the time; without a whole one that of its order. */
export const dayOf = ({ effectiveAt, effectiveText }: RecordFacts, sortAt: string): string =>
  (effectiveAt === undefined ? undefined : DAY.exec(effectiveText ?? '')?.[0]) ?? sortAt.slice(0, 10);

/** Key scope of a record: its patient's own, or one of the feed for what belongs to no patient. */
export const scopeOf = (patientId: string | null, source: string): string =>
  patientId === null ? `shared:${source}` : `patient:${patientId}`;

/** FHIR's token form `system|code`; null when there is no code. */
export const codeToken = (system: string, code: string): string | null => (code === '' ? null : `${system}|${code}`);

const WORD = /^[A-Za-z0-9._-]{1,40}$/;

/** The category that the audit trail shows: a code; a sender's sentence in its place stays out of what nobody can erase. */
export const auditCategory = (category: readonly string[]): string | undefined =>
  category.find((code) => WORD.test(code));
