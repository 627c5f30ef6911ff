import { isSharedType, parseReference, rewriteReferences } from '../../../fhir/index.js';
import type { RawJson } from '../../../platform/http/presenter.js';
import type { RecordView } from '../record.dto.js';
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

/** All records as a Bundle of type collection, written while they are read. */
export async function* collectionOf({ job, madeAt, pages }: Printed): AsyncGenerator<string> {
  yield `{"resourceType":"Bundle","id":"${job.id}","type":"collection","timestamp":"${madeAt.toISOString()}"`;
  let isFirst = true;
  for await (const views of pages())
    for (const view of views) {
      yield `${isFirst ? ',"entry":[' : ','}\n${entryText(view.id, textInBundle(view))}`;
      isFirst = false;
    }
  yield isFirst ? '}\n' : '\n]}\n';
}
