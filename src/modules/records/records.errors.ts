import type { FhirReadError, FhirReadErrorCode } from '../../fhir/index.js';
import { Problem } from '../../platform/http/problem.js';

const TOO_LARGE: ReadonlySet<FhirReadErrorCode> = new Set(['too-large', 'too-many-entries', 'entry-too-large']);

/** A body that cannot be read as a Bundle; nothing of it was stored. Names the byte and, inside the list, the entry (both from 0). */
export function unreadableBundle({ code, message, position, entryIndex }: FhirReadError): Problem {
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
    'Send a Bundle of type transaction, batch or collection. Nothing was stored.',
    {
      errors: [{ pointer: '/type', code: 'bundle-type', detail: 'One of transaction, batch, collection.' }],
    },
  );

export const importsBusy = (): Problem =>
  new Problem(503, 'records.busy', 'Too many imports wait already: send this one again in a moment.', {
    retryAfterSeconds: 5,
  });

export const IMPORT_MEDIA_TYPE = 'application/fhir+json';

export const wrongMediaType = (): Problem =>
  new Problem(415, 'http.media-type', `Send the body as ${IMPORT_MEDIA_TYPE}.`);
