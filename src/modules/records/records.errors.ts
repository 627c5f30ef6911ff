import type { FhirReadError, FhirReadErrorCode } from '../../fhir/index.js';
import { Problem } from '../../platform/http/problem.js';

const TOO_LARGE: ReadonlySet<FhirReadErrorCode> = new Set(['too-large', 'too-many-entries', 'entry-too-large']);

/** A body that cannot be read as a Bundle; nothing of it was stored. Names the byte and, inside the list, the entry (both from 0). */
export function unreadableBundle({ code, message, position: at, entryIndex }: FhirReadError, removed = 0): Problem {
  const position = at + removed;
  const where = entryIndex === undefined ? `byte ${position}` : `byte ${position}, entry ${entryIndex}`;
  const detail = `${message} (At ${where}.) Nothing was stored.`;
  const errors = [
    { pointer: entryIndex === undefined ? '' : `/entry/${entryIndex}`, code, detail: `At byte ${position}.` },
  ];
  return new Problem(TOO_LARGE.has(code) ? 413 : 400, `records.${code}`, detail, { errors });
}

export const bodyTooLarge = (limit: number): Problem =>
  new Problem(
    413,
    'records.too-large',
    `An import has ${limit} bytes at most: split it into smaller Bundles. Nothing was stored.`,
  );

export const unsupportedBundleType = (): Problem =>
  new Problem(
    422,
    'records.bundle-type',
    'Send a Bundle of type transaction, batch, collection or document. Nothing was stored.',
    {
      errors: [{ pointer: '/type', code: 'bundle-type', detail: 'One of transaction, batch, collection, document.' }],
    },
  );

export const importsBusy = (): Problem =>
  new Problem(503, 'records.busy', 'Too many imports wait already: send this one again in a moment.', {
    retryAfterSeconds: 5,
  });

export const IMPORT_MEDIA_TYPE = 'application/fhir+json';
/** https://hl7.org/fhir/R4/nd-json.html, and the name that it has outside FHIR. */
export const NDJSON_TYPES: readonly string[] = [
  'application/fhir+ndjson',
  'application/ndjson',
  'application/x-ndjson',
];

/** HL7 over HTTP, and the names that are registered for it. */
export const HL7_TYPES: readonly string[] = [
  'x-application/hl7-v2+er7',
  'application/hl7-v2',
  'application/hl7-v2+er7',
];

export const notAMessage = (): Problem =>
  new Problem(415, 'http.media-type', `Send an HL7 v2 message as ${HL7_TYPES[0]} or ${HL7_TYPES[1]}.`);

export const noHl7Feed = (): Problem =>
  new Problem(
    403,
    'records.hl7-not-agreed',
    'No HL7 v2 messages are taken from this feed: the operator has to name it in HL7_FEEDS_FILE.',
  );

export const wrongMediaType = (): Problem =>
  new Problem(
    415,
    'http.media-type',
    `Send a Bundle as ${IMPORT_MEDIA_TYPE}, or a file with a resource a line as ${NDJSON_TYPES[0]}.`,
  );

export const importNotOpen = (): Problem =>
  new Problem(
    409,
    'records.import-not-open',
    'This import takes no more files: it was completed or cancelled. Open a new one.',
  );

export const isOver = (): Problem => new Problem(409, 'records.import-over', 'This import is over already.');

export const quarantineSettled = (): Problem =>
  new Problem(
    409,
    'records.quarantine-settled',
    'This record does not lie open in quarantine: it is tried again, or it was released, discarded or replaced.',
  );

export const otherRecord = (): Problem =>
  new Problem(
    422,
    'records.other-record',
    'The corrected resource must have the type and id of the one that was sent.',
  );

export const mergeSettled = (): Problem => new Problem(409, 'records.merge-settled', 'This merge was settled already.');

/** A tombstone: https://hl7.org/fhir/R4/http.html#delete */
export const deletedRecord = (): Problem =>
  new Problem(410, 'records.gone', 'This record was deleted by the system that it came from.');
