import type { RawJson } from '../../../platform/http/presenter.js';
import type { RecordView } from '../record.dto.js';

export interface Attachment {
  extension: string;
  mediaType: string;
  bytes: AsyncIterable<Uint8Array>;
}

/** Types that a reader may open; anything else is bytes, whatever it says of itself: a page with a script must not be one click away. */
const EXTENSIONS: Readonly<Record<string, string>> = {
  'application/pdf': 'pdf',
  'image/jpeg': 'jpg',
  'image/png': 'png',
  'image/gif': 'gif',
  'image/tiff': 'tiff',
  'text/plain': 'txt',
};
const OF_TYPES: ReadonlySet<string> = new Set(['DocumentReference', 'DiagnosticReport', 'Media', 'Binary', 'Consent']);

interface Inline {
  contentType?: unknown;
  data?: unknown;
}

/**
 * The attachments of a record, as files beside the record itself. Here those whose bytes stand in the resource; bytes that lie apart
 * from it are to be added here and nowhere else.
 */
export function* attachmentsOf({ type, resource }: RecordView): Generator<Attachment> {
  if (!OF_TYPES.has(type)) return;
  const parsed = JSON.parse((resource as RawJson).bytes.toString('utf8')) as unknown;
  for (const { contentType, data } of inlineIn(parsed)) {
    const said = typeof contentType === 'string' ? contentType.split(';')[0]!.trim().toLowerCase() : '';
    const extension = Object.hasOwn(EXTENSIONS, said) ? EXTENSIONS[said] : undefined;
    yield {
      extension: extension ?? 'bin',
      mediaType: extension ? said : 'application/octet-stream',
      bytes: once(Buffer.from(data as string, 'base64')),
    };
  }
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield await Promise.resolve(bytes);
}

/** Objects with base64 `data` and a content type, wherever they stand: Attachment and Binary. */
function* inlineIn(value: unknown): Generator<Inline> {
  if (typeof value !== 'object' || value === null) return;
  const { contentType, data } = value as Inline;
  if (typeof data === 'string' && data !== '' && contentType !== undefined) yield { contentType, data };
  for (const inner of Object.values(value)) yield* inlineIn(inner);
}
