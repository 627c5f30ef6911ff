import { isSharedType, parseReference, rewriteReferences } from '../../../fhir/index.js';
import { inBase64 } from '../../../platform/content/index.js';
import type { RawJson } from '../../../platform/http/presenter.js';
import { pathOf } from '../attachment-head.js';
import type { StoredAttachment } from '../attachment.service.js';
import type { RecordView } from '../record.dto.js';
import { storedOf } from './attachments.js';
import type { Printed } from './printed.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/**
 * The sender's text, byte for byte but for references to other records of the chart: they name the entries of the Bundle
 * (https://hl7.org/fhir/R4/bundle.html#references).
 */
export function textInBundle({ resource }: Pick<RecordView, 'resource'>): string {
  return rewriteReferences((resource as RawJson).bytes.toString('utf8'), (reference) => {
    const parsed = parseReference(reference);
    if (parsed.kind !== 'relative' || parsed.version !== undefined) return undefined;
    return UUID.test(parsed.id) && !isSharedType(parsed.type) ? `urn:uuid:${parsed.id}` : undefined;
  });
}

export const entryText = (id: string, text: string): string => `{"fullUrl":"urn:uuid:${id}","resource":${text}}`;

/** The content of an attachment, in its place in the Bundle: where the portal's address of it stood, its entry is named. */
async function* binaryOf({ id, contentType, bytes }: StoredAttachment): AsyncGenerator<string> {
  yield `{"fullUrl":"urn:uuid:${id}","resource":{"resourceType":"Binary","id":"${id}","contentType":${JSON.stringify(contentType)},"data":"`;
  for await (const piece of inBase64(bytes())) yield piece.toString('latin1');
  yield '"}}';
}

const withEntries = (text: string, stored: readonly StoredAttachment[]): string =>
  stored.reduce((all, { id }) => all.replaceAll(`"${pathOf(id)}"`, `"urn:uuid:${id}"`), text);

/** All records as a Bundle of type collection, with the contents of their attachments, written while they are read. */
export async function* collectionOf(printed: Printed): AsyncGenerator<string> {
  const { job, madeAt, pages } = printed;
  yield `{"resourceType":"Bundle","id":"${job.id}","type":"collection","timestamp":"${madeAt.toISOString()}"`;
  let isFirst = true;
  for await (const views of pages())
    for (const view of views) {
      const stored = await storedOf(view, printed);
      yield `${isFirst ? ',"entry":[' : ','}\n${entryText(view.id, withEntries(textInBundle(view), stored))}`;
      isFirst = false;
      for (const one of stored) {
        yield ',\n';
        yield* binaryOf(one);
      }
    }
  yield isFirst ? '}\n' : '\n]}\n';
}
